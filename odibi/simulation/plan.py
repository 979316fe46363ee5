"""What a simulated source consists of: its entities, which of them are alike, and in what order their
columns can be computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from odibi.config.near import did_you_mean
from odibi.config.simulation_options import (
    Derived,
    Geo,
    RandomWalk,
    Range,
    ScheduledEvent,
    SimulatedColumn,
    Simulation,
)
from odibi.simulation.language import (
    Call,
    Constant,
    ExpressionError,
    Name,
    Other,
    Tree,
    parse,
    walk,
)

__all__ = [
    "Cohort",
    "Condition",
    "Group",
    "Mistake",
    "cohorts",
    "entity_names",
    "expanded",
    "mistakes",
    "needed_of_others",
]

ROW_NAMES = ("entity_id", "_row_index", "_timestamp")
"""What an expression may name besides columns; a column of that name goes first."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a simulation: `path` leads to it from the simulation's own map."""

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None


def entity_names(simulation: Simulation) -> tuple[str, ...]:
    """The names of the entities, in order."""
    entities = simulation.entities
    if entities.names is not None:
        return tuple(entities.names)
    numbers = range(1, (entities.count or 0) + 1)
    if entities.id_format == "sequential":
        return tuple(f"{entities.id_prefix}{number:02d}" for number in numbers)
    seeds = (f"{simulation.scope.seed}/{number}".encode() for number in numbers)
    digits = (hashlib.blake2b(seed, digest_size=4).hexdigest() for seed in seeds)
    return tuple(entities.id_prefix + found for found in digits)


def expanded(simulation: Simulation) -> Simulation:
    """The simulation with two columns for each place whose latitude and longitude are separate."""
    columns: list[SimulatedColumn] = []
    for column in simulation.columns:
        if isinstance(column.generator, Geo) and column.generator.format == "lat_lon_separate":
            columns += (_degrees(column, part) for part in ("lat", "lon"))
        else:
            columns.append(column)
    return simulation.model_copy(update={"columns": columns})


def _degrees(column: SimulatedColumn, part: str) -> SimulatedColumn:
    def of(generator: Any) -> Any:
        if not isinstance(generator, Geo):
            return generator
        least, most = generator.bbox[part == "lon"], generator.bbox[2 + (part == "lon")]
        return Range(type="range", min=least, max=most)

    return column.model_copy(
        update={
            "name": f"{column.name}_{part}",
            "data_type": "float",
            "generator": of(column.generator),
            "entity_overrides": {n: of(g) for n, g in column.entity_overrides.items()},
        }
    )


def needed_of_others(simulation: Simulation) -> frozenset[tuple[str, str]]:
    """(entity, column) that expressions read of other entities."""
    texts = [event.condition for event in simulation.scheduled_events if event.condition]
    for column in simulation.columns:
        for generator in (column.generator, *column.entity_overrides.values()):
            if isinstance(generator, Derived):
                texts.append(generator.expression)
    others = (other for text in texts for other in _others(parse(text)))
    return frozenset((other.entity, other.column) for other in others)


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition of an event. Columns in `before` are read from the row before: they depend on the
    column that the event changes."""

    event: int
    tree: Tree
    before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Columns (by place) that are computed together: at once, or row by row as they need each other's
    earlier values."""

    columns: tuple[int, ...]
    by_row: bool


@dataclass(frozen=True)
class Cohort:
    """Entities (by place) whose columns are made by the same generators."""

    entities: tuple[int, ...]
    generators: tuple[Any, ...]
    trees: Mapping[int, Tree]
    conditions: Mapping[int, tuple[Condition, ...]]  # of the events of a column
    lagged_targets: frozenset[int]  # walks that revert to the earlier value of a column
    groups: tuple[Group, ...] = field(default=())

    @cached_property
    def memory(self) -> dict[str, int]:
        """Columns whose earlier values are needed, and how many rows back."""
        found: dict[str, int] = {}
        conditions = [c for several in self.conditions.values() for c in several]
        for tree in (*self.trees.values(), *(c.tree for c in conditions)):
            for name, steps in _earlier(tree):
                found[name] = max(found.get(name, 0), steps)
        for name in {name for condition in conditions for name in condition.before}:
            found.setdefault(name, 1)
        for place in self.lagged_targets:
            found.setdefault(str(self.generators[place].mean_reversion_to), 1)
        return found


