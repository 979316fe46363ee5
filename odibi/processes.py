"""Who is writing: the identity of a process, and whether a process seen earlier still lives."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

from odibi.events import Writer

__all__ = ["lives", "this_writer"]


@cache
def this_writer() -> Writer:
    """This process. Where the system doesn't tell, `started` is 0 and `boot_id` empty."""
    return Writer(socket.gethostname(), os.getpid(), _started(os.getpid()) or 0, _boot_id())


# A forked child is another process than the one that asked first.
os.register_at_fork(after_in_child=this_writer.cache_clear)


def lives(writer: Writer) -> bool | None:
    """Whether that very process runs (not another one with its number); None for another host."""
    if writer.host != socket.gethostname():
        return None
    if writer.boot_id != _boot_id():
        return False
    started = _started(writer.pid)
    if started is None or writer.started == 0:
        return _has_process(writer.pid)
    return started == writer.started


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists and belongs to somebody else
        return True
    return True


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot; None when there is no /proc or no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
