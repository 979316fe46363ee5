"""Models of `read.options.simulation` for `format: simulation`: when, who, what, and what goes wrong."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from odibi.config.fields import Model

__all__ = [
    "Chaos",
    "DailyProfile",
    "Derived",
    "Entities",
    "Generator",
    "RandomWalk",
    "ScheduledEvent",
    "Scope",
    "SimulatedColumn",
    "Simulation",
    "SimulationOptions",
    "moment",
    "span",
]

_SPAN = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def span(text: str) -> timedelta:
    """`90s`, `5m`, `2h`, `30d` as a length of time above zero. Raises ValueError otherwise."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise ValueError(
            f"'{text}' is no length of time; write a number and s, m, h or d, as in 5m"
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(text: str) -> datetime:
    """`2026-01-01T00:00:00Z` as a time of UTC without a zone. Raises ValueError otherwise."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"'{text}' is no time; write it as in 2026-01-01T00:00:00Z") from None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def _checked_span(text: str) -> str:
    span(text)
    return text


def _checked_moment(text: str) -> str:
    moment(text)
    return text


Span = Annotated[str, AfterValidator(_checked_span)]
Moment = Annotated[str, AfterValidator(_checked_moment)]
Share = Annotated[float, Field(ge=0, le=1)]


class Scope(Model):
    """The times of the rows: `start_time`, then one each `timestep`."""

    start_time: Moment = Field(description="Time of the first row, in UTC.")
    timestep: Span = Field(description="Time from row to row: `30s`, `5m`, `1h`, `1d`.")
    row_count: int | None = Field(None, ge=1, description="Rows of each entity.")
    end_time: Moment | None = Field(
        None, description="Time before which the last row lies, instead of `row_count`."
    )
    seed: int = Field(42, description="The same seed makes the same rows, on every engine.")

    @model_validator(mode="after")
    def _one_end(self) -> Scope:
        if (self.row_count is None) == (self.end_time is None):
            said = "neither" if self.row_count is None else "both"
            raise ValueError(f"expected exactly one of row_count and end_time, found {said}")
        if self.end_time is not None and moment(self.end_time) <= moment(self.start_time):
            raise ValueError("end_time must be after start_time")
        return self


class Entities(Model):
    """Who the rows are of: named ones, or so many."""

    count: int | None = Field(None, ge=1, description="Number of entities, named by `id_prefix`.")
    names: list[str] | None = Field(None, min_length=1, description="Their names.")
    id_prefix: str = Field("entity_", description="What names begin with: `entity_01`.")
    id_format: Literal["sequential", "uuid"] = Field(
        "sequential", description="How names end: numbers, or eight hexadecimal digits."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Entities:
        if (self.count is None) == (self.names is None):
            said = "neither" if self.count is None else "both"
            raise ValueError(f"expected exactly one of count and names, found {said}")
        if self.names is not None and len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"entity '{twice}' is named twice")
        return self


class _Bounded(Model):
    min: float = Field(description="Least value.", allow_inf_nan=False)
    max: float = Field(description="Greatest value.", allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> _Bounded:
        if self.min > self.max:
            raise ValueError(f"min {self.min:g} is greater than max {self.max:g}")
        return self


class Range(_Bounded):
    type: Literal["range"] = Field(description="A number between two bounds.")
    distribution: Literal["uniform", "normal"] = Field("uniform", description="How they spread.")
    mean: float | None = Field(None, description="Centre of `normal`; the middle when absent.")
    std_dev: float | None = Field(
        None, ge=0, description="Spread of `normal`; a sixth of the range when absent."
    )


class Categorical(Model):
    type: Literal["categorical"] = Field(description="One of some values.")
    values: list[Any] = Field(min_length=1, description="The values.")
    weights: list[float] | None = Field(None, description="How likely each is; they sum to 1.")

    @model_validator(mode="after")
    def _weights_fit(self) -> Categorical:
        weights = self.weights
        if weights is None:
            return self
        if len(weights) != len(self.values):
            raise ValueError(
                f"{len(self.values)} values have {len(weights)} weights; give one each"
            )
        if min(weights) < 0 or abs(sum(weights) - 1) > 0.001:
            raise ValueError(f"weights must sum to 1, these sum to {sum(weights):g}")
        return self


class Boolean(Model):
    type: Literal["boolean"] = Field(description="True or false.")
    true_probability: Share = Field(0.5, description="How likely true is.")


class Timestamp(Model):
    type: Literal["timestamp"] = Field(description="The time of the row.")


class Sequential(Model):
    type: Literal["sequential"] = Field(description="A number that goes on from row to row.")
    start: int = Field(1, description="The first one.")
    step: int = Field(1, description="From one to the next.")
    unique_across_entities: bool = Field(
        True, description="Whether no two entities have a number in common."
    )


class ConstantValue(Model):
    type: Literal["constant"] = Field(description="The same value in every row.")
    value: Any = Field(
        description="The value. In text `{entity_id}`, `{entity_index}`, `{timestamp}` and "
        "`{row_number}` stand for those of the row."
    )


class Uuid(Model):
    type: Literal["uuid"] = Field(description="A unique name.")
    version: Literal[4, 5] = Field(4, description="4: random; 5: from the entity and the row.")
    namespace: str | None = Field(None, description="What names of version 5 are derived from.")


class Email(Model):
    type: Literal["email"] = Field(description="An e-mail address.")
    domain: str = Field("example.com", description="What follows the @.")
    pattern: str = Field(
        "{entity}_{index}",
        description="What precedes it: `{entity}`, and `{index}` or `{row}` for the row's number.",
    )


class Ipv4(Model):
    type: Literal["ipv4"] = Field(description="An address of the internet, version 4.")
    subnet: str | None = Field(None, description="Network that it is in: `10.0.1.0/24`.")

    @field_validator("subnet")
    @classmethod
    def _network(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                ipaddress.IPv4Network(text, strict=False)
            except ValueError:
                raise ValueError(f"'{text}' is no network; write it as in 10.0.1.0/24") from None
        return text


class Geo(Model):
    type: Literal["geo"] = Field(description="A place on the earth.")
    bbox: list[float] = Field(
        min_length=4, max_length=4, description="[min_lat, min_lon, max_lat, max_lon], in degrees."
    )
    format: Literal["tuple", "lat_lon_separate"] = Field(
        "tuple",
        description="`tuple`: the text `(lat, lon)`; `lat_lon_separate`: columns NAME_lat and NAME_lon.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Geo:
        south, west, north, east = self.bbox
        if south > north or west > east or abs(south) > 90 or abs(north) > 90:
            raise ValueError("bbox must be [min_lat, min_lon, max_lat, max_lon]")
        return self


class Derived(Model):
    type: Literal["derived"] = Field(description="Computed from other columns.")
    expression: str = Field(description="The expression.")


class DailyProfile(_Bounded):
    type: Literal["daily_profile"] = Field(description="A curve that each day repeats.")
    profile: dict[str, float] = Field(min_length=1, description="Values at times of the day.")
    noise: float = Field(0.0, ge=0, description="Each value is off by this at most.")
    interpolation: Literal["linear", "step"] = Field(
        "linear", description="Between two times: a straight line, or the earlier value."
    )
    precision: int | None = Field(None, ge=0, le=10, description="Digits to round to.")
    volatility: float = Field(
        0.0, ge=0, description="Standard deviation of each point of the curve from day to day."
    )
    weekend_scale: float | None = Field(
        None, ge=0, description="Factor of Saturdays and Sundays (UTC)."
    )

    @field_validator("profile")
    @classmethod
    def _times_of_day(cls, profile: dict[str, float]) -> dict[str, float]:
        for text in profile:
            if _CLOCK.fullmatch(text) is None:
                raise ValueError(f"'{text}' is no time of the day; write it as in '06:30'")
        return profile

    def points(self) -> list[tuple[int, float]]:
        """(seconds since midnight, value), by time."""
        found = []
        for text, value in self.profile.items():
            hours, minutes = text.split(":")
            found.append((int(hours) * 3600 + int(minutes) * 60, value))
        return sorted(found)


class RandomWalk(_Bounded):
    type: Literal["random_walk"] = Field(description="Each value is near the one before.")
    start: float = Field(
        description="The first value, and what it reverts to.", allow_inf_nan=False
    )
    volatility: float = Field(1.0, ge=0, description="Standard deviation of a step.")
    mean_reversion: Share = Field(0.0, description="Share of the way back that a step takes.")
    mean_reversion_to: str | None = Field(
        None, description="Column to revert to, instead of `start`."
    )
    trend: float = Field(0.0, description="What each step adds.")
    precision: int | None = Field(None, ge=0, le=10, description="Digits to round to.")
    shock_rate: Share = Field(0.0, description="How likely a shock is in a step.")
    shock_magnitude: float = Field(10.0, gt=0, description="Greatest size of a shock.")
    shock_bias: float = Field(0.0, ge=-1, le=1, description="1: shocks go up; -1: down.")

    @model_validator(mode="after")
    def _starts_within(self) -> RandomWalk:
        if not self.min <= self.start <= self.max:
            raise ValueError(f"start {self.start:g} is not between min and max")
        return self


Generator = Annotated[
    Annotated[Range, Tag("range")]
    | Annotated[Categorical, Tag("categorical")]
    | Annotated[Boolean, Tag("boolean")]
    | Annotated[Timestamp, Tag("timestamp")]
    | Annotated[Sequential, Tag("sequential")]
    | Annotated[ConstantValue, Tag("constant")]
    | Annotated[Uuid, Tag("uuid")]
    | Annotated[Email, Tag("email")]
    | Annotated[Ipv4, Tag("ipv4")]
    | Annotated[Geo, Tag("geo")]
    | Annotated[Derived, Tag("derived")]
    | Annotated[DailyProfile, Tag("daily_profile")]
    | Annotated[RandomWalk, Tag("random_walk")],
    Discriminator("type"),
]


class SimulatedColumn(Model):
    """One column: how its values come about."""

    name: str = Field(min_length=1, description="Name of the column.")
    data_type: Literal["int", "float", "string", "boolean", "timestamp", "categorical"] = Field(
        description="BIGINT, DOUBLE, VARCHAR, BOOLEAN, TIMESTAMP (UTC) or VARCHAR."
    )
    generator: Generator = Field(description="How its values are made.")
    null_rate: Share = Field(0.0, description="Share of values that are null.")
    entity_overrides: dict[str, Generator] = Field(
        default_factory=dict, description="Other generators for some entities, by their names."
    )


class ScheduledEvent(Model):
    """A value that a column is given for a while, by the clock or by a condition."""

    type: Literal["forced_value", "setpoint_change", "parameter_override"] = Field(
        description="All three set the column's value; the names say what for."
    )
    entity: str | None = Field(None, description="Entity; all when absent.")
    column: str = Field(description="Column.")
    value: Any = Field(description="Value.")
    start_time: Moment | None = Field(None, description="From when on.")
    end_time: Moment | None = Field(None, description="Until when; for ever when absent.")
    priority: int = Field(0, description="Of several events the one with the highest wins.")
    recurrence: Span | None = Field(None, description="Time from one beginning to the next.")
    duration: Span | None = Field(None, description="How long it lasts, instead of `end_time`.")
    jitter: Span | None = Field(None, description="Each recurrence begins up to this off.")
    max_occurrences: int | None = Field(None, ge=1, description="Recurrences, the first included.")
    condition: str | None = Field(None, description="Expression that begins it.")
    cooldown: Span | None = Field(None, description="Time from one beginning to the next at least.")
    sustain: Span | None = Field(None, description="How long the condition must hold before.")
    transition: Literal["instant", "ramp"] = Field(
        "instant", description="`ramp`: a straight line to the value over the event's length."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> ScheduledEvent:
        for wrong, words in self._contradictions():
            if wrong:
                raise ValueError(words)
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        start, end = self.start_time, self.end_time
        lasts = self.duration is not None or (start is not None and end is not None)
        return [
            (start is None and self.condition is None, "needs start_time or condition"),
            (end is not None and self.duration is not None, "end_time and duration exclude each other"),
            (self.recurrence is not None and start is None, "recurrence needs start_time"),
            (self.recurrence is not None and not lasts, "recurrence needs duration"),
            (self.jitter is not None and self.recurrence is None, "jitter needs recurrence"),
            (
                self.max_occurrences is not None and self.recurrence is None,
                "max_occurrences needs recurrence",
            ),
            (self.cooldown is not None and self.condition is None, "cooldown needs condition"),
            (self.sustain is not None and self.condition is None, "sustain needs condition"),
            (
                start is not None and end is not None and moment(end) <= moment(start),
                "end_time must be after start_time",
            ),
            (
                self.transition == "ramp" and not lasts,
                "a ramp needs duration, or start_time and end_time",
            ),
        ]  # fmt: skip


class Downtime(Model):
    """A while without rows."""

    entity: str | None = Field(None, description="Entity; all when absent.")
    start_time: Moment = Field(description="From when on.")
    end_time: Moment = Field(description="Until when; a row at this time is there again.")


class Chaos(Model):
    """What goes wrong on the way from the source: done to finished rows."""

    outlier_rate: Share = Field(0.0, description="Share of numbers that are multiplied.")
    outlier_factor: float = Field(3.0, description="What they are multiplied by.")
    duplicate_rate: Share = Field(0.0, description="Share of rows that come twice.")
    downtime_events: list[Downtime] = Field(default_factory=list, description="Times without rows.")


class Simulation(Model):
    """A simulated source."""

    scope: Scope = Field(description="When: the times of the rows.")
    entities: Entities = Field(description="Who: the entities, each with rows of its own.")
    columns: list[SimulatedColumn] = Field(min_length=1, description="What: the columns.")
    chaos: Chaos | None = Field(None, description="What goes wrong on the way.")
    scheduled_events: list[ScheduledEvent] = Field(
        default_factory=list, description="Values set for a while."
    )


class SimulationOptions(Model):
    """Everything below `read.options` of a source with `format: simulation`."""

    simulation: Simulation = Field(description="The simulated source.")
