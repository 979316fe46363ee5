"""What the log pane of `odibi top` costs: CPU of opening a run's log, filtering it and finding in it.

python perf/top_logs.py [--lines 50000] [--times 9]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from odibi import events as ev
from odibi_tui.log_file import LogFile
from odibi_tui.panes.logs import Query, pick

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SCREEN = 60  # lines that a large terminal shows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = record(folder, args.lines)
        print(f"{args.lines:,} lines, {size / 2**20:.1f} MiB; CPU, median of {args.times}")
        reading = [cpu(lambda: read(folder)) for _ in range(args.times)]
        opening = [cpu(lambda: show(folder)) for _ in range(args.times)]
        ratio = median(o / r for o, r in zip(opening, reading, strict=True))
        say("read the bytes", median(reading))
        say("open and show the last screen", median(opening), f"   {ratio:.1f} x reading")
        log = LogFile(folder)
        first = pick(log, Query())
        for what, query in QUERIES.items():
            say(what, median(cpu(lambda: pick(log, query)) for _ in range(args.times)))  # noqa: B023 - called at once
        say(
            "look again, nothing new",
            median(cpu(lambda: pick(log, Query(), first)) for _ in range(99)),
        )


QUERIES = {
    "errors alone": Query("ERROR"),
    "one node": Query(node="silver.table_3"),
    "find a text": Query(found="batch 4999"),
    "wrap at 60 cells": Query(cells=60),
}


def read(folder: Path) -> int:
    """What any reader must do at least."""
    return len((folder / "events.jsonl").read_bytes())


def show(folder: Path) -> None:
    """Open the log as the pane does, and decode what a screen shows of it."""
    log = LogFile(folder)
    for place in pick(log, Query()).shown[-_SCREEN:]:
        log.entry(place)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds that the work takes in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def say(what: str, seconds: float, note: str = "") -> None:
    print(f"{what:32s} {seconds * 1000:8.2f} ms{note}")


def record(folder: Path, lines: int) -> int:
    """The log of a run of 20 nodes that says `lines` things; returns its bytes."""
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        for number in range(lines):
            at = (_BEGAN + timedelta(milliseconds=number)).isoformat(timespec="microseconds")
            level = "ERROR" if number % 997 == 0 else "DEBUG" if number % 7 == 0 else "INFO"
            said = f"merged batch {number} (10,000 rows, 1.1 s) into gold/dim_customer, version 88"
            line = ev.LogLine(level, said, f"silver.table_{number % 20}")
            event = ev.Event(number + 1, at.replace("+00:00", "Z"), number / 1000, line)
            file.write(ev.encode(event) + "\n")
    return (folder / "events.jsonl").stat().st_size


if __name__ == "__main__":
    main()
