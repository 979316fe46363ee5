"""`odibi run`: carry out the project, or a selection of its nodes, and say how it went on one screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import find_project
from odibi.cli.exits import fail, reported

if TYPE_CHECKING:
    from odibi.runner import RunResult

app = typer.Typer(add_completion=False)

_PROFILES = ("off", "sample", "full")


@app.command()
def run(
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            "-s",
            help="Nodes to run: names, globs, +up, down+, tag:, layer:, pipeline:, state:.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", "-x", help="Nodes to leave out.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Project folder or YAML file.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="duckdb or pandas, instead of the YAML's.")
    ] = None,
    env: Annotated[str | None, typer.Option(help="Environment of the YAML to apply.")] = None,
    var: Annotated[
        list[str] | None, typer.Option("--var", help="Set a variable: name=value.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Nodes at once (default: CPUs).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Bind everything, compute and write nothing.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Read N rows per source; writes go to a scratch folder."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last failed or killed run.")
    ] = False,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Name the run (schedulers do).")
    ] = None,
    profile: Annotated[str, typer.Option(help="Column profiles: off, sample or full.")] = "sample",
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for another run to end.")
    ] = None,
    result_json: Annotated[
        Path | None,
        typer.Option("--result-json", help="Write the outcome of every node to this file."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed.")] = False,
) -> None:
    """Run the project: nodes in dependency order, several at once, each to a story you can read."""
    if profile not in _PROFILES:
        fail(f"--profile {profile} is not one of {', '.join(_PROFILES)}")
    with reported():
        from odibi import config
        from odibi.runner import RunRequest, launch

        given = variables(var or [])
        loaded = config.load(find_project(project), env=env, variables=given)
        _known_variables(given, loaded.project.vars)
        _writable(result_json)
        request = RunRequest(
            select=tuple(select or ()),
            exclude=tuple(exclude or ()),
            engine=engine,
            env=env,
            jobs=jobs,
            dry_run=dry_run,
            sample=sample,
            resume=resume,
            run_id=run_id,
            profile=profile,  # type: ignore[arg-type]  # checked above
            wait=wait,
            command=("odibi", *sys.argv[1:]),
        )
        view = _view(quiet)
        with view:
            result = launch(loaded, request, watch=view.watch)
        if result_json is not None:
            _write_result(result_json, result)
        view.summary(result, loaded)
    if result.abandoned:  # a thread of user code that won't stop would keep the process
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(result.exit_code)
    raise SystemExit(result.exit_code)


def variables(assignments: list[str]) -> dict[str, str]:
    """`name=value` texts as a map. Raises UsageError for anything else."""
    from odibi.errors import UsageError

    pairs = [text.partition("=") for text in assignments]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        raise UsageError(f"--var {wrong[0]}: expected name=value")
    return {name: value for name, _, value in pairs}


def _known_variables(given: dict[str, str], declared: dict[str, Any]) -> None:
    """Raise UsageError for a --var that the project doesn't have."""
    from difflib import get_close_matches

    from odibi.errors import UsageError

    for name in given:
        if name not in declared:
            near = get_close_matches(name, declared, n=1)
            known = ", ".join(declared) or "none"
            raise UsageError(
                f"--var {name}: the project has no variable of that name",
                hint=f"did you mean {near[0]}?" if near else f"variables here: {known}",
            )


def _writable(path: Path | None) -> None:
    """Raise UsageError before anything runs when --result-json can't be written."""
    from odibi.errors import UsageError

    if path is not None and (path.is_dir() or not os.access(path.resolve().parent, os.W_OK)):
        raise UsageError(f"--result-json {path}: can't be written there")


def _view(quiet: bool) -> Any:
    from odibi.cli.run_view import LiveView, PlainView, QuietView

    if quiet:
        return QuietView()
    return LiveView() if sys.stdout.isatty() else PlainView()


def _write_result(path: Path, result: RunResult) -> None:
    import json

    from odibi import story
    from odibi.errors import UsageError

    document = json.dumps(story.result(result.state), indent=2, ensure_ascii=False)
    try:
        path.write_text(document + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--result-json {path}: {error.strerror}") from error
