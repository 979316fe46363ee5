"""The performance report as Markdown and charts, from nothing but the figures of report.json."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from chart import bars, lines

__all__ = ["write_pages"]

_SLOWER = 1.5
"""An engine is said to be a good choice up to this many times the wall time of the quickest."""

_AIM_BY_HAND = {"duckdb": 1.05, "pandas": None, "spark": 1.1}
_AIM_10GB = 2.5e9


def write_pages(found: Mapping[str, Any], out: Path) -> None:
    """Write REPORT.md and charts/*.svg to `out`."""
    figures = [_median(one) for one in found["figures"]]
    (out / "charts").mkdir(parents=True, exist_ok=True)
    for name, drawing in _charts(found, figures).items():
        (out / "charts" / f"{name}.svg").write_text(drawing, encoding="utf-8")
    sections = [
        _opening(found), _whole(figures), _by_hand(figures), _growth(figures), _choice(found, figures),
        _nodes(found), _scores(found), _how(found),
    ]  # fmt: skip
    (out / "REPORT.md").write_text("\n\n".join(filter(None, sections)) + "\n", encoding="utf-8")


def _median(one: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with the median of their runs; a job that differs or stopped has none."""
    sound = not one["trouble"] and not one["differs"]
    names = ("cpu", "wall", "peak", "read", "written")
    return {
        **one,
        "sound": sound,
        "runs": len(one["cpu"]),
        **{name: statistics.median(one[name]) if sound else None for name in names},
    }


def _sound(figures: Sequence[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [
        one for one in figures if one["sound"] and all(one[key] == wanted[key] for key in wanted)
    ]


def _opening(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return f"""\
# OdibiEats on DuckDB, pandas and Spark

Written by `python perf/report.py` from what it measured; no figure is typed by hand.

- Machine: {machine["cpu"]}, {machine["cpus"]} CPUs, {machine["memory"] / 1e9:.0f} GB of memory; {machine["system"]}.
- Python {machine["python"]}, {packages}; {machine["java"]}. Commit {machine["commit"]}.
- Data: `odibi datagen --seed {found["seed"]}`, {len(found["sizes"])} sizes; all jobs read the same files.
- Load of the machine (1 minute): {machine["load_at_begin"]:.1f} at the begin, {machine["load_at_end"]:.1f} at the end, and beside each run in `report.json`. On a busy machine trust CPU seconds, not wall seconds.
- Limits: `memory_limit: {found["memory"]}` for odibi, the same for DuckDB and for Spark's heap by hand. A job above {found["most_memory"]} or {found["most_minutes"]:g} minutes is stopped."""


def _whole(figures: Sequence[dict[str, Any]]) -> str:
    rows = [
        "## The whole pipeline",
        "",
        "From raw files to gold tables, the start of Python and the JVM included. The process tree is measured: memory is the most that all processes together had resident; read and written is what they asked of files and pipes. Medians where a job ran more than once. Each job's tables were compared with those of odibi on DuckDB, row by row; a job whose tables differ has no figures.",
        "",
        "![wall time by size](charts/wall.svg)",
        "![peak memory by size](charts/memory.svg)",
        "",
        "| data | job | runs | wall s | CPU s | peak MB | read MB | written MB | load |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in figures:
        begin = f"| {one['size']} ({one['raw'] / 1e6:,.0f} MB) | {one['job']} | {one['runs']} |"
        if one["sound"]:
            mega = " | ".join(f"{one[name] / 1e6:,.0f}" for name in ("peak", "read", "written"))
            rows.append(
                f"{begin} {one['wall']:.1f} | {one['cpu']:.1f} | {mega} | {one['load']:.1f} |"
            )
        else:
            why = one["trouble"] or "; ".join(one["differs"])
            rows.append(f"{begin} {_cell(why)} | | | | | {one['load']:.1f} |")
    return "\n".join(rows)


def _cell(words: str) -> str:
    """The last line says what was wrong."""
    return " ".join(words.strip().splitlines()[-1].replace("|", "\\|").split())


def _by_hand(figures: Sequence[dict[str, Any]]) -> str:
    rows = [
        "## Against code written by hand",
        "",
        "CPU seconds and memory of odibi over those of a script for the same engine (`perf/handwritten*.py`) that writes the same tables; the tables are compared. The DuckDB script also checks what odibi's checks check and finds the line number of every bad line; the pandas script holds whole frames in memory and has no limit; neither it nor the PySpark script checks anything.",
        "",
        "| data | engine | odibi CPU s | by hand CPU s | ratio | aim | odibi peak MB | by hand peak MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for ours in _sound(figures, by_hand=False):
        for hand in _sound(figures, by_hand=True, engine=ours["engine"], size=ours["size"]):
            aim = _AIM_BY_HAND[ours["engine"]]
            rows.append(
                f"| {ours['size']} | {ours['engine']} | {ours['cpu']:.1f} | {hand['cpu']:.1f} | {ours['cpu'] / hand['cpu']:.2f} | "
                f"{f'{aim:g}' if aim else ''} | {ours['peak'] / 1e6:,.0f} | {hand['peak'] / 1e6:,.0f} |"
            )
    return "\n".join(rows)


def _growth(figures: Sequence[dict[str, Any]]) -> str:
    """From one size to the next: how many times the data, the time, the memory."""
    rows = [
        "## How time and memory grow",
        "",
        "From each size to the next; where CPU grows as many times as the data, time is linear, and below it the start still weighs. The last column is what the larger size costs beyond the smaller.",
        "",
        "| job | from | to | data × | CPU × | peak × | CPU s a further GB |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for job in dict.fromkeys(one["job"] for one in figures):
        runs = _sound(figures, job=job)
        for small, large in pairwise(runs):
            slope = (large["cpu"] - small["cpu"]) / (large["raw"] - small["raw"]) * 1e9
            ratios = " | ".join(f"{large[name] / small[name]:.1f}" for name in ("raw", "cpu", "peak"))  # fmt: skip
            rows.append(f"| {job} | {small['size']} | {large['size']} | {ratios} | {slope:.1f} |")
    return "\n".join(rows)


def _choice(found: Mapping[str, Any], figures: Sequence[dict[str, Any]]) -> str:
    rows = [
        "## Where an engine stops being the right choice",
        "",
        f"On this machine, for this job, through odibi: an engine counts as a good choice at a size where its wall time is at most {_SLOWER:g} times the quickest one's.",
        "",
        "| engine | "
        + " | ".join(f"{size}: × the quickest" for size in found["sizes"])
        + " | good choice |",
        "|---|" + "---:|" * len(found["sizes"]) + "---|",
    ]
    for engine in dict.fromkeys(one["engine"] for one in figures):
        cells, good = [], []
        for size in found["sizes"]:
            quickest = min(one["wall"] for one in _sound(figures, by_hand=False, size=size))
            mine = _sound(figures, by_hand=False, size=size, engine=engine)
            times = mine[0]["wall"] / quickest if mine else None
            cells.append(f"{times:.1f}" if times else _absence(figures, engine, size))
            good += [size] if times and times <= _SLOWER else []
        told = f"up to {good[-1]}" if good else "at none of these sizes"
        if good and good[0] != next(iter(found["sizes"])):
            told = f"from {good[0]} to {good[-1]}"
        rows.append(f"| {engine} | {' | '.join(cells)} | {told} |")
    return "\n".join([*rows, "", *_sentences(figures)])


def _absence(figures: Sequence[dict[str, Any]], engine: str, size: str) -> str:
    tried = [
        one for one in figures
        if one["engine"] == engine and one["size"] == size and not one["by_hand"]
    ]  # fmt: skip
    if not tried:
        return "not run"
    return _cell(tried[0]["trouble"] or "tables differ")


def _sentences(figures: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence an engine, on the largest size that it finished."""
    told = []
    for engine in dict.fromkeys(one["engine"] for one in figures):
        runs = _sound(figures, by_hand=False, engine=engine)
        if not runs:
            continue
        last, first = runs[-1], runs[0]
        told.append(
            f"- **{engine}** finished {last['size']} in {last['wall']:.0f} s ({last['cpu']:.0f} CPU s) with {last['peak'] / 1e9:.2f} GB of memory; "
            f"at {first['size']}, where the start is most of it, it took {first['wall']:.1f} s."
        )
    told += [
        f"- The aim of 10 GB in at most {_AIM_10GB / 1e9:g} GB of memory on DuckDB is {'reached' if one['peak'] <= _AIM_10GB else 'not reached'}: {one['peak'] / 1e9:.2f} GB."
        for one in _sound(figures, by_hand=False, engine="duckdb", size="10GB")
    ]
    return [*told, *_CONCLUSION]


_CONCLUSION = (
    "- One machine is all that was measured. A cluster gives Spark more cores and memory than a machine has; that, and not speed on one machine, is the reason to choose it.",
    "- pandas is for functions in Python that want frames: odibi reads and computes for it in parts, so that its memory stays bounded where a script with whole frames needs more with each gigabyte.",
)


def _nodes(found: Mapping[str, Any]) -> str:
    nodes = found["nodes"]
    if not nodes:
        return ""
    engines = list(dict.fromkeys(node["engine"] for node in nodes))
    size = nodes[0]["size"]
    rows = [
        f"## Node by node, at {size}",
        "",
        "From one more run of each engine with `--jobs 1`, cut where the story says that a node began and ended; memory and CPU are the process tree's, sampled twenty times a second, so nodes shorter than a tenth of a second show little.",
        "",
        "![CPU seconds by node](charts/nodes.svg)",
        "",
        "| node | rows | "
        + " | ".join(f"{e} wall s | CPU s | peak MB | read MB | written MB" for e in engines)
        + " |",
        "|---|---:|" + "---:|" * 5 * len(engines),
    ]
    by_key = {(node["node"], node["engine"]): node for node in nodes}
    for key in dict.fromkeys(node["node"] for node in nodes):
        cells = [_node_cells(by_key.get((key, engine))) for engine in engines]
        counts = [by_key[key, e]["rows"] for e in engines if (key, e) in by_key]
        rows.append(f"| {key} | {counts[0] or 0:,} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _node_cells(node: Mapping[str, Any] | None) -> str:
    if node is None:
        return " | " * 4
    mega = " | ".join(f"{node[name] / 1e6:,.0f}" for name in ("peak", "read", "written"))
    return f"{node['wall']:.2f} | {node['cpu']:.2f} | {mega}"


def _scores(found: Mapping[str, Any]) -> str:
    if not found["scores"]:
        return ""
    sizes = list(found["scores"])
    rows = [
        "## How right the tables are",
        "",
        "Against the truth that the generator planted (`odibi datagen check`), for odibi on DuckDB.",
        "",
        "| score | " + " | ".join(sizes) + " | aim |",
        "|---|" + "---:|" * (len(sizes) + 1),
    ]
    for number, one in enumerate(found["scores"][sizes[0]]):
        values = " | ".join(_percent(found["scores"][size][number]["value"]) for size in sizes)
        aim = "" if one["aim"] is None else f"{one['aim'] * 100:g} %"
        rows.append(f"| {one['name']} | {values} | {aim} |")
    return "\n".join(rows)


def _percent(share: float) -> str:
    return "100 %" if share == 1 else f"{min(share, 0.999999) * 100:.4f} %"


def _how(found: Mapping[str, Any]) -> str:
    sizes = " ".join(found["sizes"])
    return f"""\
## Again

```
make report                                  # 10 MB and 100 MB, in minutes
make report FULL=1                           # up to 10 GB
python perf/report.py --sizes {sizes} --seed {found["seed"]} --memory {found["memory"]}
```

`perf/tree.py` measures, `perf/same.py` compares tables, `perf/report.json` holds every run's figures."""


def _charts(found: Mapping[str, Any], figures: Sequence[dict[str, Any]]) -> dict[str, str]:
    charts = {}
    for name, title, key, unit in (
        ("wall", "Wall time by size of the data", "wall", _seconds),
        ("cpu", "CPU seconds by size of the data", "cpu", _seconds),
        ("memory", "Peak memory by size of the data", "peak", _bytes),
    ):
        series = {
            job: [(one["raw"], one[key]) for one in _sound(figures, job=job)]
            for job in sorted(
                {one["job"] for one in figures}, key=lambda job: ("by hand" in job, job)
            )
        }
        drawn = {job: points for job, points in series.items() if points}
        if drawn:
            charts[name] = lines(title, "raw data", "", drawn, _bytes, unit)
    if found["nodes"]:
        charts["nodes"] = _node_chart(found["nodes"])
    return charts


def _node_chart(nodes: Sequence[Mapping[str, Any]]) -> str:
    groups: dict[str, dict[str, float]] = {}
    for node in nodes:
        groups.setdefault(node["node"], {})[node["engine"]] = max(node["cpu"], 0.0)
    size = nodes[0]["size"]
    return bars(f"CPU seconds of each node at {size}, one node at a time", groups, lambda x: f"{x:.1f}")  # fmt: skip


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e3:.3g} kB"
