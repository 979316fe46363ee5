"""Outputs that must not be: two of one place, one inside another, or one that would destroy something."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import places
from odibi.errors import GraphError

if TYPE_CHECKING:
    from odibi.config import Position
    from odibi.graph import Graph, Node

__all__ = ["Clash", "check_outputs", "clashes", "common_places"]

_ADDING = frozenset({"append", "upsert", "append_once", "merge"})


@dataclass(frozen=True, slots=True)
class Output:
    """One place that a node writes: its result, what a test rejects, or lines that can't be read."""

    node: Node
    kind: str
    place: str
    format: str
    adds: bool

    def __str__(self) -> str:
        return f"{self.node.key} ({self.kind})"


def common_places(graph: Graph, keys: Collection[str]) -> set[str]:
    """The places that the nodes write and that nodes of other pipelines write as well."""
    writers: dict[str, set[str]] = {}
    outputs = [each for node in graph.nodes.values() for each in _of(graph, node)]
    for output in outputs:
        writers.setdefault(output.place, set()).add(output.node.pipeline)
    ours = {output.place for output in outputs if output.node.key in keys}
    return {place for place in ours if len(writers[place]) > 1}


@dataclass(frozen=True, slots=True)
class Clash:
    """An output that must not be, where it stands, and why."""

    output: Output
    message: str
    hint: str

    @property
    def position(self) -> Position | None:
        return self.output.node.position


def check_outputs(graph: Graph) -> None:
    """Raise GraphError with every output that would destroy or overwrite something."""
    found = list(clashes(graph))
    if found:
        lines = [f"{clash.position}: {clash.message}" for clash in found]
        raise GraphError("\n".join(lines), hint=found[0].hint)


def clashes(graph: Graph) -> Iterator[Clash]:
    """Every output that must not be, in file order."""
    outputs = [
        output for node in graph.nodes.values() if node.enabled for output in _of(graph, node)
    ]
    for output in outputs:
        if reason := _destroys(graph, output):
            yield Clash(output, f"{output} would replace {reason}", "write to a place of its own")
    yield from _overlaps(outputs)


def _of(graph: Graph, node: Node) -> Iterator[Output]:
    config = node.config
    owners: list[tuple[str, Any]] = [
        ("write", config.write),
        ("quarantine", config.validation.quarantine if config.validation else None),
        ("bad lines", config.read.bad_lines if config.read else None),
    ]
    for kind, owner in owners:
        place = places.place_name(graph.loaded, owner) if owner is not None else None
        if place is None or not Path(place).is_absolute():
            continue
        adds = kind != "write" or owner.mode in _ADDING
        yield Output(node, kind, place, getattr(owner, "format", ""), adds)


def _destroys(graph: Graph, output: Output) -> str | None:
    """What of the project itself lies at or below the output's place, in words."""
    loaded = graph.loaded
    kept: dict[str, str] = {}  # what holds most first: it is named
    for name, connection in loaded.project.connections.items():
        if connection.type == "local":
            kept[str(places.resolve(loaded, name, "."))] = f"the folder of connection '{name}'"
    kept.setdefault(str(loaded.root), "the project's folder")
    kept[str(loaded.root / ".odibi")] = "the ledger (.odibi)"
    kept |= {str(file): places.display(loaded, file) for file in loaded.sources}
    for place, what in kept.items():
        if _within(place, output.place):
            return what
    ledger = str(loaded.root / ".odibi")
    if _within(output.place, ledger):
        return "a part of the ledger (.odibi)"
    return _own_source(graph, output)


def _own_source(graph: Graph, output: Output) -> str | None:
    """A source of the node that is read in another format than is written there."""
    if output.adds:
        return None
    for read in places.reads_of(output.node.config):
        place = places.place_name(graph.loaded, read)
        if place is not None and _within(place, output.place) and read.format != output.format:
            return f"its own source {places.display(graph.loaded, Path(place))}"
    return None


def _overlaps(outputs: list[Output]) -> Iterator[Clash]:
    """Equal and nested places; in sorted order a nested place follows the one around it."""
    ordered = sorted(outputs, key=lambda output: output.place)
    around: list[Output] = []
    for output in ordered:
        around = [outer for outer in around if _within(output.place, outer.place)]
        for outer in around:
            if outer.place == output.place and outer.adds and output.adds:
                continue  # both only add rows: a shared quarantine, a table fed by two nodes
            how = "the same place as" if outer.place == output.place else "a place inside that of"
            yield Clash(
                output, f"{output} writes to {how} {outer}", "give each output its own path"
            )
        around.append(output)


def _within(place: str, outer: str) -> bool:
    return place == outer or place.startswith(outer.rstrip(os.sep) + os.sep)
