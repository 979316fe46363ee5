"""Reading DuckDB's type names: column lists and the fields of structs."""

from __future__ import annotations

import re

from odibi.engine import Column, Schema

__all__ = ["columns_of", "is_number", "is_zoned", "struct_fields"]

_FIELD = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s"]+))\s*(.*?)\s*', re.DOTALL)
_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


def columns_of(text: str) -> Schema:
    """The columns in `a BIGINT, "b c" STRUCT(d DATE)`; one without a type is VARCHAR."""
    parts, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == '"'
        depth += 0 if quoted else (char in "([<") - (char in ")]>")
        if char == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return tuple(_column(part) for part in parts if part.strip())


def _column(text: str) -> Column:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"not a column: {text.strip()!r}")
    name = match[2] if match[1] is None else match[1].replace('""', '"')
    return Column(name, match[3] or "VARCHAR")


def struct_fields(kind: str) -> Schema | None:
    """The fields of a struct type; None for any other type."""
    if kind.upper().startswith("STRUCT(") and kind.endswith(")"):
        return columns_of(kind[len("STRUCT(") : -1])
    return None


def is_number(kind: str) -> bool:
    """Whether the type is a number that is no list of them."""
    return kind.split("(")[0] in _NUMBERS


def is_zoned(kind: str) -> bool:
    """Whether the type is a timestamp with a time zone."""
    return kind.upper() in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
