"""`odibi plan`: what `odibi run` with the same options would do, and why; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EngineOption,
    EnvOption,
    ExcludeOption,
    JsonOption,
    ProjectOption,
    SelectOption,
    VarOption,
    find_project,
    plural,
    print_json,
    say,
    styled,
    table,
    terminal_width,
)
from odibi.cli.exits import reported

if TYPE_CHECKING:
    from odibi.events import PlannedNode
    from odibi.plan import Plan, PlannedWrite
    from odibi.runner.launch import Prepared

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    select: SelectOption = None,
    exclude: ExcludeOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    engine: EngineOption = None,
    var: VarOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="As `odibi run --resume` would go on.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Another copy of the project: say which nodes differ from its."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="With --against: a Markdown table.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what would run, in what order, what would not and why, and how long it may take."""
    with reported():
        if against is not None:
            from odibi.cli import plan_against

            plan_against.show(find_project(project), against, env, var or [], markdown, as_json)
            return
        from odibi import config, plugins
        from odibi.cli.run import variables
        from odibi.runner.launch import RunRequest, prepare

        loaded = config.load(find_project(project), env=env, variables=variables(var or []))
        request = RunRequest(
            select=tuple(select or ()),
            exclude=tuple(exclude or ()),
            engine=engine,
            env=env,
            resume=resume,
        )
        plugins.find_engine(engine or loaded.project.engine)
        prepared = prepare(loaded, request)
        if as_json:
            print_json(_document(loaded.project.project, prepared))
        else:
            _show(loaded.project.project, prepared)


def _document(project: str, prepared: Prepared) -> dict[str, Any]:
    made = prepared.plan
    waves = _waves(made)
    return {
        "project": project,
        "engine": prepared.engine,
        "resume_of": prepared.resumes,
        "nodes": [
            {
                **asdict(step),
                "wave": waves.get(step.key),
                "writes": [asdict(write) for write in _writes(prepared, step)],
            }
            for step in made.steps
        ],
        "waves": made.waves,
        "critical_path": made.critical_path,
        "critical_seconds": made.critical_seconds,
        "total_seconds": made.total_seconds,
        "left_out": made.left_out,
    }


def _writes(prepared: Prepared, step: PlannedNode) -> tuple[PlannedWrite, ...]:
    from odibi.plan import writes_of  # with the graph, which `odibi plan --help` does without

    return writes_of(prepared.graph, step.key) if step.action == "run" else ()


def _waves(made: Plan) -> dict[str, int]:
    """The number of each running node's wave, from 1."""
    return {key: number for number, wave in enumerate(made.waves, start=1) for key in wave}


def _show(project: str, prepared: Prepared) -> None:
    made = prepared.plan
    waves = _waves(made)
    resumed = f" · resumes {prepared.resumes}" if prepared.resumes else ""
    runs = f"{len(made.runs)} of {plural(len(made.steps) + made.left_out, 'node')} run"
    say([f"{project} · {prepared.engine} · {runs}{resumed}", ""])
    rows = [
        (
            waves.get(step.key, ""),
            step.key,
            step.action,
            _seconds(step.expected_seconds),
            step.reason,
            ", ".join(step.outputs),
        )
        for step in made.steps
    ]
    headings = ("wave", "node", "action", "about", "why", "output")
    first, *lines = table(
        headings, rows, right=["wave", "about"], keep=["node"], width=terminal_width()
    )
    print(styled(first, "bold"))
    say([*lines, "", *_totals(made)])


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def _totals(made: Plan) -> Sequence[str]:
    lines = [f"{plural(len(made.waves), 'wave')}; nodes of a wave can run at once"]
    if made.total_seconds is not None and made.critical_seconds is not None:
        path = " → ".join(made.critical_path)
        lines.append(
            f"about {made.total_seconds:.2f} s of work, at best {made.critical_seconds:.2f} s ({path})"
        )
    if made.left_out:
        lines.append(f"{plural(made.left_out, 'node')} left out: not selected")
    return lines
