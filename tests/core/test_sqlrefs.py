"""Which names a SQL text reads as tables."""

from __future__ import annotations

import subprocess
import sys

import pytest

from odibi.sqlrefs import KnownTables, table_names

KNOWN = KnownTables(["orders", "events", "links", "edges", "a-b", "über", "Mixed"])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders", ["orders"]),
        ("FROM events", ["events"]),
        ("select * from df join Events e using (id) join ORDERS on true", ["events", "orders"]),
        ('select * from "Orders"', ["orders"]),
        ("select * from mixed", ["Mixed"]),
        ("select * from orders, events", ["orders", "events"]),
        ("select * from (orders join events using (id))", ["orders", "events"]),
        ("select * from df where exists (from events)", ["events"]),
        ("select * from df where id in (select id from links)", ["links"]),
        ("with o as (select * from orders) select * from o", ["orders"]),
        ("pivot orders on city using sum(total)", ["orders"]),
        ('from "a-b", über', ["a-b", "über"]),
        ("from df positional join events", ["events"]),
    ],
)
def test_tables_are_found_in_order_of_appearance(sql: str, expected: list[str]) -> None:
    assert KNOWN.read_by(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select orders, count(events) from df",
        "select 1 as a, orders from df",
        "select orders.id from df orders",
        "select 'x from orders' from df -- from events",
        "select * from df /* join links */",
        "select * from other.orders",
        "select * from read_csv('orders')",
        "select orders(1), (events) from df",
        "with orders as (select 1) select * from orders",
        "with recursive orders as (from df union all from orders) from orders",
        "with events as (from df) select * from (with e as (from events) from e)",
        "select reorders from df",
    ],
)
def test_columns_ctes_literals_comments_and_other_schemas_are_no_tables(sql: str) -> None:
    assert KNOWN.read_by(sql) == []


def test_a_cte_hides_a_table_only_from_what_follows_it() -> None:
    assert KNOWN.read_by("with orders as (select * from orders) select * from orders") == ["orders"]
    assert KNOWN.read_by("with x as (from orders), orders as (select 1) from x") == ["orders"]
    union = "select * from orders union all (with orders as (from events) from orders)"
    assert KNOWN.read_by(union) == ["orders", "events"]


def test_names_to_leave_out_are_left_out() -> None:
    assert KNOWN.read_by("from orders join events using (id)", besides=["ORDERS"]) == ["events"]


def test_sql_that_cannot_be_parsed_still_shows_what_follows_from_and_join() -> None:
    broken = "select ((( from orders join events ,, links"
    assert KNOWN.read_by(broken) == ["orders", "events"]
    with pytest.raises(ValueError, match="parsed"):
        table_names(broken)


def test_sqlglot_is_not_imported_for_texts_that_name_no_table() -> None:
    code = """
import sys
from odibi.sqlrefs import KnownTables
known = KnownTables(["orders"])
assert known.read_by("select 1, orders.a, orders(2) as orders from df -- from orders") == []
assert "sqlglot" not in sys.modules
assert known.read_by("from orders") == ["orders"]
assert "sqlglot" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
