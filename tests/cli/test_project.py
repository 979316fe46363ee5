"""`init`, `doctor`, `list`, `graph`, `plan` and `schema`: what they say about a project."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import odibi


def test_init_makes_a_project_named_by_its_folder(tmp_path: Path) -> None:
    outcome = odibi("init", "my shop", cwd=tmp_path)
    assert outcome.code == 0
    assert "  my shop/odibi.yaml" in outcome.out.splitlines()
    assert 'project: "my_shop"' in (tmp_path / "my shop/odibi.yaml").read_text()
    assert odibi("validate", cwd=tmp_path / "my shop").code == 0


def test_init_overwrites_nothing(hello: Path) -> None:
    (hello / "odibi.yaml").write_text("mine")
    outcome = odibi("init", cwd=hello)
    assert outcome.code == 2
    assert "already there; nothing was written" in outcome.err
    assert (hello / "odibi.yaml").read_text() == "mine"


def test_init_names_the_templates(tmp_path: Path) -> None:
    outcome = odibi("init", "--template", "hallo", cwd=tmp_path)
    assert outcome.code == 2
    assert "templates: hello, medallion" in outcome.err


def test_doctor_looks_at_machine_and_project(hello: Path) -> None:
    outcome = odibi("doctor", "--json", cwd=hello)
    found = {finding["name"]: finding["status"] for finding in outcome.json["findings"]}
    assert outcome.code == 0 and outcome.json["ok"]
    assert {"python", "packages", "disk", "memory", "project", "engine", "ledger"} <= set(found)
    assert set(found.values()) <= {"ok", "warn"}


def test_doctor_fails_for_a_broken_project(hello: Path) -> None:
    (hello / "odibi.yaml").write_text("project: [")
    outcome = odibi("doctor", cwd=hello)
    assert outcome.code == 1
    assert "✗ project" in outcome.out
    assert "→ odibi validate" in outcome.out


def test_doctor_works_without_a_project(tmp_path: Path) -> None:
    outcome = odibi("doctor", cwd=tmp_path)
    assert outcome.code == 0
    assert "no odibi.yaml here or above" in outcome.out


@pytest.mark.parametrize(
    ("what", "column", "values"),
    [
        ("nodes", "node", ["bronze.orders", "bronze.customers", "silver.orders", "silver.customers", "gold.daily_sales"]),
        ("pipelines", "pipeline", ["bronze", "silver", "gold"]),
        ("connections", "connection", ["landing", "lake"]),
        ("outputs", "node", ["bronze.orders", "bronze.customers", "silver.orders", "silver.customers", "gold.daily_sales"]),
        ("engines", "engine", ["duckdb", "pandas", "spark"]),
    ],
)  # fmt: skip
def test_list(medallion: Path, what: str, column: str, values: list[str]) -> None:
    outcome = odibi("list", what, "--json", cwd=medallion)
    assert [row[column] for row in outcome.json] == values
    assert odibi("list", what, cwd=medallion).out.count("\n") == len(values) + 1


def test_list_names_the_nearest_word(medallion: Path) -> None:
    outcome = odibi("list", "pipeline", cwd=medallion)
    assert outcome.code == 2
    assert "did you mean pipelines?" in outcome.err


def test_graph_as_text(medallion: Path) -> None:
    assert odibi("graph", cwd=medallion).out.splitlines() == [
        "bronze",
        "├─ orders",
        "└─ customers",
        "silver",
        "├─ orders     ← bronze.orders",
        "└─ customers  ← bronze.customers",
        "gold",
        "└─ daily_sales  ← silver.orders, silver.customers",
    ]


def test_graph_of_a_selection(medallion: Path) -> None:
    graph = odibi(
        "graph", "--json", "-s", "+gold.daily_sales", "-x", "customers", cwd=medallion
    ).json
    assert [node["key"] for node in graph["nodes"]] == [
        "bronze.orders",
        "silver.orders",
        "gold.daily_sales",
    ]
    assert [(edge["source"], edge["target"], edge["kind"]) for edge in graph["edges"]] == [
        ("bronze.orders", "silver.orders", "input"),
        ("silver.orders", "gold.daily_sales", "input"),
    ]


@pytest.mark.parametrize(
    ("form", "first"), [("mermaid", "flowchart LR"), ("dot", "digraph odibi {")]
)
def test_graph_as_a_picture(medallion: Path, form: str, first: str) -> None:
    outcome = odibi("graph", "--format", form, cwd=medallion)
    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == first


def test_graph_refuses_other_formats(medallion: Path) -> None:
    assert odibi("graph", "--format", "png", cwd=medallion).code == 2


def test_plan_is_a_table_with_reasons(hello: Path) -> None:
    assert odibi("plan", cwd=hello).out.splitlines() == [
        "hello · duckdb · 2 of 2 nodes run",
        "",
        "wave  node                   action  about  why       output",
        "   1  sales.orders           run            selected  data/out/orders.parquet",
        "   2  sales.revenue_by_city  run            selected  data/out/revenue_by_city.parquet",
        "",
        "2 waves; nodes of a wave can run at once",
    ]


def test_plan_for_programs(medallion: Path) -> None:
    plan = odibi("plan", "--json", "-s", "+silver.orders", cwd=medallion).json
    assert [(node["key"], node["action"], node["wave"]) for node in plan["nodes"]] == [
        ("bronze.orders", "run", 1),
        ("silver.orders", "run", 2),
    ]
    assert [node["writes"] for node in plan["nodes"]] == [
        [{"path": "lake/bronze/orders.parquet", "format": "parquet", "mode": "overwrite"}],
        [{"path": "lake/silver/orders.parquet", "format": "parquet", "mode": "overwrite"}],
    ]
    assert plan["nodes"][0]["expected_seconds"] is None
    assert plan["left_out"] == 3
    assert plan["project"] == "shop" and plan["engine"] == "duckdb"


def test_plan_says_what_an_unselected_node_would_have_to_store_first(medallion: Path) -> None:
    outcome = odibi("plan", "-s", "gold.daily_sales", cwd=medallion)
    assert outcome.code == 2
    assert "+gold.daily_sales" in outcome.err


def test_plan_without_a_run_has_nothing_to_resume(hello: Path) -> None:
    outcome = odibi("plan", "--resume", cwd=hello)
    assert outcome.code == 2
    assert "no failed or interrupted run" in outcome.err


@pytest.mark.parametrize("document", ["config", "story"])
def test_schema_is_json_schema(document: str, tmp_path: Path) -> None:
    schema = odibi("schema", document, cwd=tmp_path).json
    jsonschema.Draft202012Validator.check_schema(schema)


def test_schema_names_the_documents(tmp_path: Path) -> None:
    outcome = odibi("schema", "storie", cwd=tmp_path)
    assert outcome.code == 2
    assert "schemas: config, story" in outcome.err
