"""Runs in processes that die on command: a server that forks one process per run and kills it for real.

Started as `python -m tests.faults.victim`; a line of JSON on stdin asks for a run, a line on stdout says
how it ended. Forking from a process that has everything imported makes a trial cost its run alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["Order", "Outcome", "Victims"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_STEPS = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.truncate",
    "ctypes.dlsym",
}


@dataclass(frozen=True, slots=True)
class Order:
    """A run, and where it is to be killed: after event `event`, before file operation `step` (both
    counted from 1), or `seconds` after its start. With none of them it runs to its end.

    With `broken` it isn't killed: from there on the first thing that a node does fails once, as a
    connection that breaks does. The run's own records are spared: without them no run goes on.
    """

    root: str
    resume: bool = False
    event: int | None = None
    step: int | None = None
    seconds: float | None = None
    jobs: int = 1
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the process ended: its exit code or None when it was killed, and how far it had come."""

    exit_code: int | None
    events: int
    steps: int
    seconds: float
    said: str


class Victims:
    """The server as its user sees it; a context manager that ends it."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, order: Order) -> Outcome:
        """Carry out one run in a process of its own and wait for its end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asdict(order)) + "\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()


def main() -> None:
    """Serve orders until stdin ends."""
    import deltalake  # noqa: F401 - here, so that no fork has to
    import pandas as pd  # noqa: F401

    import odibi_engines.duckdb_engine
    import odibi_engines.pandas_engine  # noqa: F401

    _warm_up()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_serve(Order(**json.loads(line))))) + "\n")
        sys.stdout.flush()


def _warm_up() -> None:
    """Load what a run loads late; nothing that starts a thread."""
    from odibi import config, story, transforms  # noqa: F401
    from odibi.runner import launch  # noqa: F401


def _serve(order: Order) -> Outcome:
    notes = Path(order.root) / "victim.txt"
    notes.unlink(missing_ok=True)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _die_after(order, notes)
    if order.seconds is not None:
        _kill_later(pid, order.seconds)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seconds = time.monotonic() - began
    said = notes.read_text() if notes.exists() else ""
    counts = Path(order.root, "counts.txt")
    events, steps = json.loads(counts.read_text()) if counts.exists() else (0, 0)
    counts.unlink(missing_ok=True)
    killed = status == -signal.SIGKILL
    return Outcome(None if killed else status, events, steps, round(seconds, 4), said)


def _kill_later(pid: int, seconds: float) -> None:
    """Kill the process unless it ends before: looked at often, so that no other gets its number."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)


def _die_after(order: Order, notes: Path) -> None:
    """In the fork: the run, which ends this process."""
    fd = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    code = 3
    try:
        code = _run(order)
    except BaseException as error:  # noqa: BLE001 - this process must end here whatever happened
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        code = int(getattr(type(error), "exit_code", 3))
    finally:
        os._exit(code)


def _run(order: Order) -> int:
    from odibi import config
    from odibi.runner import RunRequest, launch

    seen = [0, 0]
    strike = _breaks_once() if order.broken else _kills
    _count_steps(order, seen, strike)

    def watch(_event: Any) -> None:
        seen[0] += 1
        if order.event is not None and seen[0] >= order.event:
            strike()

    loaded = config.load(Path(order.root) / "odibi.yaml")
    result = launch(loaded, RunRequest(resume=order.resume, jobs=order.jobs), watch=watch)
    Path(order.root, "counts.txt").write_text(json.dumps(seen))
    return result.exit_code


def _kills() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _breaks_once() -> Callable[[], None]:
    """Fails the first time that a node's own thread comes by; the runner's records never fail."""
    struck = threading.Event()

    def strike() -> None:
        if threading.current_thread() is not threading.main_thread() and not struck.is_set():
            struck.set()
            raise ConnectionResetError("the connection broke")

    return strike


def _count_steps(order: Order, seen: list[int], strike: Callable[[], None]) -> None:
    """Count what the process does to files of the project, and strike just before one of them."""
    inside = _below(order.root)
    records = str(Path(order.root, ".odibi"))

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if (name in _STEPS or (name == "open" and arguments[2] & _WRITING)) and inside(arguments):
            seen[1] += 1
            spared = order.broken and any(records in str(each) for each in arguments)
            if order.step is not None and seen[1] >= order.step and not spared:
                strike()

    sys.addaudithook(hook)


def _below(root: str) -> Callable[[tuple[Any, ...]], bool]:
    def inside(arguments: tuple[Any, ...]) -> bool:
        texts = [a.decode() if isinstance(a, bytes) else str(a) for a in arguments]
        return any(text.startswith(root) or text == "renameat2" for text in texts)

    return inside


if __name__ == "__main__":
    main()