def _earlier(tree: Tree) -> Iterator[tuple[str, int]]:
    """Columns whose earlier values an expression reads, and how many rows back."""
    for node in walk(tree):
        if isinstance(node, Call) and node.name in ("prev", "delay"):
            steps = 1 if node.name == "prev" else _constant(node.arguments[1])
            yield str(_constant(node.arguments[0])), int(steps)


def _constant(tree: Tree | None) -> Any:
    assert isinstance(tree, Constant)  # the parser takes nothing else there
    return tree.value


def _same_row(tree: Tree) -> Iterator[tuple[str, int]]:
    """Names that an expression reads from the same row, and where they stand in its text."""
    for node in walk(tree):
        if isinstance(node, Name):
            yield node.name, node.at
        elif isinstance(node, Call) and node.name == "ema":
            yield str(_constant(node.arguments[0])), node.at


def _others(tree: Tree) -> Iterator[Other]:
    return (node for node in walk(tree) if isinstance(node, Other))


# Cohorts ------------------------------------------------------------------------------------------------


def cohorts(simulation: Simulation) -> tuple[Cohort, ...]:
    """The entities in cohorts, those first whose columns others read.

    Raises ValueError for a simulation with `mistakes`.
    """
    names = entity_names(simulation)
    made = [_generators(simulation, name) for name in names]
    levels = _levels(simulation, names, made)
    alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for place, generators in enumerate(made):
        key = (levels[place], tuple(id(generator) for generator in generators))
        alike.setdefault(key, []).append(place)
    ordered = sorted(alike.items(), key=lambda item: (item[0][0], item[1][0]))
    return tuple(_cohort(simulation, tuple(places), made[places[0]]) for _, places in ordered)


def _generators(simulation: Simulation, entity: str) -> tuple[Any, ...]:
    return tuple(c.entity_overrides.get(entity, c.generator) for c in simulation.columns)


def _levels(
    simulation: Simulation, names: tuple[str, ...], made: list[tuple[Any, ...]]
) -> list[int]:
    """For each entity how many others must be computed before it, one after the other."""
    places = {name: place for place, name in enumerate(names)}
    needs = [
        _needed(simulation, generators) - {name}
        for name, generators in zip(names, made, strict=True)
    ]
    levels: dict[int, int] = {}

    def level(place: int, above: tuple[int, ...]) -> int:
        if place in above:
            chain = " → ".join(names[p] for p in (*above[above.index(place) :], place))
            raise ValueError(f"entities need each other: {chain}")
        if place not in levels:
            below = [level(places[n], (*above, place)) for n in needs[place] if n in places]
            levels[place] = max(below, default=-1) + 1
        return levels[place]

    return [level(place, ()) for place in range(len(names))]


def _needed(simulation: Simulation, generators: tuple[Any, ...]) -> set[str]:
    """Entities whose columns the generators and the events' conditions name."""
    texts = [g.expression for g in generators if isinstance(g, Derived)]
    texts += [event.condition for event in simulation.scheduled_events if event.condition]
    return {other.entity for text in texts for other in _others(parse(text))}


def _cohort(
    simulation: Simulation, entities: tuple[int, ...], generators: tuple[Any, ...]
) -> Cohort:
    graph = _Graph(simulation, generators)
    return Cohort(
        entities,
        generators,
        graph.trees,
        {place: tuple(found) for place, found in graph.conditions.items()},
        frozenset(graph.lagged_targets),
        graph.groups(),
    )


