"""DuckDB's types in Spark, and what stands for those that Spark has no equal of while rows are with it."""

from __future__ import annotations

from functools import lru_cache

from odibi.engine import Schema
from odibi.errors import EngineError

from .sql_text import ident

__all__ = ["carried", "carried_type", "spark_type"]

_CARRIED = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
    "TIME": "VARCHAR",
    "NULL": "INTEGER",
    '"NULL"': "INTEGER",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
}
"""Types that rows have as another one while Spark holds them; they get their own back afterwards."""

_SPARK = {
    "BIGINT": "BIGINT",
    "INTEGER": "INT",
    "SMALLINT": "SMALLINT",
    "TINYINT": "TINYINT",
    "DOUBLE": "DOUBLE",
    "FLOAT": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "VARCHAR": "STRING",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "BLOB": "BINARY",
    "HUGEINT": "DECIMAL(38,0)",
}


@lru_cache(maxsize=1_000)
def carried_type(type_: str) -> str:
    """The DuckDB type in which a column travels to Spark. Raises EngineError when there is none."""
    if type_.endswith("[]"):
        return f"{carried_type(type_[:-2])}[]"
    if type_ in _SPARK or type_.startswith("DECIMAL("):
        return type_
    if type_ in _CARRIED:
        return _CARRIED[type_]
    if type_.startswith("ENUM("):
        return "VARCHAR"
    kind, parts = _parts(type_)
    if kind == "STRUCT":
        fields = (_field(part) for part in parts)
        return f"STRUCT({', '.join(f'{name} {carried_type(inner)}' for name, inner in fields)})"
    if kind == "MAP":
        return f"MAP({', '.join(map(carried_type, parts))})"
    raise EngineError(
        f"Spark has no type for {type_}", hint="cast the column, or use engine: duckdb"
    )


@lru_cache(maxsize=1_000)
def spark_type(type_: str) -> str:
    """The Spark type of a DuckDB type, in Spark's spelling."""
    return _spelled(carried_type(type_))


def _spelled(type_: str) -> str:
    if type_.endswith("[]"):
        return f"ARRAY<{_spelled(type_[:-2])}>"
    if type_ in _SPARK or type_.startswith("DECIMAL("):
        return _SPARK.get(type_, type_)
    kind, parts = _parts(type_)
    if kind == "MAP":
        return f"MAP<{', '.join(map(_spelled, parts))}>"
    fields = (_field(part) for part in parts)
    return (
        "STRUCT<" + ", ".join(f"{_quoted(name)}: {_spelled(inner)}" for name, inner in fields) + ">"
    )


def _quoted(name: str) -> str:
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name
    return "`" + plain.replace("`", "``") + "`"


def _parts(type_: str) -> tuple[str, list[str]]:
    """STRUCT or MAP and what its brackets hold."""
    kind, _, rest = type_.partition("(")
    return kind, _split(rest[:-1], ",") if rest.endswith(")") else []


def _field(text: str) -> tuple[str, str]:
    name, *rest = _split(text, " ")
    return name, " ".join(rest)


def _split(text: str, at: str) -> list[str]:
    """The text cut at a character, but not inside brackets or quotes."""
    depth, quoted, parts = 0, False, [""]
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == at and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def carried(relation: str, schema: Schema) -> str:
    """SELECT of the rows in the types that Spark has."""
    casts = [
        f"{ident(column.name)}::{carried_type(column.type)} AS {ident(column.name)}"
        for column in schema
        if carried_type(column.type) != column.type
    ]
    return f"SELECT * REPLACE ({', '.join(casts)}) FROM {relation}" if casts else f"FROM {relation}"
