"""Pattern `dimension`: a table of things with surrogate keys that never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from odibi.engine import Schema
from odibi.errors import NodeError
from odibi.patterns.audit import Audit
from odibi.patterns.versions import History
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin, param
from odibi.transforms.sql import ident, literal, project, table, text
from odibi.transforms.types import is_number

__all__ = ["Dimension"]

_STORED = "_target"


@builtin(
    "dimension",
    kind="pattern",
    cardinality="changes",
    summary="A dimension table with stable surrogate keys.",
)
class Dimension(Builtin):
    """Dimension. The result is the whole new table; write it with `overwrite`.

    Surrogate keys are 1, 2, 3 … in the order of the natural keys, stay with their row for ever, and
    new rows continue after the greatest. `scd_type` 0 keeps rows as they were first seen; 1 takes
    over new values when a tracked column changes; 2 keeps the old version and opens a new one at the
    time of the run. A natural key that occurs twice in the input fails the node.
    """

    natural_key: str | list[str] = param("Column or columns that identify a thing in the source.")
    surrogate_key: str = param("Name of the surrogate key.")
    scd_type: Literal[0, 1, 2] = param("What happens when a tracked column changes.", 1)
    track_cols: list[str] | None = param(
        "Columns whose change counts; all others when left out.", None
    )
    target: str | None = param(
        "The dimension so far: `connection.table`, or a path; what the node writes when left out.",
        None,
    )
    unknown_member: bool = param(
        "Add the row with surrogate key 0 that stands for anything unknown.", False
    )
    audit: Audit = param("Audit columns.", Audit())
    valid_from_col: str = param("Type 2: true since.", "valid_from")
    valid_to_col: str = param("Type 2: true until; null for the current version.", "valid_to")
    is_current_col: str = param("Type 2: whether the version is the current one.", "is_current")

    EXAMPLE = Example(
        params={
            "natural_key": "id",
            "surrogate_key": "shop_sk",
            "track_cols": ["name"],
            "unknown_member": True,
            "audit": {"load_timestamp": False},
        },
        df=Table("id, name, seats BIGINT", [("b", "Bistro", 9), ("a", "Abba", 4)]),
        tables={
            _STORED: Table(
                "shop_sk BIGINT, id, name, seats BIGINT", [(1, "b", "Bar", 8), (2, "c", "Cafe", 3)]
            )
        },
        result=Table(
            "shop_sk BIGINT, id, name, seats BIGINT",
            [
                (0, "-1", "Unknown", 0),
                (1, "b", "Bistro", 9),
                (2, "c", "Cafe", 3),
                (3, "a", "Abba", 4),
            ],
        ),
    )

    @property
    def _keys(self) -> list[str]:
        return [self.natural_key] if isinstance(self.natural_key, str) else self.natural_key

    def targets(self) -> Mapping[str, TargetRef]:
        return {_STORED: TargetRef(path=self.target)}

    def build(self, ctx: BuildContext) -> str:
        if ctx.has(self.surrogate_key):
            raise NodeError(
                f"the input has a column {self.surrogate_key!r} already",
                hint="choose another name for surrogate_key",
            )
        rows = self._versions(ctx) if self.scd_type == 2 else self._latest(ctx)
        names = self._names(ctx)
        items = [(self._value(ctx, name), name) for name in names]
        sql = f"""WITH {self._input(ctx)}, _rows AS MATERIALIZED (
{rows}
)
SELECT {project(items)} FROM _rows"""
        return f"{sql}\nUNION ALL\n{self._unknown(ctx, names)}" if self.unknown_member else sql

    def _stored(self, ctx: BuildContext) -> str | None:
        return _STORED if _STORED in ctx.tables else None

    def _members(self, ctx: BuildContext) -> str:
        """Condition for stored rows other than the unknown member, which is added anew."""
        return f"{ctx.col(self.surrogate_key, _STORED)} <> 0"

    def _tracked(self, ctx: BuildContext) -> list[str]:
        if self.track_cols is not None:
            return [ctx.column(name).name for name in self.track_cols]
        keys = {ctx.column(name).name for name in self._keys}
        return [name for name in ctx.names if name not in keys]

    def _input(self, ctx: BuildContext) -> str:
        """CTE `_input`: df, checked to hold each natural key once."""
        keys = ctx.cols(self._keys)
        shown = " || ', ' || ".join(f"COALESCE({text(key)}, 'null')" for key in keys)
        return f"""_input AS MATERIALIZED (
  SELECT *, TRUE AS _seen FROM df QUALIFY CASE WHEN count(*) OVER (PARTITION BY {", ".join(keys)}) > 1
    THEN error('dimension: the natural key ' || {shown} || ' occurs twice in the input; deduplicate it first')
    ELSE TRUE END
)"""

    def _own(self, ctx: BuildContext) -> list[str]:
        """The columns that the pattern adds behind the input's."""
        versions = [self.valid_from_col, self.valid_to_col, self.is_current_col]
        return [*(versions if self.scd_type == 2 else []), *self.audit.columns(ctx)]

    def _names(self, ctx: BuildContext) -> list[str]:
        """Columns of the result: key, input, those only stored, versions, audit."""
        own = self._own(ctx)
        middle = [name for name in ctx.names if name not in own]
        if self._stored(ctx):
            taken = {name.casefold() for name in (*middle, *own, self.surrogate_key)}
            middle += [c.name for c in ctx.schema(_STORED) if c.name.casefold() not in taken]
        return [self.surrogate_key, *middle, *own]

    def _value(self, ctx: BuildContext, name: str) -> str:
        """A column of the result from `_rows`, where new rows have null as key and audit values."""
        column, audit = ident(name), self.audit.columns(ctx)
        if name in audit:
            return f"COALESCE({column}, {audit[name]})"
        if name != self.surrogate_key:
            return column
        order = ", ".join(
            [*ctx.cols(self._keys), *([ident(self.valid_from_col)] if self.scd_type == 2 else [])]
        )
        place = f"row_number() OVER (PARTITION BY {column} IS NULL ORDER BY {order})"
        return f"COALESCE({column}, (SELECT COALESCE(max({column}), 0) FROM _rows) + {place})"

    def _latest(self, ctx: BuildContext) -> str:
        """`_rows` for types 0 and 1: stored rows, updated where they changed, and new ones."""
        names, own = self._names(ctx), self._own(ctx)
        fresh = {name: f"_input.{ident(name)}" for name in ctx.names if name not in own}
        new = project([(fresh.get(name, "NULL"), name) for name in names])
        if not self._stored(ctx):
            return f"  SELECT {new} FROM _input"
        known = {name: f"_known.{ident(name)}" for name in names if ctx.has(name, _STORED)}
        changed = self._changed(ctx, known)
        items = [
            (f"CASE WHEN {changed} THEN {fresh.get(name, 'NULL')} ELSE {known.get(name, 'NULL')} END"
             if name in fresh or name in own else known[name], name)
            for name in names
        ]  # fmt: skip
        same = " AND ".join(
            f"_input.{key} IS NOT DISTINCT FROM _known.{key}" for key in ctx.cols(self._keys)
        )
        stored = f"(SELECT * FROM {table(_STORED)} WHERE {self._members(ctx)}) AS _known"
        return f"""  SELECT {project(items)} FROM {stored} LEFT JOIN _input ON {same}
  UNION ALL
  SELECT {new} FROM _input ANTI JOIN {stored} ON {same}"""

    def _changed(self, ctx: BuildContext, known: Mapping[str, str]) -> str:
        tracked = [
            f"_input.{ident(n)} IS DISTINCT FROM {known.get(n, 'NULL')}" for n in self._tracked(ctx)
        ]
        return (
            f"_input._seen AND ({' OR '.join(tracked)})"
            if self.scd_type == 1 and tracked
            else "FALSE"
        )

    def _versions(self, ctx: BuildContext) -> str:
        """`_rows` for type 2: all versions; what differs now has been true since the run."""
        history = History(
            keys=self._keys,
            tracked=self._tracked(ctx),
            time=ctx.now,
            time_type="TIMESTAMP",
            start=self.valid_from_col,
            end=self.valid_to_col,
            current=self.is_current_col,
            source="_input",
            stored=self._stored(ctx),
            stored_where=self._members(ctx) if self._stored(ctx) else "TRUE",
        )
        has = {*history.columns(ctx), history.start, history.end, history.current}
        items = [(ident(name) if name in has else "NULL", name) for name in self._names(ctx)]
        return f"SELECT {project(items)} FROM (\n{history.build(ctx)}\n)"

    def _unknown(self, ctx: BuildContext, names: list[str]) -> str:
        keys = {ctx.column(name).name for name in self._keys}
        types = {column.name: column.type for column in (*ctx.columns, *self._stored_columns(ctx))}
        return "SELECT " + project(
            [(self._unknown_value(name, types.get(name, ""), keys), name) for name in names]
        )

    def _stored_columns(self, ctx: BuildContext) -> Schema:
        return ctx.schema(_STORED) if self._stored(ctx) else ()

    def _unknown_value(self, name: str, kind: str, keys: set[str]) -> str:
        own = {
            self.surrogate_key: "0",
            self.valid_from_col: _ALWAYS,
            self.valid_to_col: "NULL",
            self.is_current_col: "TRUE",
            "load_timestamp": _ALWAYS,
            "source_system": literal(self.audit.source_system or "Unknown"),
        }
        if name in keys and (is_number(kind) or kind == "VARCHAR"):
            return f"CAST(-1 AS {kind})"
        if name in own:
            return own[name]
        return "0" if is_number(kind) else "'Unknown'" if kind == "VARCHAR" else "NULL"


_ALWAYS = "TIMESTAMP '1900-01-01 00:00:00'"
