"""`odibi gen`: code for the schedulers that people already run, from the project."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from odibi.cli.common import (
    EnvOption,
    ExcludeOption,
    ProjectOption,
    SelectOption,
    find_project,
    plural,
    say,
    shown_path,
)
from odibi.cli.exits import FAILED, reported

if TYPE_CHECKING:
    from odibi_gen.files import Change
    from odibi_gen.project import Project

app = typer.Typer(add_completion=False, no_args_is_help=True)

OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Folder to write to.")]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit 1 with a diff when files differ.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Write nothing; say what would be written.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace files that were edited or aren't ours.")
]
MadeByOption = Annotated[str | None, typer.Option("--made-by", hidden=True)]


@app.callback()
def gen() -> None:
    """Generate code for Airflow, Dagster or GitHub Actions that runs this project."""


@app.command()
def airflow(
    project: ProjectOption = None,
    output: OutputOption = None,
    select: SelectOption = None,
    exclude: ExcludeOption = None,
    airflow_version: Annotated[
        int, typer.Option("--airflow-version", min=2, max=3, help="Airflow's major version.")
    ] = 3,
    operator: Annotated[
        str, typer.Option(help="bash, or python: a task of which one a node becomes.")
    ] = "bash",
    layout: Annotated[
        str, typer.Option(help="pipeline: a DAG for each; single: one for the project.")
    ] = "pipeline",
    env: EnvOption = None,
    check: CheckOption = False,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    made_by: MadeByOption = None,
) -> None:
    """Airflow: a DAG for each pipeline, with a task for each node, chained by assets."""
    with reported():
        from odibi_gen.airflow import Options, render

        options = Options(
            version=2 if airflow_version == 2 else 3,
            operator=_one_of("--operator", operator, "bash", "python"),  # type: ignore[arg-type]
            layout=_one_of("--layout", layout, "pipeline", "single"),  # type: ignore[arg-type]
            env=env,
        )
        words = [
            *(["--airflow-version", "2"] if airflow_version == 2 else []),
            *(["--operator", operator] if operator != "bash" else []),
            *(["--layout", layout] if layout != "pipeline" else []),
        ]
        _generate(
            "airflow",
            lambda known: render(known, options),
            _Asked(project, output, select or [], exclude or [], env, words, made_by),
            Path("dags"),
            _mode(check, dry_run, force),
        )


@app.command()
def dagster(
    project: ProjectOption = None,
    output: OutputOption = None,
    select: SelectOption = None,
    exclude: ExcludeOption = None,
    env: EnvOption = None,
    check: CheckOption = False,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    made_by: MadeByOption = None,
) -> None:
    """Dagster: an asset for each node, with its checks, and a job for each pipeline."""
    with reported():
        from odibi_gen.dagster import Options, render

        _generate(
            "dagster",
            lambda known: render(known, Options(env=env)),
            _Asked(project, output, select or [], exclude or [], env, [], made_by),
            Path("orchestration"),
            _mode(check, dry_run, force),
        )


@app.command()
def github(
    project: ProjectOption = None,
    output: OutputOption = None,
    select: SelectOption = None,
    exclude: ExcludeOption = None,
    env: EnvOption = None,
    check: CheckOption = False,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    made_by: MadeByOption = None,
) -> None:
    """GitHub Actions: checks of a pull request, and runs on main and on the pipelines' schedules."""
    with reported():
        from odibi_gen.github import Options, render

        root = find_project(project).resolve().parent
        home = _repository(root)
        options = Options(folder=root.relative_to(home).as_posix(), env=env)
        _generate(
            "github",
            lambda known: render(known, options),
            _Asked(project, output, select or [], exclude or [], env, [], made_by),
            home / ".github" / "workflows",
            _mode(check, dry_run, force),
        )


@app.command("check")
def check_all(project: ProjectOption = None) -> None:
    """Check all generated files of the project against it; exit 1 with a diff when any differs."""
    with reported():
        from odibi.errors import UsageError
        from odibi_gen.files import made_here

        file = find_project(project)
        root = file.resolve().parent
        found = made_here(root, _repository(root) / ".github" / "workflows")
        if not found:
            raise UsageError("there is no generated file here", hint="see `odibi gen --help`")
        codes = [_again(file, folder, command) for folder, command in found]
    raise SystemExit(max(codes))


