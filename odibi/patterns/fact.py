"""Pattern `fact`: events or transactions with the surrogate keys of their dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from odibi.engine import Column
from odibi.errors import NodeError
from odibi.patterns.audit import Audit
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, Cardinality, builtin, param
from odibi.transforms.rows import first_of_each
from odibi.transforms.sql import condition, ident, literal, project, table, text
from odibi.transforms.types import is_number, is_zoned

__all__ = ["DimensionLookup", "Fact", "OrphanPlace"]


class DimensionLookup(BaseModel):
    """How a column of the fact finds its row in a dimension."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    source_column: str = param("Column of the fact with the natural key.")
    dimension_table: str = param("The dimension: a node or input name.")
    dimension_key: str = param("Its natural key.")
    surrogate_key: str = param("Its surrogate key, added to the fact under this name.")
    scd2: bool = param("The dimension keeps versions: look only at the current ones.", False)


class OrphanPlace(BaseModel):
    """Where orphans are kept."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    connection: str = param("Connection.")
    path: str | None = param("Path in it.", None)
    table: str | None = param("Table, instead of a path.", None)
    add_columns: dict[str, bool] | None = param(
        "Accepted from old projects; orphans always come with `_rejection_reason`.", None
    )


@builtin(
    "fact",
    kind="pattern",
    cardinality="same",
    summary="Look up surrogate keys, check the grain, compute measures.",
)
class Fact(Builtin):
    """Fact table: all input columns, a surrogate key for each dimension, measures, audit columns.

    Keys compare by value: a text finds the date or number that it spells, a time the day it falls
    on. What no dimension row matches (nulls too) is an orphan: `unknown` gives it key 0, `reject`
    fails the node, `quarantine` moves the row away with its reason. Two dimension rows with one
    natural key, or two fact rows of one grain, fail the node.
    """

    grain: list[str] | None = param("Columns that must identify a row.", None)
    dimensions: list[DimensionLookup] = param("Lookups.", [])
    orphan_handling: Literal["unknown", "reject", "quarantine"] = param(
        "What to do with orphans.", "unknown"
    )
    quarantine: OrphanPlace | None = param("Where orphans go.", None)
    measures: list[str | dict[str, str]] | None = param(
        "Columns that must exist, or new name → SQL expression; new name → old name renames.", None
    )
    deduplicate: bool = param("Keep one row for each of `keys`, before anything else.", False)
    keys: list[str] | None = param("Columns for `deduplicate`.", None)
    audit: Audit | None = param("Audit columns.", None)

    EXAMPLE = Example(
        params={
            "grain": ["order_id"],
            "dimensions": [
                {
                    "source_column": "day",
                    "dimension_table": "dim_date",
                    "dimension_key": "full_date",
                    "surrogate_key": "date_sk",
                }
            ],
            "measures": [{"total": "qty * price"}],
        },
        df=Table(
            "order_id BIGINT, day, qty BIGINT, price BIGINT",
            [(1, "2025-01-01", 2, 5), (2, "1999-01-01", 1, 3)],
        ),
        tables={"dim_date": Table("date_sk BIGINT, full_date DATE", [(20250101, "2025-01-01")])},
        result=Table(
            "order_id BIGINT, day, qty BIGINT, price BIGINT, date_sk BIGINT, total BIGINT",
            [(1, "2025-01-01", 2, 5, 20250101, 10), (2, "1999-01-01", 1, 3, 0, 3)],
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Fact:
        if self.deduplicate and not self.keys:
            raise ValueError("`deduplicate` needs `keys`")
        if self.orphan_handling == "quarantine" and not self.quarantine:
            raise ValueError(
                "`orphan_handling: quarantine` needs `quarantine` with a connection and a path"
            )
        return self

    @property
    def cardinality(self) -> Cardinality:
        if self.deduplicate:
            return "deduplicates"
        return "fewer" if self.orphan_handling == "quarantine" else "same"

    def build(self, ctx: BuildContext) -> str:
        kept = " WHERE _orphans IS NULL" if self.orphan_handling == "quarantine" else ""
        return f"{self._looked_up(ctx)}\nSELECT {project(self._items(ctx))} FROM _looked_up{kept}{self._unique(ctx)}"

    def rejected(self, ctx: BuildContext) -> str | None:
        if self.orphan_handling != "quarantine":
            return None
        columns = ", ".join(map(ident, ctx.names))
        return (
            f"{self._looked_up(ctx)}\nSELECT {columns}, _orphans AS _rejection_reason "
            "FROM _looked_up WHERE _orphans IS NOT NULL"
        )

    def _looked_up(self, ctx: BuildContext) -> str:
        """CTEs up to `_looked_up`: the input, the surrogate keys (null for orphans), and `_orphans`."""
        source = (
            first_of_each(ctx, self.keys, None)
            if self.deduplicate and self.keys
            else "SELECT * FROM df"
        )
        joins, keys, reasons = [], [], []
        for number, lookup in enumerate(self.dimensions):
            joins.append(self._join(ctx, lookup, number))
            keys.append(f"_d{number}._sk AS _sk{number}")
            value = f"COALESCE({text(f'_fact.{ctx.col(lookup.source_column)}')}, 'null')"
            said = literal(f"{lookup.source_column} ")
            where = literal(f" is not in {lookup.dimension_table}")
            reasons.append(
                f"CASE WHEN _d{number}._sk IS NULL THEN {said} || {value} || {where} END"
            )
        orphans = (
            f"NULLIF(concat_ws('; ', {', '.join(reasons)}), '')"
            if reasons
            else "CAST(NULL AS VARCHAR)"
        )
        return f"""WITH _fact AS (
{source}
), _looked_up AS (
  SELECT {", ".join(["_fact.*", *keys])}, {orphans} AS _orphans
  FROM _fact {" ".join(joins)}
)"""

    def _join(self, ctx: BuildContext, lookup: DimensionLookup, number: int) -> str:
        dimension = lookup.dimension_table
        source, key = ctx.column(lookup.source_column), ctx.column(lookup.dimension_key, dimension)
        left, right = comparable(f"_fact.{ident(source.name)}", source, ident(key.name), key)
        surrogate = ctx.col(lookup.surrogate_key, dimension)
        current = f" AND {ctx.col('is_current', dimension)}" if lookup.scd2 else ""
        twice = " || ".join(
            [
                literal(f"fact: {lookup.dimension_key} "),
                text("_key"),
                literal(f" has several rows in {dimension}"),
            ]
        )
        return f"""LEFT JOIN (
    SELECT _key, CASE WHEN count(*) > 1 THEN error({twice}) ELSE min(_sk) END AS _sk
    FROM (SELECT {right} AS _key, {surrogate} AS _sk FROM {table(dimension)} WHERE {right} IS NOT NULL{current})
    GROUP BY _key
  ) AS _d{number} ON {left} = _d{number}._key"""

    def _items(self, ctx: BuildContext) -> list[tuple[str, str]]:
        for measure in self.measures or ():
            if isinstance(measure, str):
                ctx.column(measure)
        renamed = {ctx.column(old).name: new for new, old in self._measures() if ctx.has(old)}
        items = [(ident(name), renamed.get(name, name)) for name in ctx.names]
        items += [
            (self._key(number), lookup.surrogate_key)
            for number, lookup in enumerate(self.dimensions)
        ]
        items += [(condition(sql), new) for new, sql in self._measures() if not ctx.has(sql)]
        return items + [
            (value, name) for name, value in (self.audit.columns(ctx) if self.audit else {}).items()
        ]

    def _measures(self) -> Iterator[tuple[str, str]]:
        """(new name, expression or column) of the measures; a bare name is itself."""
        for measure in self.measures or ():
            yield from [(measure, measure)] if isinstance(measure, str) else measure.items()

    def _key(self, number: int) -> str:
        if self.orphan_handling == "reject":
            return f"CASE WHEN _orphans IS NOT NULL THEN error('fact: ' || _orphans) ELSE _sk{number} END"
        return f"COALESCE(_sk{number}, 0)"

    def _unique(self, ctx: BuildContext) -> str:
        if not self.grain:
            return ""
        columns = ctx.cols(self.grain)
        shown = " || ', ' || ".join(f"COALESCE({text(column)}, 'null')" for column in columns)
        return f"""
QUALIFY CASE WHEN count(*) OVER (PARTITION BY {", ".join(columns)}) > 1
  THEN error('fact: several rows have the grain ' || {shown}) ELSE TRUE END"""


def comparable(left: str, a: Column, right: str, b: Column) -> tuple[str, str]:
    """Both sides of a lookup brought to a type in which equal values are equal.

    Raises NodeError when the types have nothing in common.
    """
    if a.type == b.type or (is_number(a.type) and is_number(b.type)):
        return left, right
    if _is_time(a.type) and _is_time(b.type):
        return _day(left, a.type), _day(right, b.type)
    if a.type == "VARCHAR":
        return f"TRY_CAST({left} AS {b.type})", right
    if b.type == "VARCHAR":
        return left, f"TRY_CAST({right} AS {a.type})"
    raise NodeError(
        f"{a.name} ({a.type}) can't be compared with {b.name} ({b.type})",
        hint="cast one of them first",
    )


def _is_time(kind: str) -> bool:
    return kind.startswith(("DATE", "TIMESTAMP"))


def _day(side: str, kind: str) -> str:
    return f"CAST(timezone('UTC', {side}) AS DATE)" if is_zoned(kind) else f"CAST({side} AS DATE)"
