"""Built-ins that choose, name, type and compute columns; rows stay as they are."""

from __future__ import annotations

import re
from typing import Literal

from odibi.errors import NodeError
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import condition, ident, literal, project, text

__all__ = [
    "AddPrefix",
    "AddSuffix",
    "CastColumns",
    "CoalesceColumns",
    "ConcatColumns",
    "DeriveColumns",
    "DropColumns",
    "NormalizeColumnNames",
    "NormalizeSchema",
    "RenameColumns",
    "SelectColumns",
]

_TYPES = {
    "int": "BIGINT",
    "integer": "BIGINT",
    "str": "VARCHAR",
    "string": "VARCHAR",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def _renamed(ctx: BuildContext, new_names: dict[str, str]) -> str:
    """SELECT all columns under new names, given by their exact old names."""
    items = [(ident(name), new_names.get(name, name)) for name in ctx.names]
    return f"SELECT {project(items)} FROM df"


def _chosen(ctx: BuildContext, columns: list[str] | None, exclude: list[str] | None) -> list[str]:
    wanted = [ctx.column(name).name for name in columns] if columns is not None else ctx.names
    left_out = {ctx.column(name).name for name in exclude or ()}
    return [name for name in wanted if name not in left_out]


@builtin("select_columns", cardinality="same", summary="Keep only these columns, in this order.")
class SelectColumns(Builtin):
    """Keep columns."""

    columns: list[str] = param("Columns to keep, in the order they should have.", min_length=1)

    EXAMPLE = Example(
        params={"columns": ["name", "id"]},
        df=Table("id BIGINT, name, note", [(1, "Ana", "x")]),
        result=Table("name, id BIGINT", [("Ana", 1)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return f"SELECT {', '.join(ctx.cols(self.columns))} FROM df"


@builtin("drop_columns", cardinality="same", summary="Remove these columns.")
class DropColumns(Builtin):
    """Drop columns."""

    columns: list[str] = param("Columns to remove; each must exist.", min_length=1)

    EXAMPLE = Example(
        params={"columns": ["note"]},
        df=Table("id BIGINT, note", [(1, "x")]),
        result=Table("id BIGINT", [(1,)]),
    )

    def build(self, ctx: BuildContext) -> str:
        kept = ctx.without(*(ctx.column(name).name for name in self.columns))
        if not kept:
            raise NodeError("drop_columns would remove every column", hint="keep at least one")
        return f"SELECT {', '.join(kept)} FROM df"


@builtin("rename_columns", cardinality="same", summary="Give columns new names.")
class RenameColumns(Builtin):
    """Rename columns."""

    mapping: dict[str, str] = param("Old name → new name.")

    EXAMPLE = Example(
        params={"mapping": {"cust nm": "customer"}},
        df=Table('id BIGINT, "cust nm"', [(1, "Ana")]),
        result=Table("id BIGINT, customer", [(1, "Ana")]),
    )

    def build(self, ctx: BuildContext) -> str:
        return _renamed(ctx, {ctx.column(old).name: new for old, new in self.mapping.items()})


@builtin("add_prefix", cardinality="same", summary="Put a prefix before column names.")
class AddPrefix(Builtin):
    """Prefix column names."""

    prefix: str = param("Text put before each name.", min_length=1)
    columns: list[str] | None = param("Columns to rename; all when left out.", None)
    exclude: list[str] | None = param("Columns that keep their names.", None)

    EXAMPLE = Example(
        params={"prefix": "src_", "exclude": ["id"]},
        df=Table("id BIGINT, name", [(1, "Ana")]),
        result=Table("id BIGINT, src_name", [(1, "Ana")]),
    )

    def build(self, ctx: BuildContext) -> str:
        return _renamed(ctx, {n: self.prefix + n for n in _chosen(ctx, self.columns, self.exclude)})


@builtin("add_suffix", cardinality="same", summary="Put a suffix after column names.")
class AddSuffix(Builtin):
    """Suffix column names."""

    suffix: str = param("Text put after each name.", min_length=1)
    columns: list[str] | None = param("Columns to rename; all when left out.", None)
    exclude: list[str] | None = param("Columns that keep their names.", None)

    EXAMPLE = Example(
        params={"suffix": "_raw", "columns": ["name"]},
        df=Table("id BIGINT, name", [(1, "Ana")]),
        result=Table("id BIGINT, name_raw", [(1, "Ana")]),
    )

    def build(self, ctx: BuildContext) -> str:
        return _renamed(ctx, {n: n + self.suffix for n in _chosen(ctx, self.columns, self.exclude)})


def _snake(name: str) -> str:
    words = re.sub(r"[\s\-.]+", "_", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()


@builtin("normalize_column_names", cardinality="same", summary="Bring column names into one style.")
class NormalizeColumnNames(Builtin):
    """Normalise column names; letters of any alphabet count as letters."""

    style: Literal["snake_case", "none"] = param(
        "`snake_case` splits words at capitals, spaces, dots and dashes.", "snake_case"
    )
    lowercase: bool = param("Write names in lower case.", True)
    remove_special: bool = param("Remove what is no letter, digit or underscore.", True)

    EXAMPLE = Example(
        params={},
        df=Table('"Order ID" BIGINT, "unitPrice" BIGINT, "Total (€)" BIGINT', [(1, 5, 10)]),
        result=Table("order_id BIGINT, unit_price BIGINT, total BIGINT", [(1, 5, 10)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return _renamed(ctx, {name: self._normal(name) for name in ctx.names})

    def _normal(self, name: str) -> str:
        new = _snake(name) if self.style == "snake_case" else name
        new = new.lower() if self.lowercase else new
        if self.remove_special:
            new = re.sub(r"_+", "_", re.sub(r"\W", "", new)).strip("_")
        return new or name


@builtin(
    "normalize_schema", cardinality="same", summary="Rename, drop and reorder columns in one go."
)
class NormalizeSchema(Builtin):
    """Rename and drop first; then `select_order`, followed by the columns it doesn't name."""

    rename: dict[str, str] | None = param("Old name → new name.", {})
    drop: list[str] | None = param(
        "Columns to remove (by their old names); missing ones don't matter.", []
    )
    select_order: list[str] | None = param("New names that come first, in this order.", None)

    EXAMPLE = Example(
        params={"rename": {"nm": "name"}, "drop": ["tmp"], "select_order": ["name"]},
        df=Table("id BIGINT, nm, tmp", [(1, "Ana", "x")]),
        result=Table("name, id BIGINT", [("Ana", 1)]),
    )

    def build(self, ctx: BuildContext) -> str:
        new = {ctx.column(old).name: name for old, name in (self.rename or {}).items()}
        gone = {name.casefold() for name in self.drop or ()}
        items = [
            (ident(name), new.get(name, name)) for name in ctx.names if name.casefold() not in gone
        ]
        places = {
            name: place for place, name in enumerate(self._order([name for _, name in items]))
        }
        return f"SELECT {project(sorted(items, key=lambda item: places[item[1]]))} FROM df"

    def _order(self, names: list[str]) -> list[str]:
        first = self.select_order or []
        for name in first:
            if name not in names:
                raise NodeError(
                    f"select_order: no column {name!r}", hint="columns: " + ", ".join(names)
                )
        return [*first, *(name for name in names if name not in first)]


@builtin("cast_columns", cardinality="same", summary="Change the types of columns.")
class CastColumns(Builtin):
    """Cast columns; a value that doesn't fit its new type fails the node."""

    casts: dict[str, str] = param(
        "Column → int, float, str, bool, date, timestamp, or any DuckDB type."
    )

    EXAMPLE = Example(
        params={"casts": {"id": "int", "price": "DECIMAL(8,2)", "day": "date"}},
        df=Table("id, price, day", [("7", "3.5", "2025-01-31")]),
        result=Table("id BIGINT, price DECIMAL(8,2), day DATE", [(7, "3.50", "2025-01-31")]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns(
            {name: self._cast(ctx.col(name), kind) for name, kind in self.casts.items()}
        )

    @staticmethod
    def _cast(column: str, kind: str) -> str:
        return f"CAST({column} AS {_TYPES.get(kind.lower(), kind)})"


@builtin("coalesce_columns", cardinality="same", summary="Take the first value that isn't null.")
class CoalesceColumns(Builtin):
    """Coalesce columns into one."""

    columns: list[str] = param("Columns in order of preference.", min_length=1)
    output_col: str = param("Name of the result.")
    drop_source: bool = param("Remove the columns it was taken from.", False)

    EXAMPLE = Example(
        params={"columns": ["mobile", "home"], "output_col": "phone", "drop_source": True},
        df=Table("id BIGINT, mobile, home", [(1, None, "22"), (2, "33", "44")]),
        result=Table("id BIGINT, phone", [(1, "22"), (2, "33")]),
    )

    def build(self, ctx: BuildContext) -> str:
        first = f"COALESCE({', '.join(ctx.cols(self.columns))})"
        if not self.drop_source:
            return ctx.with_columns({self.output_col: first})
        kept = ctx.without(*self.columns, self.output_col)
        return f"SELECT {', '.join([*kept, f'{first} AS {ident(self.output_col)}'])} FROM df"


@builtin("concat_columns", cardinality="same", summary="Join columns into one text.")
class ConcatColumns(Builtin):
    """Concatenate columns; nulls are left out together with their separator."""

    columns: list[str] = param("Columns to join, in order.", min_length=1)
    separator: str = param("Text between two values.", "")
    output_col: str = param("Name of the result.")

    EXAMPLE = Example(
        params={"columns": ["first", "middle", "last"], "separator": " ", "output_col": "full"},
        df=Table("first, middle, last", [("Ana", None, "Lopez")]),
        result=Table("first, middle, last, full", [("Ana", None, "Lopez", "Ana Lopez")]),
    )

    def build(self, ctx: BuildContext) -> str:
        parts = ", ".join(text(column) for column in ctx.cols(self.columns))
        return ctx.with_columns({self.output_col: f"concat_ws({literal(self.separator)}, {parts})"})


@builtin("derive_columns", cardinality="same", summary="Compute columns from SQL expressions.")
class DeriveColumns(Builtin):
    """Derive columns; a new column may be used by the ones after it."""

    derivations: dict[str, str] = param("New (or replaced) column → SQL expression.", min_length=1)

    EXAMPLE = Example(
        params={"derivations": {"total": "qty * price"}},
        df=Table("qty BIGINT, price BIGINT", [(3, 5)]),
        result=Table("qty BIGINT, price BIGINT, total BIGINT", [(3, 5, 15)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns({name: condition(sql) for name, sql in self.derivations.items()})
