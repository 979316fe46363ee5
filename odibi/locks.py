"""The project's lock: one run at a time, freed by the system the moment its holder dies.

The lock is `flock` on a file, never the file's existence; what the file says is for messages only.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from odibi.errors import LockedError, StateError

__all__ = ["Lock", "acquire"]

_POLL_SECONDS = 0.1
_VALUE = re.compile(r"^((?:--var=)?[^=]+=).*", re.DOTALL)


class Lock:
    """A held lock; a context manager that lets go at its end."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd

    def release(self) -> None:
        """Let go. Again is harmless."""
        if self._fd is not None:
            os.close(self._fd)  # closing is what frees a flock; the file stays
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(root: Path, wait: float | None = None, command: Sequence[str] | None = None) -> Lock:
    """Hold the project in folder `root`; wait at most `wait` seconds for another run to end.

    `command` is what others are told that runs (default: this process's, values of --var hidden).
    Raises LockedError naming the holder, StateError when the lock file can't be opened.
    """
    path = root / ".odibi" / "locks" / "project.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateError(f"the lock can't be opened: {path}: {error.strerror}") from error
    try:
        _wait_for(fd, path, wait or 0.0)
        _say_who(fd, sys.argv if command is None else command)
    except BaseException:
        os.close(fd)
        raise
    return Lock(path, fd)


def _wait_for(fd: int, path: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = until - time.monotonic()
            if left <= 0:
                raise _locked(path, wait) from None
            time.sleep(min(_POLL_SECONDS, left))


def _say_who(fd: int, command: Sequence[str]) -> None:
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": " ".join(_shown(command)),
    }
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(who).encode(), 0)


def _shown(command: Sequence[str]) -> list[str]:
    """The command without the values of its variables, and without the program's folder."""
    words = [Path(command[0]).name, *command[1:]] if command else []
    return [
        _VALUE.sub(r"\1***", word) if "--var" in (before, word[:5]) else word
        for before, word in zip(["", *words], words, strict=False)
    ]


def _locked(path: Path, wait: float) -> LockedError:
    waited = f" and did not end within {wait:g} s" if wait else ""
    return LockedError(
        f"another run holds this project{waited}: {_holder(path)}",
        hint="wait for it with --wait SECONDS, or stop it; the lock frees itself when it ends",
    )


def _holder(path: Path) -> str:
    """Who holds the lock, as they said; they may be just about to say it."""
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} since {who['since']} ({who['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not said who it is yet"
