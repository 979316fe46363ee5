"""`odibi doctor`: what a run needs of this machine and this project, and whether it is there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from odibi.cli.common import (
    JsonOption,
    ProjectOption,
    find_project,
    plural,
    print_json,
    say,
    shown_path,
    styled,
)
from odibi.cli.exits import FAILED
from odibi.errors import OdibiError

if TYPE_CHECKING:
    from odibi.config import Loaded

app = typer.Typer(add_completion=False)

_NEEDED = ("duckdb", "pyarrow", "pydantic", "pyyaml", "rich", "sqlglot", "typer")
_EXTRAS = {"pandas": ("pandas",), "delta": ("deltalake",), "datagen": ("faker", "numpy", "shapely")}
_LITTLE_DISK = 2 * 1024**3
_LITTLE_MEMORY = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `bad` stops a run, `warn` may."""

    name: str
    status: Literal["ok", "warn", "bad"]
    text: str
    hint: str | None = None


@app.command()
def doctor(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and the project for what a run needs; exit 1 when something is missing."""
    findings = [*_machine(), *_project(project)]
    bad = sum(finding.status == "bad" for finding in findings)
    if as_json:
        print_json({"ok": not bad, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
        say(["", f"{plural(bad, 'problem')} found" if bad else "a run has all it needs"])
    raise SystemExit(FAILED if bad else 0)


def _show(finding: Finding) -> None:
    symbol, style = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red")}[
        finding.status
    ]
    print(f"{styled(symbol, style)} {styled(f'{finding.name:<10}', 'bold')}", end=" ")
    say([finding.text, *([f"  → {finding.hint}"] if finding.hint else [])])


def _machine() -> Iterator[Finding]:
    yield _python()
    yield _packages()
    for extra, names in _EXTRAS.items():
        yield _extra(extra, names)
    yield _java()
    yield _terminal()
    yield _memory()


def _python() -> Finding:
    where = sys.prefix if sys.prefix != sys.base_prefix else "no virtual environment"
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version} ({where})")


def _versions(names: tuple[str, ...]) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    return {name: installed(name) for name in names}


def _packages() -> Finding:
    found = _versions(("odibi", *_NEEDED))
    if missing := [name for name, version in found.items() if version is None]:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", "pip install odibi")
    return Finding(
        "packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items())
    )


def _extra(extra: str, names: tuple[str, ...]) -> Finding:
    found = _versions(names)
    if missing := [name for name, version in found.items() if version is None]:
        text = f"not installed ({', '.join(missing)}): {_USES[extra]} won't work"
        return Finding(extra, "warn", text, f"pip install 'odibi[{extra}]'")
    return Finding(extra, "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


_USES = {
    "pandas": "the pandas engine",
    "spark": "the Spark engine",
    "delta": "Delta tables",
    "datagen": "odibi demo",
}


def _java() -> Finding:
    java = shutil.which("java")
    if java is None:
        return Finding("java", "ok", "none found; only engine: spark needs it (17 or newer)")
    return Finding("java", "ok", f"{java}, for engine: spark")


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    encoding = (sys.stdout.encoding or "unknown").lower()
    colour = (
        "no colour (NO_COLOR)"
        if "NO_COLOR" in os.environ
        else os.environ.get("COLORTERM") or "16 colours"
    )
    text = f"{size.columns}×{size.lines}, {encoding}, {colour}"
    if "utf" not in encoding:
        return Finding("terminal", "warn", text, "symbols need UTF-8: export PYTHONUTF8=1")
    return Finding("terminal", "ok", text)


def _memory() -> Finding:
    total, free = _memory_bytes()
    cpus = plural(os.cpu_count() or 1, "CPU")
    if free is None:
        return Finding("memory", "ok", f"unknown on this system, {cpus}")
    text = f"{_gigabytes(free)} free of {_gigabytes(total)}, {cpus}"
    if free < _LITTLE_MEMORY:
        return Finding(
            "memory",
            "warn",
            text,
            "close something, or run fewer nodes at once: odibi run --jobs 1",
        )
    return Finding("memory", "ok", text)


def _memory_bytes() -> tuple[int, int | None]:
    """Total and available memory as Linux tells it; (0, None) elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0, None
    kilobytes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return kilobytes["MemTotal"] * 1024, kilobytes.get("MemAvailable", 0) * 1024


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"


def _project(path: Path | None) -> Iterator[Finding]:
    from odibi import config

    try:
        file = find_project(path)
    except OdibiError as error:
        yield Finding("project", "warn" if path is None else "bad", error.message, error.hint)
        yield _disk(Path.cwd())
        return
    yield _disk(file.parent)
    try:
        loaded = config.load(file)
    except config.ConfigError as error:
        text = f"{shown_path(file)}: {plural(len(error.problems), 'problem')}"
        yield Finding("project", "bad", text, "odibi validate")
        return
    except OdibiError as error:
        yield Finding("project", "bad", error.message, error.hint)
        return
    yield Finding("project", "ok", f"{loaded.project.project} ({shown_path(file)})")
    yield _guarded("engine", lambda: _engine(loaded))
    yield _guarded("ledger", lambda: _ledger(loaded))


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except OdibiError as error:
        return Finding(name, "bad", error.message, error.hint)


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    text = f"{_gigabytes(usage.free)} free of {_gigabytes(usage.total)} at {shown_path(folder) or folder}"
    if not os.access(folder, os.W_OK):
        return Finding(
            "disk",
            "bad",
            f"{folder} can't be written to",
            "runs keep their records beside odibi.yaml",
        )
    if usage.free < _LITTLE_DISK:
        return Finding(
            "disk", "warn", text, "large sorts and joins spill to disk beside odibi.yaml"
        )
    return Finding("disk", "ok", text)


def _engine(loaded: Loaded) -> Finding:
    from odibi import plugins

    name = loaded.project.engine
    plugins.find_engine(name)
    return Finding("engine", "ok", f"{name} (available: {', '.join(plugins.engine_names())})")


def _ledger(loaded: Loaded) -> Finding:
    from odibi.ledger import Ledger

    if not (loaded.root / ".odibi").is_dir():
        return Finding("ledger", "ok", "empty: this project has not run yet")
    runs = Ledger(loaded.root).runs(limit=1)
    if not runs:
        return Finding("ledger", "ok", "empty: this project has not run yet")
    last = runs[0]
    going_on = "a run is going on: " if last.status in ("planned", "running") else "last run "
    return Finding("ledger", "ok", f"{going_on}{last.run_id} {last.status}")
