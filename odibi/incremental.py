"""Which rows of a source an incremental read asks for, and the mark that it reaches, as SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from odibi.durations import seconds_of
from odibi.errors import NodeError
from odibi.marks import Mark
from odibi.transforms.sql import ident, literal

if TYPE_CHECKING:
    from odibi.config.nodes import IncrementalConfig
    from odibi.engine import Rows, Schema

__all__ = [
    "mark_condition",
    "mark_query",
    "mark_reached",
    "typed_columns",
    "window_condition",
]

_ZONED = "TIMESTAMP WITH TIME ZONE"
_LOCAL = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_FLOATS = ("FLOAT", "DOUBLE")
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = (*_INTEGERS, *(f"U{name}" for name in _INTEGERS), *_FLOATS)
_TIMES = ("time", "zoned time")
_CLOCK = ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%I:%M:%S.%f %p", "%I:%M:%S %p", "%I:%M %p")
_DAYS = {"us": "%m/%d/%Y", "eu": "%d/%m/%Y", "oracle": "%d-%b-%y", "sql_server": "%Y-%m-%d"}
_ORACLE = ("%d-%b-%y %I.%M.%S.%f %p", "%d-%b-%y %I.%M.%S %p", "%d-%b-%y %H.%M.%S")
_ENDLESS = ("infinity", "-infinity")


# A window back from now ---------------------------------------------------------------------------


def window_condition(config: IncrementalConfig, now: datetime, schema: Schema) -> str:
    """The condition of `rolling_window`: rows from `now` (UTC) less the window on, later ones too.

    The window is one day where neither `lookback` nor `unit` is set. A row whose columns are all
    null has no place in time and is left out. Raises NodeError for a column that isn't there or
    holds no times.
    """
    value, kind = _value(config, schema)
    if kind == "VARCHAR":  # so are also the columns of a text file without rows
        value = _parsed(value, "iso")
    elif _family(kind) not in _TIMES:
        raise NodeError(
            f"read.incremental: column '{config.key_column}' is {kind}, which is no date or time",
            hint=f"declare it: read.options.columns.{config.key_column}: TIMESTAMP",
        )
    lookback = 1 if config.lookback is None else config.lookback
    unit = config.unit or "day"
    stamp = now.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return f"{value} >= TIMESTAMP '{stamp}' - INTERVAL {lookback} {unit}"


# A mark that moves --------------------------------------------------------------------------------


def typed_columns(config: IncrementalConfig, mark: Mark, schema: Schema) -> str | None:
    """One SELECT over `df` that gives columns of text the mark's type, where they need it.

    A text file tells no types when it has no rows, or no values in a column.
    """
    if _family(mark.kind) == "text" or config.date_format is not None:
        return None
    wanted = (config.key_column, config.fallback_column)
    texts = [c.name for c in schema if c.name in wanted and c.type == "VARCHAR"]
    casts = ", ".join(f"CAST({ident(name)} AS {mark.kind}) AS {ident(name)}" for name in texts)
    return f"SELECT * REPLACE ({casts}) FROM df" if casts else None


def mark_condition(config: IncrementalConfig, mark: Mark, schema: Schema) -> str:
    """The condition of `stateful`: rows above the mark, or above the mark less `watermark_lag`.

    Values compare as what they are, never as text unless the column is text. A row whose columns are
    all null is left out. Raises NodeError for a column that isn't there, is of a type that has no
    order, or is of another kind than the mark.
    """
    value, kind = _value(config, schema)
    if _family(kind) != _family(mark.kind):
        raise NodeError(
            f"read.incremental: column '{config.key_column}' is {kind}, and its mark {mark.kind}",
            hint="odibi state reset NODE, which makes the next run read everything again",
        )
    limit = _limit(mark)
    if config.watermark_lag is not None:
        limit = f"{limit} - INTERVAL {_lag(config, kind)} MILLISECOND"
    return f"{value} > {limit}{_and_finite(value, kind)}"


def mark_query(config: IncrementalConfig, mark: Mark | None, schema: Schema) -> str:
    """One SELECT over a batch `df`: the highest value as text, null where no row has a value.

    With `watermark_lag` the batch begins below the mark; its rows never take the mark back.
    """
    value, kind = _value(config, schema)
    finite = _and_finite(value, kind)
    where = f" WHERE {finite.removeprefix(' AND ')}" if finite else ""
    highest = f"max({value})"
    if mark is not None and config.watermark_lag is not None:
        highest = f"greatest({highest}, {_limit(mark)})"
    return f"SELECT CAST({highest} AS VARCHAR) AS mark FROM df{where}"


def mark_reached(config: IncrementalConfig, schema: Schema, answer: Rows) -> Mark | None:
    """What the answer to `mark_query` says; None for a batch without values. Raises NodeError."""
    value = answer.rows[0][0]
    if value is None:
        return None
    if value in _ENDLESS:
        raise NodeError(
            f"read.incremental: column '{config.key_column}' holds {value}: no row comes after it",
            hint="leave such rows out in the source, or take another column",
        )
    return Mark(_value(config, schema)[1], str(value))


def _lag(config: IncrementalConfig, kind: str) -> int:
    """Milliseconds that the window moves back. Raises NodeError for a column without time."""
    if _family(kind) not in _TIMES:
        raise NodeError(
            f"read.incremental: watermark_lag is a time, and column '{config.key_column}' is {kind}",
            hint="leave watermark_lag out, or take a column of dates or times",
        )
    return round(seconds_of(config.watermark_lag or 0) * 1000)


# Columns ------------------------------------------------------------------------------------------


def _value(config: IncrementalConfig, schema: Schema) -> tuple[str, str]:
    """What tells new rows, as SQL, and its type. Raises NodeError for columns that can't.

    Zoned times are UTC without a zone in the SQL, so that no session's time zone counts.
    """
    types = {column.name: column.type for column in schema}
    names = [n for n in (config.key_column, config.fallback_column) if n is not None]
    for name in names:
        _check(name, types)
    parsed = {n: _parsed(ident(n), config.date_format) for n in names if types[n] == "VARCHAR"}
    if config.date_format is not None:
        types = {**types, **dict.fromkeys(parsed, "TIMESTAMP")}
    kinds = [types[name] for name in names]
    if len(set(kinds)) == 1:
        kind = kinds[0]
    elif {_family(kind) for kind in kinds} <= set(_TIMES):
        kind = "TIMESTAMP"
    elif "VARCHAR" in kinds:  # a text file's column without values, or an error of the cast
        kind = next(kind for kind in kinds if kind != "VARCHAR")
    else:
        raise NodeError(
            f"read.incremental: column '{names[0]}' is {kinds[0]} and '{names[1]}' is {kinds[1]}: "
            "they don't compare",
            hint="declare both alike in read.options.columns",
        )
    columns = [_column(parsed.get(n, ident(n)), types[n], kind) for n in names]
    value = columns[0] if len(columns) == 1 else f"coalesce({', '.join(columns)})"
    return value, kind


def _column(value: str, own: str, wanted: str) -> str:
    if _ZONED in (own, wanted):
        value = value if own == _ZONED else f"CAST({value} AS {_ZONED})"
        return f"timezone('UTC', {value})"
    return value if own == wanted else f"CAST({value} AS {wanted})"


def _parsed(column: str, date_format: str | None) -> str:
    """A text column as a time; a text that the format doesn't fit is an error of the query."""
    if date_format is None:
        return column
    if date_format == "iso":  # with a zone or without, which is UTC
        return f"timezone('UTC', CAST({column} AS {_ZONED}))"
    name = "oracle" if date_format == "oracle_sqlserver" else date_format
    day = _DAYS[name]
    forms = [*(f"{day} {clock}" for clock in _CLOCK), day, *(_ORACLE if name == "oracle" else ())]
    return f"strptime({column}, [{', '.join(map(literal, forms))}])"


def _check(name: str, types: dict[str, str]) -> None:
    if name not in types:
        raise NodeError(
            f"read.incremental: there is no column '{name}'",
            hint=f"the source has {', '.join(types)}",
        )
    if not _family(types[name]):
        raise NodeError(
            f"read.incremental: column '{name}' is {types[name]}, which tells no order of rows",
            hint="take a column of dates, times, numbers or text",
        )


def _family(kind: str) -> str:
    """Types whose values compare with each other; empty for a type that has no order of use here."""
    if kind == _ZONED:
        return "zoned time"
    if kind in _LOCAL:
        return "time"
    if kind in _NUMBERS or kind.startswith("DECIMAL"):
        return "number"
    return "text" if kind == "VARCHAR" else ""


def _limit(mark: Mark) -> str:
    """The mark as a value in SQL: of a zoned time it is kept in UTC."""
    kind = "TIMESTAMP" if mark.kind == _ZONED else mark.kind
    return f"CAST({literal(mark.value)} AS {kind})"


def _and_finite(value: str, kind: str) -> str:
    """Leave out NaN and infinity, which would be the highest for ever."""
    return f" AND {value} < CAST('Infinity' AS DOUBLE)" if kind in _FLOATS else ""
