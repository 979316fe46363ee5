"""Measuring whole processes: CPU seconds and peak memory of a command and everything it started."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cost", "median_cost", "ratio", "run"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took: CPU seconds (user + system, with children), wall seconds, peak bytes."""

    cpu: float
    wall: float
    peak: int


def run(command: Sequence[str], cwd: Path | None = None) -> Cost:
    """Run a command to its end; its output is thrown away, a failure is not."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')}")
    return Cost(
        usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss * 1024
    )


def median_cost(times: int, once: Callable[[], Cost]) -> Cost:
    """The median of each figure over `times` runs, after one that isn't counted."""
    once()
    costs = [once() for _ in range(times)]
    return Cost(
        statistics.median(c.cpu for c in costs),
        statistics.median(c.wall for c in costs),
        int(statistics.median(c.peak for c in costs)),
    )


def ratio(times: int, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> list[float]:
    """CPU ratios ours/theirs, pair by pair in turn, after one uncounted pair."""
    ours(), theirs()
    return [ours().cpu / theirs().cpu for _ in range(times)]
