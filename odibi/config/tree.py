"""YAML text as a tree that remembers where each value stood; safe, and bounded in size and depth.

Scalars follow the YAML 1.2 core schema, so that `NO`, `12:30` and `2024-01-01` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from odibi.config.problems import Position, Problem

__all__ = ["MAX_BYTES", "Path_", "Value", "parse", "plain", "walk"]

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 200_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes without resolving plain scalars: their types are decided here."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_CORE = re.compile(
    r"(?P<null>~|null|Null|NULL|)|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+)|(?P<oct>0o[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<inf>[-+]?\.(?:inf|Inf|INF))|(?P<nan>\.(?:nan|NaN|NAN))"
)
_TEXT_TAG = "tag:yaml.org,2002:str"
_QUOTED = ("'", '"', "|", ">")
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the YAML: a map or list of values, or a scalar; `key` is where its key stands."""

    data: Any
    position: Position
    key: Position | None = None

    @property
    def where(self) -> Position:
        """Where to point when the entry itself is meant: its key, else the value."""
        return self.key or self.position


class _RefusedError(Exception):
    """The document breaks a limit; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse(file: Path, text: str, problems: list[Problem]) -> Value | None:
    """The document as a tree, or None; whatever is wrong is appended to `problems`."""
    start = Position(file, 1, 1)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problems.append(Problem(start, f"the file is larger than {MAX_BYTES // 2**20} MiB"))
        return None
    if (depth := _flow_depth(text)) > MAX_DEPTH * 4:
        problems.append(Problem(start, f"brackets nested {depth} deep; at most {MAX_DEPTH} levels"))
        return None
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(file, mark.line + 1, mark.column + 1) if mark else start
        problems.append(Problem(at, f"not valid YAML: {error.problem or error.context}"))
        return None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problems.append(Problem(start, f"not valid YAML: {str(error).splitlines()[0]}"))
        return None
    if root is None:
        problems.append(Problem(start, "the file is empty"))
        return None
    try:
        return _Builder(file, problems).build(root, None, 0)
    except _RefusedError as refused:
        problems.append(refused.problem)
        return None


def _flow_depth(text: str) -> int:
    """Deepest nesting of brackets, quotes ignored: enough to refuse what would exhaust the parser."""
    deepest = level = 0
    for char in re.findall(r"[\[\]{}]", text):
        level = level + 1 if char in "[{" else max(0, level - 1)
        deepest = max(deepest, level)
    return deepest


class _Builder:
    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.count = 0

    def build(self, node: Any, key: Position | None, depth: int) -> Value:
        at = Position(self.file, node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        if depth > MAX_DEPTH:
            raise _RefusedError(Problem(at, f"nested deeper than {MAX_DEPTH} levels"))
        if self.count > MAX_VALUES:
            raise _RefusedError(
                Problem(at, f"more than {MAX_VALUES:,} values (aliases counted each time)")
            )
        if isinstance(node, yaml.ScalarNode):
            return Value(self._scalar(node, at), at, key)
        self._refuse_tag(node, at)
        if isinstance(node, yaml.SequenceNode):
            return Value([self.build(item, None, depth + 1) for item in node.value], at, key)
        return Value(self._map(node, depth), at, key)

    def _map(self, node: Any, depth: int) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        for key_node, value_node in node.value:
            at = Position(self.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(at, "a key must be plain text"))
                continue
            name = str(key_node.value)
            if name == "<<" and key_node.style not in _QUOTED:
                self._merge(entries, self.build(value_node, at, depth + 1), at)
                continue
            if name in entries and entries[name].where.line != at.line:
                first = entries[name].where.line
                self.problems.append(
                    Problem(at, f"key '{name}' is given twice (first in line {first})")
                )
                continue
            entries[name] = self.build(value_node, at, depth + 1)
        return entries

    def _merge(self, entries: dict[str, Value], value: Value, at: Position) -> None:
        for part in value.data if isinstance(value.data, list) else [value]:
            if not isinstance(part.data, dict):
                self.problems.append(Problem(at, "`<<` merges maps only"))
                continue
            for name, entry in part.data.items():
                entries.setdefault(name, entry)

    def _scalar(self, node: Any, at: Position) -> Any:
        if node.tag != _TEXT_TAG:
            self.problems.append(Problem(at, f"YAML tags are not allowed ({node.tag})"))
            return None
        if node.style in _QUOTED:
            return node.value
        match = _CORE.fullmatch(node.value)
        return node.value if match is None else _typed(match.lastgroup, node.value)

    def _refuse_tag(self, node: Any, at: Position) -> None:
        kind = "seq" if isinstance(node, yaml.SequenceNode) else "map"
        if node.tag != f"tag:yaml.org,2002:{kind}":
            self.problems.append(Problem(at, f"YAML tags are not allowed ({node.tag})"))


def _typed(kind: str | None, text: str) -> Any:
    if kind in (None, "null"):
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text) if len(text) < 40 else text
    if kind in ("oct", "hex"):
        return int(text, 0)
    return float(text if kind == "float" else text.lower().replace(".", ""))


def plain(value: Value) -> Any:
    """The tree without its positions."""
    if isinstance(value.data, dict):
        return {name: plain(entry) for name, entry in value.data.items()}
    if isinstance(value.data, list):
        return [plain(item) for item in value.data]
    return value.data


def walk(value: Value, path: Path_ = ()) -> Iterator[tuple[Path_, Value]]:
    """Every value of the tree with its path, parents first."""
    yield path, value
    if isinstance(value.data, dict):
        for name, entry in value.data.items():
            yield from walk(entry, (*path, name))
    elif isinstance(value.data, list):
        for index, item in enumerate(value.data):
            yield from walk(item, (*path, index))
