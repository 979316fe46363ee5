"""Evaluating tests: failing rows of all row-level tests in one pass, then what is about the whole table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from odibi.checks.predicates import ROW_LEVEL, check_columns, failed_condition, test_name
from odibi.durations import seconds_of
from odibi.engine import Rows, Schema
from odibi.errors import NodeError
from odibi.transforms.sql import ident, idents

if TYPE_CHECKING:
    from odibi.node import Past

__all__ = ["MASK", "Verdict", "judge", "masked", "verdicts_of_masks"]

MASK = "_odibi_failed"
_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<|=)\s*([-+0-9.eE]+)\s*")
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_METRICS = {
    "mean": "avg({c})",
    "min": "min({c})",
    "max": "max({c})",
    "null_percentage": "(count(*) - count({c})) / greatest(count(*), 1)",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test. `failed` of `total` rows broke it; None for tests on whole tables."""

    test: Any
    passed: bool
    message: str
    failed: int | None = None
    total: int | None = None

    @property
    def name(self) -> str:
        return test_name(self.test)


@dataclass(frozen=True, slots=True)
class Table:
    """What whole-table tests look at."""

    total: int
    columns: Schema
    declared: Mapping[str, Any]
    past: Past
    now: datetime
    fetch: Callable[[str], Rows]


def judge(
    tests: Sequence[Any],
    columns: Schema,
    fetch: Callable[[str], Rows],
    *,
    declared: Mapping[str, Any],
    past: Past,
    now: datetime,
) -> list[Verdict]:
    """Verdicts on all tests, in their order; `fetch` runs one small SELECT over `df`.

    `declared` are the node's `columns`. Raises NodeError for a test about a missing column.
    """
    for test in tests:
        check_columns(test, columns)
    row_level = [test for test in tests if test.type in ROW_LEVEL]
    counts = [f"({_failing(test, columns)})::BIGINT" for test in row_level]
    total, *failed = fetch(f"SELECT {', '.join(['count(*)', *counts])} FROM df").rows[0]
    of_rows = {
        id(test): row_verdict(test, n, total) for test, n in zip(row_level, failed, strict=True)
    }
    table = Table(total, columns, declared, past, now, fetch)
    return [of_rows.get(id(test)) or table_verdict(test, table) for test in tests]


def _failing(test: Any, columns: Schema) -> str:
    """An aggregate that counts failing rows; for unique without a window, which costs a sort."""
    if test.type == "unique":
        return f"count(*) - count(DISTINCT struct_pack({_fields(test.columns)}))"
    return f"count(*) FILTER (WHERE {failed_condition(test, columns)})"


def _fields(names: Sequence[str]) -> str:
    return ", ".join(f"k{index} := {ident(name)}" for index, name in enumerate(names))


def row_verdict(test: Any, failed: int, total: int) -> Verdict:
    """The verdict when `failed` of `total` rows break a row-level test."""
    allowed = getattr(test, "threshold", 0.0) * total
    passed = failed <= allowed
    share = f" ({failed / total:.2%})" if total else ""
    message = "" if failed == 0 else f"{failed:,} of {total:,} rows fail{share}"
    return Verdict(test, passed, message, failed, total)


def masked(tests: Sequence[Any], columns: Schema) -> str:
    """A SELECT of `df` with one more column: bit i is set in rows that fail test i (at most 62 tests)."""
    for test in tests:
        check_columns(test, columns)
    if len(tests) > 62:
        raise NodeError(
            f"{len(tests)} row-level tests on one node; at most 62 can be combined with a quarantine or gate"
        )
    bits = [
        f"CASE WHEN {failed_condition(test, columns)} THEN {1 << i} ELSE 0 END"
        for i, test in enumerate(tests)
    ]
    return f"SELECT *, CAST({' + '.join(bits) or '0'} AS BIGINT) AS {ident(MASK)} FROM df"


def verdicts_of_masks(tests: Sequence[Any], masks: Mapping[int, int]) -> list[Verdict]:
    """Verdicts from the number of rows per mask (see `masked`)."""
    total = sum(masks.values())
    return [
        row_verdict(test, sum(n for mask, n in masks.items() if mask >> i & 1), total)
        for i, test in enumerate(tests)
    ]


def table_verdict(test: Any, table: Table) -> Verdict:
    """The verdict on a test about the table as a whole."""
    judge_one = {
        "row_count": _row_count,
        "volume_drop": _volume_drop,
        "schema": _schema,
        "distribution": _distribution,
        "freshness": _freshness,
    }[test.type]
    problem = judge_one(test, table)
    return Verdict(test, problem is None, problem or "", None, table.total)


def _row_count(test: Any, table: Table) -> str | None:
    if test.min is not None and table.total < test.min:
        return f"{table.total:,} rows, fewer than {test.min:,}"
    if test.max is not None and table.total > test.max:
        return f"{table.total:,} rows, more than {test.max:,}"
    return None


def _volume_drop(test: Any, table: Table) -> str | None:
    """Against the mean of the runs of the last `lookback_days`; no history, no verdict against it."""
    since = table.now - timedelta(days=test.lookback_days)
    rows = [n for at, n in table.past.rows if at >= since]
    if not rows:
        return None
    usual = sum(rows) / len(rows)
    if usual and 1 - table.total / usual > test.threshold:
        return f"{table.total:,} rows, {1 - table.total / usual:.0%} below the usual {usual:,.0f}"
    return None


def _schema(test: Any, table: Table) -> str | None:
    if not table.declared:
        return "the node declares no `columns` to compare with"
    found = {column.name: column.type for column in table.columns}
    problems = [f"missing {name}" for name in table.declared if name not in found]
    if test.strict:
        problems += [f"unexpected {name}" for name in found if name not in table.declared]
    for name, meta in table.declared.items():
        wanted = getattr(meta, "type", None)
        if wanted and name in found and found[name].upper() != wanted.upper():
            problems.append(f"{name} is {found[name]}, declared {wanted}")
    return "; ".join(problems) or None


def _distribution(test: Any, table: Table) -> str | None:
    match = _COMPARISON.fullmatch(str(test.threshold))
    if match is None:
        raise NodeError(
            f"test {test_name(test)}: threshold {test.threshold!r} is no comparison",
            hint="write one such as '> 100' or '<= 0.05'",
        )
    value = table.fetch(
        f"SELECT CAST({_METRICS[test.metric].format(c=ident(test.column))} AS DOUBLE) FROM df"
    ).rows[0][0]
    if value is None:
        return f"{test.metric} of {test.column} is unknown: no values"
    if _HOLDS[match[1]](value, float(match[2])):
        return None
    return f"{test.metric} of {test.column} is {value:g}, expected {match[1]} {match[2]}"


def _freshness(test: Any, table: Table) -> str | None:
    newest = table.fetch(
        f"SELECT CAST(max(CAST({ident(test.column)} AS TIMESTAMP)) AS TIMESTAMP) FROM df"
    ).rows[0][0]
    if newest is None:
        return f"{test.column} holds no time"
    age = table.now - newest.replace(tzinfo=UTC)
    if age.total_seconds() <= seconds_of(test.max_age):
        return None
    return f"the newest {test.column} is {newest:%Y-%m-%d %H:%M} UTC, older than {test.max_age}"


def failing_rows(test: Any, columns: Schema, limit: int) -> str:
    """A SELECT of some rows that fail a row-level test."""
    names = idents(column.name for column in columns)
    return f"SELECT {names} FROM (SELECT *, {failed_condition(test, columns)} AS {ident(MASK)} FROM df) WHERE {ident(MASK)} LIMIT {limit}"
