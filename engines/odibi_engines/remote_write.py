"""Writing CSV, JSON and Parquet to stores: staged in the work folder like a local table, then put in place.

A table without partitions is one file, put whole. Files of a partitioned table have names that no other
write uses, and count once the note beside them lists them, which is put last.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odibi.engine import Source, Staged, Target, Written
from odibi.errors import EngineError

from . import publish
from .duck_writer import Writer
from .frames import DuckFrame
from .publish import FOLDER_NOTE
from .remote_copy import listed
from .remote_store import Store, identity, open_store

__all__ = ["RemoteWriter", "has_table", "holds_write", "is_remote", "sweep"]

_FOLDER = "remote"


@dataclass(frozen=True, slots=True)
class _Pending:
    """A write that is staged in the mirror. `found` is what was in the store when it began."""

    local: Staged
    found: _Found


@dataclass(frozen=True, slots=True)
class _Found:
    """What a place of a store holds: a file (`info`), or the files of a folder, with their note."""

    info: Mapping[str, Any] | None
    files: tuple[str, ...]
    note: Mapping[str, Any]
    says: str | None

    @property
    def state(self) -> Any:
        """What differs when somebody else has written."""
        return (None if self.info is None else identity(self.info)), self.says


def is_remote(target: Target) -> bool:
    """Whether the target is files in a store; Delta tables have their own way there."""
    return target.connection is not None and target.format not in ("delta", "sql")


class RemoteWriter:
    """The writes of one session to stores. `writer` is its writer of local files.

    A table's mirror in `work_dir/remote` has its files during a write, and is what nodes of the same
    run read afterwards.
    """

    def __init__(self, writer: Writer, work_dir: Path, stopped: Callable[[], bool]) -> None:
        self._writer = writer
        self._folder = work_dir / _FOLDER
        self._stopped = stopped
        self._pending: dict[str, _Pending] = {}

    def stage(self, batch: DuckFrame, target: Target) -> Staged:
        """The table as it will be, in the mirror. Nothing is in the store yet."""
        store, place = _store(target, self._stopped)
        local = self._local(target, place)
        self._writer.lock(local.path)
        try:
            found = _look(store, place, target)
            self._mirror(store, place, local, found)
            staged = self._writer.stage(batch, local)
        except BaseException:
            self._writer.unlock_one(local.path)
            raise
        self._tell(local, target)
        self._pending[target.write_id] = _Pending(staged, found)
        return replace(staged, target=target)

    def _local(self, target: Target, place: str) -> Target:
        key = hashlib.sha256(f"{target.connection}{place}".encode()).hexdigest()[:16]
        path = self._folder / key / place.rpartition("/")[2]
        return replace(target, path=path, table=None, connection=None)

    def _mirror(self, store: Store, place: str, local: Target, found: _Found) -> None:
        """Bring what the write starts from; what is replaced needn't come."""
        shutil.rmtree(local.path.parent, ignore_errors=True)
        local.path.parent.mkdir(parents=True)
        if local.mode == "overwrite":
            return
        if found.info is not None:
            store.copy(place, local.path)
        for name in found.files:
            store.copy(f"{place}/{name}", local.path / name)
        if found.files:
            (local.path / FOLDER_NOTE).write_text(json.dumps(found.note))

    def _tell(self, local: Target, target: Target) -> None:
        """Statements name the place in the store, not the mirror."""
        told = self._writer.cursor.statements
        told[-1] = told[-1].replace(str(local.path), str(target.path))

    def commit(self, staged: Staged) -> Written:
        """Put the staged table in its place in the store."""
        target = staged.target
        pending = self._pending.pop(target.write_id)
        local = pending.local.target
        try:
            store, place = _store(target, self._stopped)
            entries = _entries(local.path, store, place) if _keeps_entries(target) else []
            self._writer.lock(local.path)  # the local write lets go of it once
            written = self._writer.commit(pending.local)
            if _look(store, place, target).state != pending.found.state and target.mode != "overwrite":  # fmt: skip
                raise EngineError(
                    f"{target.path.name} changed in its store while it was written",
                    hint="run again; see that nobody else writes there at the same time",
                    transient=True,
                )
            if local.path.is_dir():
                return _put_folder(store, place, target, local.path, pending.found, written)
            if target.format != "parquet":
                _put_entries(store, place, [*entries, _entry(local)])
            store.put(local.path, place)
            return written
        finally:
            self._writer.unlock_one(local.path)

    def discard(self, staged: Staged) -> None:
        """Forget the staged write: the store has nothing of it."""
        pending = self._pending.pop(staged.target.write_id)
        self._writer.discard(pending.local)
        self._writer.unlock_one(pending.local.target.path)


def _store(target: Target, stopped: Callable[[], bool] = lambda: False) -> tuple[Store, str]:
    store = open_store(target.connection or {}, stopped)
    return store, store.place(target.table or "")


# What is there -----------------------------------------------------------------------------------


def _look(store: Store, place: str, target: Target) -> _Found:
    """What the place holds. Raises EngineError when a write of this shape would hide or lose it."""
    info = store.info(place)
    says = store.text(f"{place}/{FOLDER_NOTE}")
    note = {} if says is None else json.loads(says)
    names = note.get("files")
    if names is None:
        names = [name for name in store.below(place) if _shown(name)]
    shown = f"{store.kind}://{place}"
    if info is not None and target.partition_by:
        raise EngineError(
            f"{shown} is a file, and partition_by makes a folder", hint="write to another path"
        )
    if names and not target.partition_by:
        raise EngineError(
            f"{shown} is a folder, and the write is one file",
            hint="keep write.partition_by as it was, or write to another path",
        )
    foreign = [name for name in names if not name.split(".", 1)[-1].startswith(target.format)]
    if foreign:
        raise EngineError(
            f"{shown} is a folder that holds other things ({foreign[0]})",
            hint="write to a path of its own; nothing was replaced",
        )
    return _Found(info, tuple(names), note, says)


