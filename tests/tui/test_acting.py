"""Keys that start and stop things: real projects, real processes, and what the ledger says afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from odibi.ledger import Ledger
from odibi.locks import acquire
from odibi.run_state import RunState
from odibi_tui.acting import Actor
from odibi_tui.app import Options, TopApp
from odibi_tui.dialogs.confirm import ConfirmDialog, MessageDialog
from odibi_tui.dialogs.edit_sql import EditSqlDialog
from odibi_tui.dialogs.rerun import RerunDialog
from odibi_tui.rerun import Preview
from odibi_tui.starting import screen_text, settled
from tests.runner.running import command, project, rows

NODES = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT id, kind FROM a WHERE id < 6"]}
  write: {connection: data, format: parquet, path: out/b.parquet}
- name: c
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/c.parquet}
"""
SLOW = (
    "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 1"
)
SLOW_NODES = f"""\
- name: slow
  transform: {{steps: ["{SLOW}"]}}
  write: {{connection: data, format: parquet, path: out/slow.parquet}}
- name: c
  read: {{connection: data, format: parquet, path: numbers.parquet}}
  write: {{connection: data, format: parquet, path: out/c.parquet}}
"""


@asynccontextmanager
async def top(folder: Path, node: str | None = None, **options: bool) -> AsyncIterator[Pilot[None]]:
    """The app over a project, with a node selected."""
    app = TopApp(
        Options(folder / "odibi.yaml", view="nodes", preferences=folder / "preferences", **options)  # type: ignore[arg-type]
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await asyncio.wait_for(settled(app, pilot), 20)
        app.changed(app.world.select(node))
        yield pilot


def app_of(pilot: Pilot[None]) -> TopApp:
    assert isinstance(pilot.app, TopApp)
    return pilot.app


async def until(happened: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not happened():
            await asyncio.sleep(0.02)


async def shows(pilot: Pilot[None], *texts: str) -> None:
    """Wait until the screen shows the texts; white space counts as one space."""
    await until(lambda: all(text in " ".join(screen_text(app_of(pilot)).split()) for text in texts))


def at_main(pilot: Pilot[None]) -> bool:
    return pilot.app.screen is app_of(pilot).main


async def plan_of(pilot: Pilot[None]) -> Preview:
    """The plan that the dialog shows, once it has one."""
    dialog = pilot.app.screen
    assert isinstance(dialog, RerunDialog)
    await until(lambda: dialog.asked.told is not None)
    await pilot.pause()
    told = dialog.asked.told
    assert isinstance(told, Preview), told
    return told


async def ended(pilot: Pilot[None], besides: set[str]) -> RunState:
    """The end of the run that the screen shows and that was not there before."""
    world = app_of(pilot).world
    await until(lambda: world.run_id not in besides and world.state.done)
    return Ledger(world.root).state(world.run_id or "")


def run_ids(folder: Path) -> set[str]:
    return {run.run_id for run in Ledger(folder).runs()}


def ran(state: RunState) -> set[str]:
    return {node.name for node in state.nodes.values() if node.status == "succeeded"}


@contextmanager
def slow_run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of another terminal, that goes on until somebody stops it."""
    with subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-q", "-p", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def runs_slow(pilot: Pilot[None]) -> None:
    """Wait until the screen shows that node `slow` runs."""
    world = app_of(pilot).world
    await until(lambda: world.status("p.slow") == "running")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A project that has run once."""
    folder = project(tmp_path, NODES)
    assert command(folder, "run", "-q").returncode == 0
    return folder


@pytest.mark.parametrize(
    ("key", "node", "names"),
    [("r", "p.c", {"c"}), ("R", "p.a", {"a", "b"}), ("A", None, {"a", "b", "c"})],
)
async def test_a_key_and_y_run_the_right_nodes(
    finished: Path, key: str, node: str | None, names: set[str]
) -> None:
    before = run_ids(finished)
    async with top(finished, node) as pilot:
        await pilot.press(key)
        plan = await plan_of(pilot)
        assert {name.rpartition(".")[2] for name in plan.runs} == names
        assert app_of(pilot).world.planned == set(plan.runs)
        await shows(pilot, "↻")
        await pilot.press("y")
        state = await ended(pilot, before)
        assert app_of(pilot).world.planned == set()
    assert (state.status, ran(state)) == ("succeeded", names)


async def test_enter_starts_nothing_and_n_goes_back(finished: Path) -> None:
    before = run_ids(finished)
    async with top(finished, "p.c") as pilot:
        await pilot.press("r")
        await plan_of(pilot)
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, RerunDialog)
        await pilot.press("n")
        assert not isinstance(pilot.app.screen, RerunDialog)
        assert app_of(pilot).world.planned == set()
    assert run_ids(finished) == before


async def test_before_a_node_is_selected_the_cursor_says_which(finished: Path) -> None:
    async with top(finished) as pilot:
        app_of(pilot).main.panes["nodes"].body.move_to(2, by_hand=False)
        assert app_of(pilot).world.node is None
        await pilot.press("r")
        assert set((await plan_of(pilot)).runs) == {"p.b"}


async def test_a_node_that_the_filter_hides_is_not_acted_on(finished: Path) -> None:
    async with top(finished, "p.c") as pilot:
        world = app_of(pilot).world
        app_of(pilot).changed(world.set_filter("p.b"))
        assert (world.node, world.chosen) == ("p.c", None)
        await pilot.press("r")
        assert set((await plan_of(pilot)).runs) == {"p.b"}
        await pilot.press("escape")
        app_of(pilot).changed(world.set_filter(""))
        assert world.chosen == "p.c"


async def test_marked_nodes_run_together(finished: Path) -> None:
    before = run_ids(finished)
    async with top(finished, "p.c") as pilot:
        app_of(pilot).changed(app_of(pilot).world.mark({"p.c", "p.b"}))
        await pilot.press("r")
        plan = await plan_of(pilot)
        assert (set(plan.runs), plan.reuses) == ({"p.b", "p.c"}, ("p.a",))
        await pilot.press("y")
        state = await ended(pilot, before)
    assert ran(state) == {"b", "c"}


async def test_the_scope_switches_with_arrows_and_letters(finished: Path) -> None:
    async with top(finished, "p.b") as pilot:
        await pilot.press("r")
        assert set((await plan_of(pilot)).runs) == {"p.b"}
        await pilot.press("u")
        assert set((await plan_of(pilot)).runs) == {"p.a", "p.b"}
        await pilot.press("right")
        assert len((await plan_of(pilot)).runs) == 3
        await pilot.press("f")  # nothing failed: no such scope
        assert len((await plan_of(pilot)).runs) == 3


async def test_the_command_can_be_edited_and_the_plan_follows(finished: Path) -> None:
    before = run_ids(finished)
    async with top(finished, "p.b") as pilot:
        await pilot.press("r")
        await plan_of(pilot)
        await pilot.press("e")
        dialog = pilot.app.screen
        assert isinstance(dialog, RerunDialog)
        assert dialog.typed.value == "odibi run --select p.b"
        dialog.typed.value = "odibi run --select 'p.a p.c' --jobs 1"
        await pilot.press("enter")
        assert set((await plan_of(pilot)).runs) == {"p.a", "p.c"}
        await pilot.press("y")
        state = await ended(pilot, before)
    assert (state.jobs, ran(state)) == (1, {"a", "c"})


async def test_a_dry_run_writes_nothing(finished: Path) -> None:
    before = run_ids(finished)
    stored = (finished / "out/c.parquet").stat().st_mtime_ns
    async with top(finished, "p.c") as pilot:
        await pilot.press("r")
        await plan_of(pilot)
        await pilot.press("d")
        state = await ended(pilot, before)
    assert state.plan is not None
    assert (state.plan.dry_run, state.status) == (True, "succeeded")
    assert (finished / "out/c.parquet").stat().st_mtime_ns == stored


async def test_a_failed_run_is_gone_on_with(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES.replace("id < 6", "idd < 6"))
    assert command(folder, "run", "-q").returncode == 1
    project(tmp_path, NODES)
    before = run_ids(folder)
    async with top(folder) as pilot:
        await pilot.press("F")
        plan = await plan_of(pilot)
        assert (set(plan.runs), {plan.resumes}) == ({"p.b"}, before)
        await pilot.press("y")
        state = await ended(pilot, before)
    assert state.plan is not None
    assert {state.plan.resume_of} == before
    assert (state.status, ran(state)) == ("succeeded", {"b"})


async def test_what_is_wrong_with_the_yaml_stands_in_the_dialog(finished: Path) -> None:
    async with top(finished, "p.c") as pilot:
        text = (finished / "odibi.yaml").read_text()
        (finished / "odibi.yaml").write_text(text.replace("write:", "rite:", 1))
        await pilot.press("r")
        dialog = pilot.app.screen
        assert isinstance(dialog, RerunDialog)
        await shows(pilot, "odibi.yaml:10:9")
        await pilot.press("y")
        assert isinstance(pilot.app.screen, RerunDialog)


async def test_the_plan_only_looks(finished: Path) -> None:
    async with top(finished, read_only=True) as pilot:
        await pilot.press("P")
        assert len((await plan_of(pilot)).runs) == 3
        await pilot.press("y")
        assert isinstance(pilot.app.screen, RerunDialog)
        await pilot.press("escape")
        for key in "rRFAxXiW":
            await pilot.press(key)
        assert at_main(pilot)
        assert app_of(pilot).rerun_on_edit is False
    assert len(run_ids(finished)) == 1


async def test_a_lock_held_elsewhere_is_said(finished: Path) -> None:
    async with top(finished, "p.c") as pilot:
        with acquire(finished, command=["odibi", "run", "--select", "everything"]):
            await pilot.press("r")
            await plan_of(pilot)
            await pilot.press("y")
            await until(lambda: isinstance(pilot.app.screen, MessageDialog))
            await shows(pilot, "another run holds this project", "run --select everything")
        await pilot.press("escape")
        assert at_main(pilot)
        assert app_of(pilot).main.why_not("rerun.node") is None
    assert len(run_ids(finished)) == 1


# Cancelling -------------------------------------------------------------------------------------------


async def test_while_a_run_goes_on_no_other_can_be_started(tmp_path: Path) -> None:
    folder = project(tmp_path, SLOW_NODES)
    with slow_run(folder):
        async with top(folder, "p.c") as pilot:
            await runs_slow(pilot)
            app = app_of(pilot)
            for action in ("rerun.node", "rerun.downstream", "run.all", "edit.sql"):
                assert "holds the project" in (app.main.why_not(action) or ""), action
            assert app.main.why_not("run.plan") is None


async def test_one_node_is_cancelled_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = project(tmp_path, SLOW_NODES)
    with slow_run(folder) as process:
        async with top(folder, "p.slow") as pilot:
            await runs_slow(pilot)
            await pilot.press("x", "y")
            await until(lambda: app_of(pilot).world.state.done)
            assert app_of(pilot).main.why_not("cancel.node") is not None
        assert process.wait(30) == 1
    state = Ledger(folder).state(run_ids(folder).pop())
    assert state.nodes["p.slow"].status == "cancelled"
    assert state.nodes["p.c"].status == "succeeded"
    assert state.cancelled_by is None


async def test_a_run_is_cancelled_with_y_and_nothing_else(tmp_path: Path) -> None:
    folder = project(tmp_path, SLOW_NODES)
    with slow_run(folder) as process:
        async with top(folder) as pilot:
            await runs_slow(pilot)
            await pilot.press("X")
            await shows(pilot, "running, finished outputs stay [y/N]")
            await pilot.press("enter", "space")
            assert isinstance(pilot.app.screen, ConfirmDialog)
            await pilot.press("n")
            assert app_of(pilot).world.cancelling is None
            await pilot.press("X", "y")
            await until(lambda: app_of(pilot).world.state.done)
            await until(lambda: app_of(pilot).world.cancelling is None)
        assert process.wait(30) == 130
    assert Ledger(folder).state(run_ids(folder).pop()).status == "cancelled"


async def test_a_deaf_run_is_offered_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Actor, "patience", (0.0, 0.5))
    folder = project(tmp_path, SLOW_NODES)
    with slow_run(folder) as process:
        async with top(folder) as pilot:
            await runs_slow(pilot)
            os.kill(process.pid, signal.SIGSTOP)
            await pilot.press("X", "y")
            for name in ("SIGINT", "SIGKILL"):
                await until(
                    lambda name=name: (  # type: ignore[misc]
                        isinstance(pilot.app.screen, ConfirmDialog)
                        and name in pilot.app.screen.question
                    )
                )
                await shows(pilot, "cancelling… ")
                await pilot.press("y")
            assert process.wait(30) == -signal.SIGKILL
            await until(lambda: app_of(pilot).world.state.status == "lost")
            assert app_of(pilot).main.why_not("rerun.failed") is None


