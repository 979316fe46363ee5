"""Writes the log of a run as a runner would, at a given rate: `python perf/event_source.py ROOT NODES BUSY RATE SECONDS [BURST]`.

NODES nodes, of which BUSY run and report progress, RATE events a second in all, BURST at a time.
`rows_done` counts the events. On stdout: one line of JSON with the monotonic time of every event and the
CPU seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from odibi import events as ev
from odibi.event_log import EventLog
from odibi.redact import Redactor

FIRST = 100_000
"""The count of the first event: six digits that nothing else on the screen has."""


def main(root: Path, nodes: int, busy: int, rate: int, seconds: float, burst: int = 1) -> None:
    run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-live"
    folder = root / ".odibi" / "runs" / run_id
    keys = [f"p.node_{i:04}" for i in range(nodes)]
    with EventLog.create(folder, Redactor()) as log:
        planned = tuple(
            ev.PlannedNode(
                key, "run", "", upstream=tuple(keys[i - busy : i - busy + 1]) if i >= busy else ()
            )
            for i, key in enumerate(keys)
        )
        log.emit(ev.RunPlanned(run_id, "perf", "duckdb", planned))
        log.emit(ev.RunStarted(jobs=busy))
        for key in keys[:busy]:
            log.emit(ev.NodeStarted(node=key))
        began, cpu = time.monotonic(), time.process_time()
        times = []
        for number in range(int(rate * seconds)):
            due = began + number // burst * burst / rate
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            times.append(time.monotonic())
            share = round(number / (rate * seconds), 4)
            log.emit(ev.NodeProgress(keys[number % busy], "transform", share, FIRST + number))
        used = time.process_time() - cpu
        time.sleep(1)
        log.emit(ev.RunFinished("succeeded", 0, seconds))
    print(json.dumps({"times": times, "cpu": used}))


if __name__ == "__main__":
    nodes, busy, rate, seconds, *rest = sys.argv[2:]
    main(Path(sys.argv[1]), int(nodes), int(busy), int(rate), float(seconds), *map(int, rest))
