"""`odibi top`: every run of the project, live, in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi.cli.common import ProjectOption, find_project
from odibi.cli.exits import reported

app = typer.Typer(add_completion=False)

VIEWS = ("graph", "nodes", "runs", "story", "logs", "query", "tables")


@app.command()
def top(
    run: Annotated[
        str | None, typer.Argument(help="The run to show: last, last~2, an id or a part of one.")
    ] = None,
    project: ProjectOption = None,
    view: Annotated[str | None, typer.Option(help=f"Start with: {', '.join(VIEWS)}.")] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Only look: nothing can be started or cancelled.")
    ] = False,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Signs that every terminal has.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: as JSON.")] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Serve the same screen to a browser on this machine.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of --web.")] = 8123,
) -> None:
    """Watch runs as they happen, wherever they were started; understand, rerun and cancel them."""
    with reported():
        from odibi.errors import UsageError

        if view is not None and view not in VIEWS:
            raise UsageError(f"--view {view}: not one of {', '.join(VIEWS)}")
        if as_json and not once:
            raise UsageError("--json needs --once", hint="odibi top --once --json")
        path = find_project(project)
        if web:
            from odibi_tui.web import serve

            serve(path, port, read_only=read_only)
            return
        from odibi_tui.app import Options
        from odibi_tui.starting import main

        options = Options(path, run, view, read_only, ascii_)
        raise SystemExit(main(options, once=once, as_json=as_json))
