"""Finding rows that vanished from their source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from odibi.errors import NodeError
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin, param
from odibi.transforms.sql import ident, table

__all__ = ["DetectDeletes"]

_BEFORE = "_before"
_SOURCE = "_source"


@builtin(
    "detect_deletes",
    cardinality="changes",
    summary="Mark or remove rows that their source no longer has.",
)
class DetectDeletes(Builtin):
    """Detect deletes.

    `snapshot_diff`: `df` is a full snapshot; rows of the stored table (`connection` and `path`, or
    what the node itself writes) whose keys it lacks were deleted. They come back marked; marked rows
    stay marked until their key returns. `sql_compare`: `df` is what we have; rows whose keys the
    live source (`source_connection` with `source_table` or `source_query`) lacks were deleted.
    With `soft_delete_col: null` deleted rows are left out instead of marked.
    """

    mode: Literal["none", "snapshot_diff", "sql_compare"] = param(
        "How to find deleted rows.", "none"
    )
    keys: list[str] = param("Columns that identify a row.", [])
    connection: str | None = param("snapshot_diff: connection of the stored table.", None)
    path: str | None = param("snapshot_diff: its path.", None)
    soft_delete_col: str | None = param(
        "Column with the mark (true = deleted); null removes the rows.", "_is_deleted"
    )
    source_connection: str | None = param("sql_compare: connection of the live source.", None)
    source_table: str | None = param("sql_compare: its table.", None)
    source_query: str | None = param(
        "sql_compare: a query with the keys, instead of a table.", None
    )
    snapshot_column: str | None = param("Not supported: snapshots are compared as they come.", None)
    on_first_run: Literal["skip", "error"] = param(
        "When nothing is stored yet: go on, or fail.", "skip"
    )
    max_delete_percent: float | None = param(
        "Share of rows (in %) above which the threshold rule applies.", 50.0
    )
    on_threshold_breach: Literal["warn", "error", "skip"] = param(
        "More deletes than that: warn, fail, or treat nothing as deleted.", "warn"
    )

    REFUSED = {"snapshot_column": "give the snapshot itself as input"}
    EXAMPLE = Example(
        params={"mode": "snapshot_diff", "keys": ["id"], "connection": "lake", "path": "customers"},
        df=Table("id BIGINT, name", [(1, "Ana")]),
        tables={_BEFORE: Table("id BIGINT, name", [(1, "Ann"), (2, "Bo")])},
        result=Table("id BIGINT, name, _is_deleted BOOLEAN", [(1, "Ana", False), (2, "Bo", True)]),
    )

    @model_validator(mode="after")
    def _complete(self) -> DetectDeletes:
        if self.mode != "none" and not self.keys:
            raise ValueError(f"{self.mode} needs `keys`")
        if self.mode == "sql_compare" and not (
            self.source_connection and (self.source_table or self.source_query)
        ):
            raise ValueError(
                "sql_compare needs `source_connection` and `source_table` or `source_query`"
            )
        return self

    def targets(self) -> Mapping[str, TargetRef]:
        if self.mode == "snapshot_diff":
            return {_BEFORE: TargetRef(connection=self.connection, path=self.path)}
        if self.mode == "sql_compare":
            query = (
                self.source_query
                or f"SELECT DISTINCT {', '.join(map(ident, self.keys))} FROM {self.source_table}"
            )
            return {_SOURCE: TargetRef(connection=self.source_connection, query=query)}
        return {}

    def build(self, ctx: BuildContext) -> str:
        if self.mode == "none":
            return "SELECT * FROM df"
        ctx.cols(self.keys)
        if self.mode == "sql_compare":
            return self._compare(ctx)
        if _BEFORE in ctx.tables:
            return self._diff(ctx)
        if self.on_first_run == "error":
            raise NodeError(
                "detect_deletes: nothing is stored yet to compare with",
                hint="`on_first_run: skip` goes on",
            )
        return self._unmarked(ctx)

    def _unmarked(self, ctx: BuildContext) -> str:
        return (
            ctx.with_columns({self.soft_delete_col: "FALSE"})
            if self.soft_delete_col
            else "SELECT * FROM df"
        )

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(
            f"{left}.{ident(key)} IS NOT DISTINCT FROM {right}.{ident(key)}" for key in self.keys
        )

    def _diff(self, ctx: BuildContext) -> str:
        mark = self.soft_delete_col
        marked = mark is not None and ctx.has(mark, _BEFORE)
        live = f"NOT COALESCE({table(_BEFORE)}.{ident(mark)}, FALSE)" if mark and marked else "TRUE"
        gone = f"{table(_BEFORE)} ANTI JOIN df ON {self._same(table(_BEFORE), 'df')}"
        if not self._accepted(ctx, f"{gone} WHERE {live}", f"{table(_BEFORE)} WHERE {live}"):
            gone = f"{gone} WHERE NOT ({live})"
        if mark is None:
            return "SELECT * FROM df"
        kept = [name for name in (c.name for c in ctx.schema(_BEFORE)) if name != mark]
        return f"""{self._unmarked(ctx)}
UNION ALL BY NAME
SELECT {", ".join(f"{table(_BEFORE)}.{ident(name)}" for name in kept)}, TRUE AS {ident(mark)} FROM {gone}"""

    def _compare(self, ctx: BuildContext) -> str:
        gone = f"df ANTI JOIN {table(_SOURCE)} ON {self._same('df', table(_SOURCE))}"
        if not self._accepted(ctx, gone, "df"):
            return self._unmarked(ctx)
        there = f"EXISTS (SELECT 1 FROM {table(_SOURCE)} WHERE {self._same('df', table(_SOURCE))})"
        if self.soft_delete_col is None:
            return f"SELECT * FROM df WHERE {there}"
        return ctx.with_columns({self.soft_delete_col: f"NOT {there}"})

    def _accepted(self, ctx: BuildContext, gone: str, everything: str) -> bool:
        """Whether the deletes count: the threshold may refuse them. Raises NodeError for `error`."""
        if self.max_delete_percent is None:
            return True
        counts = f"SELECT (SELECT count(*) FROM {gone}), (SELECT count(*) FROM {everything})"
        deleted, total = ctx.fetch(counts).rows[0]
        percent = 100.0 * deleted / total if total else 0.0
        if percent <= self.max_delete_percent:
            return True
        message = f"detect_deletes: {deleted} of {total} rows ({percent:.1f} %) are gone, more than {self.max_delete_percent} %"
        if self.on_threshold_breach == "error":
            raise NodeError(
                message, hint="look at the source; raise `max_delete_percent` if this is right"
            )
        ctx.warn(
            message
            + ("; nothing was treated as deleted" if self.on_threshold_breach == "skip" else "")
        )
        return self.on_threshold_breach == "warn"
