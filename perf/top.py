"""`odibi top` while something runs: how late the screen is, what a key press takes, what it all costs.

python perf/top.py [--seconds 10]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import top_start
from event_source import FIRST
from layout import layered
from terminal import Terminal

from odibi import events as ev
from odibi.event_log import EventLog
from odibi.redact import Redactor

_COUNT = re.compile(rb"(?<![\d,])(\d{3},\d{3})(?![\d,])")
_QUIET = 0.02  # seconds without a byte that end a repaint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    for measure in (latency, keys, ten_rows, cost_to_the_run):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "project"
            root.mkdir()
            (root / "odibi.yaml").write_text(top_start.PROJECT)
            measure(root, seconds)


def say(what: str, figure: str, aim: str) -> None:
    print(f"{what:58s} {figure:32s} aim: {aim}", flush=True)


def source(
    root: Path, nodes: int, busy: int, rate: int, seconds: float, burst: int = 1
) -> subprocess.Popen[bytes]:
    """The writer, started. It prints more than a pipe holds, so it prints into a file."""
    script = Path(__file__).with_name("event_source.py")
    numbers = map(str, (nodes, busy, rate, seconds, burst))
    with _report(root).open("wb") as file:
        return subprocess.Popen([sys.executable, script, root, *numbers], stdout=file)


def _report(root: Path) -> Path:
    return root.with_name(f"{root.name}-written.json")  # beside the project: no bell rings for it


def reported(root: Path, writer: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the writer said once it has ended: `times` of its events and its `cpu`, in seconds."""
    if writer.wait():
        raise SystemExit("the writer of events failed")
    found: dict[str, Any] = json.loads(_report(root).read_text())
    return found


def top(root: Path, view: str, columns: int, rows: int) -> Terminal:
    command = [sys.executable, "-m", "odibi", "top", "--view", view]
    terminal = Terminal(command, root, columns, rows)
    terminal.wait_for("odibi top")
    terminal.read(2)
    return terminal


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def latency(root: Path, seconds: float) -> None:
    """From the moment an event is emitted to the byte that shows it, or a later one of its kind."""
    terminal = top(root, "nodes", 100, 29)
    writer = source(root, 50, 5, 1_000, seconds)
    seen: list[tuple[int, float]] = []
    end = time.monotonic() + seconds + 3
    while time.monotonic() < end and writer.poll() is None:
        data = terminal.take()
        found = [int(text.replace(b",", b"")) for text in _COUNT.findall(data)]
        if found:
            seen.append((max(found), time.monotonic()))
    emitted = reported(root, writer)["times"]
    terminal.close()
    late = []
    shown = 0
    for count, at in seen:
        number = min(count - FIRST, len(emitted) - 1)
        late += [at - emitted[i] for i in range(shown, number + 1)]
        shown = max(shown, number + 1)
    later = late[1_000:]  # the first second finds the run
    figure = (
        f"p50 {percentile(later, 0.5) * 1000:.0f} ms, p95 {percentile(later, 0.95) * 1000:.0f} ms"
    )
    say("event emitted → on screen, 1,000 events/s", figure, "p95 ≤ 100 ms")


def keys(root: Path, _: float) -> None:
    """From a key press to the end of its repaint, on 1,000 nodes whose run has 10,000 events."""
    record_large(root)
    for view, pressed in (("graph", "jjjllljjjhhhkkk"), ("nodes", "jjjjjjjjjjkkkkk")):
        terminal = top(root, view, 120, 29)
        terminal.wait_for("SUCCEEDED")
        terminal.read(3)
        took = [press(terminal, key) for key in pressed * 5]
        terminal.close()
        figure = (
            f"p50 {percentile(took, 0.5) * 1000:.0f} ms, p95 {percentile(took, 0.95) * 1000:.0f} ms"
        )
        say(f"key press → repainted, {view} of 1,000 nodes", figure, "p95 ≤ 50 ms")


def press(terminal: Terminal, key: str) -> float:
    """Seconds from the key to the last byte of what it repaints."""
    terminal.read(0.05)
    began = last = time.monotonic()
    terminal.type(key)
    while time.monotonic() - last < (_QUIET if last > began else 1.0):
        if terminal.take(_QUIET):
            last = time.monotonic()
    return last - began


def record_large(root: Path) -> None:
    """A finished run of 1,000 nodes and 10,000 events."""
    nodes, edges = layered(1000, 12)
    upstream: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in edges:
        upstream[end].append(f"p.{start}")
    folder = root / ".odibi" / "runs" / "20260101-000000-big"
    with EventLog.create(folder, Redactor()) as log:
        planned = tuple(
            ev.PlannedNode(f"p.{node}", "run", "", upstream=tuple(upstream[node])) for node in nodes
        )
        log.emit(ev.RunPlanned("20260101-000000-big", "perf", "duckdb", planned))
        log.emit(ev.RunStarted(jobs=8))
        for node in nodes:
            key = f"p.{node}"
            log.emit(ev.NodeStarted(node=key))
            for step in range(7):
                log.emit(ev.NodeProgress(key, "transform", step / 7, step * 100))
            log.emit(ev.RowsCounted(node=key, rows_in=700, rows_out=700))
            log.emit(ev.NodeSucceeded(node=key, seconds=0.5))
        log.emit(ev.RunFinished("succeeded", 0, 60.0))


def ten_rows(root: Path, seconds: float) -> None:
    """Ten of 1,000 rows change ten times a second: any ten, as in a large run, then ten in sight."""
    for busy, where in ((1_000, "any ten"), (10, "ten in sight")):
        _ten_rows(root / str(busy), seconds, busy, where)


def _ten_rows(root: Path, seconds: float, busy: int, where: str) -> None:
    root.mkdir()
    (root / "odibi.yaml").write_text(top_start.PROJECT)
    terminal = top(root, "nodes", 80, 24)
    writer = source(root, 1_000, busy, 100, seconds + 3, burst=10)
    terminal.wait_for("RUNNING")
    terminal.read(2)
    cpu = terminal.cpu()
    written = terminal.read(seconds)
    used = (terminal.cpu() - cpu) / seconds
    terminal.close()
    writer.wait()
    figure = f"{used:.1%} of a core, {written / seconds / 1024:.1f} KiB/s"
    say(f"ten of 1,000 rows change at 10 Hz ({where}), 80×24", figure, "< 1.5 %, < 2 KiB/s")


def cost_to_the_run(root: Path, seconds: float) -> None:
    """CPU of the process that writes 1,000 events a second, watched and not, in turns."""
    alone, watched = [], []
    for _ in range(3):
        alone.append(reported(root, source(root, 50, 5, 1_000, seconds / 2))["cpu"])
        terminal = top(root, "nodes", 80, 24)
        writer = source(root, 50, 5, 1_000, seconds / 2)
        while writer.poll() is None:
            terminal.take()
        watched.append(reported(root, writer)["cpu"])
        terminal.close()
    more = median(watched) - median(alone)
    say(
        "CPU that being watched costs the run, 1,000 events/s",
        f"{more / (seconds / 2):+.2%} of a core",
        "< 1 %",
    )


if __name__ == "__main__":
    main()