# Leaving ----------------------------------------------------------------------------------------------


async def test_leaving_lets_the_run_go_on(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, functions=WAITING)
    text = (folder / "odibi.yaml").read_text()
    (folder / "odibi.yaml").write_text(
        text.replace("SELECT id, kind FROM a WHERE id < 6", "{function: waiting}")
        .replace('["{', "[{")
        .replace('}"]', "}]")
    )
    async with top(folder) as pilot:
        await pilot.press("A")
        await plan_of(pilot)
        await pilot.press("y")
        world = app_of(pilot).world
        await until(lambda: world.status("p.b") == "running")
        await pilot.press("q")
    ledger = Ledger(folder)
    (run_id,) = run_ids(folder)
    assert ledger.state(run_id).status == "running"
    (folder / "go").touch()
    await until(lambda: ledger.state(run_id).done)
    assert ledger.state(run_id).status == "succeeded"


WAITING = """\
import time
from pathlib import Path

from odibi import transform


@transform
def waiting(df):
    while not (Path(__file__).parent / "go").exists():
        time.sleep(0.02)
    return df
"""


# Trying SQL -------------------------------------------------------------------------------------------


async def edited(pilot: Pilot[None], sql: str | None = None) -> EditSqlDialog:
    """The dialog over the selected node, with other SQL typed."""
    await until(lambda: app_of(pilot).main.why_not("edit.sql") is None)  # no trial goes on
    await pilot.press("i")
    await until(lambda: isinstance(pilot.app.screen, EditSqlDialog))
    dialog = pilot.app.screen
    assert isinstance(dialog, EditSqlDialog)
    await until(lambda: dialog.source is not None)
    if sql is not None:
        dialog.editor.text = sql
    return dialog


