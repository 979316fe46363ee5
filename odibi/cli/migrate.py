"""`odibi migrate check`: what a project written for Odibi 3.x meets here, before its first run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EnvOption,
    JsonOption,
    VarOption,
    find_project,
    plural,
    print_json,
    say,
    styled,
)
from odibi.cli.exits import CONFIG, reported
from odibi.cli.validate import check as validated
from odibi.cli.validate import entry

if TYPE_CHECKING:
    from odibi.config import Problem
    from odibi.migration import Meeting

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def migrate() -> None:
    """Move a project from Odibi 3.x."""


@app.command()
def check(
    project: Annotated[Path | None, typer.Argument(help="Project folder or YAML file.")] = None,
    env: EnvOption = None,
    var: VarOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is refused, what has no effect, and where the tables will differ from those of 3.x."""
    from odibi import migration

    with reported():
        file = find_project(project)
        graph, errors, warnings = validated(file, env, var or [])
        found = migration.meetings(graph.loaded) if graph is not None else []
        if as_json:
            print_json(_document(errors, warnings, found))
        else:
            _show(errors, warnings, found, len(graph.nodes) if graph is not None else 0)
    raise SystemExit(CONFIG if errors else 0)


def _document(
    errors: Sequence[Problem], warnings: Sequence[Problem], found: Sequence[Meeting]
) -> dict[str, Any]:
    return {
        "runs": not errors,
        "refused": [entry(problem) for problem in errors],
        "without_effect": [entry(problem) for problem in warnings],
        "differences": [
            {
                "file": str(meeting.position.file),
                "line": meeting.position.line,
                "column": meeting.position.column,
                "node": meeting.node,
                "before": meeting.difference.before,
                "now": meeting.difference.now,
            }
            for meeting in found
        ],
    }


def _show(
    errors: Sequence[Problem], warnings: Sequence[Problem], found: Sequence[Meeting], nodes: int
) -> None:
    _problems("Can't run here", "red", errors)
    _problems("To know", "yellow", warnings)
    _differences(found)
    if errors:
        say([f"{plural(len(errors), 'problem')} to mend before it runs; docs/compat.md says more"])
    else:
        say([f"it runs here: {plural(nodes, 'node')}, {plural(len(found), 'difference')} from 3.x"])


def _differences(found: Sequence[Meeting]) -> None:
    """Each difference once, with all places that meet it."""
    if not found:
        return
    print(styled("Other tables than 3.x gave", "cyan"))
    for one in dict.fromkeys(meeting.difference for meeting in found):
        places = [f"    {met.position}: {met.node}" for met in found if met.difference is one]
        say([f"  3.x:  {one.before}", f"  here: {one.now}", *places])
    print()


def _problems(title: str, style: str, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    print(styled(title, style))
    for problem in problems:
        say([f"  {problem}", *([f"    → {problem.hint}"] if problem.hint else [])])
    print()
