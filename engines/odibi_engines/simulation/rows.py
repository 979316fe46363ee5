"""The rows of a cohort: its columns one after the other, at once or row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from odibi.config.simulation_options import RandomWalk, SimulatedColumn, Simulation
from odibi.errors import EngineError
from odibi.simulation.language import Call, Name, Other, Tree, walk
from odibi.simulation.plan import Cohort, Condition, Group

from . import scalars
from .evaluation import evaluated
from .events import ByCondition, ByTime, applied, by_time
from .generators import Block, Site, made
from .kinds import as_texts, scalar_as, vector_as
from .vectors import Vector, choose

__all__ = ["CohortRows", "Memory", "Others"]

Memory = dict[str, dict[str, Any]]
"""What each entity needs of the rows before: `past` values of columns, `walks`, `sites` of calls, `events`.
Plain JSON."""

Others = dict[tuple[str, str], Vector]
"""Columns of other entities by (entity, column), 1 × rows."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A column of the cohort, entities × rows. `nulls` are those of the finished row: its own and those
    of `null_rate`, which the column's own past doesn't know."""

    values: Any
    own_nulls: Any
    nulls: Any

    @property
    def shown(self) -> Vector:
        return Vector(self.values, self.nulls if self.nulls.any() else None)


class CohortRows:
    """Makes the rows of one cohort, block after block; `memory` is brought up to date by each."""

    def __init__(self, simulation: Simulation, cohort: Cohort, memory: Memory) -> None:
        self.simulation = simulation
        self.cohort = cohort
        self.memory = memory
        self.columns = simulation.columns
        self.places = {column.name: place for place, column in enumerate(self.columns)}
        self.events = sorted(
            enumerate(simulation.scheduled_events), key=lambda item: item[1].priority
        )

    def make(self, block: Block, others: Others) -> list[Vector]:
        """The columns of a block, entities × rows, in the order of the YAML. Raises EngineError."""
        work = _Batch(self, block, others)
        with np.errstate(all="ignore"):
            for group in self.cohort.groups:
                work.add(group)
        work.remember()
        return [work.made[place].shown for place in range(len(self.columns))]


class _Batch:
    """One block on its way."""

    def __init__(self, rows: CohortRows, block: Block, others: Others) -> None:
        self.rows, self.block, self.others = rows, block, others
        self.made: dict[int, _Made] = {}
        self.shape = (len(block.names), block.count)

    def add(self, group: Group) -> None:
        names = ", ".join(f"'{self.rows.columns[place].name}'" for place in group.columns)
        try:
            if group.by_row:
                _ByRow(self, group).run()
            else:
                self._at_once(group.columns[0])
        except (TypeError, ValueError, OverflowError) as error:
            word = "columns" if len(group.columns) > 1 else "column"
            raise EngineError(f"simulated {word} {names}: {error}") from None

    def _at_once(self, place: int) -> None:
        base = self.base(place)
        for event in self.timed(place):
            base = applied(base, event)
        kind = self.rows.columns[place].data_type
        self.finish(place, vector_as(kind, base))

    def base(self, place: int) -> Vector:
        """The column's values before any event, in its type."""
        column, cohort = self.rows.columns[place], self.rows.cohort
        if place in cohort.trees:
            at = _Surroundings(self, column.name)
            return vector_as(column.data_type, evaluated(cohort.trees[place], at))
        return made(cohort.generators[place], Site(column.name, column.data_type, self.block))

    def timed(self, place: int) -> Iterator[ByTime]:
        """The events of the clock that are a column's, the winning ones last."""
        name = self.rows.columns[place].name
        for number, event in self.rows.events:
            if event.column == name and event.condition is None:
                yield by_time(event, number, self.block)

    def dropped(self, place: int) -> Any:
        """Where `null_rate` leaves a value out."""
        column = self.rows.columns[place]
        if not column.null_rate:
            return np.zeros(self.shape, bool)
        return self.block.uniform(column.name, "null") < column.null_rate

    def finish(self, place: int, found: Vector) -> None:
        values = np.broadcast_to(found.values, self.shape)
        own = np.broadcast_to(found.mask(), self.shape)
        self.made[place] = _Made(values, own, own | self.dropped(place))

    def remember(self) -> None:
        """Keep what the next rows will ask for."""
        for name, steps in self.rows.cohort.memory.items():
            column = self.made[self.rows.places[name]]
            for line, entity in enumerate(self.block.names):
                past = self.past(entity, name)
                new = _listed(column.values[line, -steps:], column.own_nulls[line, -steps:])
                self.of(entity, "past")[name] = [*past, *new][-steps:]

    def of(self, entity: str, what: str) -> dict[str, Any]:
        """A part of what is remembered of an entity."""
        found: dict[str, Any] = self.rows.memory.setdefault(entity, {}).setdefault(what, {})
        return found

    def past(self, entity: str, column: str) -> list[Any]:
        return list(self.of(entity, "past").get(column, ()))