async def test_sql_is_tried_and_the_stored_table_stays(finished: Path) -> None:
    before = rows(finished / "out/b.parquet")
    stored = (finished / "out/b.parquet").stat().st_mtime_ns
    async with top(finished, "p.b") as pilot:
        shown = app_of(pilot).world.run_id
        dialog = await edited(pilot)
        assert dialog.editor.text == "SELECT id, kind FROM a WHERE id < 6"
        dialog.editor.text = "SELECT id, kind * 2 AS twice FROM a WHERE id < 3"
        await pilot.press("ctrl+r")
        await until(lambda: dialog.going is False)
        await shows(pilot, "rows 3 stored 6 -50.0%", "+ twice", "- kind")
        await pilot.press("escape")
        assert app_of(pilot).world.run_id == shown
        trial = Ledger(finished).state(dialog.trial_id or "")
    assert (trial.status, trial.plan and trial.plan.scratch) == ("succeeded", True)
    assert rows(finished / "out/b.parquet") == before
    assert (finished / "out/b.parquet").stat().st_mtime_ns == stored


async def test_errors_of_tried_sql_stand_below_it_and_the_draft_stays(finished: Path) -> None:
    async with top(finished, "p.b") as pilot:
        dialog = await edited(pilot, "SELECT nonsense FROM a")
        await pilot.press("ctrl+r")
        await until(lambda: dialog.going is False)
        await shows(pilot, 'Referenced column "nonsense" not found')
        await pilot.press("escape")
        dialog = await edited(pilot)
        assert dialog.editor.text == "SELECT nonsense FROM a"
        await pilot.press("ctrl+l")
        assert dialog.editor.text == "SELECT id, kind FROM a WHERE id < 6"


