"""High-water marks: how far an incremental read has come, one small file for each, changed atomically."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from odibi.errors import StateError

__all__ = ["Mark", "Marks", "Record", "folder_of"]

_VERSION = 1
_PLAIN = re.compile(r"[A-Za-z0-9_.\-]")
_END = ".json"
_ENV = "@"


@dataclass(frozen=True, slots=True)
class Mark:
    """A value of a column: `kind` is its type in DuckDB's spelling, `value` the text that casts to it."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one incremental read after a write.

    `key` names the read (`pipeline.node`, or the YAML's `state_key`). `mark` is None while no row had
    a value; `column` is where it comes from. `write_id` and `run_id` name the write that it belongs to,
    `at` is when (UTC). `extra` is JSON of the source's own, for sources that go on from a state.
    """

    key: str
    mark: Mark | None
    column: str | None
    write_id: str
    run_id: str
    at: datetime
    extra: Mapping[str, Any] = field(default_factory=dict)


def folder_of(root: Path) -> Path:
    """Where the project in folder `root` keeps its marks."""
    return root / ".odibi" / "marks"


class Marks:
    """The marks in one folder, those of environment `env` apart from all others.

    A write and its mark can't appear in one step, so the mark goes first, as *pending*: `prepare`,
    then the write, then `confirm`. After a crash between them `settle` asks whether the write was
    published, and only then the pending mark counts. All methods raise StateError for files that
    can't be read or written.
    """

    def __init__(self, folder: Path, env: str | None = None) -> None:
        self.folder = folder
        self.env = env

    def read(self, key: str) -> Record | None:
        """The record that counts; None before the first write. A pending one does not count."""
        return self._load(key)[0]

    def pending(self, key: str) -> Record | None:
        """The record whose write was begun, and of which nobody has said that it was published."""
        return self._load(key)[1]

    def store(self, record: Record) -> None:
        """Make the record the one that counts, durably."""
        self._save(record.key, record, None)

    def prepare(self, record: Record) -> None:
        """Note the record durably, for the write that is about to be published."""
        self._save(record.key, self.read(record.key), record)

    def confirm(self, key: str) -> Record | None:
        """The write was published: the pending record counts from now on. Returns what counts."""
        current, pending = self._load(key)
        if pending is None:
            return current
        self._save(key, pending, None)
        return pending

    def settle(self, key: str, published: Callable[[str], bool]) -> Record | None:
        """What counts after a crash; `published` is asked for the write id of a pending record."""
        current, pending = self._load(key)
        if pending is None:
            return current
        counts = pending if published(pending.write_id) else current
        if counts is None:
            self.reset(key)
        else:
            self._save(key, counts, None)
        return counts

    def all(self) -> list[Record]:
        """The records of this environment that count, by key."""
        try:
            names = sorted(path.name for path in self.folder.glob(f"*{_END}"))
        except OSError as error:
            raise _unreadable(self.folder, error) from error
        found = (self._key(name) for name in names)
        records = (self.read(key) for key in found if key is not None)
        return sorted((r for r in records if r is not None), key=lambda r: r.key)

    def reset(self, key: str) -> bool:
        """Forget a record: the next run reads everything again. Returns whether there was one."""
        path = self._path(key)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(f"the mark can't be removed: {path}: {error.strerror}") from error
        _sync_folder(self.folder)
        return True

    # Files ----------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        name = _file_name(key)
        env = f"{_ENV}{_file_name(self.env)}" if self.env else ""
        return self.folder / f"{name}{env}{_END}"

    def _key(self, file: str) -> str | None:
        """The key that a file is about; None for a file of another environment."""
        name, _, env = file.removesuffix(_END).partition(_ENV)
        return _from_file_name(name) if _from_file_name(env) == (self.env or "") else None

    def _load(self, key: str) -> tuple[Record | None, Record | None]:
        """The record that counts and the pending one."""
        path = self._path(key)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return _decoded(key, content["current"]), _decoded(key, content["pending"])
        except FileNotFoundError:
            return None, None
        except OSError as error:
            raise _unreadable(path, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"the mark of {key} is damaged: {path}: {error}",
                hint=f"odibi state reset {key}, which makes the next run read everything again",
            ) from error

    def _save(self, key: str, current: Record | None, pending: Record | None) -> None:
        path = self._path(key)
        content = {
            "version": _VERSION,
            "key": key,
            "current": _encoded(current),
            "pending": _encoded(pending),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(path, json.dumps(content, indent=1, ensure_ascii=False))
        except OSError as error:
            raise StateError(f"the mark can't be written: {path}: {error.strerror}") from error


def _unreadable(path: Path, error: OSError) -> StateError:
    return StateError(f"the mark can't be read: {path}: {error.strerror}")


def _replace(path: Path, text: str) -> None:
    """Exchange a file's content in one step that survives a crash."""
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_name(key: str) -> str:
    """The key as a file name: anything but letters, digits, `_`, `.` and `-` as `%` and its bytes."""
    return "".join(
        char if _PLAIN.match(char) else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in key
    )


def _from_file_name(name: str) -> str:
    data = re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), name.encode())
    return data.decode("utf-8", "replace")


def _encoded(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    plain = asdict(replace(record, extra=dict(record.extra)))
    del plain["key"]
    return {**plain, "at": record.at.astimezone(UTC).isoformat()}


def _decoded(key: str, plain: dict[str, Any] | None) -> Record | None:
    if plain is None:
        return None
    mark = plain["mark"]
    return Record(
        key=key,
        mark=None if mark is None else Mark(str(mark["kind"]), str(mark["value"])),
        column=plain["column"],
        write_id=plain["write_id"],
        run_id=plain["run_id"],
        at=datetime.fromisoformat(plain["at"]),
        extra=plain["extra"],
    )
