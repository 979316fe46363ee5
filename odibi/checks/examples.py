"""Every test type at work on a few rows: shown by `odibi explain`, and run by a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi.transforms.examples import Table

__all__ = ["EXAMPLES", "TestExample"]


@dataclass(frozen=True, slots=True)
class TestExample:
    """A test, rows, and what comes of them.

    `failing` are the rows that break a row-level test; `message` is the verdict's text. `past` are
    the rows that earlier runs wrote; `declared` is the node's `columns`.
    """

    __test__ = False  # pytest: no test class

    summary: str
    test: Mapping[str, Any]
    df: Table
    message: str
    failing: Table | None = None
    past: tuple[int, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)


_PEOPLE = "id BIGINT, email VARCHAR, age BIGINT"
_ROWS = ((1, "ana@x.io", 31), (2, None, 17), (2, "bo at x", None))

EXAMPLES: Mapping[str, TestExample] = {
    "not_null": TestExample(
        "Columns must hold a value.",
        {"type": "not_null", "columns": ["id", "email"]},
        Table(_PEOPLE, _ROWS),
        "1 of 3 rows fail (33.33%)",
        Table(_PEOPLE, [_ROWS[1]]),
    ),
    "unique": TestExample(
        "Values of the columns together must not repeat; of equal rows all but the first fail.",
        {"type": "unique", "columns": ["id"]},
        Table(_PEOPLE, _ROWS),
        "1 of 3 rows fail (33.33%)",
        Table(_PEOPLE, [_ROWS[1]]),
    ),
    "accepted_values": TestExample(
        "Only these values may occur; nulls pass.",
        {"type": "accepted_values", "column": "age", "values": [17, 18]},
        Table(_PEOPLE, _ROWS),
        "1 of 3 rows fail (33.33%)",
        Table(_PEOPLE, [_ROWS[0]]),
    ),
    "range": TestExample(
        "Numbers, dates or times must lie between two bounds, which are allowed; nulls pass.",
        {"type": "range", "column": "age", "min": 18, "max": 120},
        Table(_PEOPLE, _ROWS),
        "1 of 3 rows fail (33.33%)",
        Table(_PEOPLE, [_ROWS[1]]),
    ),
    "regex_match": TestExample(
        "Texts must match a regular expression from their start; nulls pass.",
        {"type": "regex_match", "column": "email", "pattern": "[^@ ]+@"},
        Table(_PEOPLE, _ROWS),
        "1 of 3 rows fail (33.33%)",
        Table(_PEOPLE, [_ROWS[2]]),
    ),
    "custom_sql": TestExample(
        "A condition must be true; where it is null the row fails. `threshold` is the share of rows that may fail.",
        {"type": "custom_sql", "condition": "age >= 18", "threshold": 0.5},
        Table(_PEOPLE, _ROWS),
        "2 of 3 rows fail (66.67%)",
        Table(_PEOPLE, [_ROWS[1], _ROWS[2]]),
    ),
    "row_count": TestExample(
        "The number of rows must lie between two bounds.",
        {"type": "row_count", "min": 10},
        Table(_PEOPLE, _ROWS),
        "3 rows, fewer than 10",
    ),
    "volume_drop": TestExample(
        "There must not be far fewer rows than in the runs of the last days.",
        {"type": "volume_drop", "threshold": 0.5, "lookback_days": 7},
        Table(_PEOPLE, _ROWS),
        "3 rows, 70% below the usual 10",
        past=(12, 8),
    ),
    "schema": TestExample(
        "The columns must be those that the node declares under `columns`; `strict: false` allows more.",
        {"type": "schema"},
        Table(_PEOPLE, _ROWS),
        "missing name; unexpected age",
        declared={"id": None, "name": None, "email": None},
    ),
    "distribution": TestExample(
        "A mean, minimum, maximum or share of nulls must stand in a relation to a number.",
        {"type": "distribution", "column": "age", "metric": "mean", "threshold": ">= 25"},
        Table(_PEOPLE, _ROWS),
        "mean of age is 24, expected >= 25",
    ),
    "freshness": TestExample(
        "The newest time in a column must not be older than allowed.",
        {"type": "freshness", "column": "updated_at", "max_age": "24h"},
        Table("id BIGINT, updated_at TIMESTAMP", [(1, "2025-11-12 09:00:00")]),
        "the newest updated_at is 2025-11-12 09:00 UTC, older than 24h",
    ),
}  # fmt: skip
