"""The log of a run: events as lines of JSON, appended by their writer, readable while they grow."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import odibi
from odibi import events as ev
from odibi.errors import StateError
from odibi.processes import this_writer

if TYPE_CHECKING:
    from odibi.redact import Redactor

__all__ = ["EventLog", "Tail", "is_log", "log_files", "read"]

_FLUSH_SECONDS = 0.05
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter

# Written the moment they happen, so that a kill loses none of them.
_LIFECYCLE = (
    ev.WriterOpened,
    ev.RunPlanned,
    ev.RunStarted,
    ev.NodeStarted,
    ev.NodeRetried,
    ev.NodeSucceeded,
    ev.NodeFailed,
    ev.NodeSkipped,
    ev.NodeCancelRequested,
    ev.NodeCancelled,
    ev.WriteIntended,
    ev.WriteCommitted,
    ev.RunCancelRequested,
    ev.RunFinished,
)
# On the disk before `emit` returns: recovery starts from these.
_DURABLE = (ev.RunPlanned, ev.WriteIntended, ev.RunFinished)
# On the disk within one flush interval. A power cut in between forgets that a write was committed or
# a node ended, which recovery learns from the write id in the target; a sync for each would cost
# more CPU (66 µs) than all other bookkeeping of a small node.
_SOON_DURABLE = (ev.WriteCommitted, ev.NodeSucceeded, ev.NodeFailed)

# Names that the log, the plan and the YAML share; a secret is never looked for in them.
_IDENTITIES = frozenset(
    {"node", "key", "upstream", "because", "run_id", "resume_of", "write_id", "fingerprint"}
)


class EventLog:
    """One process's events of one run, in a file that this process created.

    Safe to use from any thread. Events wait in memory for at most 50 ms, except those that recovery
    needs. After a failed write every further call raises StateError: a run whose log is broken must
    not go on.
    """

    def __init__(self, path: Path, fd: int, redactor: Redactor) -> None:
        self.path = path
        self._fd = fd
        self._redactor = redactor
        self._seq = 0
        self._buffer: list[str] = []
        self._written = 0
        self._synced = 0
        self._sync_soon = 0
        self._failure: StateError | None = None
        self._closed = False
        self._state = threading.Lock()  # guards _seq and _buffer; never held during I/O
        self._io = threading.Lock()  # guards the file; taken before _state
        self._waiting = threading.Event()
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="event-log", daemon=True)

    @classmethod
    def create(cls, run_dir: Path, redactor: Redactor) -> Self:
        """Open a new log file in `run_dir` and say who writes it. Raises StateError."""
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            path, fd = _open_new(run_dir)
            _sync_folder(run_dir)
        except OSError as error:
            raise _cannot_write(run_dir, error) from error
        log = cls(path, fd, redactor)
        log._flusher.start()
        log.emit(ev.WriterOpened(writer=this_writer(), version=odibi.__version__))
        return log

    def emit(self, payload: ev.Payload) -> ev.Event:
        """Append what happened; returns the event as it stands in the log, redacted.

        Raises StateError when this or an earlier event couldn't be written.
        """
        if self._redactor:
            payload = _redacted(payload, self._redactor)
        with self._state:
            self._check()
            event = ev.Event(self._seq + 1, _now(), round(time.monotonic(), 6), payload)
            self._buffer.append(ev.encode(event))
            self._seq = event.seq
            if isinstance(payload, _SOON_DURABLE):
                self._sync_soon = event.seq
        if isinstance(payload, _LIFECYCLE):
            self._flush(event.seq, sync=isinstance(payload, _DURABLE))
        self._waiting.set()
        return event

    @property
    def failure(self) -> StateError | None:
        """Why the log can't be written any more, if so."""
        return self._failure

    def close(self) -> None:
        """Write what waits and close the file. Raises StateError when something could not be written."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        self._closing.set()
        self._waiting.set()
        self._flusher.join()
        try:
            if self._failure is None:
                self._flush(self._seq, sync=True)
        finally:
            with self._io:
                os.close(self._fd)
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StateError(f"the event log {self.path} is closed")

    def _flush(self, upto: int, *, sync: bool) -> None:
        """Write all that waits, at least to event `upto`; whoever comes second finds it done."""
        with self._io:
            if self._failure is not None:
                raise self._failure
            try:
                if self._written < upto:
                    self._write_waiting()
                if sync and self._synced < upto:
                    _sync(self._fd)
                    self._synced = self._written
            except OSError as error:
                self._failure = _cannot_write(self.path, error)
                raise self._failure from error

    def _write_waiting(self) -> None:
        with self._state:
            lines, self._buffer = self._buffer, []
            last = self._seq
        if lines:
            # A lone surrogate can't be UTF-8; as a backslash escape it is the same JSON text.
            _write_all(self._fd, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
        self._written = last

    def _flush_often(self) -> None:
        """The flusher thread: asleep while nothing waits, then at most 20 writes a second."""
        while not self._closed:
            self._waiting.wait()
            self._waiting.clear()
            self._closing.wait(_FLUSH_SECONDS)
            try:
                self._flush(self._seq, sync=self._synced < self._sync_soon)
            except StateError:
                return  # remembered: the next emit, or close, raises it


def read(run_dir: Path) -> list[ev.Event]:
    """All events of a run, those of several writers merged by time.

    An incomplete last line (its writer was killed) and event types of later versions are left out.
    Raises StateError when a log can't be read or holds anything else.
    """
    return Tail(run_dir).poll()


class Tail:
    """Reads a run's events as they come. A missing folder has no events yet."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: dict[Path, _Follower] = {}

    def poll(self) -> list[ev.Event]:
        """The events appended since the last call. Raises StateError as `read` does."""
        for path in log_files(self._run_dir):
            self._files.setdefault(path, _Follower(path))
        return _merged(follower.fresh() for follower in self._files.values())

    def grown(self) -> bool:
        """Whether a log that was read before has more to read: one system call each, no event is made."""
        return any(follower.grown() for follower in self._files.values())


