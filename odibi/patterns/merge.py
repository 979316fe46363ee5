"""Pattern `merge`: bring a batch of changes into a stored table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin, param
from odibi.transforms.sql import condition, ident, project, table, text

__all__ = ["AuditColumns", "Merge"]

_STORED = "_target"


class AuditColumns(BaseModel):
    """Columns in which a merge notes the time of the run (UTC)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    created_col: str | None = param("Set when a row is inserted.", None)
    updated_col: str | None = param("Set when a row is inserted or updated.", None)


@builtin(
    "merge",
    kind="pattern",
    cardinality="changes",
    summary="Update, insert or delete rows of a stored table by key.",
)
class Merge(Builtin):
    """Merge. The result is the whole new table; write it with `overwrite`.

    `upsert` updates rows whose key is stored and inserts the rest; `append_only` only inserts;
    `delete_match` removes stored rows whose key is in the input. Null keys are equal to each other.
    A key that occurs twice in the input fails the node.
    """

    target: str | None = param(
        "The stored table: `connection.table`, or a path; what the node writes when left out.", None
    )
    connection: str | None = param("Its connection, with `path`.", None)
    path: str | None = param("Its path.", None)
    keys: list[str] = param("Columns that identify a row.", min_length=1)
    strategy: Literal["upsert", "append_only", "delete_match"] = param(
        "What to do with the rows.", "upsert"
    )
    update_condition: str | None = param(
        "SQL over `source.` and `target.`: update only where true.", None
    )
    insert_condition: str | None = param("SQL over `source.`: insert only where true.", None)
    delete_condition: str | None = param(
        "SQL over `source.` and `target.`: remove stored rows where true.", None
    )
    audit_cols: AuditColumns | None = param(
        "Columns that note when rows were inserted and updated.", None
    )
    register_table: str | None = param("Not supported.", None)
    optimize_write: bool = param("Accepted from old projects; files are compact anyway.", False)
    vacuum_hours: int | None = param("Not supported.", None)
    zorder_by: list[str] | None = param("Not supported.", None)
    cluster_by: list[str] | None = param("Not supported.", None)
    table_properties: dict[str, Any] | None = param(
        "Not supported here; see `write.table_properties`.", None
    )

    REFUSED = {
        "register_table": "no metastore is attached",
        "vacuum_hours": "set `auto_optimize: {vacuum_retention_hours: …}` on the write",
        "zorder_by": "set it on the write",
        "cluster_by": "set `zorder_by` on the write",
        "table_properties": "set them on the write",
    }
    EXAMPLE = Example(
        params={
            "target": "lake.stock",
            "keys": ["id"],
            "update_condition": "source.at > target.at",
        },
        df=Table("id BIGINT, qty BIGINT, at BIGINT", [(1, 5, 2), (2, 9, 1), (3, 7, 1)]),
        tables={_STORED: Table("id BIGINT, qty BIGINT, at BIGINT", [(1, 4, 1), (2, 8, 1)])},
        result=Table("id BIGINT, qty BIGINT, at BIGINT", [(1, 5, 2), (2, 8, 1), (3, 7, 1)]),
    )

    def targets(self) -> Mapping[str, TargetRef]:
        return {_STORED: TargetRef(path=self.path or self.target, connection=self.connection)}

    def build(self, ctx: BuildContext) -> str:
        names = self._names(ctx)
        source = f"(SELECT *, TRUE AS _given FROM ({self._once(ctx)})) AS source"
        stored = f"(SELECT *, TRUE AS _known FROM {self._stored(ctx)}) AS target"
        same = " AND ".join(
            f"source.{key} IS NOT DISTINCT FROM target.{key}" for key in ctx.cols(self.keys)
        )
        pairs = ", ".join(
            f"{side} AS {place}{number}"
            for number, name in enumerate(names)
            for place, side in (("_s", self._source(ctx, name)), ("_t", self._target(ctx, name)))
        )
        items = [(self._value(ctx, number, name), name) for number, name in enumerate(names)]
        return f"""SELECT {project(items)} FROM (
  SELECT {pairs}, {self._action()} AS _action
  FROM {source} FULL JOIN {stored} ON {same}
) WHERE _action <> 'leave out'"""

    def _action(self) -> str:
        """SQL for what becomes of a pair of rows, of which one may be missing."""
        if self.strategy == "delete_match":
            return (
                "CASE WHEN target._known AND source._given IS NULL THEN 'keep' ELSE 'leave out' END"
            )
        insert = f"CASE WHEN {condition(self.insert_condition or 'TRUE')} THEN 'insert' ELSE 'leave out' END"
        matched = (
            f"CASE WHEN {condition(self.update_condition or 'TRUE')} THEN 'update' ELSE 'keep' END"
        )
        if self.strategy == "append_only":
            matched = "'keep'"
        if self.delete_condition:
            matched = (
                f"CASE WHEN {condition(self.delete_condition)} THEN 'leave out' ELSE {matched} END"
            )
        return f"CASE WHEN target._known IS NULL THEN {insert} WHEN source._given IS NULL THEN 'keep' ELSE {matched} END"

    def _once(self, ctx: BuildContext) -> str:
        keys = ctx.cols(self.keys)
        shown = " || ', ' || ".join(f"COALESCE({text(key)}, 'null')" for key in keys)
        return f"""SELECT * FROM df QUALIFY CASE WHEN count(*) OVER (PARTITION BY {", ".join(keys)}) > 1
    THEN error('merge: the key ' || {shown} || ' occurs twice in the input; deduplicate it first') ELSE TRUE END"""

    def _stored(self, ctx: BuildContext) -> str:
        """The stored table; before the first run an empty one with the input's columns."""
        return table(_STORED) if _STORED in ctx.tables else "(SELECT * FROM df LIMIT 0)"

    def _audit(self, ctx: BuildContext) -> dict[str, str]:
        """Audit column → the actions that set it."""
        audit = self.audit_cols or AuditColumns()
        found = {audit.created_col: "'insert'", audit.updated_col: "'insert', 'update'"}
        return {name: actions for name, actions in found.items() if name}

    def _names(self, ctx: BuildContext) -> list[str]:
        names = list(ctx.names)
        if _STORED in ctx.tables:
            names += [c.name for c in ctx.schema(_STORED) if not ctx.has(c.name)]
        return names + [name for name in self._audit(ctx) if name not in names]

    def _source(self, ctx: BuildContext, name: str) -> str:
        return f"source.{ident(name)}" if ctx.has(name) else "NULL"

    def _target(self, ctx: BuildContext, name: str) -> str:
        stored = ctx.has(name, _STORED) if _STORED in ctx.tables else ctx.has(name)
        return f"target.{ident(name)}" if stored else "NULL"

    def _value(self, ctx: BuildContext, number: int, name: str) -> str:
        if actions := self._audit(ctx).get(name):
            return f"CASE WHEN _action IN ({actions}) THEN {ctx.now} ELSE _t{number} END"
        if not ctx.has(name):
            return f"_t{number}"
        return f"CASE WHEN _action = 'keep' THEN _t{number} ELSE _s{number} END"
