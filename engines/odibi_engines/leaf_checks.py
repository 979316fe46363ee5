"""SQL that tells whether a text value has its declared type, at any depth, and nothing is rounded away.

Text files are read with scalars as VARCHAR and nested values as JSON; these expressions check and cast
them. DuckDB's own readers turn 5.7 into a BIGINT 6 and a text where a struct should be into nulls.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from odibi.errors import EngineError

from .losses import loss_of
from .sql_text import ident, literal

__all__ = ["article", "cast", "fields_of", "parsed_types", "raw_type", "reason", "wrong"]

_COMMON = [
    "BIGINT",
    "INTEGER",
    "DOUBLE",
    "DECIMAL(18,2)",
    "VARCHAR",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "JSON",
]
_NESTED = {"struct", "list", "map", "array", "union"}


def parsed_types(cursor: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    """DuckDB's type objects for declared types. Raises EngineError naming the column."""
    import duckdb

    types: dict[str, Any] = {}
    for name, text in columns.items():
        try:
            types[name] = cursor.type(text)
        except duckdb.Error:
            near = get_close_matches(text.upper(), _COMMON, n=1)
            raise EngineError(
                f"column {name!r}: there is no type {text!r}",
                hint=f"did you mean {near[0]}?" if near else f"types: {', '.join(_COMMON)}",
            ) from None
    return types


def raw_type(type_: Any) -> str:
    """What the file is read as before checking."""
    return "JSON" if type_.id in _NESTED or str(type_) == "JSON" else "VARCHAR"


def _is_text(type_: Any) -> bool:
    return bool(type_.id == "varchar")  # JSON, too, is a varchar underneath


def cast(value: str, type_: Any) -> str:
    """The value in its declared type, for rows that passed `wrong`."""
    return value if _is_text(type_) else f"try_cast({value} AS {type_})"


def wrong(value: str, type_: Any, fields: str | None = None) -> str | None:
    """A condition that is true when `value` isn't null and not of the type; None when it can't be.

    `fields` names what `fields_of` the value gave, so that it is taken apart once and not for each field.
    """
    if type_.id in _NESTED:
        nested = _wrong_nested(value, type_, fields)
        return f"({value} IS NOT NULL AND {_text(value)} <> 'null' AND ({nested}))"
    if _is_text(type_):
        return None
    converted = cast(value, type_)
    if (loss := loss_of(type_)) is None:
        return f"({value} IS NOT NULL AND {converted} IS NULL)"
    harmless = loss.harmless(value, converted)
    if converted in harmless:  # null where the cast fails: a sound value is cast only once
        quick = f"WHEN coalesce({harmless}, {value} IS NULL) THEN false WHEN {converted} IS NULL THEN true"
    else:
        quick = f"WHEN {value} IS NULL THEN false WHEN {converted} IS NULL THEN true WHEN {harmless} THEN false"
    return f"CASE {quick} ELSE {loss.sql(value, converted)} END"


def fields_of(value: str, type_: Any) -> str | None:
    """The fields of a JSON object as a struct of raw texts, for a struct with something to check."""
    if type_.id != "struct" or not any(wrong("field", child) for _, child in type_.children):
        return None
    shape = {name: raw_type(child) for name, child in type_.children}
    return f"json_transform({value}, {literal(_json(shape))})"


def _wrong_nested(value: str, type_: Any, fields: str | None) -> str:
    if type_.id == "struct":
        return _wrong_struct(value, type_, fields or fields_of(value, type_))
    if type_.id == "list":
        return _wrong_list(value, type_.children[0][1])
    if type_.id == "map":
        return _wrong_map(value, type_.children[1][1])
    return f"try_cast({value} AS {type_}) IS NULL"


def _text(value: str) -> str:
    return f"CAST({value} AS VARCHAR)"


def _is_not(value: str, opening: str) -> str:
    """JSON that is no object (or no list), by its first character: asking its type would parse it."""
    return f"NOT starts_with({_text(value)}, '{opening}')"


def _wrong_struct(value: str, type_: Any, fields: str | None) -> str:
    checks = [wrong(f"{fields}.{ident(name)}", child) for name, child in type_.children]
    return " OR ".join([_is_not(value, "{"), *filter(None, checks)])


def _wrong_list(value: str, child: Any) -> str:
    shape = _is_not(value, "[")
    check = wrong("item", child)
    if check is None:
        return shape
    items = f"json_transform({value}, {literal(f'[{_json(raw_type(child))}]')})"
    return f"{shape} OR len(list_filter({items}, lambda item: {check})) > 0"


def _wrong_map(value: str, child: Any) -> str:
    shape = _is_not(value, "{")
    check = wrong("item", child)
    if check is None:
        return shape
    items = f"map_values(try_cast({value} AS MAP(VARCHAR, {raw_type(child)})))"
    return f"{shape} OR len(list_filter({items}, lambda item: {check})) > 0"


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def reason(columns: Mapping[str, Any], value_of: Mapping[str, str]) -> str:
    """A CASE expression naming the first column whose value has the wrong type; null when all are right."""
    branches = []
    for name, type_ in columns.items():
        if (check := wrong(value_of[name], type_)) is not None:
            before, after = literal(f"column {name}: "), literal(f" is not {article(str(type_))}")
            branches.append(
                f"WHEN {check} THEN {before} || left({value_of[name]}::VARCHAR, 80) || {after}"
            )
    return f"CASE {' '.join(branches)} END" if branches else "NULL::VARCHAR"


def article(type_: str) -> str:
    """The type's name in a sentence."""
    return f"{'an' if type_[0] in 'AEIO' else 'a'} {type_}"
