"""What makes a row fail a test: one SQL condition per test, true for failing rows and never NULL.

A test on values (range, accepted_values, regex_match) lets NULL pass, for that is what `not_null` is
for; a custom_sql condition that is NULL fails its row, because it isn't true. NaN fails every range.
Of rows that share a unique key all but the first in the order of all columns fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from odibi.engine import Schema
from odibi.errors import NodeError
from odibi.transforms.sql import condition, ident, idents, literal, literals

__all__ = ["ROW_LEVEL", "check_columns", "failed_condition", "test_name"]

ROW_LEVEL = frozenset(
    {"not_null", "unique", "accepted_values", "range", "regex_match", "custom_sql"}
)


def test_name(test: Any) -> str:
    """The test's name, or its type with what it is about: `not_null(id, amount)`."""
    if test.name:
        return str(test.name)
    about = list(getattr(test, "columns", ())) or [getattr(test, "column", "")]
    if test.type == "custom_sql":
        about = [test.condition]
    return f"{test.type}({', '.join(about)})" if any(about) else str(test.type)


def check_columns(test: Any, columns: Schema) -> None:
    """Raise NodeError, with the nearest name, when the test is about a column that isn't there."""
    names = [column.name for column in columns]
    folded = {name.casefold() for name in names}
    about = [*getattr(test, "columns", ()), *filter(None, [getattr(test, "column", None)])]
    for name in about:
        if name.casefold() not in folded:
            near = get_close_matches(name, names, n=1)
            suffix = f" (did you mean '{near[0]}'?)" if near else ""
            raise NodeError(
                f"test {test_name(test)}: no column '{name}'{suffix}",
                hint=f"columns: {', '.join(names)}",
            )


def failed_condition(test: Any, columns: Schema) -> str:
    """The condition under which a row fails a row-level test."""
    match test.type:
        case "not_null":
            return " OR ".join(f"{ident(name)} IS NULL" for name in test.columns)
        case "unique":
            order = idents(column.name for column in columns)
            return f"row_number() OVER (PARTITION BY {idents(test.columns)} ORDER BY {order}) > 1"
        case "accepted_values":
            return _present(test.column, _not_among(test.column, test.values, columns))
        case "range":
            return _present(test.column, _outside(test, columns))
        case "regex_match":
            pattern = literal(f"^(?:{test.pattern})")
            return _present(
                test.column, f"NOT regexp_matches(CAST({ident(test.column)} AS VARCHAR), {pattern})"
            )
        case _:
            return f"NOT coalesce({condition(test.condition)}, FALSE)"


def _present(column: str, failing: str) -> str:
    return f"({ident(column)} IS NOT NULL AND ({failing}))"


def _not_among(column: str, values: Sequence[Any], columns: Schema) -> str:
    """Compared as text when the column or the list holds text, so that `[1, 2]` and `['1', '2']` mean what they say."""
    known = [value for value in values if value is not None]
    if not known:
        return "TRUE"
    if _type_of(column, columns) == "VARCHAR" or any(isinstance(value, str) for value in known):
        return f"CAST({ident(column)} AS VARCHAR) NOT IN ({literals(_spelled(v) for v in known)})"
    return f"{ident(column)} NOT IN ({literals(known)})"


def _spelled(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _outside(test: Any, columns: Schema) -> str:
    name = ident(test.column)
    kind = _type_of(test.column, columns)
    parts = [f"isnan({name})"] if kind in ("DOUBLE", "FLOAT") else []
    if test.min is not None:
        parts.append(f"{name} < {_bound(test.min, kind)}")
    if test.max is not None:
        parts.append(f"{name} > {_bound(test.max, kind)}")
    return " OR ".join(parts) or "FALSE"


def _type_of(name: str, columns: Schema) -> str:
    return next((c.type for c in columns if c.name.casefold() == name.casefold()), "")


def _bound(value: Any, kind: str) -> str:
    """A bound in the column's type when it is written as text (dates), else as the number it is."""
    return (
        f"CAST({literal(value)} AS {kind})" if isinstance(value, str) and kind else literal(value)
    )
