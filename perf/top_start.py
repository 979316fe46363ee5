"""`odibi top` from start to its first frame, with 200 runs of history, against a bare Textual app; and at rest.

python perf/top_start.py [--times 7]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from history import record
from terminal import Terminal

_BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare app")
Bare().run()
"""
PROJECT = """\
project: history
connections: {data: {type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes: [{name: n, transform: {steps: ["SELECT 1 AS one"]}}]
"""
_IDLE = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "odibi.yaml").write_text(PROJECT)
        record(root, 201, 22)
        shutil.rmtree(max((root / ".odibi" / "runs").iterdir()))  # the latest goes on: nothing may
        bare = [sys.executable, "-c", _BARE]
        top = [sys.executable, "-m", "odibi", "top"]
        once(top, root, "runs")  # the index is made once, by whoever comes first
        least = median(once(bare, root, "bare app") for _ in range(times))
        first = median(once(top, root, "Graph") for _ in range(times))
        print(f"bare Textual app       {least * 1000:5.0f} ms CPU to its first frame")
        print(
            f"odibi top, 200 runs    {first * 1000:5.0f} ms CPU to its first frame, {first / least:.2f} times"
        )
        idle(top, root)


def once(command: Sequence[str], root: Path, marker: str) -> float:
    """CPU seconds until the marker is on the screen."""
    terminal = Terminal(command, root, 80, 24)
    try:
        terminal.wait_for(marker)
        return terminal.cpu()
    finally:
        terminal.close()


def idle(command: Sequence[str], root: Path) -> None:
    """What it costs while nothing runs."""
    terminal = Terminal(command, root, 80, 24)
    try:
        terminal.wait_for("Graph")
        terminal.read(5)
        before = terminal.cpu()
        written = terminal.read(_IDLE)
        cpu = terminal.cpu() - before
        print(
            f"at rest                {cpu / _IDLE:5.1%} of a core, {written} bytes in {_IDLE:.0f} s, {terminal.resident() / 1e6:.0f} MB"
        )
    finally:
        terminal.close()


if __name__ == "__main__":
    main()
