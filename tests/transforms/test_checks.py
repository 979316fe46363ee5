"""Tests of the YAML against plain Python: which rows fail, how many, and what gates make of it."""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from odibi import checks
from odibi.checks.evaluate import MASK
from odibi.config.validation import GateConfig, TestConfig
from odibi.engine import Rows
from odibi.errors import NodeError
from odibi.node import Past
from odibi.transforms import Table
from tests.transforms.duck import RUN_AT, Duck

DUCK = Duck()
SPEC = 'id BIGINT, "t x" VARCHAR, v DOUBLE'
RULES: dict[str, dict[str, Any]] = {
    "not_null": {"type": "not_null", "columns": ["id", "t x"]},
    "unique": {"type": "unique", "columns": ["id", "t x"]},
    "accepted_values": {"type": "accepted_values", "column": "t x", "values": ["a", "it's"]},
    "range": {"type": "range", "column": "v", "min": 0, "max": 2.5},
    "regex_match": {"type": "regex_match", "column": "t x", "pattern": "a|b"},
    "custom_sql": {"type": "custom_sql", "condition": "v > id -- null is not true"},
}
GOOD = {
    "not_null": lambda row: row[0] is not None and row[1] is not None,
    "accepted_values": lambda row: row[1] in (None, "a", "it's"),
    "range": lambda row: row[2] is None or 0 <= row[2] <= 2.5,
    "regex_match": lambda row: row[1] is None or re.match("a|b", row[1]) is not None,
    "custom_sql": lambda row: (
        row[0] is not None and row[2] is not None and (math.isnan(row[2]) or row[2] > row[0])
    ),
}
rows_of = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 2)),
        st.sampled_from([None, "a", "ba", "ca", "it's"]),
        st.sampled_from([None, -1.0, 0.0, 2.5, 3.0, math.nan]),
    ),
    max_size=12,
)


def test_of(rule: dict[str, Any]) -> Any:
    return TypeAdapter(TestConfig).validate_python(rule)


test_of.__test__ = False  # type: ignore[attr-defined]


def judged(rule: dict[str, Any], df: Table, past: Past = Past(), **declared: Any) -> Any:
    DUCK.table("df", df)
    [verdict] = checks.judge(
        [test_of(rule)], DUCK.schema("df"), DUCK.fetch, declared=declared, past=past, now=RUN_AT
    )
    return verdict


def masks(rules: list[dict[str, Any]], df: Table) -> Counter[int]:
    DUCK.table("df", df)
    select = checks.masked([test_of(rule) for rule in rules], DUCK.schema("df"))
    found: Rows = DUCK.fetch(f"SELECT {MASK} FROM ({select})")
    return Counter(row[0] for row in found.rows)


def wanted(name: str, rows: list[Any]) -> int:
    if name == "unique":
        return len(rows) - len({row[:2] for row in rows})
    return sum(not GOOD[name](row) for row in rows)


@settings(max_examples=40, deadline=None)
@given(rows_of)
def test_as_many_rows_fail_as_in_python_counted_either_way(rows: list[Any]) -> None:
    found = masks(list(RULES.values()), Table(SPEC, rows))
    assert found.total() == len(rows)
    for bit, (name, rule) in enumerate(RULES.items()):
        failed = sum(n for mask, n in found.items() if mask >> bit & 1)
        assert failed == wanted(name, rows), name
        assert judged(rule, Table(SPEC, rows)).failed == failed


@settings(max_examples=20, deadline=None)
@given(rows_of)
def test_the_pass_rate_counts_rows_that_pass_every_test(rows: list[Any]) -> None:
    rules = [RULES["not_null"], RULES["range"]]
    good = sum(GOOD["not_null"](row) and GOOD["range"](row) for row in rows)
    outcome = checks.evaluate_gate(
        GateConfig(), masks(rules, Table(SPEC, rows)), [], len(rows), None
    )
    assert outcome.pass_rate == (good / len(rows) if rows else 1.0)


@pytest.mark.parametrize(
    ("kind", "cell", "values", "passes"),
    [
        ("VARCHAR", "1", [1, 2], True),
        ("VARCHAR", "x", [1, 2], False),
        ("VARCHAR", "true", [True], True),
        ("BIGINT", 1, ["1"], True),
        ("BOOLEAN", True, [True, "x"], True),
        ("DATE", "2025-01-01", ["2025-01-01"], True),
        ("VARCHAR", "x", [None], False),
    ],
)
def test_accepted_values_compare_by_what_they_say(
    kind: str, cell: Any, values: list[Any], passes: bool
) -> None:
    rule = {"type": "accepted_values", "column": "c", "values": values}
    assert judged(rule, Table(f"c {kind}", [(cell,)])).passed is passes


@pytest.mark.parametrize(
    ("kind", "cell", "low", "high", "passes"),
    [
        ("DATE", "2025-06-01", "2025-01-01", "2025-12-31", True),
        ("TIMESTAMP", "2024-12-31 23:59:59", "2025-01-01", None, False),
        ("DECIMAL(8,2)", "10.01", None, 10, False),
        ("BIGINT", 10, 10, 10, True),
    ],
)
def test_ranges_of_every_kind(kind: str, cell: Any, low: Any, high: Any, passes: bool) -> None:
    rule = {"type": "range", "column": "c", "min": low, "max": high}
    assert judged(rule, Table(f"c {kind}", [(cell,)])).passed is passes


def test_a_threshold_lets_a_share_of_rows_fail() -> None:
    rule = {"type": "custom_sql", "condition": "v > 0", "threshold": 0.5}
    assert judged(rule, Table("v BIGINT", [(1,), (0,)])).passed
    assert not judged(rule, Table("v BIGINT", [(1,), (0,), (None,)])).passed


def test_a_drop_is_measured_against_recent_runs_only() -> None:
    rule = {"type": "volume_drop", "threshold": 0.5, "lookback_days": 7}
    two = Table("v BIGINT", [(1,), (2,)])
    ages = [(RUN_AT - timedelta(days=1), 3), (RUN_AT - timedelta(days=30), 1000)]
    assert judged(rule, two, Past(tuple(ages))).passed
    assert not judged(rule, two, Past(((RUN_AT, 5),))).passed
    assert judged(rule, two).passed


def test_a_missing_column_is_named_before_anything_runs() -> None:
    with pytest.raises(
        NodeError, match=r"test not_null\(emial\): no column 'emial' \(did you mean 'email'\?\)"
    ):
        judged({"type": "not_null", "columns": ["emial"]}, Table("email"))


def test_gates_look_at_single_tests_and_at_the_number_of_rows() -> None:
    gate = GateConfig.model_validate(
        {
            "require_pass_rate": 0.0,
            "thresholds": [
                {"test": "range", "min_pass_rate": 0.9},
                {"test": "nope", "min_pass_rate": 1},
            ],
            "row_count": {"min": 3, "change_threshold": 0.5},
        }
    )
    verdict = judged(RULES["range"], Table(SPEC, [(1, "a", 9.0), (1, "a", 1.0)]))
    outcome = checks.evaluate_gate(gate, {0: 1, 1: 1}, [verdict], 2, 8)
    assert outcome.problems == (
        "50.00% pass range(v), 90.00% required",
        "threshold for 'nope': the node has no such test",
        "2 rows, fewer than 3",
        "2 rows, 75% away from 8 in the last run",
    )
