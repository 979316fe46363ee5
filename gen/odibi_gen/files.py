"""Generated files: what says that a file is ours, and what keeps anybody's work from being lost."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from odibi.errors import UsageError

__all__ = ["Change", "Header", "changes", "made_here", "signed", "write"]

_MARK = "# odibi-gen: "
_SUFFIXES = (".py", ".yml")
_LINE = re.compile(rf"^{_MARK}(\{{.*\}})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    """What the first lines of a file say: the project and target it is of, and the command that made it."""

    project: str
    target: str
    command: str

    def text(self, body: str) -> str:
        facts = {
            "project": self.project,
            "target": self.target,
            "command": self.command,
            "sha256": _digest(body),
        }
        return (
            f"# Made by odibi from odibi.yaml: change that, and run the command below again.\n"
            f"{_MARK}{json.dumps(facts)}\n"
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What writing would do to a file. `reason` says why it is not ours to write, if it isn't."""

    path: Path
    kind: Literal["new", "changed", "same", "gone"]
    old: str | None
    new: str | None
    reason: str | None = None

    def diff(self) -> str:
        """From what is on disk to what the project says, as a unified diff; empty when equal."""
        name = self.path.as_posix()
        lines = difflib.unified_diff(
            (self.old or "").splitlines(keepends=True),
            (self.new or "").splitlines(keepends=True),
            f"{name} (on disk)",
            f"{name} (odibi.yaml)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def signed(header: Header, bodies: Mapping[str, str]) -> dict[str, str]:
    """The files with their headers; names are relative to the output folder."""
    return {name: header.text(body) + body for name, body in bodies.items()}


def changes(folder: Path, files: Mapping[str, str], header: Header, *, whole: bool) -> list[Change]:
    """What writing the files to the folder would do.

    With `whole`, files that are of the same project and target and aren't made any more are `gone`.
    Raises UsageError when a file can't be read.
    """
    found = [_change(folder / name, text) for name, text in files.items()]
    if whole:
        for path in _ours(folder, header) - {folder / name for name in files}:
            old = _read(path)
            found.append(Change(path, "gone", old, None, _not_ours(old or "")))
    return sorted(found, key=lambda change: change.path)


def _change(path: Path, text: str) -> Change:
    old = _read(path)
    if old is None:
        return Change(path, "new", None, text)
    return Change(path, "same" if old == text else "changed", old, text, _not_ours(old))


def _not_ours(text: str) -> str | None:
    """Why a file isn't one that may be overwritten; None when it is as a generator left it."""
    found = _LINE.search("\n".join(text.splitlines()[:2]))
    if found is None:
        return "it was not made by odibi gen"
    body = text.partition("\n")[2].partition("\n")[2]
    try:
        told = json.loads(found[1])["sha256"]
    except (ValueError, KeyError, TypeError):
        return "its header was edited"
    return None if told == _digest(body) else "it was edited since it was made"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        raise UsageError(f"{path} can't be read: {reason}") from error


def _ours(folder: Path, header: Header) -> set[Path]:
    """Files right in the folder that say they are of this project and target."""
    return set(_of_project(folder, header)) if folder.is_dir() else set()


def _of_project(folder: Path, header: Header) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix not in _SUFFIXES or not path.is_file():
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            found = _LINE.search(file.readline() + file.readline())
        if found and _says(found[1], header):
            yield path


def _says(facts: str, header: Header) -> bool:
    try:
        told = json.loads(facts)
        return (told["project"], told["target"]) == (header.project, header.target)
    except (ValueError, KeyError, TypeError):
        return False


def made_here(root: Path, *more: Path) -> list[tuple[Path, str]]:
    """Folders below `root`, and those besides, with generated files: each with a command that made some.

    Folders whose names begin with a dot are left out below `root`.
    """
    folders = {folder.resolve() for folder in more if folder.is_dir()} | set(_folders(root))
    told = {
        (folder, command)
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in _SUFFIXES and path.is_file()
        if (command := _command(path)) is not None
    }
    return sorted(told)


def _folders(root: Path) -> Iterator[Path]:
    for folder, inner, _ in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield Path(folder)


def _command(path: Path) -> str | None:
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _LINE.search(file.readline() + file.readline())
    try:
        return str(json.loads(found[1])["command"]) if found else None
    except (ValueError, KeyError, TypeError):
        return None


def write(made: Collection[Change], *, force: bool) -> None:
    """Carry the changes out: all of them, or none when one of the files isn't ours to write.

    Each file is replaced at once. Raises UsageError.
    """
    touched = [change for change in made if change.kind != "same"]
    kept = [change for change in touched if change.reason and not force]
    if kept:
        told = "; ".join(f"{change.path}: {change.reason}" for change in kept)
        raise UsageError(
            f"nothing was written: {told}",
            hint="--force replaces it; or choose another folder with --output",
        )
    for change in touched:
        try:
            _carry_out(change)
        except OSError as error:
            raise UsageError(f"{change.path} can't be written: {error.strerror}") from error


def _carry_out(change: Change) -> None:
    if change.new is None:
        change.path.unlink()
        return
    change.path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=change.path.parent, prefix=".odibi-gen-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(change.new)
        Path(name).chmod(0o644)
        Path(name).replace(change.path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
