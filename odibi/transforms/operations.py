"""The step operations of old projects whose params have pandas' names."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from odibi.errors import NodeError
from odibi.transforms.columns import DropColumns, RenameColumns
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.rows import first_of_each
from odibi.transforms.sql import ident, literal
from odibi.transforms.types import is_number

__all__ = ["Drop", "DropDuplicates", "FillNa", "Rename"]

Scalar = str | int | float | bool


@builtin(
    "drop_duplicates",
    kind="operation",
    cardinality="deduplicates",
    summary="Keep one row for each key.",
)
class DropDuplicates(Builtin):
    """As `deduplicate`: without an order in the data, the first or last by the values of all columns stays."""

    subset: str | list[str] | None = param(
        "Columns that should be unique; all when left out.", None
    )
    keep: Literal["first", "last", False] = param("Which row of a key stays; false: none.", "first")

    EXAMPLE = Example(
        params={"subset": ["id"]},
        df=Table("id BIGINT, v BIGINT", [(1, 20), (1, 10), (2, 5)]),
        result=Table("id BIGINT, v BIGINT", [(1, 10), (2, 5)]),
    )

    def build(self, ctx: BuildContext) -> str:
        keys = [self.subset] if isinstance(self.subset, str) else self.subset or ctx.names
        names = ctx.cols(keys)
        if self.keep is False:
            return f"SELECT * FROM df QUALIFY count(*) OVER (PARTITION BY {', '.join(names)}) = 1"
        rest = ctx.without(*keys)
        backwards = ", ".join(f"{name} DESC NULLS LAST" for name in rest)
        return first_of_each(ctx, keys, backwards if self.keep == "last" and rest else None)


@builtin("fillna", kind="operation", cardinality="same", summary="Put values where there are none.")
class FillNa(Builtin):
    """Fill nulls; a single value fills the columns whose type it fits."""

    value: Scalar | dict[str, Scalar] = param("A value, or column → value.")

    EXAMPLE = Example(
        params={"value": 0},
        df=Table("qty BIGINT, city", [(None, None), (2, "Lima")]),
        result=Table("qty BIGINT, city", [(0, None), (2, "Lima")]),
    )

    def build(self, ctx: BuildContext) -> str:
        if isinstance(self.value, dict):
            chosen = {ctx.column(name).name: value for name, value in self.value.items()}
        else:
            chosen = {c.name: self.value for c in ctx.columns if _fits(self.value, c.type)}
        if not chosen:
            raise NodeError(f"fillna: no column can hold {self.value!r}", hint="use column → value")
        return ctx.with_columns(
            {n: f"COALESCE({ident(n)}, {literal(v)})" for n, v in chosen.items()}
        )


def _fits(value: Scalar, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "BOOLEAN"
    if isinstance(value, str):
        return kind == "VARCHAR"
    return is_number(kind)


@builtin("drop", kind="operation", cardinality="same", summary="Remove columns.")
class Drop(Builtin):
    """Drop columns."""

    columns: str | list[str] = param("Columns to remove.")

    EXAMPLE = Example(
        params={"columns": "note"},
        df=Table("id BIGINT, note", [(1, "x")]),
        result=Table("id BIGINT", [(1,)]),
    )

    @model_validator(mode="before")
    @classmethod
    def _labels(cls, data: Any) -> Any:
        """`labels` with `axis: 1` says the same."""
        if isinstance(data, dict) and data.get("axis") in (1, "columns") and "labels" in data:
            rest = {key: value for key, value in data.items() if key not in ("labels", "axis")}
            return {"columns": data["labels"], **rest}
        return data

    def build(self, ctx: BuildContext) -> str:
        columns = [self.columns] if isinstance(self.columns, str) else self.columns
        return DropColumns(columns=columns).build(ctx)


@builtin("rename", kind="operation", cardinality="same", summary="Give columns new names.")
class Rename(Builtin):
    """Rename columns."""

    columns: dict[str, str] = param("Old name → new name.")

    EXAMPLE = Example(
        params={"columns": {"nm": "name"}},
        df=Table("nm", [("Ana",)]),
        result=Table("name", [("Ana",)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return RenameColumns(mapping=self.columns).build(ctx)
