"""The project's locks: one run of a pipeline at a time, freed by the system the moment their holder dies.

A lock is `flock` on a file, never the file's existence; what the file says is for messages only. Runs
share the project's lock and hold those of their pipelines alone; what must not happen beside any run
holds the project's alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from odibi.errors import LockedError, StateError

__all__ = ["Lock", "acquire"]

_POLL_SECONDS = 0.1
_VALUE = re.compile(r"^((?:--var=)?[^=]+=).*", re.DOTALL)


class Lock:
    """Held locks; a context manager that lets go at its end."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._held = [fd]

    def add(
        self,
        names: Iterable[str],
        wait: float | None = None,
        command: Sequence[str] | None = None,
        shared: Collection[str] = (),
    ) -> bool:
        """Hold a part of the project alone for each name; whether others had to be waited for.

        Those in `shared` are held beside others that share them.

        Raises LockedError naming the holder of the first that can't be had within `wait` seconds.
        """
        waited = False
        for name in sorted(names):  # in one order, so that two runs never wait for each other
            how = fcntl.LOCK_SH if name in shared else fcntl.LOCK_EX
            fd, had_to = _take(self.path.parent / _file_name(name), name, wait, command, how)
            self._held.append(fd)
            waited |= had_to
        return waited

    def release(self) -> None:
        """Let go. Again is harmless."""
        while self._held:
            os.close(self._held.pop())  # closing is what frees a flock; the file stays

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(
    root: Path,
    wait: float | None = None,
    command: Sequence[str] | None = None,
    *,
    shared: bool = False,
) -> Lock:
    """Hold the project in folder `root`; wait at most `wait` seconds for a run to end.

    With `shared` beside others that share it. `command` is what others are told that runs (default:
    this process's, values of --var hidden). Raises LockedError naming the holder, StateError when the
    lock file can't be opened.
    """
    path = root / ".odibi" / "locks" / "project.lock"
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    return Lock(path, _take(path, None, wait, command, how)[0])


def _file_name(name: str) -> str:
    safe = re.sub(r"[^\w\-]", "_", name)[:60]
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.lock"


def _take(
    path: Path, name: str | None, wait: float | None, command: Sequence[str] | None, how: int
) -> tuple[int, bool]:
    """The descriptor that holds the lock, and whether it had to be waited for."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateError(f"the lock can't be opened: {path}: {error.strerror}") from error
    try:
        waited = _wait_for(fd, path, name, wait or 0.0, how)
        _say_who(fd, sys.argv if command is None else command)
    except BaseException:
        os.close(fd)
        raise
    return fd, waited


def _wait_for(fd: int, path: Path, name: str | None, wait: float, how: int) -> bool:
    until, waited = time.monotonic() + wait, False
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            left = until - time.monotonic()
            if left <= 0:
                raise _locked(path, name, wait) from None
            time.sleep(min(_POLL_SECONDS, left))
            waited = True
        else:
            return waited


def _say_who(fd: int, command: Sequence[str]) -> None:
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": " ".join(_shown(command)),
    }
    with suppress(OSError):  # a full disk: the lock is held all the same
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(who).encode(), 0)


def _shown(command: Sequence[str]) -> list[str]:
    """The command without the values of its variables, and without the program's folder."""
    words = [Path(command[0]).name, *command[1:]] if command else []
    return [
        _VALUE.sub(r"\1***", word) if "--var" in (before, word[:5]) else word
        for before, word in zip(["", *words], words, strict=False)
    ]


def _locked(path: Path, name: str | None, wait: float) -> LockedError:
    part = f", {name}" if name else ""
    waited = f" and did not end within {wait:g} s" if wait else ""
    return LockedError(
        f"another run holds this project{part}{waited}: {_holder(path)}",
        hint="wait for it with --wait SECONDS, or stop it; the lock frees itself when it ends",
    )


def _holder(path: Path) -> str:
    """Who holds the lock, as they said; they may be just about to say it."""
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} since {who['since']} ({who['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not said who it is yet"
