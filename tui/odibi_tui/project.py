"""The project as odibi.yaml declares it: what the graph shows before anything has run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odibi.graph import Node

__all__ = ["NO_PROJECT", "ProjectView", "load_project"]


@dataclass(frozen=True, slots=True)
class ProjectView:
    """Nodes by key in file order and what the screens say of them.

    `edges` are (source, target) pairs of keys. `places` are (file, line) of the nodes. `problems` are
    what is wrong with the YAML, one text each with its place; the nodes are then those of before.
    `files` are the YAML and SQL files that it is made of.
    """

    name: str = ""
    nodes: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[Path, int]] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    files: frozenset[Path] = frozenset()


NO_PROJECT = ProjectView()
"""Nothing read yet."""


def load_project(path: Path) -> ProjectView:
    """Read the YAML; what is wrong with it is in `problems`, nothing is raised."""
    from odibi import config, graph  # pydantic: after the first frame
    from odibi.errors import OdibiError

    try:
        loaded = config.load(path)
        made = graph.build(loaded)
    except config.ConfigError as error:
        return ProjectView(problems=tuple(str(problem) for problem in error.problems))
    except OdibiError as error:
        return ProjectView(problems=(error.message,))
    except OSError as error:
        return ProjectView(problems=(f"{path}: {error.strerror}",))
    nodes = made.nodes.values()
    return ProjectView(
        name=loaded.project.project,
        nodes=tuple(made.order()),
        edges=tuple((source, key) for key in made.nodes for source in made.upstream(key)),
        layers={node.key: node.layer for node in nodes if node.layer},
        tags={node.key: tuple(node.tags) for node in nodes if node.tags},
        places={
            node.key: (Path(node.position.file), node.position.line)
            for node in nodes
            if node.position is not None
        },
        stored=frozenset(node.key for node in nodes if node.stores),
        files=frozenset(loaded.sources) | _sql_files(nodes),
    )


def _sql_files(nodes: Iterable[Node]) -> set[Path]:
    """The SQL files of nodes: named from the folder of the YAML that names them."""
    return {
        Path(os.path.normpath(Path(node.position.file).parent / name))
        for node in nodes
        if node.position is not None
        for name in node.sql_files
    }
