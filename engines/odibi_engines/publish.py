"""Making files appear whole or not at all: staging beside the target, atomic publication, write ids.

Nothing here knows an engine. A write of id W to `dir/name` is staged as `dir/.odibi-tmp/W.name`, on the
same file system, and moved into place in one step.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from odibi.engine import Target

__all__ = [
    "FOLDER_NOTE",
    "REMEMBERED",
    "beside",
    "clean",
    "data_files",
    "durable",
    "folder_note",
    "join_files",
    "link_files",
    "make_staging",
    "publish",
    "removed_on_error",
    "side_note",
    "side_note_says",
    "staging_path",
    "tidy",
    "with_write_id",
    "write_folder_note",
    "write_side_note",
]

FOLDER_NOTE = "_odibi_write.json"
"""Inside a partitioned table: the write ids it holds and the types of its partition columns."""

REMEMBERED = 1_000
"""So many of a table's last writes are known."""

_TMP = ".odibi-tmp"
_PARTS = ("part", "note", "old")
_LONGEST = 100
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def staging_path(target: Target) -> Path:
    """Where the write is prepared: it ends in the target's own name, so that suffixes keep their meaning."""
    return target.path.parent / _TMP / f"{_file_name(target.write_id)}.{target.path.name}"


def _file_name(write_id: str) -> str:
    safe = re.sub(r"[^\w\-]", "_", write_id)
    if len(safe) <= _LONGEST and safe == write_id:
        return safe
    return f"{safe[:_LONGEST]}-{hashlib.sha1(write_id.encode(), usedforsecurity=False).hexdigest()[:12]}"


def beside(staging: Path, part: str) -> Path:
    """A place for a part of a staged write, which goes when the write goes."""
    return staging.with_name(f"{part}-{staging.name}")


def make_staging(target: Target) -> Path:
    """An empty staging place; what an earlier attempt left there is removed."""
    staging = staging_path(target)
    try:
        staging.parent.mkdir(parents=True)
    except FileExistsError:
        clean(target)
    return staging


def clean(target: Target) -> None:
    """Remove what the write left in the folder of staging places."""
    staging = staging_path(target)
    for path in (staging, *(beside(staging, part) for part in _PARTS)):
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):  # what unlinking a folder raises differs by system
        shutil.rmtree(path)


def tidy(folder: Path) -> None:
    """Remove the folder of staging places in a folder of tables, if nothing is in it.

    It stays while a run goes on: making and removing a folder for each write costs more than all
    else that publishing does.
    """
    with suppress(OSError):  # not empty, or no longer ours to remove: an empty folder does no harm
        (folder / _TMP).rmdir()


def data_files(path: Path) -> list[Path]:
    """The file, or all files of a table's folder in sorted order, without notes and hidden ones."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not _hidden(file.relative_to(path)))


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "_")) for part in relative.parts)


def durable(path: Path) -> int:
    """Force the file, or everything below the folder, to disk. Returns the bytes of its data files."""
    if path.is_file():
        _sync(path)
        return path.stat().st_size
    for folder, _, files in os.walk(path):
        for name in files:
            _sync(Path(folder) / name)
        _sync(Path(folder))
    return sum(file.stat().st_size for file in data_files(path))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(staging: Path, path: Path) -> None:
    """Put the staged file or folder in the target's place, atomically where the system can.

    What it replaces ends up in the staging folder, which the caller removes.
    """
    if path.is_dir() or (staging.is_dir() and path.exists()):
        _exchange(staging, path)
    else:
        staging.replace(path)
    _sync(path.parent)


def _exchange(one: Path, other: Path) -> None:
    """Swap two paths in one step (Linux), else in two: the old one aside, the new one in."""
    renameat2 = _renameat2()
    if renameat2 is not None:
        done = renameat2(
            _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
        )
        if done == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
    aside = beside(one, "old")
    other.rename(aside)
    one.rename(other)


def _renameat2() -> Any:
    library = ctypes.CDLL(
        ctypes.util.find_library("c") if os.name == "posix" else None, use_errno=True
    )
    return getattr(library, "renameat2", None)


def with_write_id(earlier: Iterable[str], write_id: str) -> list[str]:
    """The write ids that a table holds after this write, newest last."""
    return [*(known for known in earlier if known != write_id), write_id][-REMEMBERED:]


def folder_note(path: Path) -> dict[str, Any]:
    """The note in a partitioned table's folder; empty when there is none."""
    note = path / FOLDER_NOTE
    return json.loads(note.read_text()) if note.is_file() else {}


def write_folder_note(path: Path, write_ids: list[str], partition_types: dict[str, str]) -> None:
    """Leave the note in a staged folder."""
    note = {"write_ids": write_ids, "partition_types": partition_types}
    (path / FOLDER_NOTE).write_text(json.dumps(note, indent=1))


def side_note(path: Path) -> Path:
    """The note beside a file whose format has no room for a write id."""
    return path.with_name(f".{path.name}.odibi.json")


def write_side_note(staging: Path, target: Target) -> None:
    """Note the write before it is published: it counts once the file it describes is in place.

    Entries name file size and modification time, which a rename keeps, so a crash between the note
    and the file is no lie.
    """
    status = staging.stat()
    entry = {"write_id": target.write_id, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    earlier = _entries_in_place(target.path) if target.mode != "overwrite" else []
    note = side_note(target.path)
    draft = beside(staging, "note")
    draft.write_text(json.dumps([*earlier, entry][-REMEMBERED:]))
    _sync(draft)
    # Entries of a write that was noted and never published are dropped with the old file.
    draft.replace(note)


def side_note_says(target: Target) -> bool:
    """Whether the file in place holds the write."""
    return any(entry["write_id"] == target.write_id for entry in _entries_in_place(target.path))


def _entries_in_place(path: Path) -> list[dict[str, Any]]:
    """The entries up to the one that describes the file in place."""
    note = side_note(path)
    if not note.is_file() or not path.is_file():
        return []
    status = path.stat()
    entries: list[dict[str, Any]] = json.loads(note.read_text())
    for number, entry in enumerate(entries, start=1):
        if (entry["size"], entry["mtime_ns"]) == (status.st_size, status.st_mtime_ns):
            return entries[:number]
    return []


@contextmanager
def removed_on_error(target: Target) -> Iterator[None]:
    """Remove the staging place when preparing the write fails."""
    try:
        yield
    except BaseException:
        clean(target)
        raise


def link_files(old: Path, new: Path) -> None:
    """Bring a table's files into a staged folder as hard links: they exist once, in both.

    Names are of write ids: one that is staged already is of this very write, which was published
    before a crash and is about to be found out.
    """
    for file in data_files(old):
        place = new / file.relative_to(old)
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(file, place)


def join_files(parts: Iterable[Path], whole: Path) -> None:
    """Write the parts one after the other; compressed ones stay valid, as gzip allows several members."""
    with whole.open("xb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