def log_files(run_dir: Path) -> list[Path]:
    """The log files of a run, the first writer's first; none when there is no such folder."""
    try:
        names = [entry.name for entry in os.scandir(run_dir)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _cannot_read(run_dir, error) from error
    logs = filter(is_log, names)
    return [run_dir / name for name in sorted(logs, key=lambda n: (n != "events.jsonl", n))]


def is_log(name: str) -> bool:
    """Whether a file of that name in a run's folder is one of its logs."""
    return name == "events.jsonl" or (name[:7] == "events-" and name[-6:] == ".jsonl")


class _Follower:
    """One file: where reading goes on, and the latest time seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._line = 0
        self._latest = ""

    def grown(self) -> bool:
        """Whether there are bytes that weren't read; a file that can't be asked is left to `fresh`."""
        try:
            return self._path.stat().st_size != self._offset
        except OSError:
            return True

    def fresh(self) -> list[tuple[str, ev.Event]]:
        """New whole lines as (time to sort by, event).

        The time never runs backwards within a file, whatever the clock did: a writer's own order stands.
        """
        found = []
        for raw in self._whole_lines():
            self._line += 1
            event = self._decode(raw)
            if event is not None:
                self._latest = max(self._latest, event.at)
                found.append((self._latest, event))
        return found

    def _whole_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
        except OSError as error:
            raise _cannot_read(self._path, error) from error
        if not whole:
            return []
        self._offset += len(whole) + 1
        return whole.split(b"\n")

    def _decode(self, raw: bytes) -> ev.Event | None:
        try:
            event = ev.decode(raw.decode("utf-8"))
            if event is not None:
                datetime.fromisoformat(event.at)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(
                f"{self._path}:{self._line}: this line of the event log is damaged ({error})",
                hint="the log was changed after it was written; move the run's folder away to go on without it",
            ) from error
        return event


def _merged(parts: Iterable[list[tuple[str, ev.Event]]]) -> list[ev.Event]:
    filled = [part for part in parts if part]
    if len(filled) == 1:
        return [event for _, event in filled[0]]
    ordered: Iterator[tuple[str, ev.Event]] = merge(
        *filled, key=lambda item: (item[0], item[1].seq)
    )
    return [event for _, event in ordered]


def _open_new(run_dir: Path) -> tuple[Path, int]:
    """Create the log file: nobody ever appends to a file that it didn't open new."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
    path = run_dir / "events.jsonl"
    while True:
        try:
            return path, os.open(path, flags, 0o644)
        except FileExistsError:
            path = run_dir / f"events-{os.getpid()}-{secrets.token_hex(3)}.jsonl"


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write to the last byte; a disk that fills up writes a part first and raises next time."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _redacted(value: Any, redactor: Redactor) -> Any:
    """The value with secrets hidden in every text but the names that identify things."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, tuple | list):
        return tuple(_redacted(item, redactor) for item in value)
    if isinstance(value, Mapping):
        return {redactor.text(str(k)): _redacted(v, redactor) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _redacted_record(value, redactor)
    return value


def _redacted_record(record: Any, redactor: Redactor) -> Any:
    changed = {}
    for name in _field_names(type(record)):
        value = getattr(record, name)
        if value and (clean := _redacted(value, redactor)) != value:
            changed[name] = clean
    return replace(record, **changed) if changed else record


def _field_names(cls: type[Any]) -> tuple[str, ...]:
    """The fields of a record class where secrets may hide; found once per class."""
    if cls not in _FIELD_NAMES:
        _FIELD_NAMES[cls] = tuple(f.name for f in fields(cls) if f.name not in _IDENTITIES)
    return _FIELD_NAMES[cls]


_FIELD_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _cannot_write(path: Path, error: OSError) -> StateError:
    return StateError(
        f"the event log can't be written: {path}: {error.strerror}",
        hint="free space or make the folder writable; the run can then go on with `odibi run --resume`",
    )


def _cannot_read(path: Path, error: OSError) -> StateError:
    return StateError(f"the event log can't be read: {path}: {error.strerror}")
