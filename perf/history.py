"""What the history costs a reader: CPU of opening the ledger and asking for the latest 200 runs.

python perf/history.py [--times 5] [--nodes 12]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from odibi import events as ev
from odibi.ledger import Ledger
from odibi.processes import this_writer

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=12)
    args = parser.parse_args()
    for runs in (200, 5_000):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            record(root, runs, args.nodes)
            say(runs, "build the index", cpu(lambda: Ledger(root).refresh()))  # noqa: B023 - called at once
            for name, read in READERS.items():
                costs = [cpu(lambda: read(Ledger(root))) for _ in range(args.times)]  # noqa: B023
                say(runs, name, median(costs))


def look_again(ledger: Ledger) -> None:
    """What a screen does each time it looks: is anything new?"""
    ledger.runs(200)
    ledger.runs(200)


READERS: dict[str, Callable[[Ledger], object]] = {
    "open, runs(200)": lambda ledger: ledger.runs(200),
    "open, runs(200) as the index has them": lambda ledger: ledger.runs(200, refresh=False),
    "open, matrix(50)": lambda ledger: ledger.matrix(50),
    "open, runs(200) twice": look_again,
}


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds that the work takes in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def say(runs: int, what: str, seconds: float) -> None:
    print(f"{runs:6,} runs   {what:40s} {seconds * 1000:9.1f} ms CPU")


def record(root: Path, runs: int, nodes: int) -> None:
    """The logs of runs that went well, an hour apart; the latest goes on."""
    for number in range(runs):
        began = _BEGAN + timedelta(hours=number)
        folder = root / ".odibi" / "runs" / f"{began:%Y%m%d-%H%M%S}-0000"
        folder.mkdir(parents=True)
        payloads = list(run(folder.name, nodes))
        if number == runs - 1:
            payloads.pop()
        events = (
            ev.Event(seq, text(began + timedelta(seconds=seq)), float(seq), payload)
            for seq, payload in enumerate(payloads, start=1)
        )
        log = "".join(ev.encode(event) + "\n" for event in events)
        (folder / "events.jsonl").write_text(log, encoding="utf-8")


def run(run_id: str, nodes: int) -> Iterator[ev.Payload]:
    """What a run of `nodes` nodes says."""
    keys = [f"silver.table_{number}" for number in range(nodes)]
    yield ev.WriterOpened(writer=this_writer(), version="0")
    plan = tuple(ev.PlannedNode(key, "run", "selected", layer="silver") for key in keys)
    yield ev.RunPlanned(run_id=run_id, project="perf", engine="duckdb", nodes=plan)
    yield ev.RunStarted(jobs=4)
    for key in keys:
        yield ev.NodeStarted(node=key)
        columns = tuple((f"column_{place}", "BIGINT") for place in range(10))
        yield ev.SchemaObserved(node=key, side="out", columns=columns)
        yield ev.RowsCounted(node=key, rows_in=1000, rows_out=1000)
        yield ev.NodeSucceeded(node=key, seconds=1.5)
    yield ev.RunFinished(outcome="succeeded", exit_code=0, seconds=1.5 * nodes)


def text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    main()