class _Graph:
    """Which columns of one cohort need which: in the same row (`now`), in earlier ones (`before`)."""

    def __init__(self, simulation: Simulation, generators: tuple[Any, ...]) -> None:
        self.names = [column.name for column in simulation.columns]
        self.place = {name: place for place, name in enumerate(self.names)}
        self.generators = generators
        self.trees = {
            place: parse(g.expression)
            for place, g in enumerate(generators)
            if isinstance(g, Derived)
        }
        self.now: list[set[int]] = [set() for _ in self.names]
        self.before: list[set[int]] = [set() for _ in self.names]
        for place, tree in self.trees.items():
            self._add(place, tree)
        self.refuse_circles()
        self.lagged_targets: set[int] = set()
        for place, generator in enumerate(generators):
            if isinstance(generator, RandomWalk) and generator.mean_reversion_to is not None:
                target = self.place[generator.mean_reversion_to]
                if not self._add_or_lag(place, target):
                    self.lagged_targets.add(place)
        self.conditions: dict[int, list[Condition]] = {}
        for number, event in enumerate(simulation.scheduled_events):
            if event.condition is not None:
                self._condition(number, event)

    def _add(self, place: int, tree: Tree) -> None:
        self.now[place] |= {self.place[name] for name, _ in _same_row(tree) if name in self.place}
        self.before[place] |= {self.place[name] for name, _ in _earlier(tree) if name in self.place}

    def _add_or_lag(self, place: int, needed: int) -> bool:
        """Let `place` need `needed` in the same row; in the row before when that would be a circle."""
        if place in self._reached(needed):
            self.before[place].add(needed)
            return False
        self.now[place].add(needed)
        return True

    def _reached(self, start: int) -> set[int]:
        found, open_ = {start}, [start]
        while open_:
            for needed in self.now[open_.pop()] - found:
                found.add(needed)
                open_.append(needed)
        return found

    def _condition(self, number: int, event: ScheduledEvent) -> None:
        tree, place = parse(event.condition or ""), self.place[event.column]
        names = [name for name, _ in _same_row(tree) if name in self.place]
        lagged = [name for name in names if not self._add_or_lag(place, self.place[name])]
        self.before[place] |= {self.place[name] for name, _ in _earlier(tree) if name in self.place}
        condition = Condition(number, tree, frozenset(lagged))
        self.conditions.setdefault(place, []).append(condition)

    def refuse_circles(self) -> None:
        """Raises ValueError for columns that need each other in the same row."""
        for place in range(len(self.names)):
            for needed in self.now[place]:
                if place in self._reached(needed):
                    circle = self.names[place]
                    other = self.names[needed]
                    with_itself = place == needed
                    raise ValueError(
                        f"column '{circle}' needs itself; its earlier value is prev('{circle}', …)"
                        if with_itself
                        else f"columns '{circle}' and '{other}' need each other in the same row; "
                        f"read one of them from the row before: prev('{other}', …)"
                    )

    def groups(self) -> tuple[Group, ...]:
        """Strongly connected columns together, those before that others need."""
        return tuple(
            Group(self._in_row_order(found), self._by_row(found)) for found in self._components()
        )

    def _by_row(self, group: list[int]) -> bool:
        if len(group) > 1 or group[0] in self.before[group[0]]:
            return True
        place = group[0]
        tree = self.trees.get(place)
        remembers = tree is not None and any(
            isinstance(node, Call) and node.name in ("ema", "pid") for node in walk(tree)
        )
        walks = isinstance(self.generators[place], RandomWalk)
        return walks or remembers or place in self.conditions

    def _in_row_order(self, group: list[int]) -> tuple[int, ...]:
        """The group's columns, each after those that it needs in the same row."""
        found: list[int] = []

        def add(place: int) -> None:
            for needed in sorted(self.now[place]):
                if needed in group and needed not in found:
                    add(needed)
            if place not in found:
                found.append(place)

        for place in sorted(group):
            add(place)
        return tuple(found)

    def _components(self) -> list[list[int]]:
        """Strongly connected components, needed ones first (Tarjan 1972)."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        found: list[list[int]] = []

        def visit(place: int) -> None:
            index[place] = low[place] = len(index)
            stack.append(place)
            for needed in sorted(self.now[place] | self.before[place]):
                if needed not in index:
                    visit(needed)
                    low[place] = min(low[place], low[needed])
                elif needed in stack:
                    low[place] = min(low[place], index[needed])
            if low[place] == index[place]:
                cut = stack.index(place)
                found.append(stack[cut:])
                del stack[cut:]

        for place in range(len(self.names)):
            if place not in index:
                visit(place)
        return found


# Mistakes -----------------------------------------------------------------------------------------------


def mistakes(simulation: Simulation) -> list[Mistake]:
    """Everything about a simulation that its shape can't tell: unknown names, circles, wrong texts."""
    checks = _Checks(simulation)
    found = [
        *checks.columns(),
        *checks.events(),
        *checks.downtimes(),
    ]
    if found:
        return found
    try:
        cohorts(simulation)
    except ValueError as error:
        found.append(Mistake(("columns",), str(error)))
    return found


