"""Comparing two inputs of a node with each other."""

from __future__ import annotations

from typing import Literal

from odibi.errors import NodeError
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import table

__all__ = ["CrossCheck"]


@builtin("cross_check", cardinality="same", summary="Fail the node unless two inputs agree.")
class CrossCheck(Builtin):
    """Compare two inputs; `df` goes on as it is.

    `row_count_diff`: their numbers of rows differ by at most `threshold`, as a share of the first
    one's. `schema_match`: they have the same columns with the same types, in any order.
    """

    type: Literal["row_count_diff", "schema_match"] = param("What must agree.")
    inputs: list[str] = param("The two inputs: node or input names.", min_length=2, max_length=2)
    threshold: float = param("Largest difference of row counts, as a share (0 to 1).", 0.0, ge=0)

    EXAMPLE = Example(
        params={"type": "row_count_diff", "inputs": ["orders", "invoices"], "threshold": 0.5},
        df=Table("id BIGINT", [(1,), (2,)]),
        tables={
            "orders": Table("id BIGINT", [(1,), (2,)]),
            "invoices": Table("id BIGINT", [(1,)]),
        },
        result=Table("id BIGINT", [(1,), (2,)]),
    )

    def build(self, ctx: BuildContext) -> str:
        problem = self._schemas(ctx) if self.type == "schema_match" else self._counts(ctx)
        if problem:
            raise NodeError(f"cross_check {self.type}: {problem}")
        return "SELECT * FROM df"

    def _counts(self, ctx: BuildContext) -> str | None:
        first, second = (self._count(ctx, name) for name in self.inputs)
        allowed = self.threshold * first
        if abs(first - second) <= allowed:
            return None
        one, other = self.inputs
        return f"{one} has {first:,} rows, {other} {second:,}; {allowed:,.0f} may differ"

    def _count(self, ctx: BuildContext, name: str) -> int:
        ctx.schema(name)
        return int(ctx.fetch(f"SELECT count(*) FROM {table(name)}").rows[0][0])

    def _schemas(self, ctx: BuildContext) -> str | None:
        one, other = self.inputs
        first, second = ({c.name: c.type for c in ctx.schema(name)} for name in self.inputs)
        said = [
            f"{name} is {first.get(name, 'missing')} in {one}, {second.get(name, 'missing')} in {other}"
            for name in sorted({*first, *second})
            if first.get(name) != second.get(name)
        ]
        return "; ".join(said) or None
