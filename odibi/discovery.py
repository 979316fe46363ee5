"""Where the project is: the odibi.yaml that a command means."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from odibi.errors import UsageError

__all__ = ["FILE_NAMES", "find_project", "shown_path"]

FILE_NAMES = ("odibi.yaml", "odibi.yml")


def find_project(path: Path | None) -> Path:
    """The YAML file of the project: `path` itself, or the odibi.yaml in the folder `path`.

    Without `path`, the odibi.yaml in the working folder or the nearest folder above it.
    Raises UsageError when there is none.
    """
    if path is None:
        return _nearest(Path.cwd())
    if path.is_dir():
        return _in(path) or _no_project(f"no odibi.yaml in {path}", path)
    if not path.exists():
        raise UsageError(f"--project {path}: no such file or folder")
    return path


def _in(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def _nearest(start: Path) -> Path:
    for folder in (start, *start.parents):
        if found := _in(folder):
            return found
    return _no_project("no odibi.yaml here or above", start)


def _no_project(message: str, folder: Path) -> NoReturn:
    other = next(iter(sorted(folder.glob("[!.]*.y*ml"))), None)
    hint = (
        f"or name another file: --project {shown_path(other)}"
        if other
        else "or name one with --project"
    )
    raise UsageError(message, hint=f"start one with `odibi init`, {hint}")


def shown_path(path: Path) -> str:
    """The path as people read it: relative to the working folder when it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
