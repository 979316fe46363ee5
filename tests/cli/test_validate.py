"""`odibi validate`: all problems at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import odibi


def edit(project: Path, before: str, after: str, file: str = "odibi.yaml") -> None:
    path = project / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_valid_project_is_one_calm_line(hello: Path) -> None:
    outcome = odibi("validate", cwd=hello)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "odibi.yaml is valid: 2 nodes, 1 pipeline, 1 connection\n"


def test_the_templates_are_valid(medallion: Path) -> None:
    outcome = odibi("validate", cwd=medallion)
    assert outcome.code == 0
    assert "valid: 5 nodes, 3 pipelines, 2 connections" in outcome.out


def test_problems_of_the_yaml_come_all_at_once(hello: Path) -> None:
    edit(hello, "engine: duckdb", "engine: duckdv")
    edit(hello, "format: csv", "format: cvs")
    edit(hello, "depends_on: [orders]", "depends_on: [order]")
    outcome = odibi("validate", "--json", cwd=hello)
    assert outcome.code == 2
    errors = outcome.json["errors"]
    assert not outcome.json["valid"]
    lines = (hello / "odibi.yaml").read_text().splitlines()
    found = {lines[error["line"] - 1].strip() for error in errors}
    assert found == {"engine: duckdv", "format: cvs", "depends_on: [order]"}
    assert all(Path(error["file"]) == hello / "odibi.yaml" for error in errors)


def test_params_and_names_of_built_ins_are_checked(medallion: Path) -> None:
    edit(medallion, "transformer: deduplicate", "transformer: deduplicat")
    edit(medallion, "function: tidy_names", "function: tidy_name")
    outcome = odibi("validate", "--json", cwd=medallion)
    messages = [error["message"] for error in outcome.json["errors"]]
    assert outcome.code == 2
    assert len(messages) == 2
    assert "deduplicat" in messages[0] and "did you mean 'deduplicate'" in messages[0]
    assert "tidy_name" in messages[1]


def test_a_wrong_param_is_pointed_at(medallion: Path) -> None:
    edit(medallion, "params: {keys: [order_id]", "params: {kes: [order_id]")
    errors = odibi("validate", "--json", cwd=medallion).json["errors"]
    line = next(
        number
        for number, text in enumerate((medallion / "odibi.yaml").read_text().splitlines(), start=1)
        if "kes:" in text
    )
    assert {error["line"] for error in errors} == {line}
    assert any("did you mean 'keys'" in error["message"] for error in errors)


def test_sql_that_can_not_be_parsed_is_pointed_at_in_its_file(medallion: Path) -> None:
    edit(medallion, "GROUP BY", "GROPU BY", "sql/daily_sales.sql")
    outcome = odibi("validate", cwd=medallion)
    assert outcome.code == 2
    lines = (medallion / "sql/daily_sales.sql").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, start=1) if "GROPU" in line)
    assert f"sql/daily_sales.sql:{number}:" in outcome.out
    assert "1 problem found" in outcome.out


def test_sql_in_the_yaml_says_which_of_its_lines_is_wrong(hello: Path) -> None:
    edit(hello, "FROM orders", "FORM orders x")
    outcome = odibi("validate", cwd=hello)
    assert outcome.code == 2
    assert "SQL, its line 2: " in outcome.out


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DROP TABLE orders", "a step is a SELECT, not DROP"),
        ("SELECT 1; SELECT 2", "a step is one SELECT: here are 2 statements"),
        ("-- nothing", "a step is one SELECT: here are no statements"),
    ],
)
def test_a_step_is_one_select(hello: Path, sql: str, message: str) -> None:
    (hello / "step.sql").write_text(sql)
    text = (hello / "odibi.yaml").read_text()
    start = text.index("            - |\n")
    end = text.index("        write:", start)
    (hello / "odibi.yaml").write_text(
        text[:start] + "            - sql_file: step.sql\n" + text[end:]
    )
    outcome = odibi("validate", cwd=hello)
    assert outcome.code == 2
    assert f"step.sql:1:1: {message}" in outcome.out


def test_a_cycle_names_its_path(medallion: Path) -> None:
    edit(medallion, "inputs: {events: $bronze.orders}", "inputs: {events: $gold.daily_sales}")
    outcome = odibi("validate", cwd=medallion)
    assert outcome.code == 2
    assert "silver.orders → gold.daily_sales → silver.orders" in outcome.out


def test_a_missing_input_is_only_a_warning(hello: Path) -> None:
    (hello / "data/orders.csv").rename(hello / "data/order.csv")
    outcome = odibi("validate", "--json", cwd=hello)
    assert outcome.code == 0
    (warning,) = outcome.json["warnings"]
    assert "data/orders.csv" in warning["message"]
    assert "order.csv" in warning["hint"]


def test_an_error_in_the_users_python_is_a_message(medallion: Path) -> None:
    (medallion / "transforms.py").write_text("import nowhere_to_be_found\n")
    outcome = odibi("validate", cwd=medallion)
    assert outcome.code == 2
    assert "nowhere_to_be_found" in outcome.out
    assert "Traceback" not in outcome.out + outcome.err
