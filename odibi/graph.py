"""The nodes of a project and what each waits for."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from odibi import places
from odibi.errors import GraphError
from odibi.graph_text import to_dot, to_mermaid, to_text
from odibi.sqlrefs import KnownTables

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, PipelineConfig, Position

__all__ = [
    "CycleError",
    "Edge",
    "EdgeKind",
    "Graph",
    "Node",
    "build",
    "to_dot",
    "to_mermaid",
    "to_text",
]

EdgeKind = Literal["depends_on", "input", "sql", "path"]


@dataclass(frozen=True, slots=True)
class Node:
    """A node in its pipeline.

    `key` is `pipeline.node`; `index` counts nodes in file order. `upstream` maps the names under which
    the node's SQL sees other nodes' results to their keys; `primary` is the name whose rows the node
    starts from (`df`), None when it reads by itself or makes its rows. `sql_files` holds the text of
    each SQL file by the name that the YAML gives it.
    """

    key: str
    pipeline: str
    name: str
    config: NodeConfig
    index: int
    layer: str | None = None
    tags: tuple[str, ...] = ()
    upstream: Mapping[str, str] = field(default_factory=dict)
    primary: str | None = None
    position: Position | None = None
    sql_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        return self.config.enabled

    @property
    def stores(self) -> bool:
        """Whether the result is written somewhere and outlives the run."""
        return self.config.write is not None


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` waits for `source`, because of `depends_on`, an input, its SQL, or a path it reads."""

    source: str
    target: str
    kind: EdgeKind


