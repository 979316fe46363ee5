"""Nodes that wait for each other as the YAML says it, for a project that can't become a graph."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from odibi.config.nodes import NodeConfig, NodeRef
from odibi.config.project import ProjectConfig

__all__ = ["circles"]

Key = tuple[str, str]


def circles(project: ProjectConfig) -> Iterator[list[Key]]:
    """One path of `(pipeline, node)` for every knot, from a node back to itself along the data."""
    waits = {
        (pipeline.pipeline, node.name): set(_waits(pipeline.pipeline, node))
        for pipeline in project.pipelines
        for node in pipeline.nodes
    }
    order = {key: place for place, key in enumerate(waits)}
    while (circle := _circle(waits)) is not None:
        first = min(range(len(circle)), key=lambda n: order[circle[n]])
        yield [*circle[first:], *circle[:first], circle[first]]
        for key in circle:
            waits[key] = set()


def _waits(pipeline: str, node: NodeConfig) -> Iterator[Key]:
    for name in node.depends_on:
        yield pipeline, name
    for source in (node.inputs or {}).values():
        if isinstance(source, NodeRef):
            yield source.pipeline, source.node


def _circle(waits: dict[Key, set[Key]]) -> list[Key] | None:
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        return list(error.args[1][:-1])  # the sorter's own path names its first node twice
    return None
