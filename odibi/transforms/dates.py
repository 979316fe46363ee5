"""Built-ins for dates, times and the time between them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import ident, literal, project
from odibi.transforms.types import is_zoned

__all__ = [
    "ConvertTimezone",
    "DateAdd",
    "DateDiff",
    "DateTrunc",
    "ExtractDateParts",
    "ShiftDefinition",
    "SplitEventsByPeriod",
    "timestamp",
]


def timestamp(ctx: BuildContext, name: str) -> str:
    """The column as TIMESTAMP; a zoned one in UTC. Texts are parsed as ISO."""
    column = ctx.column(name)
    if is_zoned(column.type):
        return f"timezone('UTC', {ident(column.name)})"
    return f"CAST({ident(column.name)} AS TIMESTAMP)"


@builtin("date_add", cardinality="same", summary="Move a date or time by some units.")
class DateAdd(Builtin):
    """Add time; the result column is called `<col>_future`."""

    col: str = param("Date or timestamp column.")
    value: int = param("How many units; negative goes back.")
    unit: Literal["day", "month", "year", "hour", "minute", "second"] = param("Unit.")

    EXAMPLE = Example(
        params={"col": "due", "value": 1, "unit": "month"},
        df=Table("due DATE", [("2025-01-31",)]),
        result=Table("due DATE, due_future TIMESTAMP", [("2025-01-31", "2025-02-28 00:00:00")]),
    )

    def build(self, ctx: BuildContext) -> str:
        moved = f"{ctx.col(self.col)} + to_{self.unit}s({literal(self.value)})"
        return ctx.with_columns({f"{self.col}_future": moved})


@builtin("date_diff", cardinality="same", summary="The time between two columns.")
class DateDiff(Builtin):
    """Time from start to end as `diff_<unit>`.

    Days are calendar days (midnights crossed, whole numbers); hours, minutes and seconds are
    elapsed time with fractions.
    """

    start_col: str = param("Date or timestamp column with the start.")
    end_col: str = param("Date or timestamp column with the end.")
    unit: Literal["day", "hour", "minute", "second"] = param("Unit of the result.", "day")

    EXAMPLE = Example(
        params={"start_col": "a", "end_col": "b", "unit": "hour"},
        df=Table("a TIMESTAMP, b TIMESTAMP", [("2025-01-01 10:00:00", "2025-01-01 11:30:00")]),
        result=Table(
            "a TIMESTAMP, b TIMESTAMP, diff_hour DOUBLE",
            [("2025-01-01 10:00:00", "2025-01-01 11:30:00", 1.5)],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        start, end = timestamp(ctx, self.start_col), timestamp(ctx, self.end_col)
        return ctx.with_columns({f"diff_{self.unit}": self._between(start, end)})

    def _between(self, start: str, end: str) -> str:
        if self.unit == "day":
            return f"date_diff('day', {start}, {end})"
        factor = {"hour": 3.6e9, "minute": 6e7, "second": 1e6}[self.unit]
        return f"(epoch_us({end}) - epoch_us({start})) / {factor:.1f}"


@builtin("date_trunc", cardinality="same", summary="Round a time down to a unit.")
class DateTrunc(Builtin):
    """Truncate times; the result column is called `<col>_trunc`."""

    col: str = param("Date or timestamp column.")
    unit: Literal["year", "month", "day", "hour", "minute", "second"] = param(
        "Unit to round down to."
    )

    EXAMPLE = Example(
        params={"col": "at", "unit": "hour"},
        df=Table("at TIMESTAMP", [("2025-01-01 10:59:59",)]),
        result=Table(
            "at TIMESTAMP, at_trunc TIMESTAMP", [("2025-01-01 10:59:59", "2025-01-01 10:00:00")]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns(
            {f"{self.col}_trunc": f"date_trunc({literal(self.unit)}, {ctx.col(self.col)})"}
        )


@builtin("extract_date_parts", cardinality="same", summary="Year, month, day, hour as columns.")
class ExtractDateParts(Builtin):
    """Extract parts as `<prefix>_<part>`."""

    source_col: str = param("Date or timestamp column.")
    prefix: str | None = param("Start of the new names; the column's own name when left out.", None)
    parts: list[Literal["year", "month", "day", "hour"]] = param(
        "Parts to extract.", ["year", "month", "day"]
    )

    EXAMPLE = Example(
        params={"source_col": "at", "parts": ["year", "hour"]},
        df=Table("at TIMESTAMP", [("2025-01-01 10:59:59",)]),
        result=Table(
            "at TIMESTAMP, at_year BIGINT, at_hour BIGINT", [("2025-01-01 10:59:59", 2025, 10)]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        column, prefix = timestamp(ctx, self.source_col), self.prefix or self.source_col
        return ctx.with_columns({f"{prefix}_{part}": f"{part}({column})" for part in self.parts})


@builtin(
    "convert_timezone", cardinality="same", summary="Local time of one zone as that of another."
)
class ConvertTimezone(Builtin):
    """Convert wall-clock times, with daylight saving; a column with a zone needs no `source_tz`."""

    col: str = param("Timestamp column.")
    source_tz: str = param("Zone that the times are in, such as `Europe/Madrid`.", "UTC")
    target_tz: str = param("Zone to show them in.")
    output_col: str | None = param("Name of the result; `<col>_converted` when left out.", None)

    EXAMPLE = Example(
        params={"col": "at", "target_tz": "America/Lima"},
        df=Table("at TIMESTAMP", [("2025-01-01 03:00:00",)]),
        result=Table(
            "at TIMESTAMP, at_converted TIMESTAMP", [("2025-01-01 03:00:00", "2024-12-31 22:00:00")]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        column = ctx.column(self.col)
        instant = ident(column.name)
        if not is_zoned(column.type):
            instant = f"timezone({literal(self.source_tz)}, CAST({instant} AS TIMESTAMP))"
        output = self.output_col or f"{self.col}_converted"
        return ctx.with_columns({output: f"timezone({literal(self.target_tz)}, {instant})"})


_RESERVED = ("_start", "_end", "_from", "_to", "_day", "_shift", "_offset", "_minutes")


class ShiftDefinition(BaseModel):
    """A working shift; one that ends before it starts goes over midnight."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = param("Name of the shift.")
    start: str = param("Time of day it starts, HH:MM.", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = param("Time of day it ends, HH:MM.", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")

    @property
    def start_minute(self) -> int:
        """Minutes after midnight at which it starts."""
        return int(self.start[:2]) * 60 + int(self.start[3:])

    @property
    def minutes(self) -> int:
        """How long it lasts; a shift that ends when it starts lasts a day."""
        end = int(self.end[:2]) * 60 + int(self.end[3:])
        return (end - self.start_minute) % 1440 or 1440


@builtin(
    "split_events_by_period",
    cardinality="changes",
    summary="Cut events at day, hour or shift borders.",
)
class SplitEventsByPeriod(Builtin):
    """Split events that span several periods into one row a period.

    Start and end are cut to the period. An event without length stays one row; one whose end is
    missing or before its start stays as it is. With shifts, an event without a valid end belongs to
    the shift it starts in, and what lies outside all shifts is left out.
    """

    start_col: str = param("Timestamp column with the start of the event.")
    end_col: str = param("Timestamp column with its end.")
    period: Literal["day", "hour", "shift"] = param("Where to cut.", "day")
    duration_col: str | None = param(
        "Column to add (or replace) with the minutes of each piece.", None
    )
    shifts: list[ShiftDefinition] | None = param("The shifts, for `period: shift`.", None)
    shift_col: str | None = param("Column to add with the shift's name.", "shift_name")

    EXAMPLE = Example(
        params={"start_col": "a", "end_col": "b", "duration_col": "minutes"},
        df=Table(
            "id BIGINT, a TIMESTAMP, b TIMESTAMP",
            [(1, "2025-01-01 23:00:00", "2025-01-02 01:30:00")],
        ),
        result=Table(
            "id BIGINT, a TIMESTAMP, b TIMESTAMP, minutes DOUBLE",
            [
                (1, "2025-01-01 23:00:00", "2025-01-02 00:00:00", 60.0),
                (1, "2025-01-02 00:00:00", "2025-01-02 01:30:00", 90.0),
            ],
        ),
    )

    @model_validator(mode="after")
    def _shifts_given(self) -> SplitEventsByPeriod:
        if self.period == "shift" and not self.shifts:
            raise ValueError("`period: shift` needs `shifts`")
        return self

    def build(self, ctx: BuildContext) -> str:
        ctx.reserve(*_RESERVED)
        return f"""SELECT {self._projection(ctx)}
FROM (
{self._pieces(ctx)}
)"""

    def _projection(self, ctx: BuildContext) -> str:
        """All columns, with start and end cut to the piece."""
        new = {
            ctx.column(self.start_col).name: "greatest(_start, _from)",
            ctx.column(
                self.end_col
            ).name: "CASE WHEN _end > _start THEN least(_end, _to) ELSE _end END",
        }
        if self.duration_col:
            start, end = new.values()
            new[self.duration_col] = f"(epoch_us({end}) - epoch_us({start})) / 6e7"
        if self.shifts and self.shift_col:
            new[self.shift_col] = "_shift"
        given = {name.casefold(): expression for name, expression in new.items()}
        items = [(given.get(name.casefold(), ident(name)), name) for name in ctx.names]
        return project(items + [(sql, name) for name, sql in new.items() if not ctx.has(name)])

    def _pieces(self, ctx: BuildContext) -> str:
        """The rows with `_start`, `_end` and, for each piece, its period `_from` and `_to`."""
        start, end = timestamp(ctx, self.start_col), timestamp(ctx, self.end_col)
        if self.period == "shift":
            return self._by_shift(start, end)
        return f"""  SELECT *, _from + INTERVAL 1 {self.period} AS _to FROM (
    SELECT *, unnest(CASE WHEN _end > _start
      THEN range(date_trunc({literal(self.period)}, _start), _end, INTERVAL 1 {self.period}) ELSE [_start] END) AS _from
    FROM (SELECT *, {start} AS _start, {end} AS _end FROM df))"""

    def _by_shift(self, start: str, end: str) -> str:
        shifts = ", ".join(
            f"({literal(s.name)}, {s.start_minute}, {s.minutes})" for s in self.shifts or ()
        )
        return f"""  SELECT *, _from + to_minutes(_minutes) AS _to FROM (
    SELECT *, _day + to_minutes(_offset) AS _from FROM (
      SELECT *, unnest(range(date_trunc('day', _start) - INTERVAL 1 DAY,
        greatest(_end, _start) + INTERVAL 1 MICROSECOND, INTERVAL 1 DAY)) AS _day
      FROM (SELECT *, {start} AS _start, {end} AS _end FROM df))
    CROSS JOIN (VALUES {shifts}) AS _shifts(_shift, _offset, _minutes))
  WHERE _from < greatest(_end, _start + INTERVAL 1 MICROSECOND) AND _from + to_minutes(_minutes) > _start"""