class _Checks:
    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.names = [column.name for column in simulation.columns]
        self.entities = entity_names(simulation)

    def columns(self) -> Iterator[Mistake]:
        for number, column in enumerate(self.simulation.columns):
            path = ("columns", number)
            if column.name in self.names[:number]:
                yield Mistake((*path, "name"), f"column '{column.name}' is there twice")
            yield from self.generator(column, column.generator, (*path, "generator"))
            for entity, generator in column.entity_overrides.items():
                yield from self.entity(entity, (*path, "entity_overrides", entity))
                yield from self.generator(column, generator, (*path, "entity_overrides", entity))

    def generator(
        self, column: SimulatedColumn, generator: Any, path: tuple[str | int, ...]
    ) -> Iterator[Mistake]:
        if isinstance(generator, Derived):
            yield from self.expression(generator.expression, (*path, "expression"))
        elif isinstance(generator, RandomWalk) and generator.mean_reversion_to is not None:
            yield from self.column(generator.mean_reversion_to, (*path, "mean_reversion_to"))
        kinds = _KINDS.get(generator.type)
        if kinds is not None and column.data_type not in kinds:
            yield Mistake(
                path,
                f"a {generator.type} column is {' or '.join(kinds)}, not {column.data_type}",
                f"set data_type: {kinds[0]}",
            )

    def events(self) -> Iterator[Mistake]:
        for number, event in enumerate(self.simulation.scheduled_events):
            path = ("scheduled_events", number)
            yield from self.column(event.column, (*path, "column"))
            if event.entity is not None:
                yield from self.entity(event.entity, (*path, "entity"))
            if event.condition is not None:
                yield from self.expression(event.condition, (*path, "condition"))
            if event.transition == "ramp" and (
                isinstance(event.value, bool) or not isinstance(event.value, int | float)
            ):
                yield Mistake((*path, "value"), "a ramp needs a number to go to")

    def downtimes(self) -> Iterator[Mistake]:
        chaos = self.simulation.chaos
        for number, downtime in enumerate(chaos.downtime_events if chaos else ()):
            if downtime.entity is not None:
                path = ("chaos", "downtime_events", number, "entity")
                yield from self.entity(downtime.entity, path)

    def expression(self, text: str, path: tuple[str | int, ...]) -> Iterator[Mistake]:
        try:
            tree = parse(text)
        except ExpressionError as error:
            yield Mistake(path, f"{error.message}, at character {error.at + 1} of `{text}`")
            return
        for name, at in _same_row(tree):
            if name not in self.names and name not in ROW_NAMES:
                yield self.unknown(name, at, text, path)
        for name, _ in _earlier(tree):
            if name not in self.names:
                yield self.unknown(name, text.find(name), text, path)
        for other in _others(tree):
            if other.entity not in self.entities:
                near = did_you_mean(other.entity, self.entities)
                yield Mistake(path, f"unknown entity '{other.entity}'{near} in `{text}`")
            elif other.column not in self.names:
                yield self.unknown(other.column, other.at, text, path)

    def unknown(self, name: str, at: int, text: str, path: tuple[str | int, ...]) -> Mistake:
        near = did_you_mean(name, [*self.names, *ROW_NAMES])
        return Mistake(
            path,
            f"unknown column '{name}'{near}, at character {at + 1} of `{text}`",
            f"columns: {', '.join(self.names)}; also {', '.join(ROW_NAMES)}",
        )

    def column(self, name: str, path: tuple[str | int, ...]) -> Iterator[Mistake]:
        if name not in self.names:
            near = did_you_mean(name, self.names)
            yield Mistake(
                path, f"unknown column '{name}'{near}", f"columns: {', '.join(self.names)}"
            )

    def entity(self, name: str, path: tuple[str | int, ...]) -> Iterator[Mistake]:
        if name not in self.entities:
            near = did_you_mean(name, self.entities)
            some = ", ".join(self.entities[:8]) + (", …" if len(self.entities) > 8 else "")
            yield Mistake(path, f"unknown entity '{name}'{near}", f"entities: {some}")


_NUMBERS = ("float", "int")
_TEXTS = ("string", "categorical")
_KINDS: dict[str, tuple[str, ...]] = {
    "range": _NUMBERS,
    "random_walk": _NUMBERS,
    "daily_profile": _NUMBERS,
    "boolean": ("boolean",),
    "timestamp": ("timestamp", *_TEXTS),
    "sequential": ("int", "float", *_TEXTS),
    "uuid": _TEXTS,
    "email": _TEXTS,
    "ipv4": _TEXTS,
    "geo": _TEXTS,
}  # fmt: skip
