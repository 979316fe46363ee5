"""Runs back to back while a screen follows: memory and open files of both stay flat, and the ledger can be bounded."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from odibi.ledger import Ledger
from odibi_tui.app import Options, TopApp
from odibi_tui.starting import settled
from tests.runner.running import project, run

__all__ = ["NODES", "Soaked", "problems", "soak"]

NODES = """\
- name: first
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: first.parquet}
- name: second
  depends_on: [first]
  transform: {steps: ["SELECT kind, sum(id) AS total FROM first GROUP BY kind"]}
  write: {connection: data, format: parquet, path: second.parquet}
"""
_MAY_GROW = 24  # megabytes from the first quarter to the end: allocators keep some of what they had
_MAY_OPEN = 8  # SQLite keeps a closed connection's files open while another has a lock; a leak has one a run
_LOOKS = 60  # seconds after the last run within which the screen has to show it


@dataclass(frozen=True, slots=True)
class Soaked:
    """Memory (MB) and open files of the runs' process and of the screen's, after a quarter and at the
    end; runs that the screen shows at the end; runs left after pruning to ten."""

    runner: tuple[tuple[float, int], tuple[float, int]]
    screen: tuple[tuple[float, int], tuple[float, int]]
    shown: int
    kept: int


def soak(folder: Path, runs: int) -> Soaked:
    """Run the project so many times in one process, with a screen that follows in this one."""
    project(folder, NODES)
    run(folder)
    return asyncio.run(_soak(folder, runs))


async def _soak(folder: Path, runs: int) -> Soaked:
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.soak", str(folder), str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert worker.stdout is not None
    app = TopApp(Options(folder / "odibi.yaml"))
    screen: list[tuple[float, int]] = []
    ledger = Ledger(folder)
    ended = time.monotonic()
    async with app.run_test(size=(120, 40)) as pilot:
        while len(screen) < 2:
            wanted = runs // 4 if not screen else runs
            if (
                len(app.world.runs) > wanted
            ):  # the screen's, not the ledger's: it looks a little later
                await settled(app, pilot)
                screen.append(_usage())
            elif worker.poll() is None:
                ended = time.monotonic()
            elif time.monotonic() > ended + _LOOKS:
                raise RuntimeError(
                    f"{len(ledger.runs())} runs are over, the screen shows {len(app.world.runs)}"
                )
            await asyncio.sleep(0.2)
        shown = len(app.world.runs)
    measured = json.loads((await asyncio.to_thread(worker.communicate))[0])
    ledger.prune(keep=10)
    kept = len(ledger.runs())
    ledger.close()
    first, last = (tuple(each) for each in measured)
    return Soaked((first, last), (screen[0], screen[1]), shown, kept)


def problems(soaked: Soaked) -> list[str]:
    """What grew that shouldn't have."""
    found = []
    for name, (early, late) in (("runner", soaked.runner), ("screen", soaked.screen)):
        if late[0] - early[0] > _MAY_GROW:
            found.append(f"{name}: memory went from {early[0]:.0f} to {late[0]:.0f} MB")
        if late[1] > early[1] + _MAY_OPEN:
            found.append(f"{name}: open files went from {early[1]} to {late[1]}")
    return found + ([] if soaked.kept <= 12 else [f"{soaked.kept} runs left after pruning to 10"])


def _usage() -> tuple[float, int]:
    """Resident memory (MB) and open files of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    """In a process of its own: run, and say what a quarter and all of it cost."""
    folder, runs = Path(sys.argv[1]), int(sys.argv[2])
    measured = []
    for number in range(1, runs + 1):
        run(folder)
        if number in (max(runs // 4, 1), runs):
            measured.append(_usage())
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main()