def _again(file: Path, folder: Path, command: str) -> int:
    """Check the files that the command made in the folder; its exit code."""
    from odibi.errors import UsageError

    program, gen, target, *options = [*shlex.split(command), "", "", ""]
    if (program, gen) != ("odibi", "gen") or target not in ("airflow", "dagster", "github"):
        raise UsageError(f"{shown_path(folder)}: files there say that {command!r} made them")
    given = [option for option in options if option]
    here = [f"--project={file}", f"--output={folder}"]  # the last of each counts
    try:
        app([target, *given, *here, f"--made-by={command}", "--check"], prog_name="odibi gen")
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def _repository(root: Path) -> Path:
    """The repository's folder that the project is in; the project's own when it is in none."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


class _Asked:
    """What all targets are asked alike; `made_by` is what the files say made them, if not this."""

    def __init__(
        self,
        project: Path | None,
        output: Path | None,
        select: list[str],
        exclude: list[str],
        env: str | None,
        words: list[str],
        made_by: str | None = None,
    ) -> None:
        self.file = find_project(project)
        self.output = output
        self.select, self.exclude, self.env = select, exclude, env
        self.words = words
        self.made_by = made_by

    def command(self, target: str) -> str:
        """The command that makes the same again, in the folder of odibi.yaml."""
        if self.made_by is not None:
            return self.made_by
        words = ["odibi", "gen", target, *self.words]
        for option, values in (("--select", self.select), ("--exclude", self.exclude)):
            words += [word for value in values for word in (option, value)]
        root = self.file.resolve().parent
        if self.file.name != "odibi.yaml":
            words += ["--project", self.file.name]
        if self.output is not None:
            words += ["--output", Path(os.path.relpath(self.output.resolve(), root)).as_posix()]
        words += ["--env", self.env] if self.env else []
        return shlex.join(words)


Mode = Literal["write", "force", "check", "dry-run"]


def _mode(check: bool, dry_run: bool, force: bool) -> Mode:
    return "check" if check else "dry-run" if dry_run else "force" if force else "write"


def _one_of(option: str, value: str, *known: str) -> str:
    from odibi.errors import UsageError

    if value not in known:
        raise UsageError(f"{option} {value}: expected {' or '.join(known)}")
    return value


def _generate(
    target: str,
    render: Callable[[Project], Mapping[str, str]],
    asked: _Asked,
    usual: Path,
    mode: Mode,
) -> None:
    """Make the files in memory, compare them with those on disk, and do what the mode says."""
    from odibi_gen.files import Header, changes, signed, write

    known = _described(asked)
    header = Header(known.name, target, asked.command(target))
    folder = asked.file.resolve().parent / usual if asked.output is None else asked.output
    whole = not asked.select and not asked.exclude
    made = changes(folder, signed(header, render(known)), header, whole=whole)
    if mode == "check":
        _show_drift(made, asked.command(target))
    if mode != "dry-run":
        write(made, force=mode == "force")
    _show(made, mode)


def _described(asked: _Asked) -> Project:
    from odibi import config, graph
    from odibi.errors import UsageError
    from odibi.select import select
    from odibi_gen.loading import environ
    from odibi_gen.project import describe

    loaded = config.load(asked.file, env=asked.env, environ=environ(asked.file.resolve().parent))
    built = graph.build(loaded)
    chosen = None
    if asked.select or asked.exclude:
        chosen = select(built, asked.select, asked.exclude)
    known = describe(built, chosen)
    if not known.pipelines:
        raise UsageError("there is no node to generate code for", hint="see `odibi list nodes`")
    return known


def _show_drift(made: list[Change], command: str) -> None:
    """Leave: with 0 when nothing differs, else with the differences and 1."""
    differing = [change for change in made if change.kind != "same"]
    if not differing:
        say([f"{plural(len(made), 'file')} as odibi.yaml says"])
        raise SystemExit(0)
    words = {"new": "is missing", "changed": "differs", "gone": "is not made any more"}
    for change in differing:
        say([f"{shown_path(change.path)} {words[change.kind]}"])
        if change.kind == "changed":
            say([change.diff().rstrip("\n")])
    say([f"{len(differing)} of {plural(len(made), 'file')} differ; to write them: {command}"])
    raise SystemExit(FAILED)


def _show(made: list[Change], mode: Mode) -> None:
    would = "would be " if mode == "dry-run" else ""
    words = {"new": "written", "changed": "written", "gone": "removed"}
    for change in made:
        if change.kind == "same":
            say([f"  {shown_path(change.path)}  unchanged"])
            continue
        note = f" ({change.reason})" if change.reason and mode == "dry-run" else ""
        say([f"  {shown_path(change.path)}  {would}{words[change.kind]}{note}"])
