"""The recorded runs of tests/tui/recorded as a project to look at, always at the same time of the same day."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot

from odibi_tui.app import Options, TopApp
from odibi_tui.starting import settled

RECORDED = Path(__file__).parent / "recorded"
NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
RUNS = tuple(sorted(path.name.partition(".")[0] for path in RECORDED.glob("*.jsonl.gz")))
"""Run ids, oldest first: plain, quarantined, plain, failed, warned, cancelled, lost, half the rows."""

PLAIN, QUARANTINED, _, FAILED, WARNED, CANCELLED, LOST, LAST = RUNS


def log_of(run_id: str) -> bytes:
    """The event log of a recorded run."""
    return gzip.decompress((RECORDED / f"{run_id}.jsonl.gz").read_bytes())


def put_log(folder: Path, run_id: str, log: bytes) -> Path:
    """Write a log into the ledger of the project in `folder`, as old as its run id says."""
    path = folder / ".odibi" / "runs" / run_id / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(log)
    began = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    old = min(began, time.time() - 3600)  # its writer is on another host and silent for long
    os.utime(path, (old, old))
    return path


def recorded_project(parent: Path, runs: Iterable[str] = RUNS) -> Path:
    """A folder `retail` with the project's YAML and some of the recorded runs; its data aren't there."""
    folder = parent / "retail"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED / "odibi.yaml", folder)
    for run_id in runs:
        put_log(folder, run_id, log_of(run_id))
    return folder


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Local time is that of another zone."""
    before = os.environ.get("TZ")
    try:
        os.environ["TZ"] = name
        time.tzset()
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@asynccontextmanager
async def recorded_app(
    parent: Path,
    size: tuple[int, int],
    view: str = "graph",
    *,
    run: str | None = None,
    ascii: bool = False,
    toasts: bool = False,
    runs: Iterable[str] = RUNS,
) -> AsyncIterator[Pilot[None]]:
    """The app over the recorded runs, settled, at NOW in UTC; `parent` may hold the project already."""
    folder = parent / "retail"
    if not folder.exists():
        recorded_project(parent, runs)
    app = TopApp(
        Options(
            folder / "odibi.yaml",
            view=view,
            run=run,
            ascii=ascii,
            preferences=parent / "preferences",
        )
    )
    app.world.clock = lambda: NOW
    with time_zone("UTC"):
        async with app.run_test(size=size, notifications=toasts) as pilot:
            await asyncio.wait_for(settled(app, pilot), 30)
            yield pilot


def app_of(pilot: Pilot[None]) -> TopApp:
    """The app that a pilot flies."""
    assert isinstance(pilot.app, TopApp)
    return pilot.app
