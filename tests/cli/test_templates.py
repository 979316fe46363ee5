"""What `odibi init` makes runs as it is, on both engines, and gives the tables that its data say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import odibi


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_hello(engine: str, hello: Path) -> None:
    outcome = odibi("run", "--engine", engine, cwd=hello)
    assert outcome.code == 0, outcome.out + outcome.err
    revenue = odibi("query", "FROM revenue_by_city ORDER BY revenue DESC", "--json", cwd=hello).json
    assert revenue == [
        {"city": "Lisbon", "orders": 3, "revenue": 93.5},
        {"city": "Porto", "orders": 2, "revenue": 51.1},
        {"city": "Braga", "orders": 2, "revenue": 28.8},
    ]
    story = odibi("story", "last", "--json", cwd=hello).json
    orders = next(node for node in story["nodes"] if node["key"] == "sales.orders")
    assert (
        orders["rows"]["rows_in"],
        orders["rows"]["rows_out"],
        orders["rows"]["quarantined"],
    ) == (8, 7, 1)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_medallion(engine: str, medallion: Path) -> None:
    outcome = odibi("run", "--engine", engine, cwd=medallion)
    assert outcome.code == 0, outcome.out + outcome.err
    sales = odibi(
        "query", "FROM gold.daily_sales ORDER BY ordered_on, city", "--json", cwd=medallion
    )
    assert sales.json == [
        {"ordered_on": "2025-11-01", "city": "Lisbon", "orders": 1, "revenue": 21.5},
        {"ordered_on": "2025-11-01", "city": "Porto", "orders": 1, "revenue": 34.0},
        {"ordered_on": "2025-11-02", "city": "Lisbon", "orders": 1, "revenue": 48.25},
    ]
    names = odibi(
        "query", "SELECT name FROM silver.customers ORDER BY name", "--json", cwd=medallion
    ).json
    assert [row["name"] for row in names] == ["Ana Sousa", "Bruno Reis", "Carla Dias"]
    assert (medallion / "lake/quarantine/order_lines.parquet").exists()


def test_after_a_run_the_project_tells_about_itself(hello: Path) -> None:
    assert odibi("run", cwd=hello).code == 0
    outputs = odibi("list", "outputs", "--json", cwd=hello).json
    assert [row["node"] for row in outputs] == ["sales.orders", "sales.revenue_by_city"]
    assert all(row["size"] for row in outputs)
    tables = odibi("query", cwd=hello).out
    assert "sales.orders" in tables and 'odibi query "FROM revenue_by_city LIMIT 10"' in tables
    assert "quarantine.orders" in tables
    rejected = odibi(
        "query",
        "SELECT amount, _rejection_reason AS why FROM quarantine.orders",
        "--json",
        cwd=hello,
    )
    assert rejected.json == [{"amount": -9.99, "why": "range(amount)"}]
    plan = odibi("plan", "--json", "-s", "revenue_by_city", cwd=hello).json
    assert [(node["key"], node["action"]) for node in plan["nodes"]] == [
        ("sales.orders", "reuse"),
        ("sales.revenue_by_city", "run"),
    ]
    assert plan["total_seconds"] > 0
    doctor = odibi("doctor", cwd=hello)
    assert "succeeded" in doctor.out


def test_query_before_a_run_says_what_to_do(hello: Path) -> None:
    assert odibi("query", cwd=hello).out == "no table has been written yet: odibi run\n"
    outcome = odibi("query", "FROM orders", cwd=hello)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == "  → odibi run --select +sales.orders"