def _listed(values: Any, nulls: Any) -> list[Any]:
    """Values of one entity as plain ones, times as texts, None for null."""
    if values.dtype.kind == "M":
        values = as_texts(values)
    found: list[Any] = values.tolist()
    if nulls.any():
        found = [None if gone else value for value, gone in zip(found, nulls, strict=True)]
    return found


class _Surroundings:
    """What names mean to a column that is computed at once."""

    def __init__(self, batch: _Batch, owner: str) -> None:
        self.batch, self.owner = batch, owner

    def name(self, name: str) -> Vector:
        batch, block = self.batch, self.batch.block
        if name in batch.rows.places:
            shown = batch.made[batch.rows.places[name]].shown
            if shown.values.dtype.kind == "M":
                return Vector(as_texts(shown.values), shown.nulls)
            return shown
        if name == "entity_id":
            return Vector(np.array(block.names, dtype=object)[:, None])
        if name == "_row_index":
            return Vector(block.indices)
        return Vector(as_texts(block.times)[None, :])

    def moment(self, part: str) -> Vector:
        return Vector(_part_of(self.batch.block, part)[None, :])

    def other(self, entity: str, column: str) -> Vector:
        return self.batch.others[entity, column]

    def earlier(self, column: str, steps: int, otherwise: Vector) -> Vector:
        batch = self.batch
        made = batch.made[batch.rows.places[column]]
        values = as_texts(made.values) if made.values.dtype.kind == "M" else made.values
        before = np.zeros((batch.shape[0], steps), dtype=values.dtype)
        gone, missing = np.zeros(before.shape, bool), np.zeros(before.shape, bool)
        for line, entity in enumerate(batch.block.names):
            past = batch.past(entity, column)[-steps:]
            missing[line, : steps - len(past)] = True
            for place, value in enumerate(past, start=steps - len(past)):
                gone[line, place] = value is None
                if value is not None:
                    before[line, place] = value
        count = batch.block.count
        moved = np.concatenate([before, values], axis=1)[:, :count]
        nulls = np.concatenate([gone, made.own_nulls], axis=1)[:, :count]
        unknown = np.concatenate([missing, np.zeros(batch.shape, bool)], axis=1)[:, :count]
        found = Vector(moved, nulls if nulls.any() else None)
        return choose(unknown, otherwise, found) if unknown.any() else found

    def random(self, site: int) -> Vector:
        return Vector(self.batch.block.uniform(self.owner, "random", site))


