"""The files of a project as one tree: what is imported, and what an environment overrides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from odibi.config.near import did_you_mean
from odibi.config.problems import Position, Problem
from odibi.config.tree import MAX_BYTES, Value, parse

__all__ = ["Sources", "is_file", "merge"]

MAX_FILES = 500
OVERRIDABLE = (
    "alerts",
    "connections",
    "engine",
    "lineage",
    "logging",
    "performance",
    "pipelines",
    "retry",
    "story",
    "system",
    "vars",
)


@dataclass(slots=True)
class Sources:
    """Reads files into trees; `files` are all that were read, `problems` what was wrong."""

    problems: list[Problem]
    files: list[Path] = field(default_factory=list)

    def project(self, path: Path) -> Value | None:
        """The file with everything it imports, or None when it holds no project."""
        return self._read(path, ())

    def overlaid(self, tree: Value, path: Path, env: str | None) -> Value:
        """The tree with what `environments.<env>` and the file `env.<env>.yaml` override."""
        overlays = {
            name: self._overridable(value, name) for name, value in _environments(tree).items()
        }
        if env is None:
            return tree
        beside = path.parent / f"env.{env}.yaml"
        if env not in overlays and not is_file(beside):
            self._no_environment(tree, env, list(overlays))
            return tree
        if env in overlays:
            tree = _overlay(tree, overlays[env])
        if is_file(beside) and (extra := self._read(beside, ())) is not None:
            tree = _overlay(tree, self._overridable(extra, env))
        return tree

    def _read(self, path: Path, importers: tuple[Path, ...]) -> Value | None:
        data = self._bytes(path)
        self.files.append(path)
        tree = None if data is None else parse(path, data, self.problems)
        if tree is None:
            return None
        if not isinstance(tree.data, dict):
            self._problem(
                tree.position, "expected a map with `project`, `connections`, `pipelines`"
            )
            return None
        return self._with_imports(tree, path, (*importers, path))

    def _bytes(self, path: Path) -> bytes | None:
        """At most one byte more than is allowed: the file may be a device without an end."""
        try:
            with path.open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except OSError as error:
            self._problem(Position(path, 1, 1), f"can't be read: {error.strerror}")
        return None

    def _with_imports(self, tree: Value, path: Path, importers: tuple[Path, ...]) -> Value:
        if "imports" not in tree.data:
            return tree
        merged: Value | None = None
        for target in self._imported(tree.data["imports"], path.parent, importers):
            part = self._read(target, importers)
            if part is not None:
                merged = part if merged is None else merge(merged, part)
        return tree if merged is None else merge(merged, tree)

    def _imported(
        self, imports: Value, folder: Path, importers: tuple[Path, ...]
    ) -> Iterator[Path]:
        """Files to read; one that was read already is part of the project and not read again."""
        for item in imports.data if isinstance(imports.data, list) else [imports]:
            if not isinstance(item.data, str):
                self._problem(item.position, "expected the path of a YAML file")
                continue
            if not is_file(folder / item.data):
                self._problem(item.position, f"imported file {item.data} does not exist")
                continue
            target = (folder / item.data).resolve()
            if target in importers:
                names = (*(p.name for p in importers[importers.index(target) :]), target.name)
                self._problem(item.position, f"imports go in a circle: {' → '.join(names)}")
            elif len(self.files) >= MAX_FILES:
                self._problem(item.position, f"more than {MAX_FILES} files are imported")
            elif target not in self.files:
                yield target

    def _no_environment(self, tree: Value, env: str, known: list[str]) -> None:
        place = tree.data["environments"].where if "environments" in tree.data else tree.position
        self._problem(
            place,
            f"environment '{env}' is not defined{did_you_mean(env, known)}",
            f"environments here: {', '.join(known) or 'none'}",
        )

    def _overridable(self, overlay: Value, env: str) -> Value:
        if not isinstance(overlay.data, dict):
            self._problem(overlay.position, f"environment '{env}': expected a map of overrides")
            return replace(overlay, data={})
        for key, value in overlay.data.items():
            if key not in OVERRIDABLE:
                self._problem(
                    value.where,
                    f"an environment can't override '{key}'{did_you_mean(key, OVERRIDABLE)}",
                    f"it may override {', '.join(OVERRIDABLE)}",
                )
        return replace(overlay, data={k: v for k, v in overlay.data.items() if k in OVERRIDABLE})

    def _problem(self, position: Position, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(position, message, hint))


def merge(base: Value, over: Value, name: str = "") -> Value:
    """Maps are merged, lists of pipelines joined, anything else replaced by `over`."""
    if isinstance(base.data, dict) and isinstance(over.data, dict):
        entries = dict(base.data)
        for key, value in over.data.items():
            entries[key] = merge(entries[key], value, key) if key in entries else value
        return replace(over, data=entries)
    if name == "pipelines" and isinstance(base.data, list) and isinstance(over.data, list):
        return replace(over, data=[*base.data, *over.data])
    return over


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file can have is no file."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a character that names can't have
        return False


def _environments(tree: Value) -> dict[str, Value]:
    declared = tree.data.get("environments")
    return declared.data if declared is not None and isinstance(declared.data, dict) else {}


def _overlay(tree: Value, over: Value) -> Value:
    """As `merge`, but a pipeline takes the place of the one with its name, and so does a connection
    of another type: the keys of the one type mean nothing to the other."""
    pipelines = tree.data.get("pipelines")
    given = {_name(pipeline) for pipeline in _items(over.data.get("pipelines"))} - {None}
    if pipelines is not None and given:
        kept = [pipeline for pipeline in _items(pipelines) if _name(pipeline) not in given]
        tree = replace(tree, data={**tree.data, "pipelines": replace(pipelines, data=kept)})
    connections = tree.data.get("connections")
    if connections is not None and (changed := _retyped(connections, over.data.get("connections"))):
        same = {name: one for name, one in connections.data.items() if name not in changed}
        tree = replace(tree, data={**tree.data, "connections": replace(connections, data=same)})
    return merge(tree, over)


def _retyped(connections: Value, over: Value | None) -> set[str]:
    """Names of the connections that `over` gives another type."""
    if over is None or not (isinstance(connections.data, dict) and isinstance(over.data, dict)):
        return set()
    return {
        name
        for name, one in over.data.items()
        if name in connections.data and (given := _type(one)) and given != _type(connections.data[name])
    }  # fmt: skip


def _type(connection: Value) -> str | None:
    kind = connection.data.get("type") if isinstance(connection.data, dict) else None
    return kind.data if kind is not None and isinstance(kind.data, str) else None


def _items(value: Value | None) -> list[Value]:
    return value.data if value is not None and isinstance(value.data, list) else []


def _name(pipeline: Value) -> str | None:
    name = pipeline.data.get("pipeline") if isinstance(pipeline.data, dict) else None
    return name.data if name is not None and isinstance(name.data, str) else None
