"""`make report`: OdibiEats on each engine at several sizes, through odibi and by hand, as perf/REPORT.md.

Generates the data, runs everything, compares the tables of all runs with each other and with the truth,
and writes what it measured: report.json (all figures), REPORT.md and charts/*.svg (made from it).

    python perf/report.py                       10 and 100 MB
    python perf/report.py --full                and 1 GB, and 10 GB for those that finish
    python perf/report.py --full --go-on        what a report that was stopped lacks
    python perf/report.py --only-render         write the report anew from report.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from report_pages import write_pages
from same import differences
from tree import Measured, Sample, measure

from odibi_datagen.generate import parse_size
from odibi_datagen.scores import score

_HERE = Path(__file__).parent
_ENGINES = ("duckdb", "pandas", "spark")
_SCRIPTS = {
    "duckdb": "handwritten.py",
    "pandas": "handwritten_pandas.py",
    "spark": "handwritten_spark.py",
}
_PACKAGES = ("odibi", "duckdb", "pandas", "pyarrow", "numpy", "pyspark", "shapely")


@dataclass(frozen=True)
class Job:
    """One way to do the work: through odibi or by hand, on an engine."""

    engine: str
    by_hand: bool

    @property
    def name(self) -> str:
        return f"{self.engine} by hand" if self.by_hand else f"odibi on {self.engine}"


@dataclass
class Figures:
    """What one job took at one size: each list has one figure a run."""

    job: str
    engine: str
    by_hand: bool
    size: str
    raw: int
    load: float
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    trouble: str | None = None
    differs: list[str] = field(default_factory=list)

    def add(self, run: Measured) -> None:
        for name in ("cpu", "wall", "peak", "read", "written"):
            getattr(self, name).append(getattr(run, name))


class Report:
    """The runs of one report, in a folder of its own."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options, self.work = options, work
        self.found: dict[str, Any] = {
            "machine": _machine(),
            "seed": options.seed,
            "memory": options.memory,
            "most_memory": options.most_memory,
            "most_minutes": options.most_minutes,
            "sizes": {},
            "figures": [],
            "nodes": [],
            "scores": {},
        }
        self.out_of_the_race: set[str] = set()
        if options.go_on:
            self._remember(json.loads((options.out / "report.json").read_text()))

    def _remember(self, before: dict[str, Any]) -> None:
        """Keep what a report that was stopped, or had trouble, measured well."""
        self.found |= {name: before[name] for name in ("sizes", "scores", "nodes")}
        self.found["figures"] = [
            one for one in before["figures"]
            if one["size"] not in self.options.sizes or not (one["trouble"] or one["differs"])
        ]  # fmt: skip

    def run(self) -> None:
        jobs = [Job(engine, hand) for engine in self.options.engines for hand in (False, True)]
        for size in self.options.sizes:
            todo = [job for job in jobs if not self._known(size, job)]
            nodes = size == self.options.nodes_at and not self.found["nodes"]
            if todo or nodes:
                landing = self._landing(size)
                self._jobs(todo, size, landing)
                for engine in self.options.engines if nodes else ():
                    self._nodes(engine, size, landing)
                self._forget(size)

    def _known(self, size: str, job: Job) -> bool:
        return any(one["size"] == size and one["job"] == job.name for one in self.found["figures"])

    def _jobs(self, jobs: Sequence[Job], size: str, landing: Path) -> None:
        first = Job("duckdb", False)
        reference = self._lake(size, first)
        if jobs and first not in jobs:
            _say(f"{size}: {first.name}, for its tables only")
            self._measure(first, size, landing)
        for job in jobs:
            if job.name not in self.out_of_the_race:
                self._job(job, size, landing, reference)

    def _landing(self, size: str) -> Path:
        """The data of a size: generated, or taken from an earlier report's folder."""
        landing = self.work / "landing" / size
        summary = landing / "truth" / "summary.json"
        if not (summary.is_file() and json.loads(summary.read_text())["seed"] == self.options.seed):
            _say(f"generating {size}")
            _generate(landing, size, self.options.seed)
        raw = sum(
            f.stat().st_size
            for f in landing.rglob("*")
            if f.is_file() and "truth" not in f.relative_to(landing).parts
        )
        self.found["sizes"][size] = raw
        return landing

    def _job(self, job: Job, size: str, landing: Path, reference: Path) -> None:
        """Run a job once and compare its tables; then as often as its size allows."""
        raw = self.found["sizes"][size]
        figures = Figures(job.name, job.engine, job.by_hand, size, raw, os.getloadavg()[0])
        times = self.options.times if raw < 500_000_000 else 1
        figures.trouble = self._hopeless(job, raw)
        for number in range(0 if figures.trouble else times):
            _say(f"{size}: {job.name}, run {number + 1} of {times}")
            run = self._measure(job, size, landing)
            figures.trouble = run.trouble
            if run.trouble:
                _say(f"  {run.trouble}")
                self.out_of_the_race.add(job.name)
                break
            figures.add(run)
            _say(f"  {run.cpu:.1f} CPU s, {run.wall:.1f} s, {run.peak / 1e6:.0f} MB")
        if not figures.trouble:
            self._compare(job, size, landing, reference, figures)
        self.found["figures"].append(asdict(figures))
        self.save()

    def _hopeless(self, job: Job, raw: int) -> str | None:
        """Why a job isn't begun: the size before says that it would take too long."""
        before = [one for one in self.found["figures"] if one["job"] == job.name and one["wall"]]
        if not before:
            return None
        minutes = max(before[-1]["wall"]) * raw / before[-1]["raw"] / 60
        if minutes <= self.options.most_minutes:
            return None
        return f"not begun: {minutes:.0f} minutes by the size before"

    def _compare(
        self, job: Job, size: str, landing: Path, reference: Path, figures: Figures
    ) -> None:
        """Tables that differ make the figures worthless: the report shows no others."""
        lake = self._lake(size, job)
        if lake == reference:
            self.found["scores"][size] = [asdict(one) for one in score(lake, landing)]
        else:
            figures.differs = differences(reference, lake)
            shutil.rmtree(lake)
        for what in figures.differs:
            _say(f"  {what}")

    def _measure(self, job: Job, size: str, landing: Path, *more: str) -> Measured:
        if job.by_hand:
            out = self._lake(size, job)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            command = [str(_HERE / _SCRIPTS[job.engine]), "--data", str(landing), "--out", str(out)]
            if job.engine != "pandas":
                limit = self.options.memory
                command += ["--memory", limit.rstrip("Bb") if job.engine == "spark" else limit]
        else:
            project = self._project(size, job, landing)
            command = ["-m", "odibi", "run", "-p", str(project), "--engine", job.engine, *more]
        return measure(
            [sys.executable, *command],
            most_seconds=self.options.most_minutes * 60,
            most_bytes=parse_size(self.options.most_memory),
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )

    def _project(self, size: str, job: Job, landing: Path) -> Path:
        """A fresh copy of the reference project over the data, with the report's memory limit."""
        project = self._folder(size, job)
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(
            _HERE.parent / "reference_project",
            project,
            ignore=shutil.ignore_patterns("data", ".odibi"),
        )
        with (project / "odibi.yaml").open("a", encoding="utf-8") as yaml:
            yaml.write(f"\nperformance:\n  memory_limit: {self.options.memory}\n")
        (project / "data").mkdir()
        (project / "data" / "landing").symlink_to(landing)
        return project

    def _folder(self, size: str, job: Job) -> Path:
        return self.work / size / job.name.replace(" ", "-")

    def _lake(self, size: str, job: Job) -> Path:
        return self._folder(size, job) / ("lake" if job.by_hand else "data/lake")

    def _nodes(self, engine: str, size: str, landing: Path) -> None:
        """Figures of each node: a run with one node at a time, cut where the story says."""
        job = Job(engine, False)
        if job.name in self.out_of_the_race:
            return
        _say(f"{size}: {job.name}, node by node")
        run = self._measure(job, size, landing, "--jobs", "1")
        if run.trouble:
            return
        story = subprocess.run(
            [sys.executable, "-m", "odibi", "story", "last", "--json", "-p", str(self._folder(size, job))],
            capture_output=True, check=True,
        )  # fmt: skip
        for node in json.loads(story.stdout)["nodes"]:
            self.found["nodes"].append(
                {"engine": engine, "size": size, **_node_figures(node, run.samples)}
            )
        self.save()

    def _forget(self, size: str) -> None:
        """The lakes of a size take disk; its data stay for the next report."""
        shutil.rmtree(self.work / size, ignore_errors=True)
        if not self.options.keep:
            shutil.rmtree(self.work / "landing" / size, ignore_errors=True)

    def save(self) -> None:
        """After each job, so that a report that is stopped has what it measured."""
        self.found["machine"]["load_at_end"] = os.getloadavg()[0]
        sizes, engines = list(self.found["sizes"]), list(_ENGINES)
        self.found["figures"].sort(
            key=lambda one: (sizes.index(one["size"]), engines.index(one["engine"]), one["by_hand"])
        )
        self.options.out.mkdir(parents=True, exist_ok=True)
        path = self.options.out / "report.json"
        path.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")


