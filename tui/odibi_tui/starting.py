"""Starting `odibi top` and what is left on the normal screen after it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

from odibi.ledger import Ledger
from odibi.run_state import RunState
from odibi.safe_text import safe_line
from odibi_tui import theme as themes
from odibi_tui.app import Options, TopApp
from odibi_tui.follow import Follower
from odibi_tui.paint import duration
from odibi_tui.world import World

__all__ = ["current_state", "farewell", "run", "snapshot"]

_LAST_LINES = 20


def run(options: Options) -> int:
    """Show the app until the person leaves; returns the exit code, 0 unless it could not start."""
    app = TopApp(options)
    app.run()
    if app.crash is not None:
        print(f"odibi top broke: {app.crash_summary()}; runs go on", file=sys.stderr)
        return 3
    if not _in_browser():  # stdout is the app's line to the server
        print("\n".join(farewell(app.world, app.signs)))
    return app.return_code or 0


def farewell(world: World, signs: dict[str, str] | Any = themes.SIGNS) -> list[str]:
    """The shown run's result, what its failed nodes said last, and where its story is."""
    state = world.live.get(world.run_id or "")
    if state is None or not state.run_id:
        return []
    sign = signs.get(state.status, "")
    took = f" in {duration(state.seconds)}" if state.seconds is not None else ""
    lines = [f"{sign} {state.run_id} {state.status}{took}"]
    if not state.done:
        lines[0] += ", it goes on"
    for node in state.nodes.values():
        if node.status not in ("failed", "lost"):
            continue
        lines.append(f"  {signs.get(node.status, '')} {safe_line(node.key)}")
        said = [f"{entry.level} {entry.message}" for entry in node.logs[-_LAST_LINES:]]
        said += [node.error.message] if node.error else []
        lines += [f"      {safe_line(text)}" for text in said]
    story = world.ledger.run_dir(state.run_id) / "story.json"
    if story.exists():
        lines.append(f"  story: {safe_line(story)}   (odibi story show {state.run_id})")
    lines.append("  odibi top shows it again")
    return lines


def current_state(options: Options) -> dict[str, Any]:
    """The project's runs and the shown run as plain data, for scripts (`--once --json`)."""
    app = TopApp(options)
    world = app.world
    follower = Follower(world.ledger)
    if options.run is not None:
        world.show_run(options.run)
    world.accept(follower.look((), runs=True))
    world.accept(follower.look(world.followed()))
    world.set_cells(world.ledger.matrix(50))
    return document(world)


def document(world: World) -> dict[str, Any]:
    """The world as plain data."""
    return {
        "project": world.state.project,
        "root": str(world.root),
        "live": world.live_runs(),
        "run": _run(world, world.state) if world.state.run_id else None,
        "runs": [
            {
                "run_id": run.run_id,
                "status": run.status,
                "started": run.started.isoformat() if run.started else None,
                "seconds": run.seconds,
                "nodes": run.nodes,
                "failed": run.failed,
                "rows_written": run.rows_written,
            }
            for run in world.runs[:50]
        ],
    }


def _run(world: World, state: RunState) -> dict[str, Any]:
    from odibi_tui import eta

    left = eta.estimate(state, world.past, world.now())
    return {
        "run_id": state.run_id,
        "status": state.status,
        "engine": state.engine,
        "started": state.started.isoformat() if state.started else None,
        "seconds": state.seconds,
        "fraction": round(eta.fraction(state, world.past), 4),
        "eta_seconds": round(left.seconds, 1) if left else None,
        "nodes": [
            {
                "node": key,
                "status": node.status,
                "attempt": node.attempt,
                "seconds": node.seconds,
                "fraction": node.fraction,
                "rows_out": node.counts.rows_out if node.counts else None,
                "quarantined": node.counts.quarantined if node.counts else None,
                "error": node.error.message if node.error else None,
            }
            for key, node in state.nodes.items()
        ],
    }


def snapshot(options: Options, size: tuple[int, int]) -> str:
    """One frame of the screen as text, `size` in columns and rows (`--once`)."""
    import asyncio

    async def take() -> str:
        app = TopApp(options)
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            return screen_text(app)

    return asyncio.run(take())


async def settled(app: TopApp, pilot: Any) -> None:
    """Wait until the ledger and the project are read and painted."""
    import asyncio

    async with asyncio.timeout(
        60
    ):  # an app that broke never gets there, and says why on its way out
        while not app.world.loaded:
            await pilot.pause(0.01)
    await app.look()
    # asked for none, Textual would wait for all, also those that end with the app
    if reading := [worker for worker in app.workers if worker.group == "project"]:
        await app.workers.wait_for_complete(reading)
    await pilot.pause()


def screen_text(app: TopApp) -> str:
    """What the screen shows, line by line. The one place that asks Textual's compositor."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def main(options: Options, *, once: bool = False, as_json: bool = False) -> int:
    """What the command does, whichever way it was called; returns the exit code.

    Raises UsageError for a run that isn't there, StateError for a ledger that can't be read.
    """
    if options.run is not None:
        known = Ledger(options.path.resolve().parent).resolve(options.run)
        options = replace(options, run=known)
    if as_json:
        print(json.dumps(current_state(options), indent=2, ensure_ascii=False))
    elif once or not (_drawable() or _in_browser()):
        print(snapshot(options, _terminal()))
    else:
        return run(options)
    return 0


def _drawable() -> bool:
    """Whether there is a terminal, and one that can place its cursor; else one frame must do."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _in_browser() -> bool:
    """Whether `--web` started this process: Textual then talks through pipes, not a terminal."""
    return "WebDriver" in os.environ.get("TEXTUAL_DRIVER", "")


def _terminal() -> tuple[int, int]:
    import shutil

    found = shutil.get_terminal_size((120, 40))
    return found.columns, found.lines