def _part_of(block: Block, part: str) -> Any:
    days = block.seconds // 86_400
    seconds = block.seconds % 86_400
    if part in ("hour", "minute", "second"):
        return {"hour": seconds // 3600, "minute": seconds // 60 % 60, "second": seconds % 60}[part]
    if part == "weekday":
        return (days + 3) % 7
    if part == "isoweekday":
        return (days + 3) % 7 + 1
    months = block.times.astype("datetime64[M]")
    if part == "year":
        return block.times.astype("datetime64[Y]").astype(np.int64) + 1970
    if part == "month":
        return months.astype(np.int64) % 12 + 1
    return (block.times.astype("datetime64[D]") - months).astype(np.int64) + 1


# Row by row ---------------------------------------------------------------------------------------------


Make = Callable[[scalars.Row], Any]


class _ByRow:
    """A group of columns that need earlier values, of one entity after the other."""

    def __init__(self, batch: _Batch, group: Group) -> None:
        self.batch, self.group = batch, group
        rows = batch.rows
        self.rows, self.cohort = rows, rows.cohort
        self.trees = list(self._trees())
        self.bases = {
            place: self.batch.base(place)
            for place in group.columns
            if place not in self.cohort.trees
            and not isinstance(self.cohort.generators[place], RandomWalk)
        }
        self.outside = self._outside()
        self.remembered = [name for name in self.cohort.memory if self._concerns(name)]
        self.timed = {place: list(batch.timed(place)) for place in group.columns}
        self.moments: list[datetime] = batch.block.times.astype("datetime64[s]").tolist()
        self.seconds: list[int] = batch.block.seconds.tolist()

    def _trees(self) -> Iterator[tuple[str, Tree]]:
        """The group's expressions, each with the name that its calls' memories and draws go by."""
        for place in self.group.columns:
            name = self.rows.columns[place].name
            if place in self.cohort.trees:
                yield name, self.cohort.trees[place]
            for condition in self.cohort.conditions.get(place, ()):
                yield f"{name}/{condition.event}", condition.tree

    def _nodes(self) -> Iterator[tuple[str, Tree]]:
        return ((owner, node) for owner, tree in self.trees for node in walk(tree))

    def _outside(self) -> list[int]:
        """Columns made before that the group reads in the same row."""
        names: set[str] = set()
        for _, node in self._nodes():
            if isinstance(node, Name):
                names.add(node.name)
            elif isinstance(node, Call) and node.name == "ema":
                names.add(str(getattr(node.arguments[0], "value", "")))
        for place in self.group.columns:
            names.add(getattr(self.cohort.generators[place], "mean_reversion_to", None) or "")
        places = (self.rows.places[name] for name in names if name in self.rows.places)
        return [place for place in places if place in self.batch.made]

    def _concerns(self, name: str) -> bool:
        place = self.rows.places[name]
        return place in self.group.columns or place in self.batch.made

    def run(self) -> None:
        found = {place: [] for place in self.group.columns}  # type: dict[int, list[list[Any]]]
        for line, entity in enumerate(self.batch.block.names):
            for place, values in self._entity(line, entity).items():
                found[place].append(values)
        for place, lines in found.items():
            self.batch.finish(place, _array(self.rows.columns[place].data_type, lines))

    def _entity(self, line: int, entity: str) -> dict[int, list[Any]]:
        """The group's values of one entity, before `null_rate`."""
        batch = self.batch
        row = scalars.Row(
            entity,
            [None] * len(self.rows.columns),
            {name: batch.past(entity, name) for name in self.remembered},
            batch.of(entity, "sites"),
        )
        row.others = self._others()
        row.draws = self._draws(line)
        makers = [(place, self._maker(place, line, entity)) for place in self.group.columns]
        outside = [(place, self._list(place, line)) for place in self.outside]
        inside, known = self._pasts(row, line)
        dropped = {place: batch.dropped(place)[line].tolist() for place in self.group.columns}
        found: dict[int, list[Any]] = {place: [] for place in self.group.columns}
        for at in range(batch.block.count):
            row.at, row.index, row.moment = at, batch.block.start + at, self.moments[at]
            for place, values in outside:
                row.values[place] = values[at]
            made: list[tuple[int, Any]] = []
            for place, make in makers:
                value = make(row)
                found[place].append(value)
                made.append((place, value))
                row.values[place] = None if dropped[place][at] else value
            for place, value in made:
                if place in inside:
                    inside[place].append(value)
            for past, values in known:
                past.append(values[at])
        return found

    def _pasts(
        self, row: scalars.Row, line: int
    ) -> tuple[dict[int, list[Any]], list[tuple[list[Any], list[Any]]]]:
        """Where earlier values are kept: of the group's columns by place, of others with what is new."""
        inside, known = {}, []
        for name in self.remembered:
            place = self.rows.places[name]
            if place in self.group.columns:
                inside[place] = row.past[name]
            else:
                made = self.batch.made[place]
                new = _listed(made.values[line], made.own_nulls[line])
                known.append((row.past[name], new))
        return inside, known

    def _list(self, place: int, line: int) -> list[Any]:
        made = self.batch.made[place]
        return _listed(made.values[line], made.nulls[line])

    def _others(self) -> dict[tuple[str, str], Sequence[Any]]:
        keys = {(n.entity, n.column) for _, n in self._nodes() if isinstance(n, Other)}
        found: dict[tuple[str, str], Sequence[Any]] = {}
        for key in keys:
            vector = self.batch.others[key]
            found[key] = _listed(vector.values[0], vector.mask()[0])
        return found

    def _draws(self, line: int) -> dict[tuple[str, int], Sequence[float]]:
        found: dict[tuple[str, int], Sequence[float]] = {}
        for owner, node in self._nodes():
            if isinstance(node, Call) and node.name == "random":
                numbers = self.batch.block.uniform(owner, "random", node.site)
                found[owner, node.site] = numbers[line].tolist()
        return found

    def _maker(self, place: int, line: int, entity: str) -> Make:
        """The function that makes the column's value of a row."""
        base = self._base(place, line)
        kind = self.rows.columns[place].data_type
        events = self._events(place, line, entity)

        def make(row: scalars.Row) -> Any:
            value = base(row)
            for event in events:
                value = event(row, value)
            return value if kind == "float" and type(value) is float else scalar_as(kind, value)

        return make

    def _base(self, place: int, line: int) -> Make:
        column, generator = self.rows.columns[place], self.cohort.generators[place]
        if place in self.cohort.trees:
            names = scalars.Names(self.rows.places, frozenset(), column.name)
            return scalars.compiled(self.cohort.trees[place], names)
        if isinstance(generator, RandomWalk):
            return _walk(generator, self.batch, line, column, self._target(generator, place))
        vector = self.bases[place]
        values = np.broadcast_to(vector.values, self.batch.shape)[line]
        listed = _listed(values, np.broadcast_to(vector.mask(), self.batch.shape)[line])
        return lambda row: listed[row.at]

    def _target(self, generator: RandomWalk, place: int) -> Make:
        name = generator.mean_reversion_to
        if name is None:
            return lambda _: generator.start
        if place in self.cohort.lagged_targets:
            return lambda row: row.past[name][-1] if row.past[name] else None
        target = self.rows.places[name]
        return lambda row: row.values[target]

    def _events(
        self, place: int, line: int, entity: str
    ) -> list[Callable[[scalars.Row, Any], Any]]:
        column = self.rows.columns[place].name
        timed = iter(self.timed[place])
        conditions = {c.event: c for c in self.cohort.conditions.get(place, ())}
        found = []
        for number, event in self.rows.events:
            if event.column != column:
                continue
            if number in conditions:
                if event.entity in (None, entity):
                    found.append(self._by_condition(conditions[number], column, entity))
            else:
                found.append(_by_clock(next(timed), line))
        return found

    def _by_condition(
        self, condition: Condition, column: str, entity: str
    ) -> Callable[[scalars.Row, Any], Any]:
        event = self.rows.simulation.scheduled_events[condition.event]
        state = self.batch.of(entity, "events").setdefault(str(condition.event), {})
        switch = ByCondition(event, state)
        owner = f"{column}/{condition.event}"
        names = scalars.Names(self.rows.places, condition.before, owner)
        holds = scalars.compiled(condition.tree, names)
        seconds = self.seconds

        def change(row: scalars.Row, base: Any) -> Any:
            at = seconds[row.at]
            return switch.value(base, at) if switch.on(bool(holds(row)), at) else base

        return change


def _by_clock(event: ByTime, line: int) -> Callable[[scalars.Row, Any], Any]:
    on = (event.on & event.entities)[line].tolist()
    share = event.share[0].tolist()
    goal, ramp = event.event.value, event.event.transition == "ramp"

    def change(row: scalars.Row, base: Any) -> Any:
        if not on[row.at]:
            return base
        if ramp and isinstance(base, int | float):
            return base + (goal - base) * share[row.at]
        return goal

    return change


def _array(kind: str, lines: list[list[Any]]) -> Vector:
    """Values of entities × rows as a vector."""
    dtype = {"int": np.int64, "float": np.float64, "boolean": np.bool_}.get(kind, object)
    nulls = np.array([[value is None for value in line] for line in lines])
    blank = None if dtype is object else 0
    filled = [[blank if value is None else value for value in line] for line in lines]
    return Vector(np.array(filled, dtype=dtype), nulls if nulls.any() else None)


def _walk(
    generator: RandomWalk, batch: _Batch, line: int, column: SimulatedColumn, target: Make
) -> Make:
    """A random walk of one entity: Ornstein and Uhlenbeck's process with shocks, within bounds."""
    walks = batch.of(batch.block.names[line], "walks")
    pushes = _pushes(generator, Site(column.name, column.data_type, batch.block), line)
    name, start, low, high = column.name, generator.start, generator.min, generator.max
    back = generator.mean_reversion
    digits = 0 if column.data_type == "int" else generator.precision

    def step(row: scalars.Row) -> float:
        before = walks.get(name)
        if before is None:
            value = start
        else:
            goal = target(row)
            value = before + back * ((start if goal is None else goal) - before) + pushes[row.at]
        value = low if value < low else high if value > high else value
        walks[name] = value
        return value if digits is None else round(value, digits)

    return step


def _pushes(generator: RandomWalk, site: Site, line: int) -> list[float]:
    """What moves the walk at each row besides its reversion: noise, trend and shocks."""
    found = generator.volatility * site.normal()[line] + generator.trend
    if generator.shock_rate:
        hit = site.uniform("shock")[line] < generator.shock_rate
        up = site.uniform("way")[line] < (1 + generator.shock_bias) / 2
        size = generator.shock_magnitude * site.uniform("size")[line]
        found = found + np.where(hit, np.where(up, size, -size), 0.0)
    listed: list[float] = found.tolist()
    return listed
