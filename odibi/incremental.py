"""Which rows of a source an incremental read asks for, as a condition in SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from odibi.errors import NodeError
from odibi.transforms.sql import ident

if TYPE_CHECKING:
    from odibi.config.nodes import IncrementalConfig
    from odibi.engine import Schema

__all__ = ["window_condition"]

_TIMES = ("DATE", "TIMESTAMP")


def window_condition(config: IncrementalConfig, now: datetime, schema: Schema) -> str:
    """The condition of `rolling_window`: rows from `now` (UTC) less the window on, later ones too.

    The window is one day where neither `lookback` nor `unit` is set. A row whose columns are all
    null has no place in time and is left out. Raises NodeError for a column that isn't there or
    holds no times.
    """
    types = {column.name: column.type for column in schema}
    names = [n for n in (config.key_column, config.fallback_column) if n is not None]
    moments = [_moment(name, types) for name in names]
    moment = moments[0] if len(moments) == 1 else f"coalesce({', '.join(moments)})"
    lookback = 1 if config.lookback is None else config.lookback
    unit = config.unit or "day"
    stamp = now.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return f"{moment} >= TIMESTAMP '{stamp}' - INTERVAL {lookback} {unit}"


def _moment(name: str, types: dict[str, str]) -> str:
    """The column as a time in UTC without a zone, so that dates, times and zoned times compare."""
    kind = types.get(name)
    if kind is None:
        raise NodeError(
            f"read.incremental: there is no column '{name}'",
            hint=f"the source has {', '.join(types)}",
        )
    if not kind.startswith(_TIMES):
        raise NodeError(
            f"read.incremental: column '{name}' is {kind}, which is no date or time",
            hint=f"declare it: read.options.columns.{name}: TIMESTAMP",
        )
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {ident(name)})"
    return f"CAST({ident(name)} AS TIMESTAMP)"