async def test_a_trial_is_stopped_with_escape(finished: Path) -> None:
    async with top(finished, "p.b") as pilot:
        dialog = await edited(pilot, SLOW)
        await pilot.press("ctrl+r")
        await until(lambda: "p.b" in dialog.trial.nodes)
        await until(lambda: dialog.trial.nodes["p.b"].status == "running")
        await pilot.press("escape")
        await until(lambda: dialog.going is False)
        assert dialog.trial.status == "cancelled"
        await pilot.press("escape")
        assert at_main(pilot)


async def test_sql_is_copied(finished: Path) -> None:
    async with top(finished, "p.b") as pilot:
        await edited(pilot, "SELECT 1 AS id")
        await pilot.press("ctrl+o")
        assert pilot.app.clipboard == "SELECT 1 AS id"


async def test_a_node_without_sql_starts_from_its_rows(finished: Path) -> None:
    async with top(finished, "p.c") as pilot:
        dialog = await edited(pilot)
        assert dialog.editor.text == "SELECT *\nFROM df"
        await pilot.press("ctrl+r")
        await until(lambda: dialog.going is False)
        await shows(pilot, "rows 9 stored 9 =")


# Rerunning what an edit touches -------------------------------------------------------------------------


async def test_an_edit_reruns_what_it_touches_only_when_asked_to(finished: Path) -> None:
    before = run_ids(finished)
    file = finished / "odibi.yaml"
    async with top(finished) as pilot:
        app = app_of(pilot)
        file.write_text(file.read_text().replace("id < 6", "id < 5"))
        await app.reload_project()
        await app.main.project_changed()
        await pilot.press("W")
        await shows(pilot, "auto rerun FINISHED")
        assert run_ids(finished) == before
        file.write_text(file.read_text().replace("id < 5", "id < 4"))
        await app.reload_project()
        await app.main.project_changed()
        state = await ended(pilot, before)
        await pilot.press("W")
        assert app.rerun_on_edit is False
    assert ran(state) == {"b"}
    assert len(rows(finished / "out/b.parquet")) == 4


async def test_an_edit_of_a_sql_file_in_a_folder_below_is_heard_and_reruns_its_node(
    tmp_path: Path,
) -> None:
    step = 'transform: {steps: ["SELECT id, kind FROM a WHERE id < 6"]}'
    assert step in NODES
    sql = tmp_path / "sql" / "b.sql"
    sql.parent.mkdir()
    sql.write_text("SELECT id, kind FROM a WHERE id < 6")
    folder = project(tmp_path, NODES.replace(step, "transform: {steps: [{sql_file: sql/b.sql}]}"))
    assert command(folder, "run", "-q").returncode == 0
    before = run_ids(folder)
    async with top(folder) as pilot:
        await pilot.press("W")
        await shows(pilot, "auto rerun FINISHED")
        sql.write_text("SELECT id, kind FROM a WHERE id < 4")
        state = await ended(pilot, before)
    assert ran(state) == {"b"}
    assert len(rows(folder / "out/b.parquet")) == 4
