"""Built-ins for lists, structs and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from odibi.engine import Column, Schema
from odibi.errors import NodeError
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import ident, literal, project, text
from odibi.transforms.types import columns_of, struct_fields

__all__ = ["ExplodeListColumn", "FlattenStruct", "NormalizeJson", "ParseJson", "UnpackStruct"]


@builtin(
    "explode_list_column", cardinality="changes", summary="One row for each element of a list."
)
class ExplodeListColumn(Builtin):
    """Explode a list column in place; null elements give rows, empty and null lists none."""

    column: str = param("List column.")
    outer: bool = param("Keep rows whose list is empty or null, with a null.", False)

    EXAMPLE = Example(
        params={"column": "tags", "outer": True},
        df=Table("id BIGINT, tags VARCHAR[]", [(1, ["a", "b"]), (2, [])]),
        result=Table("id BIGINT, tags", [(1, "a"), (1, "b"), (2, None)]),
    )

    def build(self, ctx: BuildContext) -> str:
        column = ctx.column(self.column)
        if not column.type.endswith("]"):
            raise NodeError(
                f"explode_list_column: {column.name!r} is {column.type}, not a list",
                hint="for JSON text, cast it first: cast_columns with `VARCHAR[]` or the like",
            )
        values = ident(column.name)
        if self.outer:
            values = f"CASE WHEN len({values}) > 0 THEN {values} ELSE [NULL] END"
        return ctx.with_columns({column.name: f"unnest({values})"})


def _fields(ctx: BuildContext, name: str) -> Schema:
    column = ctx.column(name)
    fields = struct_fields(column.type)
    if fields is None:
        raise NodeError(
            f"{column.name!r} is {column.type}, not a struct",
            hint="for JSON text use parse_json or normalize_json",
        )
    return fields


@builtin("unpack_struct", cardinality="same", summary="The fields of a struct as columns.")
class UnpackStruct(Builtin):
    """Add a struct's fields as columns of the same name; the struct stays."""

    column: str = param("Struct column.")

    EXAMPLE = Example(
        params={"column": "geo"},
        df=Table("id BIGINT, geo STRUCT(lat DOUBLE, lon DOUBLE)", [(1, {"lat": 1.5, "lon": 2.0})]),
        result=Table(
            "id BIGINT, geo STRUCT(lat DOUBLE, lon DOUBLE), lat DOUBLE, lon DOUBLE",
            [(1, {"lat": 1.5, "lon": 2.0}, 1.5, 2.0)],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        struct = ctx.col(self.column)
        added = [
            (f"struct_extract({struct}, {literal(f.name)})", f.name)
            for f in _fields(ctx, self.column)
        ]
        return f"SELECT {project([*((ident(name), name) for name in ctx.names), *added])} FROM df"


@builtin(
    "flatten_struct", cardinality="same", summary="A struct's fields, also nested ones, as columns."
)
class FlattenStruct(Builtin):
    """Flatten a struct: `<prefix><field>`, deeper fields joined by the separator."""

    column: str = param("Struct column.")
    prefix: str | None = param("Start of the new names; column and separator when left out.", None)
    depth: int = param("How many levels to open.", 1, ge=1)
    separator: str = param("Text between the names of two levels.", "_")
    drop_source: bool = param("Remove the struct.", True)

    EXAMPLE = Example(
        params={"column": "p", "depth": 2},
        df=Table("p STRUCT(n VARCHAR, pos STRUCT(x BIGINT))", [({"n": "a", "pos": {"x": 3}},)]),
        result=Table("p_n, p_pos_x BIGINT", [("a", 3)]),
    )

    def build(self, ctx: BuildContext) -> str:
        prefix = self.column + self.separator if self.prefix is None else self.prefix
        leaves = list(
            self._leaves(ctx.col(self.column), prefix, _fields(ctx, self.column), self.depth)
        )
        source = ctx.column(self.column).name
        kept = [
            (ident(name), name) for name in ctx.names if not (self.drop_source and name == source)
        ]
        return f"SELECT {project([*kept, *leaves])} FROM df"

    def _leaves(self, sql: str, name: str, fields: Schema, depth: int) -> Iterator[tuple[str, str]]:
        for field in fields:
            inner = struct_fields(field.type) if depth > 1 else None
            value = f"struct_extract({sql}, {literal(field.name)})"
            if inner is None:
                yield value, name + field.name
            else:
                yield from self._leaves(value, name + field.name + self.separator, inner, depth - 1)


@builtin("parse_json", cardinality="same", summary="JSON text as a struct of known types.")
class ParseJson(Builtin):
    """Parse JSON by a declared schema; text that is no JSON gives null, so do values of a wrong type."""

    column: str = param("Column with JSON text.")
    json_schema: str = param(
        "Fields and types, such as `id INT, tags ARRAY<STRING>`.", min_length=1
    )
    output_col: str | None = param("Name of the result; `<column>_parsed` when left out.", None)

    EXAMPLE = Example(
        params={"column": "j", "json_schema": "a INT, b ARRAY<STRING>", "output_col": "s"},
        df=Table("j", [('{"a": 1, "b": ["x"]}',), ("{oops",)]),
        result=Table(
            "j, s STRUCT(a INTEGER, b VARCHAR[])",
            [('{"a": 1, "b": ["x"]}', {"a": 1, "b": ["x"]}), ("{oops", None)],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        column, kind = ctx.col(self.column), _struct(self.json_schema)
        parsed = f"CASE WHEN json_valid({text(column)}) THEN TRY_CAST(CAST({column} AS JSON) AS {kind}) END"
        return ctx.with_columns({self.output_col or f"{self.column}_parsed": parsed})


def _struct(fields: str) -> str:
    """`a INT, b: ARRAY<STRING>` as a DuckDB struct type. Raises NodeError when it can't be read."""
    try:
        columns = columns_of(re.sub(r"(\w+)\s*:", r"\1 ", fields))
    except ValueError as error:
        raise NodeError(f"json_schema: {error}", hint="write `name TYPE, name TYPE`") from None
    inner = ", ".join(f"{ident(column.name)} {_type(column.type)}" for column in columns)
    return f"STRUCT({inner})"


def _type(kind: str) -> str:
    match = re.fullmatch(r"(ARRAY|STRUCT|MAP)\s*<(.*)>", kind.strip(), re.IGNORECASE | re.DOTALL)
    if match is None:
        return kind
    if match[1].upper() == "ARRAY":
        return _type(match[2]) + "[]"
    if match[1].upper() == "STRUCT":
        return _struct(match[2])
    key, value = columns_of(match[2].replace(" ", ""))
    return f"MAP({_type(key.name)}, {_type(value.name)})"


@builtin("normalize_json", cardinality="same", summary="All fields of a JSON column as columns.")
class NormalizeJson(Builtin):
    """Flatten JSON objects; the fields are those that occur in the data, with the types they have there.

    Nested objects give names joined by `sep`, lists stay lists. A taken name gets the ending `_json`.
    Text that is no JSON fails the node.
    """

    column: str = param("Column with JSON text (or a struct).")
    sep: str = param("Text between the names of two levels.", "_")

    EXAMPLE = Example(
        params={"column": "j"},
        df=Table("id BIGINT, j", [(1, '{"id": 7, "user": {"name": "Ana"}}'), (2, None)]),
        result=Table(
            "id BIGINT, j, id_json BIGINT, user_name",
            [(1, '{"id": 7, "user": {"name": "Ana"}}', 7, "Ana"), (2, None, None, None)],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        as_json = self._json(ctx.column(self.column))
        found = ctx.fetch(f"SELECT json_group_structure({as_json}) AS structure FROM df").rows[0][0]
        structure = json.loads(found) if found else {}
        if not isinstance(structure, dict):
            raise NodeError(
                f"normalize_json: {self.column!r} doesn't hold one kind of JSON object",
                hint="its values are " + str(structure),
            )
        added = [
            (_extracted(as_json, path, kind), f"{name}_json" if ctx.has(name) else name)
            for path, name, kind in _leaves(structure, "$", "", self.sep)
        ]
        return f"SELECT {project([*((ident(n), n) for n in ctx.names), *added])} FROM df"

    @staticmethod
    def _json(column: Column) -> str:
        name = ident(column.name)
        return f"to_json({name})" if struct_fields(column.type) else f"CAST({name} AS JSON)"


_Structure = str | list[Any] | dict[str, Any]


def _extracted(as_json: str, path: str, kind: _Structure) -> str:
    """The value at a JSON path, with the type that it has in the data."""
    if _json_type(kind) in ("VARCHAR", "JSON"):
        return f"({as_json} ->> {literal(path)})"
    return f"CAST(json_extract({as_json}, {literal(path)}) AS {_json_type(kind)})"


def _json_type(kind: _Structure) -> str:
    """The type for a piece of `json_group_structure`'s answer."""
    if isinstance(kind, list):
        return f"{_json_type(kind[0])}[]"
    if isinstance(kind, dict):
        fields = ", ".join(f"{ident(name)} {_json_type(inner)}" for name, inner in kind.items())
        return f"STRUCT({fields})" if kind else "VARCHAR"
    return {"UBIGINT": "BIGINT", "NULL": "VARCHAR"}.get(kind, kind)


def _leaves(
    structure: dict[str, Any], path: str, name: str, sep: str
) -> Iterator[tuple[str, str, _Structure]]:
    """(JSON path, column name, structure) of each field that isn't an object."""
    for key, kind in structure.items():
        here = f"{path}.{json.dumps(key, ensure_ascii=False)}"
        if isinstance(kind, dict) and kind:
            yield from _leaves(kind, here, f"{name}{key}{sep}", sep)
        else:
            yield here, f"{name}{key}", kind
