"""`odibi demo`: OdibiEats on this machine: generate the raw files, run bronze, silver and gold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from odibi.cli.common import EngineOption, say, shown_path, styled
from odibi.cli.exits import reported
from odibi.errors import UsageError

app = typer.Typer(add_completion=False)

_NOTE = ".odibi-demo.json"
_LANDING = Path("data", "landing")
_PROJECT_FILES = ("odibi.yaml", "README.md", "*.py", "sql/*.sql")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it; made when missing.")] = Path(
        "demo"
    ),
    size: Annotated[
        str, typer.Option(help="About how much raw data, such as 5MB or 2GB.")
    ] = "100MB",
    seed: Annotated[int, typer.Option(help="Same seed, same data.")] = 42,
    engine: EngineOption = None,
) -> None:
    """Generate OdibiEats, a food delivery company, and run it from raw files to gold tables."""
    with reported():
        _copy_project(folder)
        _generate(folder, size, seed)
        code = _run(folder, engine)
        if code == 0:
            _say_scores(folder)
        _say_where(folder)
    raise SystemExit(code)


def reference_project() -> Path:
    """The reference project: beside the package in a checkout, inside it when installed."""
    import odibi

    package = Path(odibi.__file__).parent
    for folder in (package / "reference_project", package.parent / "reference_project"):
        if (folder / "odibi.yaml").is_file():
            return folder
    raise UsageError(
        "this installation lacks the reference project", hint="pip install --force-reinstall odibi"
    )


def _copy_project(folder: Path) -> None:
    """Copy the project's files; those that the user has changed since an earlier demo stay."""
    source = reference_project()
    if folder.exists() and any(folder.iterdir()) and not (folder / _NOTE).exists():
        raise UsageError(
            f"{shown_path(folder)} is not empty", hint="name another folder: odibi demo FOLDER"
        )
    note = _read_note(folder)
    before: dict[str, str] = note.get("files", {})
    files = {}
    for path in sorted(path for pattern in _PROJECT_FILES for path in source.glob(pattern)):
        name = path.relative_to(source).as_posix()
        target = folder / name
        files[name] = _digest(path)
        if target.exists() and _digest(target) not in (before.get(name), files[name]):
            say([f"kept your {shown_path(target)}"])
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _write_note(folder, {**note, "files": files})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_note(folder: Path) -> dict[str, Any]:
    """What the last demo in this folder did; nothing when there was none or its note is damaged."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(folder: Path, note: dict[str, Any]) -> None:
    (folder / _NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def _generate(folder: Path, size: str, seed: int) -> None:
    """Generate the landing zone, unless an earlier demo generated just this one."""
    note = _read_note(folder)
    wanted = {"size": size, "seed": seed}
    landing = folder / _LANDING
    if note.get("data") == wanted:
        say([f"data: {shown_path(landing)} is there already (seed {seed}, {size})"])
        return
    try:
        from odibi_datagen import generate
    except ImportError as error:
        raise UsageError(
            f"generating data needs {error.name}", hint="pip install 'odibi[datagen]'"
        ) from None
    landing.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        with progress() as shown:
            summary = generate(
                landing, size=size, seed=seed, jobs=os.cpu_count() or 1, progress=shown
            )
    except (ValueError, FileExistsError) as error:
        raise UsageError(str(error)) from None
    _forget_tables(folder)
    _write_note(folder, {**note, "data": wanted})
    seconds = time.monotonic() - began
    say(
        [
            f"data: {summary.bytes / 1e6:,.0f} MB of raw files in {shown_path(landing)} ({seconds:.1f} s, seed {seed})"
        ]
    )


def _forget_tables(folder: Path) -> None:
    """Take away what earlier runs made of other data: quarantine and history would go on from it."""
    lake = folder / "data" / "lake"
    if lake.exists():
        shutil.rmtree(lake)
        say([f"{shown_path(lake)} is made anew: its tables were of other data"])


@contextmanager
def progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal; one line elsewhere."""
    if not sys.stdout.isatty():
        say(["generating the raw files of OdibiEats …"])
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(TextColumn("generating the raw files of OdibiEats"), BarColumn(), transient=True)
    with bar:
        task = bar.add_task("")
        yield lambda done, blocks: bar.update(task, completed=done, total=blocks)


def _run(folder: Path, engine: str | None) -> int:
    from odibi import config
    from odibi.cli.run_view import LiveView, PlainView
    from odibi.runner import RunRequest, launch

    loaded = config.load(folder / "odibi.yaml")
    view = LiveView() if sys.stdout.isatty() else PlainView()
    with view:
        result = launch(
            loaded, RunRequest(engine=engine, command=("odibi", *sys.argv[1:])), watch=view.watch
        )
    view.summary(result, loaded)
    return result.exit_code


def _say_scores(folder: Path) -> None:
    """How right the tables are; nothing for a project that its user has changed beyond comparison."""
    from odibi_datagen.scores import score, table

    with suppress(FileNotFoundError, ValueError):
        scores = score(folder / "data" / "lake", folder / _LANDING)
        say(["", "against what the generator knows (data/landing/truth):", *table(scores)])


def _say_where(folder: Path) -> None:
    """Those commands work in the demo's folder, and only where the shell finds `odibi`."""
    steps = [f"cd {shown_path(folder)}"] if folder.resolve() != Path.cwd() else []
    activate = Path(sys.prefix, "bin", "activate")
    if shutil.which("odibi") is None and activate.is_file():
        steps.insert(0, f"source {shown_path(activate)}")
    if steps:
        print("\nfirst: " + styled(" && ".join(steps), "bold"))
