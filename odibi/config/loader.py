"""From files to a project: parse, import, overlay, substitute, shape, check; all problems at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from odibi.config.problems import ConfigError, Position, Problem
from odibi.config.project import ProjectConfig
from odibi.config.repair import repaired
from odibi.config.shape import problems_of
from odibi.config.substitute import Substitution
from odibi.config.tree import Path_, Value, parse, plain, walk
from odibi.redact import Redactor

__all__ = ["Loaded", "Positions", "load"]

_OVERRIDABLE = frozenset(
    [
        "engine",
        "connections",
        "system",
        "performance",
        "logging",
        "retry",
        "alerts",
        "story",
        "lineage",
        "vars",
        "pipelines",
    ]
)
_JOINED = frozenset({"pipelines"})
_SECRET_KEYS = (
    "password",
    "token",
    "api_key",
    "account_key",
    "sas_token",
    "connection_string",
    "salt",
    "secret",
    "client_secret",
)


class Positions:
    """Where each value of the project stands, by its path."""

    def __init__(self, root: Value) -> None:
        self._at = {path: value.where for path, value in walk(root)}
        self._root = root.position

    def at(self, path: Path_) -> Position:
        """The position of the value at `path`, or of the nearest value around it."""
        while path:
            if path in self._at:
                return self._at[path]
            path = path[:-1]
        return self._root


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project ready to be built into a graph, and what is known about its files."""

    project: ProjectConfig
    path: Path
    root: Path
    positions: Positions
    secrets: Redactor
    warnings: list[Problem]
    sources: list[Path]

    def file_of(self, path: Path_) -> Path:
        """The YAML that holds the value at `path`; relative files named there are relative to it."""
        return self.positions.at(path).file


def load(
    path: Path | str,
    *,
    env: str | None = None,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    transformers: Collection[str] | None = None,
) -> Loaded:
    """The project at `path`. Raises ConfigError with everything that is wrong in it."""
    from odibi.config.checks import check  # after the models, on which it depends

    path = Path(path).resolve()
    problems: list[Problem] = []
    sources: list[Path] = []
    tree = _read_all(path, problems, sources, ())
    if tree is None:
        raise ConfigError(problems)
    tree = _with_environment(tree, path, env, problems, sources)
    substitution = Substitution(
        _environ(path.parent, environ),
        _variables(tree, variables or {}),
        datetime.now(UTC),
        problems,
    )
    tree = _normalised(substitution.apply(tree))
    positions = Positions(tree)
    project: ProjectConfig | None
    stand_ins: set[Path_] = set()
    try:
        project = ProjectConfig.model_validate(plain(tree))
    except ValidationError as error:
        problems += problems_of(error, tree)
        project, stand_ins = repaired(plain(tree))
    warnings: list[Problem] = []
    if project is not None:
        check(project, positions, problems, warnings, transformers, stand_ins)
    if problems or project is None:
        raise ConfigError(_without_repeats(problems))
    secrets = Redactor([*substitution.secrets, *_secrets(tree)])
    return Loaded(project, path, path.parent, positions, secrets, warnings, sources)


