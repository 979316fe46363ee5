"""One way of writing: `pattern:` becomes transformer and params, a bare SQL step `sql:`, a merge a write."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import PurePosixPath

from odibi.config.near import did_you_mean
from odibi.config.problems import Problem
from odibi.config.sources import merge
from odibi.config.tree import Value

__all__ = ["written_out"]

_PATTERN = ("type", "params")
_WRITERS = ("merge", "scd2")  # in 3.x these write their target themselves
_SUFFIXES = {".csv": "csv", ".json": "json", ".ndjson": "json"}


def written_out(tree: Value, problems: list[Problem]) -> Value:
    """The tree with the short forms of its nodes written out; positions stay those of the text."""

    connections = _keys(tree, "connections")

    def node(value: Value) -> Value:
        return _with_write(_with_steps(_with_transformer(value, problems)), connections)

    def pipeline(value: Value) -> Value:
        return _each(value, "nodes", node)

    return _each(tree, "pipelines", pipeline)


def _each(holder: Value, key: str, change: Callable[[Value], Value]) -> Value:
    """The holder with every item of its list `key` changed, where there is such a list."""
    items = holder.data.get(key) if isinstance(holder.data, dict) else None
    if items is None or not isinstance(items.data, list):
        return holder
    changed = replace(items, data=[change(item) for item in items.data])
    return replace(holder, data={**holder.data, key: changed})


def _with_transformer(node: Value, problems: list[Problem]) -> Value:
    if not isinstance(node.data, dict) or "pattern" not in node.data:
        return node
    entries = dict(node.data)
    pattern = entries.pop("pattern")
    if "transformer" in entries:
        problems.append(Problem(pattern.where, "a node has either `pattern` or `transformer`"))
    elif pattern.data is not None:
        entries.update(_transformer(pattern, entries.get("params"), problems))
    return replace(node, data=entries)


def _transformer(pattern: Value, params: Value | None, problems: list[Problem]) -> dict[str, Value]:
    if not isinstance(pattern.data, dict) or "type" not in pattern.data:
        hint = "write pattern: {type: dimension, params: {…}}"
        problems.append(
            Problem(pattern.where, "'pattern' must be a map with type and params", hint)
        )
        return {}
    for name, value in pattern.data.items():
        if name not in _PATTERN:
            words = f"unknown key '{name}' in 'pattern'{did_you_mean(name, _PATTERN)}"
            problems.append(Problem(value.where, words, "known keys: type, params"))
    found = {"transformer": pattern.data["type"]}
    if (given := pattern.data.get("params", params)) is not None:
        found["params"] = given if params is None else merge(params, given)
    return found


def _with_write(node: Value, connections: Collection[str]) -> Value:
    """A node that keeps a table up to date and names it nowhere but in the params writes it there."""
    if not isinstance(node.data, dict) or "write" in node.data:
        return node
    transformer, params = node.data.get("transformer"), node.data.get("params")
    if transformer is None or transformer.data not in _WRITERS or params is None:
        return node
    place = _target(params, connections)
    if place is None:
        return node
    connection, path = place
    format = _SUFFIXES.get(PurePosixPath(path.data).suffix, "parquet")
    write = {
        "connection": connection,
        "path": path,
        "format": replace(path, data=format, key=None),
        "mode": replace(path, data="overwrite", key=None),
    }
    return replace(node, data={**node.data, "write": replace(params, data=write)})


def _target(params: Value, connections: Collection[str]) -> tuple[Value, Value] | None:
    """Connection and path that the params name, as `connection` and `path` or `connection.path`."""
    connection, path, target = (params.entry(name) for name in ("connection", "path", "target"))
    path = path or target
    if path is None or not isinstance(path.data, str):
        return None
    if connection is not None:
        return connection, path
    head, _, rest = path.data.partition(".")
    if not rest or head not in connections:
        return None
    return replace(path, data=head, key=None), replace(path, data=rest)


def _keys(holder: Value, key: str) -> Collection[str]:
    found = holder.entry(key)
    return found.data if found is not None and isinstance(found.data, dict) else ()


def _with_steps(node: Value) -> Value:
    transform = node.data.get("transform") if isinstance(node.data, dict) else None
    if transform is None:
        return node
    return replace(node, data={**node.data, "transform": _each(transform, "steps", _step)})


def _step(step: Value) -> Value:
    if not isinstance(step.data, str):
        return step
    return replace(step, data={"sql": replace(step, key=None)})
