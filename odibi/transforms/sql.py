"""SQL text made safely: quoted names, escaped values and projections, in DuckDB's dialect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from odibi.errors import NodeError

__all__ = [
    "condition",
    "ident",
    "idents",
    "literal",
    "literals",
    "order_by",
    "project",
    "table",
    "text",
]


def ident(name: str) -> str:
    """A column name as SQL, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def table(name: str) -> str:
    """A table name as SQL; dots belong to the name."""
    return ident(name)


def idents(names: Iterable[str]) -> str:
    """Names as a comma-separated list."""
    return ", ".join(ident(name) for name in names)


def literal(value: Any) -> str:
    """A Python or YAML value as SQL; negative numbers come in parentheses (`1--2` is a comment).

    Raises TypeError for a value that has no SQL form (a map, an object).
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        kind = "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
        return f"{kind} '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{literals(value)}]"
    raise TypeError(f"a {type(value).__name__} has no SQL form")


def literals(values: Iterable[Any]) -> str:
    """Values as a comma-separated list."""
    return ", ".join(literal(value) for value in values)


def _number(value: float | Decimal) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    written = format(value, "f") if isinstance(value, Decimal) else repr(value)
    return f"({written})" if written.startswith("-") else written


def _quoted(value: str) -> str:
    quoted = "'" + value.replace("'", "''") + "'"
    # the parser ends at a NUL byte, so it has to be computed
    return "(" + quoted.replace("\0", "' || chr(0) || '") + ")" if "\0" in value else quoted


def text(expression: str) -> str:
    """The expression as VARCHAR."""
    return f"CAST({expression} AS VARCHAR)"


def condition(sql: str) -> str:
    """A user's boolean expression, closed off: a trailing comment can't swallow what follows."""
    return f"({sql.strip()}\n)" if "--" in sql else f"({sql.strip()})"


def order_by(expressions: Sequence[str]) -> str:
    """An ORDER BY clause with a leading space, or nothing."""
    return f" ORDER BY {', '.join(expressions)}" if expressions else ""


def project(items: Sequence[tuple[str, str]]) -> str:
    """A SELECT list from (expression, name) pairs.

    Raises NodeError when two columns would have one name (names differing in case are one).
    """
    seen: dict[str, str] = {}
    for _, name in items:
        if name.casefold() in seen:
            raise NodeError(
                f"two columns would be called {name!r}",
                hint="rename or drop one of them first; upper and lower case don't distinguish columns",
            )
        seen[name.casefold()] = name
    return ", ".join(
        expression if expression == ident(name) else f"{expression} AS {ident(name)}"
        for expression, name in items
    )