class CycleError(GraphError):
    """Nodes that wait for each other. `cycles` holds one path of nodes for every knot of them."""

    def __init__(self, cycles: Sequence[Sequence[Node]], message: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.cycles = tuple(tuple(cycle) for cycle in cycles)


class Graph:
    """All nodes by key in file order, and the edges between them; without cycles."""

    def __init__(self, loaded: Loaded, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        """Raises CycleError."""
        self.loaded = loaded
        self.nodes = {node.key: node for node in nodes}
        self._up: dict[str, dict[str, Edge]] = {key: {} for key in self.nodes}
        self._down: dict[str, dict[str, Edge]] = {key: {} for key in self.nodes}
        by_path = self._add(edges)
        self._order = self._sorted()
        if by_path and len(self._order) < len(self.nodes):
            self._drop_closing(by_path)
            self._order = self._sorted()
        if len(self._order) < len(self.nodes):
            _refuse_cycles(self)

    def _add(self, edges: Iterable[Edge]) -> list[Edge]:
        """Keep one edge between two nodes, the first said; returns those by path, added last."""
        by_path: list[Edge] = []
        for edge in edges:
            if edge.kind == "path":
                by_path.append(edge)
            else:
                self._join(edge)
        for edge in by_path:
            self._join(edge)
        return by_path

    def _join(self, edge: Edge) -> None:
        self._up[edge.target].setdefault(edge.source, edge)
        self._down[edge.source].setdefault(edge.target, edge)

    def _drop_closing(self, by_path: list[Edge]) -> None:
        """Join the edges by path again, one by one, without those that would close a cycle.

        Who reads a table before another node replaces it (as a slowly changing dimension does) means
        what the last run left there.
        """
        for edge in by_path:
            if self._up[edge.target].get(edge.source) is edge:
                del self._up[edge.target][edge.source], self._down[edge.source][edge.target]
        for edge in by_path:
            if edge.source not in self.descendants(edge.target):
                self._join(edge)

    def _sorted(self) -> tuple[str, ...]:
        """Nodes after all that they wait for, else in file order; nodes on cycles are left out."""
        waiting = {key: len(up) for key, up in self._up.items()}
        ready = [(self.nodes[key].index, key) for key, count in waiting.items() if not count]
        heapq.heapify(ready)
        order: list[str] = []
        while ready:
            _, key = heapq.heappop(ready)
            order.append(key)
            for below in self._down[key]:
                waiting[below] -= 1
                if not waiting[below]:
                    heapq.heappush(ready, (self.nodes[below].index, below))
        return tuple(order)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by target in file order."""
        return tuple(edge for up in self._up.values() for edge in up.values())

    @property
    def layers(self) -> dict[str | None, tuple[str, ...]]:
        """Keys by layer, layers in order of their first node."""
        found: dict[str | None, list[str]] = {}
        for node in self.nodes.values():
            found.setdefault(node.layer, []).append(node.key)
        return {layer: tuple(keys) for layer, keys in found.items()}

    def order(self) -> tuple[str, ...]:
        """Keys such that every node comes after its upstream, as close to file order as that allows."""
        return self._order

    def upstream(self, key: str) -> tuple[str, ...]:
        """Keys of the nodes that this one waits for."""
        return tuple(self._up[key])

    def downstream(self, key: str) -> tuple[str, ...]:
        """Keys of the nodes that wait for this one."""
        return tuple(self._down[key])

    def edges_into(self, key: str) -> tuple[Edge, ...]:
        """Why this node waits, an edge for each node that it waits for."""
        return tuple(self._up[key].values())

    def ancestors(self, *keys: str, depth: int | None = None) -> set[str]:
        """All nodes that these need, directly or (up to `depth` steps) through others."""
        return _reach(self._up, keys, depth)

    def descendants(self, *keys: str, depth: int | None = None) -> set[str]:
        """All nodes that need these, directly or (up to `depth` steps) through others."""
        return _reach(self._down, keys, depth)


def _reach(
    steps: Mapping[str, Mapping[str, Edge]], keys: Iterable[str], depth: int | None
) -> set[str]:
    found: set[str] = set()
    border = set(keys)
    while border and (depth is None or depth > 0):
        border = {there for here in border for there in steps[here]} - found
        found |= border
        depth = None if depth is None else depth - 1
    return found


# Building ---------------------------------------------------------------------------------------


def build(loaded: Loaded) -> Graph:
    """The graph of a loaded project.

    Raises CycleError, and GraphError for a name that is missing or means two things.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    keys = {f"{p.pipeline}.{n.name}" for p in loaded.project.pipelines for n in p.nodes}
    for number, pipeline in enumerate(loaded.project.pipelines):
        for node, waits in _pipeline(loaded, number, pipeline, len(nodes), keys):
            nodes.append(node)
            edges += waits
    edges += _path_edges(loaded, nodes)
    return Graph(loaded, nodes, edges)


def _pipeline(
    loaded: Loaded, number: int, pipeline: PipelineConfig, first: int, keys: set[str]
) -> Iterator[tuple[Node, list[Edge]]]:
    tables = KnownTables(node.name for node in pipeline.nodes)
    for place, config in enumerate(pipeline.nodes):
        position = loaded.positions.at(("pipelines", number, "nodes", place))
        key = f"{pipeline.pipeline}.{config.name}"
        files = _sql_files(config, key, position)
        links = _links(pipeline.pipeline, config, tables, files)
        upstream = _upstream(key, links, position)
        for name, target, _ in links:
            if target not in keys:
                _missing(key, name, target, keys, position)
        node = Node(
            key=key,
            pipeline=pipeline.pipeline,
            name=config.name,
            config=config,
            index=first + place,
            layer=pipeline.layer,
            tags=tuple(dict.fromkeys([*config.tags, *pipeline.tags])),
            upstream=upstream,
            primary=_primary(config, upstream),
            position=position,
            sql_files=files,
        )
        yield node, [Edge(source, key, kind) for _, source, kind in links]


def _links(
    pipeline: str, config: NodeConfig, tables: KnownTables, files: Mapping[str, str]
) -> list[tuple[str, str, EdgeKind]]:
    """What the node needs: the table name it knows it by, the key, and who says so."""
    links: list[tuple[str, str, EdgeKind]] = []
    for name, ref in places.node_inputs(config).items():
        links.append((name, ref.key, "input"))
    for name in config.depends_on:
        links.append((name, f"{pipeline}.{name}", "depends_on"))
    named = {config.name, "df", *(config.inputs or {}), *config.depends_on}
    for sql in _statements(config, files):
        for name in tables.read_by(sql, besides=named):
            links.append((name, f"{pipeline}.{name}", "sql"))
            named.add(name)
    return links


def _statements(config: NodeConfig, files: Mapping[str, str]) -> Iterator[str]:
    for step in config.transform.steps if config.transform else ():
        if step.sql is not None:
            yield step.sql
        elif step.sql_file is not None:
            yield files[step.sql_file]


def _sql_files(config: NodeConfig, key: str, position: Position | None) -> dict[str, str]:
    names = [step.sql_file for step in (config.transform.steps if config.transform else ())]
    names.append(config.read.sql_file if config.read else None)
    return {name: _sql_text(name, key, position) for name in names if name is not None}


def _sql_text(name: str, key: str, position: Position | None) -> str:
    path = (Path(position.file).parent if position else Path()) / name
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        raise GraphError(
            f"{_where(position)}{key}: sql_file {path} can't be read: {reason}"
        ) from error


def _upstream(
    key: str, links: Iterable[tuple[str, str, EdgeKind]], position: Position | None
) -> dict[str, str]:
    """Table names to keys. SQL doesn't tell `Orders` from `orders`, so one must not mean two nodes."""
    upstream: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name, target, _ in links:
        if taken.setdefault(name.lower(), target) != target:
            raise GraphError(
                f"{_where(position)}{key}: the name '{name}' means both {taken[name.lower()]} and {target}",
                hint="give one of them another name under `inputs`",
            )
        upstream.setdefault(name, target)
    return upstream


def _primary(config: NodeConfig, upstream: Mapping[str, str]) -> str | None:
    """The table that is `df` at the start: the input of that name, else the first one named."""
    if config.read is not None:
        return None
    inputs = list(config.inputs or {})
    if "df" in inputs:
        return "df"
    return next(iter([*inputs, *config.depends_on, *upstream]), None)


def _missing(
    key: str, name: str, target: str, keys: set[str], position: Position | None
) -> NoReturn:
    near = get_close_matches(target, keys, n=1)
    raise GraphError(
        f"{_where(position)}{key}: '{name}' is {target}, and there is no such node",
        hint=f"did you mean {near[0]}?" if near else None,
    )


def _where(position: Position | None) -> str:
    return f"{position}: " if position else ""


def _path_edges(loaded: Loaded, nodes: Sequence[Node]) -> Iterator[Edge]:
    """Who reads exactly what another node writes waits for it, wherever the two stand."""
    writers: dict[str, list[str]] = {}
    for node in nodes:
        for place in places.written_places(loaded, node.config):
            writers.setdefault(place, []).append(node.key)
    for node in nodes:
        for place in places.read_places(loaded, node.config):
            for writer in writers.get(place, ()):
                if writer != node.key:
                    yield Edge(writer, node.key, "path")


# Cycles -----------------------------------------------------------------------------------------


def _refuse_cycles(graph: Graph) -> NoReturn:
    cycles = [_cycle_in(graph, knot) for knot in _knots(graph)]
    lines = [line for cycle in cycles for line in _describe(graph, cycle)]
    head = (
        "nodes wait for each other"
        if len(cycles) == 1
        else f"{len(cycles)} cycles of nodes that wait for each other"
    )
    raise CycleError(
        [[graph.nodes[key] for key in cycle] for cycle in cycles],
        "\n".join([f"{head}:", *lines]),
        "take one of these dependencies away, or split a node in two",
    )


def _describe(graph: Graph, cycle: list[str]) -> Iterator[str]:
    yield "  " + " → ".join(cycle)
    said = {
        "depends_on": "depends_on",
        "input": "inputs",
        "sql": "its SQL reads it",
        "path": "it reads what that node writes",
    }
    for source, target in pairwise(cycle):
        edge = next(edge for edge in graph.edges_into(target) if edge.source == source)
        node = graph.nodes[target]
        yield f"    {_where(node.position)}{target} needs {source} ({said[edge.kind]})"


def _knots(graph: Graph) -> list[set[str]]:
    """Groups of nodes that all wait for each other, in file order."""
    settled = set(graph.order())
    knots = []
    for key in graph.nodes:
        if key in settled:
            continue
        knot = (graph.ancestors(key) & graph.descendants(key)) | {key}
        settled |= knot
        if len(knot) > 1 or key in graph.upstream(key):
            knots.append(knot)
    return knots


def _cycle_in(graph: Graph, knot: set[str]) -> list[str]:
    """A shortest path from the knot's first node back to itself, following the data."""
    start = min(knot, key=lambda key: graph.nodes[key].index)
    came_from: dict[str, str] = {}
    border = [start]
    while start not in came_from:
        following: list[str] = []
        for here in border:
            for there in graph.downstream(here):
                if there in knot and there not in came_from:
                    came_from[there] = here
                    following.append(there)
        border = following
    path = [start]
    while path[0] != start or len(path) == 1:
        path.insert(0, came_from[path[0]])
    return path