def _node_figures(node: dict[str, Any], samples: Sequence[Sample]) -> dict[str, Any]:
    """CPU, bytes and peak memory between a node's begin and end, from the nearest samples."""
    began, ended = _moment(node["started_at"]), _moment(node["finished_at"])
    first = _nearest(samples, began)
    last = _nearest(samples, ended)
    return {
        "node": node["key"],
        "rows": node["rows"]["rows_out"],
        "wall": node["seconds"],
        "cpu": last.cpu - first.cpu,
        "peak": max((s.resident for s in samples if began <= s.at <= ended), default=last.resident),
        "read": last.read - first.read,
        "written": last.written - first.written,
    }


def _nearest(samples: Sequence[Sample], moment: float) -> Sample:
    return min(samples, key=lambda sample: abs(sample.at - moment))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _machine() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=_HERE,
        check=False,
    )
    return {
        "cpu": next(_cpu_model(), platform.processor()),
        "cpus": os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "java": (java.stderr.splitlines() or ["none"])[0],
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": commit.stdout.strip(),
        "load_at_begin": os.getloadavg()[0],
    }


def _cpu_model() -> Iterator[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            yield line.partition(": ")[2]


def _generate(landing: Path, size: str, seed: int) -> None:
    command = ["--out", landing, "--size", size, "--seed", seed, "--jobs", os.cpu_count() or 1]
    landing.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "odibi_datagen", *map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _say(words: str) -> None:
    print(words, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["10MB", "100MB"])
    parser.add_argument("--full", action="store_true", help="10MB, 100MB, 1GB and 10GB")
    parser.add_argument("--engines", nargs="+", default=list(_ENGINES), choices=_ENGINES)
    parser.add_argument("--times", type=int, default=3, help="runs of each job below 500 MB; one above")  # fmt: skip
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--memory", default="2GB", help="memory_limit of odibi, DuckDB's and the JVM's by hand")  # fmt: skip
    parser.add_argument("--most-memory", default="8GB", help="a job above it is stopped")
    parser.add_argument("--most-minutes", type=float, default=30.0, help="a job above it is stopped")  # fmt: skip
    parser.add_argument("--nodes-at", help="size of the figures of each node (default: the largest up to 1GB)")  # fmt: skip
    parser.add_argument("--work", type=Path, help="folder for data and lakes (default: a temporary one)")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep the data in --work")
    parser.add_argument("--out", type=Path, default=_HERE, help="folder of REPORT.md")
    parser.add_argument("--go-on", action="store_true", help="keep the sound figures of report.json, run the others")  # fmt: skip
    parser.add_argument("--only-render", action="store_true")
    options = parser.parse_args()
    if options.full:
        options.sizes = ["10MB", "100MB", "1GB", "10GB"]
    options.sizes.sort(key=parse_size)
    options.engines = [name for name in _ENGINES if name in {"duckdb", *options.engines}]
    small = [size for size in options.sizes if parse_size(size) <= 10**9]
    options.nodes_at = options.nodes_at or (small or options.sizes)[-1]
    return options


def main() -> None:
    options = _options()
    if not options.only_render:
        with tempfile.TemporaryDirectory(prefix="odibi-report-") as folder:
            Report(options, (options.work or Path(folder)).absolute()).run()
    write_pages(json.loads((options.out / "report.json").read_text()), options.out)
    _say(f"{options.out / 'REPORT.md'}")


if __name__ == "__main__":
    main()
