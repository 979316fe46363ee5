"""The OdibiEats generator against tpchgen-cli's CSV: megabytes per CPU second, in turn, in one run.

tpchgen-cli (pip install tpchgen-cli) writes other columns, digits and words without JSON's keys: a yardstick,
not an equal job. Both write to the same disk; the megabytes are those on it.

    python perf/datagen.py [--size 1GB] [--scale 1] [--times 3] [--jobs 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tree import Measured, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1GB")
    parser.add_argument("--scale", default="1", help="tpchgen's scale factor; 1 is about 1 GB")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    theirs = shutil.which("tpchgen-cli") or sys.exit("tpchgen-cli is missing: pip install tpchgen-cli")  # fmt: skip
    pairs = [_pair(options, str(theirs)) for _ in range(options.times + 1)][1:]
    for name, runs in zip(("odibi datagen", "tpchgen-cli csv"), zip(*pairs, strict=True), strict=True):  # fmt: skip
        _report(name, runs, options.jobs)
    ratios = sorted(_rate(ours) / _rate(other) for ours, other in pairs)
    print(f"ratio of MB per CPU second {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}; aim: 1.5)")  # fmt: skip


Run = tuple[Measured, int]
"""What it took, and the bytes on disk."""


def _pair(options: argparse.Namespace, theirs: str) -> tuple[Run, Run]:
    ours = [sys.executable, "-m", "odibi_datagen", "--size", options.size, "--jobs", str(options.jobs), "--out"]  # fmt: skip
    other = [theirs, "csv", "-s", options.scale, "-n", str(options.jobs), "-o"]
    return _run(ours), _run(other)


def _run(command: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="odibi-perf-") as folder:
        done = measure([*command, folder], most_seconds=3600, most_bytes=2**40)
        if done.trouble:
            sys.exit(f"{command[0]}: {done.trouble}")
        return done, sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())


def _rate(run: Run) -> float:
    return run[1] / 1e6 / run[0].cpu


def _report(name: str, runs: Sequence[Run], jobs: int) -> None:
    rate = statistics.median(_rate(run) for run in runs)
    wall = statistics.median(size / 1e6 / done.wall for done, size in runs)
    peak = statistics.median(done.peak for done, _ in runs)
    print(
        f"{name:<16} {rate:6.1f} MB/CPU s, {wall:6.1f} MB/s wall with {jobs} jobs, "
        f"{runs[0][1] / 1e6:,.0f} MB on disk, {peak / 1e6:,.0f} MB of memory in all processes"
    )


if __name__ == "__main__":
    main()
