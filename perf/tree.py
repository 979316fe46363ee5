"""Measuring a command with all processes that it starts: CPU, memory over time, bytes read and written.

CPU and bytes are exact: orphans of the command (a JVM whose Python has ended) become ours and are waited
for. Memory is sampled: the resident memory of all processes added up, so pages that processes share count
once for each of them. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "Sample", "measure"]

_BE_SUBREAPER = 36  # prctl(2)
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 0.05
_ORPHANS_MAY_TAKE = 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole tree at one moment: CPU seconds so far, resident bytes, bytes read and written so far."""

    at: float
    cpu: float
    resident: int
    read: int
    written: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A command that has ended: CPU and wall seconds, peak bytes, bytes read and written by its calls.

    `trouble` is None for a success; otherwise what was wrong, and the figures are those up to then.
    """

    cpu: float
    wall: float
    peak: int
    read: int
    written: int
    samples: tuple[Sample, ...]
    trouble: str | None = None


def measure(
    command: Sequence[str],
    *,
    most_seconds: float,
    most_bytes: int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Measured:
    """Run a command to its end, or until it has taken more than its share of time or memory."""
    ctypes.CDLL(None).prctl(_BE_SUBREAPER, 1, 0, 0, 0)
    before, began = os.times(), time.time()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )  # fmt: skip
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    said, samples, trouble = bytearray(), [], None
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        said = _heard(process, said)
        samples.append(_sample(process.pid))
        trouble = trouble or _excess(samples[-1], began, most_seconds, most_bytes)
        if trouble:
            _kill(process.pid)
        time.sleep(_EVERY)
    wall = time.time() - began
    said = _heard(process, said)
    read, written = _bytes(process.pid)
    code = process.wait()
    process.stderr.close()
    more = _reap_orphans(process.pid)
    after = os.times()
    if code and not trouble:
        trouble = f"exit code {code}: " + said.decode(errors="replace").strip()[-400:]
    return Measured(
        cpu=after.children_user + after.children_system - before.children_user - before.children_system,
        wall=wall,
        peak=max((one.resident for one in samples), default=0),
        read=read + more[0],
        written=written + more[1],
        samples=tuple(samples),
        trouble=trouble,
    )  # fmt: skip


def _heard(process: subprocess.Popen[bytes], said: bytearray) -> bytearray:
    """What came on the error stream, its end only."""
    assert process.stderr is not None
    while chunk := process.stderr.read(65536):
        said = (said + chunk)[-65536:]
    return said


def _excess(now: Sample, began: float, most_seconds: float, most_bytes: int) -> str | None:
    if now.resident > most_bytes:
        return f"stopped at {now.resident / 1e9:.1f} GB of memory"
    if now.at - began > most_seconds:
        return f"stopped after {most_seconds / 60:.0f} minutes"
    return None


def _sample(root: int) -> Sample:
    cpu, resident, read, written = 0.0, 0, 0, 0
    for pid, fields in _tree(root).items():
        cpu += sum(int(field) for field in fields[11:15]) / _TICK  # its children's that ended, too
        resident += int(fields[21]) * _PAGE
        some = _bytes(pid)
        read, written = read + some[0], written + some[1]
    return Sample(time.time(), cpu, resident, read, written)


def _tree(root: int) -> dict[int, list[str]]:
    """The processes of the command's session, which all that it starts belong to, with their figures."""
    found = {}
    for folder in os.listdir("/proc"):  # noqa: PTH208  twenty times a second
        if folder.isdigit():
            fields = _stat(int(folder))
            if fields and int(fields[3]) == root:
                found[int(folder)] = fields
    return found


def _stat(pid: int) -> list[str] | None:
    """Fields 3 (state) and up of /proc/PID/stat; None for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _bytes(pid: int) -> tuple[int, int]:
    """Bytes that a process, and its children that ended, asked for and gave away; from any file or pipe."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    counts = {name: int(count) for name, _, count in (line.partition(": ") for line in lines)}
    return counts["rchar"], counts["wchar"]


def _reap_orphans(session: int) -> tuple[int, int]:
    """Wait for what the command left behind, end what doesn't end by itself; bytes read and written."""
    read = written = 0
    deadline = time.monotonic() + _ORPHANS_MAY_TAKE
    while left := _tree(session):
        for pid, fields in left.items():
            if int(fields[1]) == os.getpid() and fields[0] == "Z":
                some = _bytes(pid)
                read, written = read + some[0], written + some[1]
                os.waitpid(pid, 0)
        if time.monotonic() > deadline:
            _kill(session)
        time.sleep(0.02)
    return read, written


def _kill(session: int) -> None:
    """End all processes of a session, in whatever process groups."""
    for pid, fields in _tree(session).items():
        if fields[0] != "Z":
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    done = measure(sys.argv[1:], most_seconds=3600, most_bytes=2**40)
    print(
        f"{done.cpu:.2f} CPU s, {done.wall:.2f} s wall, {done.peak / 1e6:.0f} MB peak, "
        f"{done.read / 1e6:.0f} MB read, {done.written / 1e6:.0f} MB written"
    )
    sys.exit(done.trouble)