def _read_all(
    path: Path, problems: list[Problem], sources: list[Path], above: tuple[Path, ...]
) -> Value | None:
    """A file with everything it imports; the importing file wins."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(Position(path, 1, 1), f"can't be read: {error.strerror}"))
        return None
    except UnicodeDecodeError as error:
        problems.append(
            Problem(Position(path, 1, 1), f"not UTF-8: {error.reason} at byte {error.start}")
        )
        return None
    sources.append(path)
    tree = parse(path, text, problems)
    if tree is None:
        return None
    if not isinstance(tree.data, dict):
        problems.append(
            Problem(tree.position, "expected a map with `project`, `connections`, `pipelines`")
        )
        return None
    return _with_imports(tree, path, problems, sources, (*above, path))


def _with_imports(
    tree: Value, path: Path, problems: list[Problem], sources: list[Path], chain: tuple[Path, ...]
) -> Value:
    imports = tree.data.get("imports")
    if imports is None:
        return tree
    merged: Value | None = None
    for item in imports.data if isinstance(imports.data, list) else [imports]:
        if not isinstance(item.data, str):
            problems.append(Problem(item.position, "expected the path of a YAML file"))
            continue
        target = (path.parent / item.data).resolve()
        if target in chain:
            names = " → ".join(p.name for p in (*chain[chain.index(target) :], target))
            problems.append(Problem(item.position, f"imports go in a circle: {names}"))
        elif not target.is_file():
            problems.append(Problem(item.position, f"imported file {item.data} does not exist"))
        elif (imported := _read_all(target, problems, sources, chain)) is not None:
            merged = imported if merged is None else _merge(merged, imported)
    return tree if merged is None else _merge(merged, tree)


def _merge(base: Value, over: Value, name: str = "") -> Value:
    """Maps are merged, lists of pipelines joined, anything else replaced by `over`."""
    if isinstance(base.data, dict) and isinstance(over.data, dict):
        entries = dict(base.data)
        for key, value in over.data.items():
            entries[key] = _merge(entries[key], value, key) if key in entries else value
        return replace(over, data=entries)
    if name in _JOINED and isinstance(base.data, list) and isinstance(over.data, list):
        return replace(over, data=[*base.data, *over.data])
    return over


def _with_environment(
    tree: Value, path: Path, env: str | None, problems: list[Problem], sources: list[Path]
) -> Value:
    if env is None:
        return tree
    declared = tree.data.get("environments")
    known = list(declared.data) if declared is not None and isinstance(declared.data, dict) else []
    beside = path.parent / f"env.{env}.yaml"
    if env not in known and not beside.is_file():
        place = declared.where if declared is not None else tree.position
        known_text = ", ".join(known) or "none"
        problems.append(
            Problem(
                place, f"environment '{env}' is not defined", f"environments here: {known_text}"
            )
        )
        return tree
    if env in known and declared is not None:
        tree = _merge(tree, _allowed(declared.data[env], env, problems))
    if beside.is_file() and (extra := _read_all(beside, problems, sources, ())) is not None:
        tree = _merge(tree, _allowed(extra, env, problems))
    return tree


def _allowed(overlay: Value, env: str, problems: list[Problem]) -> Value:
    if not isinstance(overlay.data, dict):
        problems.append(
            Problem(overlay.position, f"environment '{env}': expected a map of overrides")
        )
        return replace(overlay, data={})
    for key, value in overlay.data.items():
        if key not in _OVERRIDABLE:
            problems.append(
                Problem(
                    value.where,
                    f"an environment can't override '{key}'",
                    f"it may override {', '.join(sorted(_OVERRIDABLE))}",
                )
            )
    return replace(overlay, data={k: v for k, v in overlay.data.items() if k in _OVERRIDABLE})


def _environ(root: Path, environ: Mapping[str, str] | None) -> Mapping[str, str]:
    """The environment, over what `.env` beside the YAML says."""
    known = os.environ if environ is None else environ
    file = root / ".env"
    if not file.is_file():
        return known
    lines = (
        line.strip().removeprefix("export ")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {**{k.strip(): v.strip().strip("'\"") for k, _, v in pairs}, **known}


def _variables(tree: Value, given: Mapping[str, str]) -> dict[str, Any]:
    declared = tree.data.get("vars")
    values = plain(declared) if declared is not None and isinstance(declared.data, dict) else {}
    return {**values, **given}


def _normalised(tree: Value) -> Value:
    """One way of writing: `pattern:` as transformer and params, a bare SQL step as `sql:`."""
    pipelines = tree.data.get("pipelines")
    if pipelines is None or not isinstance(pipelines.data, list):
        return tree
    return replace(
        tree,
        data={
            **tree.data,
            "pipelines": replace(pipelines, data=[_pipeline(p) for p in pipelines.data]),
        },
    )


def _pipeline(pipeline: Value) -> Value:
    nodes = pipeline.data.get("nodes") if isinstance(pipeline.data, dict) else None
    if nodes is None or not isinstance(nodes.data, list):
        return pipeline
    return replace(
        pipeline,
        data={**pipeline.data, "nodes": replace(nodes, data=[_node(n) for n in nodes.data])},
    )


def _node(node: Value) -> Value:
    if not isinstance(node.data, dict):
        return node
    entries = dict(node.data)
    pattern = entries.get("pattern")
    if (
        pattern is not None
        and isinstance(pattern.data, dict)
        and set(pattern.data) <= {"type", "params"}
        and "transformer" not in entries
    ):
        del entries["pattern"]
        if "type" in pattern.data:
            entries["transformer"] = pattern.data["type"]
        if "params" in pattern.data:
            entries["params"] = (
                _merge(entries["params"], pattern.data["params"])
                if "params" in entries
                else pattern.data["params"]
            )
    transform = entries.get("transform")
    if transform is not None and isinstance(transform.data, dict) and "steps" in transform.data:
        steps = transform.data["steps"]
        if isinstance(steps.data, list):
            items = [
                replace(s, data={"sql": replace(s, key=None)}) if isinstance(s.data, str) else s
                for s in steps.data
            ]
            entries["transform"] = replace(
                transform, data={**transform.data, "steps": replace(steps, data=items)}
            )
    return replace(node, data=entries)


def _secrets(tree: Value) -> list[str]:
    """Values of fields of a secret kind, wherever they stand."""
    return [
        value.data
        for path, value in walk(tree)
        if path
        and str(path[-1]).lower() in _SECRET_KEYS
        and isinstance(value.data, str)
        and len(value.data) >= 4
    ]


def _without_repeats(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
