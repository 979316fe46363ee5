"""Versioned rows (slowly changing, type 2): the SQL that joins a history with new observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odibi.transforms.registry import BuildContext
from odibi.transforms.sql import ident, literal, table, text

__all__ = ["History"]

_RESERVED = ("_time", "_gone", "_fresh", "_state", "_winner", "_until", "_next")


@dataclass(frozen=True, slots=True)
class History:
    """What makes versions out of observations.

    `keys` and `tracked` are columns of `df`; `time` is SQL over `df` for when a row became true, of
    type `time_type`; `start`, `end`, `current` name the columns of the result. `stored` is the table with
    the versions so far (of them those with `stored_where`), None at first. `source` is the table with
    the columns of `df`. `gone` is SQL over it, true for a deletion. With
    `snapshots`, each distinct time in `df` is a complete snapshot: a key it lacks ended then.
    """

    keys: Sequence[str]
    tracked: Sequence[str]
    time: str
    time_type: str
    start: str = "valid_from"
    end: str = "valid_to"
    current: str = "is_current"
    source: str = "df"
    stored: str | None = None
    stored_where: str = "TRUE"
    gone: str = "FALSE"
    hidden: Sequence[str] = ()
    snapshots: bool = False

    def columns(self, ctx: BuildContext) -> list[str]:
        """The columns that versions carry beside their times: those of `df`, then others that are stored."""
        own = {name.casefold() for name in (self.start, self.end, self.current, *self.hidden)}
        names = [name for name in ctx.names if name.casefold() not in own]
        if self.stored is not None:
            names += [
                c.name
                for c in ctx.schema(self.stored)
                if not ctx.has(c.name) and c.name.casefold() not in own
            ]
        return names

    def build(self, ctx: BuildContext) -> str:
        """SELECT the whole history: `columns`, start, end (null while current) and the current flag.

        Points in time (observations, ends) of each key are put in order; of several at one time the
        newest word wins, but a stored row that says the same stays; equal neighbours merge; each
        remaining point lasts until the next.
        """
        columns = self.columns(ctx)
        ctx.reserve(*_RESERVED)
        keys = ", ".join(ctx.cols(self.keys))
        shown = ", ".join(map(ident, columns))
        order = ", ".join(f"{ident(name)} NULLS LAST" for name in columns)
        state = ", ".join(f"t{n} := {column}" for n, column in enumerate(ctx.cols(self.tracked)))
        # a deletion says nothing about tracked columns, so they don't count in its state
        return f"""WITH {self._points(ctx, columns)}
, _stated AS (
  SELECT *, CASE WHEN _gone THEN NULL ELSE struct_pack({state}) END AS _state FROM _points
), _won AS (
  SELECT *, first_value(_state) OVER (PARTITION BY {keys}, _time ORDER BY _fresh DESC, _gone, {order}) AS _winner FROM _stated
), _picked AS (
  SELECT * FROM _won
  QUALIFY row_number() OVER (PARTITION BY {keys}, _time ORDER BY _state IS DISTINCT FROM _winner, _fresh, {order}) = 1
), _changes AS (
  SELECT * FROM _picked
  WINDOW _line AS (PARTITION BY {keys} ORDER BY _time)
  QUALIFY row_number() OVER _line = 1 OR _state IS DISTINCT FROM lag(_state) OVER _line
), _lasting AS (
  SELECT *, lead(_time) OVER (PARTITION BY {keys} ORDER BY _time) AS _until FROM _changes
)
SELECT {shown}, _time AS {ident(self.start)}, _until AS {ident(self.end)}, _until IS NULL AS {ident(self.current)}
FROM _lasting WHERE NOT _gone"""

    def _points(self, ctx: BuildContext, columns: list[str]) -> str:
        fresh = ", ".join(
            ident(name) if ctx.has(name) else f"NULL AS {ident(name)}" for name in columns
        )
        named = " || ', ' || ".join(f"COALESCE({text(key)}, 'null')" for key in ctx.cols(self.keys))
        missing = f"error('scd2: key ' || {named} || ' has a row without a time in ' || {literal(self.time)})"
        parts = [
            f"""_new AS MATERIALIZED (
  SELECT {fresh}, COALESCE({self.time}, {missing}) AS _time, COALESCE({self.gone}, FALSE) AS _gone, TRUE AS _fresh
  FROM {self.source}
)"""
        ]
        sources = ["SELECT * FROM _new"]
        if self.stored is not None:
            parts.append(self._stored(ctx, columns))
            sources += ["SELECT * EXCLUDE (_until) FROM _old", _ends(ctx, self.keys, columns)]
        if self.snapshots:
            parts.append(self._absences(ctx))
            sources.append(_absent(ctx, self.keys, columns))
        parts.append("_points AS (\n  " + "\n  UNION ALL\n  ".join(sources) + "\n)")
        return "\n, ".join(parts)

    def _stored(self, ctx: BuildContext, columns: list[str]) -> str:
        stored = self.stored or ""
        shown = [
            ident(name) if ctx.has(name, stored) else f"NULL AS {ident(name)}" for name in columns
        ]
        start, end = ctx.cols([self.start, self.end], stored)
        return f"""_old AS MATERIALIZED (
  SELECT {", ".join(shown)}, CAST({start} AS {self.time_type}) AS _time, FALSE AS _gone, FALSE AS _fresh,
    CAST({end} AS {self.time_type}) AS _until
  FROM {table(stored)} WHERE {self.stored_where}
)"""

    def _absences(self, ctx: BuildContext) -> str:
        """Where a key was seen (or stored as valid) and the following snapshot of this batch lacks it."""
        keys = ", ".join(ctx.cols(self.keys))
        seen = f"SELECT {keys}, _time, CAST(NULL AS {self.time_type}) AS _until FROM _new"
        if self.stored is not None:
            seen += f" UNION ALL SELECT {keys}, _time, _until FROM _old"
        same = " AND ".join(
            f"_expected.{key} IS NOT DISTINCT FROM _new.{key}" for key in ctx.cols(self.keys)
        )
        return f"""_snapshots AS (
  SELECT DISTINCT _time AS _next FROM _new
), _expected AS (
  SELECT DISTINCT {", ".join(f"_seen.{key}" for key in ctx.cols(self.keys))}, _next
  FROM ({seen}) AS _seen ASOF JOIN _snapshots ON _seen._time < _snapshots._next
  WHERE _until IS NULL OR _next < _until
), _absent AS (
  SELECT * FROM _expected ANTI JOIN _new ON {same} AND _expected._next = _new._time
)"""


def _blank(ctx: BuildContext, keys: Sequence[str], columns: list[str]) -> str:
    """The key's columns; null for the rest."""
    kept = {ctx.column(key).name for key in keys}
    return ", ".join(ident(name) if name in kept else f"NULL AS {ident(name)}" for name in columns)


def _ends(ctx: BuildContext, keys: Sequence[str], columns: list[str]) -> str:
    return (
        f"SELECT {_blank(ctx, keys, columns)}, _until AS _time, TRUE AS _gone, FALSE AS _fresh "
        "FROM _old WHERE _until IS NOT NULL"
    )


def _absent(ctx: BuildContext, keys: Sequence[str], columns: list[str]) -> str:
    return f"SELECT {_blank(ctx, keys, columns)}, _next AS _time, TRUE AS _gone, TRUE AS _fresh FROM _absent"
