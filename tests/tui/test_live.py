"""A real run in another process, watched to its end: what the screen shows on the way and afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from odibi.ledger import Ledger
from odibi_tui.app import Options, TopApp
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project

NODES = """\
- name: first
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: [{function: wait_for_first}]}
  write: {connection: data, format: parquet, path: out/first.parquet}
- name: second
  depends_on: [first]
  transform: {steps: [{function: wait_for_second}]}
  write: {connection: data, format: parquet, path: out/second.parquet}
- name: broken
  depends_on: [first]
  transform: {steps: ["SELECT CAST('x' || kind AS INTEGER) AS n FROM first"]}
  write: {connection: data, format: parquet, path: out/broken.parquet}
- name: after
  depends_on: [broken]
  transform: {steps: ["SELECT * FROM broken"]}
  write: {connection: data, format: parquet, path: out/after.parquet}
"""
FUNCTIONS = """\
import time
from pathlib import Path

from odibi import transform


def opened(name):
    while not (Path(__file__).parent / name).exists():
        time.sleep(0.01)


@transform
def wait_for_first(df):
    opened("first.go")
    return df


@transform
def wait_for_second(df):
    opened("second.go")
    return df
"""


async def until(happened: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.02)


async def test_a_run_is_watched_from_nothing_to_its_end(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", NODES, functions=FUNCTIONS)
    app = TopApp(Options(folder / "odibi.yaml", view="nodes", preferences=tmp_path / "preferences"))

    def shows(*texts: str) -> bool:
        return all(text in screen_text(app) for text in texts)

    def states() -> dict[str, str]:
        return {app.world.name(key): app.world.status(key) for key in app.world.nodes}

    async with app.run_test(size=(120, 40)) as pilot:
        await asyncio.wait_for(settled(app, pilot), 30)
        await until(lambda: shows("no runs yet", "WAITING"))
        process = subprocess.Popen(
            [sys.executable, "-m", "odibi", "run", "-p", str(folder), "-j", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await until(lambda: states().get("first") == "running")
            assert states()["second"] == "queued"
            await until(lambda: shows("RUNNING", "FOLLOW"))
            (folder / "first.go").touch()
            await until(lambda: states()["second"] == "running")
            await until(lambda: states()["broken"] == "failed")
            await until(lambda: shows("✓ first", "✗ broken"))
            assert not app.world.state.done
            (folder / "second.go").touch()
            await until(lambda: shows("FAILED", "FINISHED"))
        finally:
            (folder / "first.go").touch()
            (folder / "second.go").touch()
            code = process.wait(60)
        ledger = Ledger(folder)
        (run,) = ledger.runs()
        assert code == 1
        assert (run.run_id, run.status, run.failed) == (app.world.run_id, "failed", 1)
        assert states() == {
            node.node.rpartition(".")[2]: node.status for node in ledger.nodes(run.run_id)
        }
        assert states() == {
            "first": "succeeded",
            "second": "succeeded",
            "broken": "failed",
            "after": "skipped",
        }
        kept, shown = ledger.state(run.run_id), app.world.state
        assert {key: node.counts for key, node in kept.nodes.items()} == {
            key: node.counts for key, node in shown.nodes.items()
        }
        assert (kept.finished, kept.seconds) == (shown.finished, shown.seconds)
