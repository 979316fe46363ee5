"""YAML text as a tree that remembers where each value stood; safe, and bounded in size and depth.

Scalars follow the YAML 1.2 core schema, so that `NO`, `12:30` and `2024-01-01` stay text; digits
after a leading zero (`00501`) stay text as well, being codes rather than numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import Reader

from odibi.config.problems import Position, Problem

__all__ = ["MAX_BYTES", "Path_", "Value", "parse", "plain", "renamed"]

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 200_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = re.compile(
    r"(?P<null>~|null|Null|NULL|)|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<int>[-+]?(?:0|[1-9][0-9]*))|(?P<oct>0o[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<inf>[-+]?\.(?:inf|Inf|INF))|(?P<nan>\.(?:nan|NaN|NAN))"
)
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_LONGEST_NUMBER = 40
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

    def entry(self, step: str | int) -> Value | None:
        """The value of a key or at an index, where there is one."""
        found: Value | None = None
        if isinstance(self.data, dict):
            found = self.data.get(step)
        elif isinstance(self.data, list) and isinstance(step, int) and step < len(self.data):
            found = self.data[step]
        return found


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value with an anchor: what an alias to it adds to the document."""

    value: Value
    size: int
    height: int


class _RefusedError(Exception):
    """The document can't be read to its end; carries the problem."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(position, message)


def parse(file: Path, data: bytes, problems: list[Problem]) -> Value | None:
    """The document as a tree, or None; whatever is wrong is appended to `problems`."""
    start = Position(file, 1, 1)
    if len(data) > MAX_BYTES:
        problems.append(Problem(start, f"the file is larger than {MAX_BYTES // 2**20} MiB"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(start, f"not UTF-8: {error.reason} at byte {error.start}"))
        return None
    return _parse(file, text, problems)


def _parse(file: Path, text: str, problems: list[Problem]) -> Value | None:
    try:
        return _Builder(file, problems).document(text)
    except _RefusedError as refused:
        problems.append(refused.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        words = f"not valid YAML: {error.problem or error.context}"
        problems.append(Problem(Position(file, line, column), words))
    except (yaml.YAMLError, ValueError):
        problems.append(_unreadable(file, text))
    return None


def _unreadable(file: Path, text: str) -> Problem:
    """The parser refuses a character without saying where in the text."""
    found = Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    position = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
    said = f"character U+{ord(found[0]):04X} is" if found else "its characters are"
    return Problem(position, f"not valid YAML: {said} not allowed")


class _Builder:
    """Builds from parser events, not PyYAML's nodes: its composer recurses in C without a limit."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.anchors: dict[str, _Anchored] = {}
        self.count = 0
        self.deepest = 0

    def document(self, text: str) -> Value | None:
        self.events = yaml.parse(text, Loader=_Loader)
        next(self.events)  # the stream's start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            self.problems.append(Problem(Position(self.file, 1, 1), "the file is empty"))
            return None
        root = self.build(next(self.events), None, 0)
        next(self.events)  # the document's end
        if not isinstance(more := next(self.events), yaml.StreamEndEvent):
            self.problems.append(Problem(self._at(more), "a second document begins here"))
        return root

    def build(self, event: Any, key: Position | None, depth: int) -> Value:
        at = self._at(event)
        if depth > MAX_DEPTH:
            raise _RefusedError(at, f"nested deeper than {MAX_DEPTH} levels")
        self._grow(1, at)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, at, key, depth)
        if event.anchor is None:
            self.deepest = max(self.deepest, depth)
            return Value(self._data(event, at, depth), at, key)
        return self._anchor(event, at, key, depth)

    def _at(self, event: Any) -> Position:
        return Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _grow(self, by: int, at: Position) -> None:
        self.count += by
        if self.count > MAX_VALUES:
            raise _RefusedError(at, f"more than {MAX_VALUES:,} values (aliases counted each time)")

    def _data(self, event: Any, at: Position, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, at)
        if event.tag is not None:
            self._refuse_tag(event, at)
        if isinstance(event, yaml.SequenceStartEvent):
            return [
                self.build(item, None, depth + 1) for item in self._until(yaml.SequenceEndEvent)
            ]
        return self._map(depth)

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self.events), end):
            yield event

    def _anchor(self, event: Any, at: Position, key: Position | None, depth: int) -> Value:
        before, outer = self.count, self.deepest
        self.deepest = depth
        value = Value(self._data(event, at, depth), at, key)
        self.anchors[event.anchor] = _Anchored(value, self.count - before, self.deepest - depth)
        self.deepest = max(self.deepest, outer)
        return value

    def _alias(self, name: str | None, at: Position, key: Position | None, depth: int) -> Value:
        """The anchored value itself, shared: an alias costs nothing but counts in full."""
        anchored = self.anchors.get(str(name))
        if anchored is None:
            self.problems.append(Problem(at, f"alias *{name} has no anchor &{name} before it"))
            return Value(None, at, key)
        if depth + anchored.height > MAX_DEPTH:
            raise _RefusedError(at, f"nested deeper than {MAX_DEPTH} levels")
        self._grow(anchored.size, at)
        self.deepest = max(self.deepest, depth + anchored.height)
        return replace(anchored.value, key=key)

    def _map(self, depth: int) -> dict[str, Value]:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for event in self._until(yaml.MappingEndEvent):
            at = self._at(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.build(event, None, depth + 1)
                self.problems.append(Problem(at, "a key must be plain text"))
                self.build(next(self.events), at, depth + 1)
                continue
            self._grow(1, at)
            if event.tag is not None:
                self._refuse_tag(event, at)
            value = self.build(next(self.events), at, depth + 1)
            if event.value == "<<" and event.implicit[0]:
                self._merge(merged, value, at)
            elif event.value in own:
                first = own[event.value].where.line
                self.problems.append(
                    Problem(at, f"key '{event.value}' is given twice (first in line {first})")
                )
            else:
                own[event.value] = value
        return {**merged, **own} if merged else own

    def _merge(self, merged: dict[str, Value], value: Value, at: Position) -> None:
        for part in value.data if isinstance(value.data, list) else [value]:
            if not isinstance(part.data, dict):
                self.problems.append(Problem(at, "`<<` merges maps only"))
                continue
            for name, entry in part.data.items():
                merged.setdefault(name, entry)

    def _scalar(self, event: Any, at: Position) -> Any:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._refuse_tag(event, at)
            return None
        if "\0" in event.value:
            raise _RefusedError(at, "a NUL character can be no part of a value")
        if event.tag is not None or not event.implicit[0]:
            return event.value
        match = _CORE.fullmatch(event.value)
        return event.value if match is None else _typed(match.lastgroup, event.value)

    def _refuse_tag(self, event: Any, at: Position) -> None:
        self.problems.append(Problem(at, f"YAML tags are not allowed ({event.tag})"))


def _typed(kind: str | None, text: str) -> Any:
    if kind in (None, "null"):
        return None
    if kind == "bool":
        return text.lower() == "true"
    if len(text) > _LONGEST_NUMBER:
        return text
    if kind == "int":
        return int(text)
    if kind in ("oct", "hex"):
        return int(text, 0)
    return float(text if kind == "float" else text.lower().replace(".", ""))


def plain(value: Value) -> Any:
    """The tree without its positions."""
    data = value.data
    if isinstance(data, dict):
        return {name: plain(entry) for name, entry in data.items()}
    if isinstance(data, list):
        return [plain(item) for item in data]
    return data


def renamed(value: Value, path: Path_, name: str) -> Value:
    """The tree with the key at `path` called `name`."""
    step, *rest = path
    if rest:
        inner = renamed(value.data[step], tuple(rest), name)
        if isinstance(value.data, list):
            return replace(
                value, data=[inner if n == step else v for n, v in enumerate(value.data)]
            )
        return replace(value, data={**value.data, step: inner})
    return replace(value, data={name if k == step else k: v for k, v in value.data.items()})
