"""`odibi run`: carry out the project, or a selection of its nodes, and say how it went on one screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import find_project, shown_path
from odibi.cli.exits import fail, reported
from odibi.safe_text import safe

if TYPE_CHECKING:
    from odibi.redact import Redactor
    from odibi.runner import RunResult

app = typer.Typer(add_completion=False)

_BEGINS_WITHIN = 5.0
"""Seconds after which a detached run is left to itself; it may wait for another run."""
_PROFILES = ("off", "sample", "full")


@app.command()
def run(
    context: typer.Context,
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
        Path | None,
        typer.Option(
            "--project", "-p", envvar="ODIBI_PROJECT", help="Project folder or YAML file."
        ),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="duckdb, pandas or spark, instead of the YAML's.")
    ] = None,
    env: Annotated[
        str | None, typer.Option(envvar="ODIBI_ENV", help="Environment of the YAML to apply.")
    ] = None,
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
    scratch: Annotated[
        bool, typer.Option("--scratch", help="All rows; writes go to a scratch folder.")
    ] = False,
    sql: Annotated[
        Path | None,
        typer.Option(help="With --scratch: SQL in place of the selected node's last SQL step."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last failed or killed run.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id",
            envvar="ODIBI_RUN_ID",
            help="Name the run; commands of one name are one run (schedulers do).",
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help="Column profiles: off, sample or full.")] = "sample",
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for another run to end.")
    ] = None,
    result_json: Annotated[
        Path | None,
        typer.Option(
            "--result-json",
            help="Write the outcome of every node to this file; - is the last line of the output.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in a process of its own and return at once.")
    ] = False,
) -> None:
    """Run the project: nodes in dependency order, several at once, each to a story you can read."""
    if profile not in _PROFILES:
        fail(f"--profile {profile} is not one of {', '.join(_PROFILES)}")
    if detach:
        with reported():
            _start(find_project(project).absolute(), run_id, _arguments(context))
        return
    with reported():
        from odibi import config
        from odibi.runner import RunRequest, launch

        given, file = {**_exported(), **variables(var or [])}, find_project(project)
        if resume:
            env, given = _taken_over(file.resolve().parent, env, given)
        loaded = config.load(file, env=env, variables=given)
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
            scratch=scratch,
            sql=_text_of(sql),
            resume=resume,
            run_id=run_id,
            profile=profile,  # type: ignore[arg-type]  # checked above
            wait=wait,
            command=("odibi", *sys.argv[1:]),
            variables=given,
        )
        view = _view(quiet)
        with _without_secrets(loaded.secrets), view:
            result = launch(loaded, request, watch=view.watch)
        view.summary(result, loaded)
        if result_json is not None:
            _write_result(result_json, result)
    if result.abandoned:  # a thread of user code that won't stop would keep the process
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(result.exit_code)
    raise SystemExit(result.exit_code)


@contextmanager
def _without_secrets(secrets: Redactor) -> Iterator[None]:
    """What the user's functions print and log shows no secret either."""
    from odibi.redact import RedactedStream

    if not secrets:
        yield
        return
    out: Any = RedactedStream(sys.stdout, secrets)
    err: Any = RedactedStream(sys.stderr, secrets)
    with redirect_stdout(out), redirect_stderr(err):
        yield


def _arguments(context: typer.Context) -> list[str]:
    """The options of this command line for the process that carries it out."""
    words = []
    for option in context.command.params:
        value = context.params[option.name or ""]
        if option.name in ("detach", "project", "run_id") or value in (None, False, option.default):
            continue
        name = max(option.opts, key=len)
        for item in value if isinstance(value, list | tuple) else [value]:
            words.append(name if item is True else f"{name}={item}")
    return words


def _start(file: Path, run_id: str | None, arguments: list[str]) -> None:
    """Start the run elsewhere; what keeps it from beginning is said here, with its exit code."""
    import time

    from odibi import detach
    from odibi.ledger import Ledger

    started = detach.start(
        file.parent, arguments, run_id or Ledger(file.parent).new_run_id(), project=file
    )
    until = time.monotonic() + _BEGINS_WITHIN
    while not detach.has_begun(started) and time.monotonic() < until:
        if (said := detach.failure(started)) is not None:
            print(safe(said), file=sys.stderr)
            raise SystemExit(started.process.returncode)
        time.sleep(0.02)
    print(f"run {started.run_id} goes on as process {started.pid}")
    print(f"  {shown_path(started.log)}")
    print("odibi top                  watch it")
    print(f"odibi cancel {started.run_id}")


def variables(assignments: list[str]) -> dict[str, str]:
    """`name=value` texts as a map. Raises UsageError for anything else."""
    from odibi.errors import UsageError

    pairs = [text.partition("=") for text in assignments]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        raise UsageError(f"--var {wrong[0]}: expected name=value")
    return {name: value for name, _, value in pairs}


def _exported() -> dict[str, str]:
    """Variables that the environment sets: `ODIBI_VAR_day=monday` is `--var day=monday`."""
    prefix = "ODIBI_VAR_"
    return {
        name.removeprefix(prefix): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def _taken_over(
    root: Path, env: str | None, given: dict[str, str]
) -> tuple[str | None, dict[str, str]]:
    """Environment and variables of the run that is resumed, for those that aren't given anew.

    Raises UsageError for a value that was a secret, and so is written nowhere.
    """
    from odibi import event_log
    from odibi.errors import UsageError
    from odibi.events import RunPlanned
    from odibi.ledger import Ledger
    from odibi.redact import MASK

    ledger = Ledger(root)
    run_id = ledger.resumable()
    ledger.close()
    events = event_log.read(ledger.run_dir(run_id)) if run_id else []
    planned = next((e.payload for e in events if isinstance(e.payload, RunPlanned)), None)
    if planned is None:
        return env, given
    taken = {**planned.variables, **given}
    for name, value in taken.items():
        if MASK in value and name not in given:
            raise UsageError(
                f"--resume: the value of variable {name} was a secret, which no log keeps",
                hint=f"give it again: --var {name}=…",
            )
    return env or planned.env, taken


def _text_of(file: Path | None) -> str | None:
    """The SQL in the file. Raises UsageError when it can't be read, or is none."""
    from odibi.errors import UsageError

    if file is None:
        return None
    try:
        sql = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        raise UsageError(f"--sql {file} can't be read: {reason}") from error
    if not sql.strip():
        raise UsageError(f"--sql {file} is empty")
    return sql


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

    from odibi import run_result
    from odibi.errors import UsageError

    told = run_result.result(result.state)
    told |= {"status": result.outcome, "exit_code": result.exit_code, "ran": list(result.ran)}
    written = json.loads((result.run_dir / "story.json").read_text(encoding="utf-8"))
    for node in written["nodes"]:
        told["nodes"][node["key"]]["drift"] = node.get("drift")
    if str(path) == "-":
        print(json.dumps(told), flush=True)
        return
    try:
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--result-json {path}: {error.strerror}") from error
