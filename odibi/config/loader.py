"""From files to a project: parse, import, overlay, substitute, shape, check; all problems at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from odibi.config.checks import check
from odibi.config.problems import ConfigError, Position, Problem
from odibi.config.project import ProjectConfig
from odibi.config.repair import repaired
from odibi.config.secret_values import secret_values
from odibi.config.shape import shaped
from odibi.config.sources import Sources
from odibi.config.substitute import Substitution, environment
from odibi.config.tree import Path_, Value, plain
from odibi.config.written_out import written_out
from odibi.redact import Redactor

__all__ = ["Loaded", "Positions", "load"]


class Positions:
    """Where each value of the project stands, by its path."""

    def __init__(self, root: Value) -> None:
        self._root = root

    def at(self, path: Path_) -> Position:
        """The position of the value at `path`, or of the nearest value around it."""
        value = self._root
        for step in path:
            inner = value.entry(step)
            if inner is None:
                break
            value = inner
        return value.where

    def tree(self, path: Path_) -> Value | None:
        """What the YAML says at `path`, None when it says nothing."""
        value: Value | None = self._root
        for step in path:
            value = value.entry(step) if value is not None else None
        return value


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
    path = Path(path).resolve()
    problems: list[Problem] = []
    sources = Sources(problems)
    tree = sources.project(path)
    if tree is None:
        raise ConfigError(problems)
    tree = sources.overlaid(tree, path, env)
    known = environment(path.parent, os.environ if environ is None else environ, problems)
    substitution = Substitution(known, datetime.now(UTC), problems)
    tree = written_out(substitution.project(tree, variables or {}), problems)
    secrets = Redactor([*substitution.secrets, *secret_values(tree)])
    warnings, said = list[Problem](), len(problems)
    positions, project = _checked(tree, problems, warnings, transformers)
    problems[said:] = [p for p in problems[said:] if p.position not in substitution.failed]
    if problems or project is None:
        raise ConfigError(_shown(problems, secrets))
    warnings = _shown(warnings, secrets)
    return Loaded(project, path, path.parent, positions, secrets, warnings, sources.files)


def _checked(
    tree: Value,
    problems: list[Problem],
    warnings: list[Problem],
    transformers: Collection[str] | None,
) -> tuple[Positions, ProjectConfig | None]:
    """The project, or as much of it as can be made out; what is wrong goes to `problems`."""
    tree, project, error = shaped(tree, problems)
    stand_ins: set[Path_] = set()
    if error is not None:
        project, stand_ins = repaired(plain(tree), error)
    positions = Positions(tree)
    if project is not None:
        check(project, positions, problems, warnings, transformers, stand_ins)
    return positions, project


def _shown(problems: list[Problem], secrets: Redactor) -> list[Problem]:
    """Each problem once, and no secret in it."""
    once = dict.fromkeys(problems)
    if not secrets:
        return list(once)
    return [
        replace(p, message=secrets.text(p.message), hint=p.hint and secrets.text(p.hint))
        for p in once
    ]
