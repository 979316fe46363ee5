"""`odibi state`: how far incremental reads have come, and how to start one anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EnvOption,
    JsonOption,
    ProjectOption,
    find_project,
    plural,
    print_json,
    say,
    table,
    terminal_width,
)
from odibi.cli.exits import reported

if TYPE_CHECKING:
    from odibi.marks import Marks, Record

app = typer.Typer(
    name="state",
    help="Show or reset the marks of incremental reads.",
    add_completion=False,
    rich_markup_mode=None,
)


def _marked_nodes(incomplete: str) -> list[str]:
    """Names for the shell: nodes of the project here that have a mark."""
    from odibi.errors import OdibiError

    try:
        return [r.key for r in _marks(None, None).all() if r.key.startswith(incomplete)]
    except (OdibiError, OSError):  # no project here: there is nothing to complete
        return []


NodeArgument = Annotated[
    str, typer.Argument(help="pipeline.node, or a state_key.", autocompletion=_marked_nodes)
]
NodesArgument = Annotated[
    list[str], typer.Argument(help="pipeline.node, or a state_key.", autocompletion=_marked_nodes)
]


@app.callback(invoke_without_command=True)
def state(
    context: typer.Context,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or reset the marks of incremental reads."""
    if context.invoked_subcommand is None:
        list_marks(project, env, as_json)


@app.command("list")
def list_marks(
    project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
) -> None:
    """List all marks: the highest value that each node has stored."""
    with reported():
        records = _marks(project, env).all()
        if as_json:
            print_json([_plain(record) for record in records])
        elif not records:
            print("no marks yet: nodes that read with incremental.mode stateful make them")
        else:
            rows = [(r.key, _value(r), r.column or "", f"{r.at:%F %T}", r.run_id) for r in records]
            headings = ("NODE", "MARK", "COLUMN", "AT (UTC)", "RUN")
            say(table(headings, rows, keep=("NODE", "MARK"), width=terminal_width()))


@app.command()
def show(
    node: NodeArgument,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one mark in full."""
    with reported():
        record = _found(_marks(project, env), node)
        plain = _plain(record)
        if as_json:
            print_json(plain)
        else:
            say(table(("FIELD", "VALUE"), [(k, v) for k, v in plain.items() if v is not None]))


@app.command()
def reset(nodes: NodesArgument, project: ProjectOption = None, env: EnvOption = None) -> None:
    """Forget marks: the next run of these nodes reads everything again."""
    with reported():
        from odibi.locks import acquire

        marks = _marks(project, env)
        with acquire(find_project(project).resolve().parent):  # a run would set the mark again
            found = [_found(marks, node).key for node in nodes]
            for key in found:
                marks.reset(key)
        say([*found, f"{plural(len(found), 'mark')} reset: the next run reads everything again"])


def _marks(project: Path | None, env: str | None) -> Marks:
    from odibi.marks import Marks, folder_of

    return Marks(folder_of(find_project(project).resolve().parent), env)


def _found(marks: Marks, name: str) -> Record:
    """The record of a key, or of the only node of that name. Raises UsageError."""
    from odibi.config.near import did_you_mean
    from odibi.errors import UsageError

    if exact := marks.read(name):
        return exact
    records = marks.all()
    found = [r for r in records if r.key.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    keys = [r.key for r in found or records]
    if found:
        raise UsageError(f"{name!r} could be any of {', '.join(keys)}")
    known = f"marks: {', '.join(keys)}" if keys else "there are no marks yet"
    raise UsageError(f"there is no mark {name!r}{did_you_mean(name, keys)}", hint=known)


def _value(record: Record) -> str:
    return record.mark.value if record.mark is not None else "none yet"


def _plain(record: Record) -> dict[str, Any]:
    """The record as JSON has it."""
    return {
        "node": record.key,
        "mark": record.mark.value if record.mark else None,
        "type": record.mark.kind if record.mark else None,
        "column": record.column,
        "at": record.at.isoformat(),
        "run_id": record.run_id,
        "write_id": record.write_id,
        "extra": dict(record.extra) or None,
    }
