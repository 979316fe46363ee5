"""Where things stand in the YAML, and what is wrong there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odibi.errors import OdibiError

__all__ = ["ConfigError", "Position", "Problem"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{_display(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the configuration: where, what, and what to do about it."""

    position: Position
    message: str
    hint: str | None = None

    @property
    def file(self) -> Path:
        return self.position.file

    @property
    def line(self) -> int:
        return self.position.line

    @property
    def column(self) -> int:
        return self.position.column

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


class ConfigError(OdibiError):
    """The configuration can't be used; `problems` are all that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (str(p.file), p.line, p.column, p.message))
        super().__init__("\n".join(map(str, self.problems)))


def _display(file: Path) -> str:
    """The file relative to where the user stands, when it lies below."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative
