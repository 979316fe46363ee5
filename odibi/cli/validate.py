"""`odibi validate`: everything wrong in a project, at once and with its place; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from odibi.cli.common import (
    EnvOption,
    JsonOption,
    ProjectOption,
    VarOption,
    find_project,
    plural,
    print_json,
    say,
    shown_path,
    styled,
)
from odibi.cli.exits import CONFIG, reported
from odibi.errors import GraphError, UsageError

if TYPE_CHECKING:
    from odibi.config import Problem
    from odibi.graph import Graph

app = typer.Typer(add_completion=False)


@app.command()
def validate(
    project: ProjectOption = None,
    env: EnvOption = None,
    var: VarOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check odibi.yaml, its SQL and its params; report every problem with file, line and column."""
    with reported():
        file = find_project(project)
        graph, errors, warnings = check(file, env, var or [])
        if as_json:
            print_json(_document(errors, warnings))
        else:
            _show(file, graph, errors, warnings)
    raise SystemExit(CONFIG if errors else 0)


def check(
    file: Path, env: str | None, assignments: list[str]
) -> tuple[Graph | None, list[Problem], list[Problem]]:
    """The graph when there is one, what is wrong, and what only may be."""
    from odibi import config, preflight
    from odibi.cli.run import variables

    try:
        loaded = config.load(file, env=env, variables=variables(assignments))
    except config.ConfigError as error:
        return None, error.problems, []
    from odibi import graph

    try:
        built = graph.build(loaded)
    except (GraphError, UsageError) as error:
        position = config.Position(file, 1, 1)
        return None, [config.Problem(position, error.message, error.hint)], loaded.warnings
    errors = sorted(preflight.inspect(built), key=lambda problem: str(problem.position))
    return built, errors, [*loaded.warnings, *preflight.missing_inputs(built)]


def _document(errors: Sequence[Problem], warnings: Sequence[Problem]) -> dict[str, Any]:
    return {
        "valid": not errors,
        "errors": [entry(problem) for problem in errors],
        "warnings": [entry(problem) for problem in warnings],
    }


def entry(problem: Problem) -> dict[str, Any]:
    """A problem for programs."""
    return {
        "file": str(problem.file),
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def _show(
    file: Path, graph: Graph | None, errors: Sequence[Problem], warnings: Sequence[Problem]
) -> None:
    for label, style, problems in (("error", "red", errors), ("warning", "yellow", warnings)):
        for problem in problems:
            print(styled(label, style), end=": ")
            say([problem, *([f"  → {problem.hint}"] if problem.hint else [])])
    if errors or graph is None:
        print(f"{plural(len(errors), 'problem')} found")
        return
    project = graph.loaded.project
    counts = [
        plural(len(graph.nodes), "node"),
        plural(len(project.pipelines), "pipeline"),
        plural(len(project.connections), "connection"),
    ]
    if warnings:
        counts.append(plural(len(warnings), "warning"))
    say([f"{shown_path(file)} is valid: {', '.join(counts)}"])
