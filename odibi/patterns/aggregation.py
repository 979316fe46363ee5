"""Pattern `aggregation`: measures by group, optionally kept up to date batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from odibi.patterns.audit import Audit
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin, param
from odibi.transforms.sql import condition, ident, project, table

__all__ = ["Aggregation", "Incremental", "Measure"]

_STORED = "_target"


class Measure(BaseModel):
    """One measure."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = param("Name of the result column.")
    expr: str = param("SQL aggregate, such as `sum(amount)` or `count(*)`.")


class Incremental(BaseModel):
    """How the groups of a batch meet those that are stored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    timestamp_column: str = param("Column by which the input arrives in batches; must exist.")
    merge_strategy: Literal["replace", "sum", "min", "max"] = param(
        "`replace` takes the batch's group; the others combine each measure with the stored one.",
        "replace",
    )


@builtin(
    "aggregation",
    kind="pattern",
    cardinality="changes",
    summary="Measures by group, also batch by batch.",
)
class Aggregation(Builtin):
    """Aggregate. With `incremental` the result is the whole new table: stored groups and the batch's.

    `sum` adds: the same batch twice counts twice. `having` decides about the batch's groups.
    """

    grain: list[str] = param("Columns that form the groups.")
    measures: list[Measure] = param("What to compute.", min_length=1)
    having: str | None = param("SQL condition on a group.", None)
    incremental: Incremental | None = param("Combine with the groups stored so far.", None)
    target: str | None = param(
        "The groups so far: `connection.table`, or a path; what the node writes when left out.",
        None,
    )
    audit: Audit | None = param("Audit columns.", None)

    EXAMPLE = Example(
        params={
            "grain": ["city"],
            "measures": [{"name": "orders", "expr": "count(*)"}],
            "incremental": {"timestamp_column": "day", "merge_strategy": "sum"},
            "target": "gold.orders_by_city",
        },
        df=Table("city, day BIGINT", [("Lima", 2), ("Lima", 2), ("Quito", 2)]),
        tables={_STORED: Table("city, orders BIGINT", [("Lima", 10), ("Cusco", 1)])},
        result=Table("city, orders BIGINT", [("Cusco", 1), ("Lima", 12), ("Quito", 1)]),
    )

    def targets(self) -> Mapping[str, TargetRef]:
        return {_STORED: TargetRef(path=self.target)} if self.incremental else {}

    def build(self, ctx: BuildContext) -> str:
        if self.incremental is None or _STORED not in ctx.tables:
            if self.incremental is not None:
                ctx.column(self.incremental.timestamp_column)
            return self._batch(ctx)
        return self._combined(ctx, self.incremental)

    def _grain(self, ctx: BuildContext) -> list[str]:
        return [ctx.column(name).name for name in self.grain]

    def _audit(self, ctx: BuildContext) -> dict[str, str]:
        return self.audit.columns(ctx) if self.audit else {}

    def _batch(self, ctx: BuildContext) -> str:
        grain = self._grain(ctx)
        items = [(ident(name), name) for name in grain]
        items += [(condition(measure.expr), measure.name) for measure in self.measures]
        items += [(value, name) for name, value in self._audit(ctx).items()]
        by = f" GROUP BY {', '.join(map(ident, grain))}" if grain else ""
        having = f" HAVING {condition(self.having)}" if self.having else ""
        return f"SELECT {project(items)} FROM df{by}{having}"

    def _combined(self, ctx: BuildContext, how: Incremental) -> str:
        ctx.column(how.timestamp_column)
        grain = self._grain(ctx)
        same = (
            " AND ".join(f"_new.{ident(n)} IS NOT DISTINCT FROM _old.{ident(n)}" for n in grain)
            or "TRUE"
        )
        items = [
            (f"CASE WHEN _given THEN _new.{ident(n)} ELSE _old.{ident(n)} END", n) for n in grain
        ]
        items += [
            (_merged(how.merge_strategy, measure.name), measure.name) for measure in self.measures
        ]
        items += [
            (f"CASE WHEN _given THEN _new.{ident(n)} ELSE {self._kept(ctx, n)} END", n)
            for n in self._audit(ctx)
        ]
        return f"""SELECT {project(items)}
FROM (SELECT *, TRUE AS _given FROM ({self._batch(ctx)})) AS _new
FULL JOIN {table(_STORED)} AS _old ON {same}"""

    def _kept(self, ctx: BuildContext, name: str) -> str:
        return f"_old.{ident(name)}" if ctx.has(name, _STORED) else "NULL"


def _merged(strategy: str, name: str) -> str:
    new, old = f"_new.{ident(name)}", f"_old.{ident(name)}"
    if strategy == "replace":
        return f"CASE WHEN _given THEN {new} ELSE {old} END"
    if strategy == "sum":
        return f"CASE WHEN {new} IS NULL THEN {old} WHEN {old} IS NULL THEN {new} ELSE {new} + {old} END"
    return f"{'least' if strategy == 'min' else 'greatest'}({new}, {old})"  # both ignore nulls
