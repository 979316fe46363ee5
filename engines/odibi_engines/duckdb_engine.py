"""The DuckDB engine: one in-memory database for a run, a cursor for each node, frames as views and tables."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from odibi.engine import Frame, Schema, Source, Target
from odibi.errors import EngineError

from . import publish, remote_write, table_write
from .duck_session import DuckSession
from .frames import DuckFrame, row_bytes
from .sql_text import file_list, in_bytes

__all__ = ["DuckDBEngine", "part_of"]


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A Parquet file that this run wrote; `identity` changes when anybody writes to its place."""

    identity: tuple[int, int, int]
    schema: Schema
    rows: int


_MEMORY = re.compile(r"^(\d+(?:\.\d+)?)\s*([KMGT]i?B|%)$", re.IGNORECASE)
_MEMORY_SHARE = 0.6
_HARDLY = 0.05
"""A share of the memory that doesn't keep others from running."""


class DuckDBEngine:
    """Tables are computed by an embedded DuckDB that spills to `work_dir/spill`.

    `work_dir` is made, and goes when the engine is closed and nothing else is in it.

    `threads` defaults to the processors that this process may use, `memory_limit` ("4GB", "50%") to
    60 % of the machine's memory.
    """

    name = "duckdb"

    def __init__(
        self,
        *,
        work_dir: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
        performance: Mapping[str, Any] | None = None,
    ) -> None:
        self.work_dir = work_dir
        work_dir.mkdir(
            parents=True, exist_ok=True
        )  # DuckDB makes its own folder in it, and no more
        self._numbers = itertools.count(1)
        self._locks: dict[Path, threading.RLock] = {}
        self._guard = threading.Lock()
        self._closed = False
        self._unused: deque[str] = deque()
        self._folders: set[Path] = set()
        self._files: dict[Path, KnownFile] = {}
        self._connection = duckdb.connect(":memory:", config=self._config(threads, memory_limit))
        self._connection.execute("CREATE SCHEMA odibi")
        self._questions = self._connection.cursor()
        said = self._questions.execute("SELECT current_setting('memory_limit')").fetchall()
        self._memory = in_bytes(said[0][0])

    def _config(self, threads: int | None, memory_limit: str | None) -> dict[str, Any]:
        if memory_limit is not None and not _MEMORY.match(memory_limit.strip()):
            raise EngineError(
                f"memory_limit {memory_limit!r} is no amount", hint="write it as 4GB, 512MiB or 50%"
            )
        return {
            "threads": threads or _processors(),
            "memory_limit": _amount(memory_limit.strip())
            if memory_limit
            else _share(_MEMORY_SHARE),
            "temp_directory": str(self.work_dir / "spill"),
            "preserve_insertion_order": False,
            "TimeZone": "UTC",
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,  # a table name never means a variable of ours
        }

    def session(self, name: str) -> DuckSession:
        self.drop_unused()
        return DuckSession(self, name, self._connection.cursor())

    def new_relation(self) -> str:
        """A name that no frame of this run has, qualified."""
        return f"odibi.f{next(self._numbers)}"

    def lock_of(self, path: Path) -> threading.RLock:
        """The lock of one table; sessions of a run may append to the same one."""
        with self._guard:
            return self._locks.setdefault(path, threading.RLock())

    def is_there(self, source: Source) -> bool:
        if source.format == "sql":
            return table_write.has_table(source)
        if source.format == "delta":
            from . import delta  # needs an optional package

            return delta.exists(source)
        return remote_write.has_table(source)

    def was_written(self, target: Target) -> bool:
        if target.format == "sql":
            return table_write.holds_write(target)
        if remote_write.is_remote(target):
            return remote_write.holds_write(target)
        if target.format == "delta":
            from . import delta  # needs an optional package

            return delta.holds_write(target)
        if target.path.is_dir():
            return target.write_id in publish.folder_note(target.path).get("write_ids", [])
        if target.format == "parquet":
            return target.path.is_file() and target.write_id in self.parquet_write_ids(target.path)
        return publish.side_note_says(target)

    def remember_file(self, path: Path, schema: Schema, rows: int) -> None:
        """Note what a Parquet file just written holds, for as long as it stays the same file."""
        self._files[path] = KnownFile(_identity(path), schema, rows)

    def known_file(self, source: Source) -> KnownFile | None:
        """What is known of the only file of a source, if that is the file which was written."""
        known = self._files.get(source.files[0]) if len(source.files) == 1 else None
        return known if known is not None and known.identity == _identity(source.files[0]) else None

    def parquet_write_ids(self, file: Path) -> list[str]:
        """The write ids in a Parquet file's footer, newest last. Raises EngineError when it isn't one."""
        with self._guard:
            try:
                rows = self._questions.execute(
                    f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({file_list([file])})"
                ).fetchall()
            except duckdb.Error as error:
                raise EngineError(
                    f"{file.name} is not a readable Parquet file: {str(error).splitlines()[0]}"
                ) from None
        notes = dict(rows)
        ids = [
            *notes.get("odibi.earlier_write_ids", "").split("\n"),
            notes.get("odibi.write_id", ""),
        ]
        return [write_id for write_id in ids if write_id]

    def make_staging(self, target: Target) -> Path:
        """A place to prepare the write at; its folder goes when the engine is closed."""
        self._folders.add(target.path.parent)
        return publish.make_staging(target)

    def sweep(self, target: Target) -> None:
        if target.format == "sql":
            return  # a database drops what isn't committed itself
        if remote_write.is_remote(target):
            remote_write.sweep(target)
            return
        publish.clean(target)
        publish.tidy(target.path.parent)

    def release(self, frame: Frame) -> None:
        """Frames count their users themselves; this is a good moment to drop what nobody uses."""
        self.drop_unused()

    def need(self, frames: Sequence[Frame]) -> float:
        """The rows of the frames, or of those that they are made of, as they are in memory."""
        share = row_bytes(frames) / self._memory
        return share if share > _HARDLY else 0.0

    def owned(self, frame: DuckFrame, tables: Sequence[str]) -> None:
        """Drop the tables when the frame, and all views on it, are gone."""
        weakref.finalize(frame, self._unused.extend, tables).atexit = False

    def drop_unused(self) -> None:
        """Drop the tables of frames that are gone."""
        with self._guard:
            while self._unused and not self._closed:
                self._questions.execute(f"DROP TABLE IF EXISTS {self._unused.popleft()}")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.close()
            for folder in self._folders:
                publish.tidy(folder)
            for name in ("spill", "read", "remote"):
                shutil.rmtree(self.work_dir / name, ignore_errors=True)
            with suppress(OSError):  # somebody keeps other things there
                self.work_dir.rmdir()


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _processors() -> int:
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def part_of(memory_limit: str, share: float) -> str:
    """So much of an amount of memory as `memory_limit` states it; what is no amount stays as it is."""
    found = _MEMORY.match(memory_limit.strip())
    return f"{float(found[1]) * share:.3f}{found[2]}" if found else memory_limit


def _amount(text: str) -> str:
    return _share(float(text[:-1]) / 100) if text.endswith("%") else text


def _share(share: float) -> str:
    """A part of the machine's memory in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{int(total * share)}B"
