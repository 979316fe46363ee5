"""`odibi init`: a small project that runs, with data, to change into one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from odibi.cli.common import say, shown_path
from odibi.cli.exits import fail, reported
from odibi.errors import UsageError

app = typer.Typer(add_completion=False)

TEMPLATES = Path(__file__).parent / "templates"
_LEFTOVERS = {".odibi", "__pycache__", "out", "lake"}  # of somebody who ran a template in place


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(help="Folder to start the project in; made when missing.")
    ] = Path(),
    template: Annotated[
        str,
        typer.Option("--template", "-t", help="hello: two nodes. medallion: bronze, silver, gold."),
    ] = "hello",
) -> None:
    """Start a new project: a YAML file, a little data and a pipeline that runs as it is."""
    names = sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir())
    if template not in names:
        fail(f"there is no template {template!r}", f"templates: {', '.join(names)}")
    with reported():
        created = copy_new(TEMPLATES / template, folder)
        _name_project(folder)
    say(["created", *(f"  {shown_path(path)}" for path in created), "", "next:"])
    say(_next(folder))


def copy_new(template: Path, folder: Path) -> list[Path]:
    """Copy a template's files; raises UsageError, before anything is written, when one exists."""
    sources = [
        path
        for path in sorted(template.rglob("*"))
        if path.is_file() and not _LEFTOVERS & {*path.parts}
    ]
    targets = [folder / path.relative_to(template) for path in sources]
    if existing := [path for path in targets if path.exists()]:
        raise UsageError(
            f"{shown_path(existing[0])} is already there; nothing was written",
            hint="name a new folder: odibi init my_project",
        )
    try:
        for source, target in zip(sources, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    return targets


def _name_project(folder: Path) -> None:
    """Call the project by its folder's name."""
    name = re.sub(r"[^\w-]+", "_", folder.resolve().name).strip("_-")
    file = folder / "odibi.yaml"
    text = file.read_text(encoding="utf-8")
    if name and not name.isdigit():
        file.write_text(
            re.sub(r"(?m)^project: .*$", f'project: "{name}"', text, count=1), encoding="utf-8"
        )


def _next(folder: Path) -> list[str]:
    change = [f"  cd {folder}"] if folder != Path() else []
    return [
        *change,
        "  odibi validate    every problem of the YAML at once",
        "  odibi run         run it",
    ]