def _shown(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/"))


def has_table(source: Source) -> bool:
    """Whether the store holds a file, or a folder with data, at the source's place."""
    store = open_store(source.connection or {})
    place = store.place(source.path)
    if store.info(place) is not None or listed(store, place):
        return True
    return any(_shown(name) for name in store.below(place))


def holds_write(target: Target) -> bool:
    """Whether the table in the store holds the write."""
    store, place = _store(target)
    note = store.text(f"{place}/{FOLDER_NOTE}")
    if note is not None:
        return target.write_id in json.loads(note).get("write_ids", [])
    if store.info(place) is None:
        return False
    if target.format == "parquet":
        return target.write_id in _footer_ids(store, place)
    said = store.text(_entries_place(place))
    entries = [] if said is None else json.loads(said)
    if all(entry["write_id"] != target.write_id for entry in entries):
        return False  # without a look at the file
    current = _digest_there(store, place)
    return target.write_id in [entry["write_id"] for entry in _up_to(entries, current)]


def _footer_ids(store: Store, place: str) -> list[str]:
    """The write ids in the footer of a Parquet file, of which no more is read."""
    from pyarrow import ArrowInvalid, parquet  # only where a store is asked

    with store.asked(place, "read"), store.system.open(place, "rb") as stream:
        try:
            found = parquet.read_metadata(stream).metadata or {}
        except ArrowInvalid as error:
            words = f"{store.kind}://{place} is not a readable Parquet file: {error}"
            raise EngineError(words.splitlines()[0]) from None
    names = (b"odibi.earlier_write_ids", b"odibi.write_id")
    return b"\n".join(bytes(found.get(name, b"")) for name in names).decode().split("\n")


# Notes beside text files -------------------------------------------------------------------------


def _entries_place(place: str) -> str:
    folder, _, name = place.rpartition("/")
    return f"{folder}/.{name}.odibi.json"


def _keeps_entries(target: Target) -> bool:
    return target.format != "parquet" and target.mode != "overwrite"


def _entries(copy: Path, store: Store, place: str) -> list[dict[str, Any]]:
    """What is noted of the file in the store, of which there is a copy here."""
    said = store.text(_entries_place(place))
    if said is None or not copy.is_file():
        return []
    return _up_to(json.loads(said), _digest(copy))


def _up_to(entries: list[dict[str, Any]], digest: str) -> list[dict[str, Any]]:
    """The entries up to the one of the file in place: a write after it was noted and never put."""
    for number, entry in enumerate(entries, start=1):
        if entry["sha256"] == digest:
            return entries[:number]
    return []


def _entry(local: Target) -> dict[str, Any]:
    return {"write_id": local.write_id, "sha256": _digest(local.path)}


def _put_entries(store: Store, place: str, entries: list[dict[str, Any]]) -> None:
    store.put_text(json.dumps(entries[-publish.REMEMBERED :]), _entries_place(place))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest_there(store: Store, place: str) -> str:
    digest = hashlib.sha256()
    with store.asked(place, "read"), store.system.open(place, "rb") as stream:
        while chunk := stream.read(4 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# Folders -----------------------------------------------------------------------------------------


def _put_folder(
    store: Store, place: str, target: Target, folder: Path, found: _Found, written: Written
) -> Written:
    """Put the new files, then the note that lists them with those that stay, and remove the others."""
    old = set(found.files)
    names, ours = [], _mark(target.write_id)
    for file in publish.data_files(folder):
        name = file.relative_to(folder).as_posix()
        if target.mode == "overwrite" or name not in old:
            name = _unique(name, ours)
            store.put(file, f"{place}/{name}")
        names.append(name)
    note = {**publish.folder_note(folder), "files": sorted(names)}
    store.put_text(json.dumps(note, indent=1), f"{place}/{FOLDER_NOTE}")
    gone = sorted(old - set(names)) + _left(store, place, ours, names)
    store.remove([f"{place}/{name}" for name in gone])
    return written


def _mark(write_id: str) -> str:
    return hashlib.sha256(write_id.encode()).hexdigest()[:12]


def _unique(name: str, mark: str) -> str:
    """A name in the same folder that no attempt of any write has used."""
    stem, dot, suffix = name.rpartition("/")[2].partition(".")
    folder = name.removesuffix(f"{stem}{dot}{suffix}")
    return f"{folder}{stem}-{mark}{secrets.token_hex(4)}{dot}{suffix}"


def _left(store: Store, place: str, mark: str, kept: list[str]) -> list[str]:
    """Files that attempts of this write put there and that count for nothing."""
    names = set(store.below(place)) - set(kept)
    return sorted(name for name in names if f"-{mark}" in name.rpartition("/")[2])


def sweep(target: Target) -> None:
    """Remove what an unpublished write left in the store."""
    store, place = _store(target)
    kept = listed(store, place)
    if target.partition_by:
        names = _left(store, place, _mark(target.write_id), kept or [])
        store.remove([f"{place}/{name}" for name in names])
