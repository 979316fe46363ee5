"""`odibi cancel`: stop a run that goes on, or one node of it, from another terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from odibi.cli.common import ProjectOption, open_ledger, say
from odibi.cli.exits import FAILED, fail, reported

if TYPE_CHECKING:
    from pathlib import Path

    from odibi.ledger import Ledger
    from odibi.run_state import RunState

app = typer.Typer(add_completion=False)

_PATIENCE = 10.0
"""Seconds in which a run that works acknowledges; it looks ten times a second."""


@app.command()
def cancel(
    run: Annotated[
        str | None, typer.Argument(help="The run: its id, or a part of it (default: what runs).")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option("--node", "-n", help="Stop only this node (pipeline.node); the rest goes on."),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Stop a run: what runs is interrupted, nothing half-written is published, the story is written."""
    with reported():
        from odibi import control

        ledger = open_ledger(project)
        run_id = _going_on(ledger, run)
        key = None if node is None else _node(ledger.state(run_id), node)
        folder = ledger.run_dir(run_id)
        try:
            control.request_cancel(folder, control.user(), key)
        except OSError as error:
            fail(f"run {run_id} can't be asked: {error.strerror}: {error.filename}")
        state = _answered(folder, key)
    what = f"run {run_id}" if key is None else f"{key} of run {run_id}"
    if not _heard(state, key):
        fail(f"{what} does not answer", "its process may hang: see `odibi story`", FAILED)
    say([_outcome(state, what, key)])


def _going_on(ledger: Ledger, name: str | None) -> str:
    """The run that is meant. Raises UsageError when it has ended, or when nothing runs."""
    from odibi.errors import UsageError

    runs = {run.run_id: run for run in ledger.runs()}
    if name is None:
        live = [run_id for run_id, run in runs.items() if run.status in ("planned", "running")]
        if not live:
            raise UsageError("no run of this project goes on", hint="`odibi history` lists all")
        return live[0]
    run = runs[ledger.resolve(name)]
    if run.status not in ("planned", "running"):
        raise UsageError(f"run {run.run_id} has ended already: {run.status}")
    return run.run_id


def _node(state: RunState, name: str) -> str:
    """The key of a node of the run. Raises UsageError when there is none, or when it has ended."""
    from difflib import get_close_matches

    from odibi.errors import UsageError

    found = [key for key in state.nodes if name in (key, state.nodes[key].name)]
    if len(found) != 1:
        near = found or get_close_matches(name, state.nodes, n=1)
        hint = f"did you mean {' or '.join(near)}?" if near else f"nodes: {', '.join(state.nodes)}"
        raise UsageError(
            f"--node {name}: {'several nodes' if found else 'no such node'}", hint=hint
        )
    node = state.nodes[found[0]]
    if node.done:
        raise UsageError(f"{node.key} has ended already: {node.status}")
    return node.key


def _answered(folder: Path, key: str | None) -> RunState:
    """The run once it has acknowledged the request or ended, or when patience has."""
    from odibi.event_log import Tail
    from odibi.run_state import EMPTY, apply_all

    tail, state, until = Tail(folder), EMPTY, time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        state = apply_all(state, tail.poll())
        if _heard(state, key):
            break
        time.sleep(0.05)
    return state


def _heard(state: RunState, key: str | None) -> bool:
    if state.done or (key is not None and state.nodes[key].done):
        return True
    return (state.cancelled_by if key is None else state.nodes[key].cancelled_by) is not None


def _outcome(state: RunState, what: str, key: str | None) -> str:
    asked = state.cancelled_by if key is None else state.nodes[key].cancelled_by
    if asked is None:
        return f"{what} ended before it could be stopped"
    return f"{what} is being cancelled"
