"""A run of another process: who comes late sees all of it, who leaves stops nothing, and its end is seen however it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from odibi.ledger import Ledger
from odibi_tui.app import Options, TopApp
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project

NODES = """\
- name: held
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: [{function: wait_for_go}]}
  write: {connection: data, format: parquet, path: out/held.parquet}
- name: after
  depends_on: [held]
  write: {connection: data, format: parquet, path: out/after.parquet}
"""
FUNCTIONS = """\
import time
from pathlib import Path

from odibi import transform


@transform
def wait_for_go(df):
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.01)
    return df
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, NODES, functions=FUNCTIONS)


@asynccontextmanager
async def top(folder: Path) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
    """The app over the project, showing its nodes."""
    app = TopApp(Options(folder / "odibi.yaml", view="nodes", preferences=folder / "preferences"))
    async with app.run_test(size=(100, 30)) as pilot:
        await asyncio.wait_for(settled(app, pilot), 30)
        yield app, pilot


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`odibi run` as somebody starts it in another terminal; killed if it is still there at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-q", "-p", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def until(app: TopApp, happened: Callable[[], object]) -> None:
    """Wait until something is so; says what the screen shows when it doesn't come."""
    try:
        async with asyncio.timeout(60):
            while not happened():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(screen_text(app)) from None


async def shows(app: TopApp, word: str, held: str, after: str) -> None:
    """Wait until the heading has the run's word and both nodes their status, known and painted."""
    wanted = {"p.held": held, "p.after": after}

    def so() -> bool:
        shown = screen_text(app)
        return (
            word in shown.splitlines()[0]
            and all(app.world.status(key) == status for key, status in wanted.items())
            and all(f"{app.sign(status)} {key[2:]}" in shown for key, status in wanted.items())
        )

    await until(app, so)


def agrees(app: TopApp, folder: Path) -> bool:
    """Whether what the app has put together from the events is what the ledger says of the run."""
    ledger = Ledger(folder)
    (run,) = ledger.runs()
    return app.world.run_id == run.run_id and app.world.state == ledger.state(run.run_id)


async def test_who_comes_late_sees_all_of_it_and_who_leaves_stops_nothing(folder: Path) -> None:
    with running(folder) as process:
        async with top(folder) as (app, pilot):
            await shows(app, "RUNNING", "running", "queued")
            await pilot.press("q")
        assert process.poll() is None
        async with top(folder) as (app, _):
            await shows(app, "RUNNING", "running", "queued")
            (folder / "go").touch()
            await shows(app, "SUCCEEDED", "succeeded", "succeeded")
            assert process.wait() == 0
            await until(app, lambda: agrees(app, folder))
    async with top(folder) as (app, _):
        await shows(app, "SUCCEEDED", "succeeded", "succeeded")
        await until(app, lambda: agrees(app, folder))


@pytest.mark.parametrize(
    ("how", "word", "status"),
    [(signal.SIGINT, "CANCELLED", "cancelled"), (signal.SIGKILL, "LOST", "lost")],
)
async def test_a_run_that_is_stopped_is_seen_to_stop(
    folder: Path, how: signal.Signals, word: str, status: str
) -> None:
    async with top(folder) as (app, _):
        with running(folder) as process:
            await shows(app, "RUNNING", "running", "queued")
            process.send_signal(how)
            if how == signal.SIGINT:
                await until(app, lambda: app.world.state.cancelled_by)
                (folder / "go").touch()  # a Python function can't be interrupted: it ends by itself
            process.wait()
        await until(app, lambda: word in screen_text(app).splitlines()[0])
        assert app.world.state.status == status
        await until(app, lambda: agrees(app, folder))
