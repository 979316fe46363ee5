"""What the commands share: finding the project, and its ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from odibi.errors import UsageError

if TYPE_CHECKING:
    from odibi.ledger import Ledger

__all__ = ["find_project", "open_ledger"]

_NAMES = ("odibi.yaml", "odibi.yml")


def find_project(path: Path | None) -> Path:
    """The project's YAML: `path` itself, the one in folder `path`, or the nearest from here upwards.

    Raises UsageError when there is none.
    """
    if path is None:
        here = Path.cwd()
        for folder in (here, *here.parents):
            if found := _in_folder(folder):
                return found
        raise UsageError(
            f"no odibi.yaml in {here} or above it",
            hint="go to the project, name it with --project PATH, or start one with `odibi init`",
        )
    if path.is_dir():
        if found := _in_folder(path):
            return found
        raise UsageError(f"no odibi.yaml in {path}", hint=_elsewhere(path))
    if not path.is_file():
        raise UsageError(f"there is no project at {path}: no such file or folder")
    return path


def open_ledger(path: Path | None) -> Ledger:
    """The ledger of the project at `path` (see `find_project`); the YAML itself isn't read."""
    from odibi.ledger import Ledger  # sqlite3, which most commands don't need

    return Ledger(find_project(path).resolve().parent)


def _in_folder(folder: Path) -> Path | None:
    return next((folder / name for name in _NAMES if (folder / name).is_file()), None)


def _elsewhere(folder: Path) -> str | None:
    """Another YAML in the folder may be the project under another name."""
    others = sorted(p.name for p in folder.glob("*.y*ml"))
    return f"name the file: --project {folder / others[0]}" if others else None
