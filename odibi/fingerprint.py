"""What a node's result depends on, as a short text that is equal when all of it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import places, sources
from odibi.errors import EngineError

if TYPE_CHECKING:
    from odibi.config import Loaded, ReadConfig
    from odibi.graph import Graph, Node

__all__ = ["definitions", "fingerprints"]

# What describes, schedules or observes a node without changing its result.
_APART = frozenset(
    {
        "cache",
        "depends_on",  # the upstream fingerprints say more
        "description",
        "drift",
        "enabled",
        "explanation",
        "explanation_file",
        "heal",
        "log_level",
        "name",
        "on_error",
        "orchestration",
        "retry",
        "runbook_url",
        "sensitive",
        "tags",
        "timeout",
        "unit_tests",
    }
)
_CODE = ("transforms", "plugins")
_WORD = re.compile(r"\w+")
_DIGITS = 16


def fingerprints(graph: Graph, engine: str) -> dict[str, str]:
    """Of every node 16 hexadecimal digits that depend on nothing but what its result depends on.

    That is: its configuration (with variables, environment and connections put in), the text of its
    SQL files, the user's code when it calls that, the engine, size and time of the files that it reads,
    and the fingerprints of all that it needs.
    """
    code = _UserCode(graph.loaded.root)
    outputs = _outputs(graph)
    found: dict[str, str] = {}
    for key in graph.order():
        node = graph.nodes[key]
        facts = [
            engine,
            _configuration(graph.loaded, node),
            dict(node.sql_files),
            code.used_by(node),
            _inputs(graph.loaded, node, outputs),
            [[edge.kind, found[edge.source]] for edge in graph.edges_into(key)],
        ]
        found[key] = _digest(json.dumps(facts, sort_keys=True, default=str))
    return found


def definitions(graph: Graph) -> dict[str, str]:
    """Of every node a digest of what the project says of it: configuration, SQL files, user code.

    Unlike fingerprints these don't depend on the data, nor on where the project lies.
    """
    code = _UserCode(graph.loaded.root)
    return {
        key: _digest(
            json.dumps(
                [
                    node.config.model_dump(mode="json", exclude_defaults=True),
                    dict(node.sql_files),
                    code.used_by(node),
                ],
                sort_keys=True,
                default=str,
            )
        )
        for key, node in graph.nodes.items()
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _configuration(loaded: Loaded, node: Node) -> dict[str, Any]:
    config = node.config.model_dump(mode="json", exclude_defaults=True, exclude=set(_APART))
    connections = loaded.project.connections
    used = {name for name in _connection_names(config) if name in connections}
    config["connections"] = {
        name: connections[name].model_dump(mode="json") for name in sorted(used)
    }
    return config


def _connection_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "connection" and isinstance(item, str):
                yield item
            elif key == "target" and isinstance(item, str):
                yield item.partition(".")[0]
            else:
                yield from _connection_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _connection_names(item)


class _UserCode:
    """The text of the user's Python files by path, and the words in it."""

    def __init__(self, root: Path) -> None:
        files = [root / f"{name}.py" for name in _CODE]
        files += [path for name in _CODE for path in sorted((root / name).rglob("*.py"))]
        self._texts = {
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8", errors="replace")
            for path in files
            if path.is_file()
        }
        self._words = {word for text in self._texts.values() for word in _WORD.findall(text)}

    def used_by(self, node: Node) -> dict[str, str]:
        """All of it, if something that the node calls may be in it: functions call others."""
        steps = node.config.transform.steps if node.config.transform else ()
        called = {node.config.transformer, *(step.function or step.operation for step in steps)}
        return {} if self._words.isdisjoint(called) else self._texts


def _outputs(graph: Graph) -> set[str]:
    nodes = graph.nodes.values()
    return {p for node in nodes for p in places.written_places(graph.loaded, node.config)}


def _inputs(loaded: Loaded, node: Node, outputs: set[str]) -> list[Any]:
    """The files that the node reads as they are now; what nodes write changes with their fingerprints."""
    return [
        _stamps(loaded, node, read)
        for read in places.reads_of(node.config)
        if places.place_name(loaded, read) not in outputs
    ]


def _stamps(loaded: Loaded, node: Node, read: ReadConfig) -> list[Any]:
    try:
        source = sources.source_of(loaded, node, read)
    except EngineError as absent:
        return [str(absent)]
    if source.connection is not None:
        return []  # what another machine holds can't be told without asking it
    if source.format == "delta":
        return [
            _stamp(loaded, path) for path in sorted((source.path / "_delta_log").iterdir())[-1:]
        ]
    if source.format == "sql":
        pending = source.path.with_name(f"{source.path.name}-wal")
        return [_stamp(loaded, path) for path in (source.path, pending)]
    return [_stamp(loaded, path) for path in source.files]


def _stamp(loaded: Loaded, path: Path) -> list[Any]:
    try:
        facts = path.stat()
    except FileNotFoundError:  # gone since it was listed
        return [places.display(loaded, path), None]
    return [places.display(loaded, path), facts.st_size, facts.st_mtime_ns]
