"""Past runs: which of them fit, how they are drawn, and what keys do on a real project's runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi.events import PlannedNode
from odibi.history import NodeCell, RunSummary
from odibi.run_state import NodeState
from odibi_tui.app import Options, TopApp
from odibi_tui.heat import (
    Fact,
    bars,
    fact_of_cell,
    facts_of,
    grid_of,
    heat,
    merged,
    note,
    of_pipelines,
    past_of_pipelines,
    worst,
)
from odibi_tui.paint import plain, width
from odibi_tui.panes.runs import RunsPane, details, facts_line, marker, shape_of, when
from odibi_tui.replay import Playhead
from odibi_tui.starting import screen_text, settled
from odibi_tui.theme import ASCII_SIGNS, SIGNS
from tests.runner.running import command, project, run

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def summary(number: int, status: str = "succeeded", **facts: object) -> RunSummary:
    """Run `number`: the greater, the newer."""
    began = NOON + timedelta(minutes=number)
    made = RunSummary(f"run-{number}", "stamp", status, started=began, seconds=1.0)
    return replace(made, **facts)  # type: ignore[arg-type]


def newest_first(count: int) -> list[RunSummary]:
    return [summary(number) for number in range(count - 1, -1, -1)]


# Which runs fit ---------------------------------------------------------------------------------------


@given(st.integers(1, 300), st.data(), st.integers(1, 120), st.integers(0, 30))
def test_the_runs_that_fit_hold_the_cursor(
    count: int, data: st.DataObject, cells: int, label: int
) -> None:
    runs = newest_first(count)
    at, start = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, 400))
    grid = grid_of(runs, f"run-{at}", cells, label, start)
    shown = [found.run_id for found in grid.runs]
    assert f"run-{at}" in shown
    assert len(shown) * grid.pitch <= max(cells - label, 1)
    room = max(cells - label, 1) // grid.pitch
    assert len(shown) == min(room, count)  # no room is left empty while there are more runs
    first = count - 1 - grid.start
    assert shown == [f"run-{number}" for number in range(first - len(shown) + 1, first + 1)]


def test_columns_and_cells_mean_the_same_run() -> None:
    grid = grid_of(newest_first(5), None, 40, 10)
    assert (grid.pitch, grid.column("run-0"), grid.column("run-4")) == (2, 10, 18)
    found = [grid.run_at(cell) for cell in (9, 10, 11, 18, 19, 20)]
    assert [f.run_id if f else None for f in found] == [
        None,
        "run-0",
        "run-0",
        "run-4",
        "run-4",
        None,
    ]


def test_the_window_moves_only_as_far_as_the_cursor_needs() -> None:
    runs = newest_first(100)
    assert grid_of(runs, "run-99", 20, 10, 0).start == 0
    assert grid_of(runs, "run-90", 20, 10, 0).start == 0
    assert grid_of(runs, "run-89", 20, 10, 0).start == 1
    assert grid_of(runs, "run-95", 20, 10, 40).start == 4


# All runs in a line -----------------------------------------------------------------------------------


def test_facts_count_whole_runs_that_ended() -> None:
    runs = [
        summary(6, "running", seconds=None),
        summary(5, sample=10, whole=False, status="failed"),
        summary(4, "failed", seconds=9.0),
        summary(3, seconds=3.0),
        summary(2, seconds=2.0),
        summary(1, seconds=1.0),
        summary(0, "lost"),
    ]
    facts = facts_of(runs)
    assert (facts.runs, facts.green, facts.p50) == (7, 0.6, 2.0)
    assert facts.p95 == pytest.approx(2.9)
    assert (facts.good, facts.bad) == (runs[3].started, runs[2].started)


def test_facts_of_nothing() -> None:
    facts = facts_of([])
    assert (facts.green, facts.p50, facts.p95) == (None, None, None)
    assert plain(facts_line(facts, SIGNS, NOON, 80)) == " 0 runs"


@given(st.integers(8, 120))
def test_the_line_of_facts_gives_up_whole_facts(cells: int) -> None:
    line = facts_line(facts_of(newest_first(30)), SIGNS, NOON, cells)
    assert width(line) <= cells
    whole = plain(facts_line(facts_of(newest_first(30)), SIGNS, NOON, 200))
    assert whole.startswith(plain(line))


def test_not_quite_all_green_never_says_a_hundred() -> None:
    runs = [summary(0, "failed"), *[summary(n) for n in range(1, 999)]]
    assert "  99% green" in plain(facts_line(facts_of(runs), SIGNS, NOON, 80))


durations = st.lists(st.none() | st.floats(0, 1e6), max_size=60)


@given(durations, st.integers(1, 4), st.booleans())
def test_bars_are_full_below_their_tops_and_known_ones_show(
    seconds: list[float | None], height: int, ascii_only: bool
) -> None:
    rows = bars(seconds, height, ascii_only)
    assert [len(row) for row in rows] == [len(seconds)] * height
    full = "#" if ascii_only else "█"
    for place, value in enumerate(seconds):
        column = [row[place] for row in reversed(rows)]
        assert (column[0] != " ") == (value is not None)
        tops = [cell for cell in column if cell not in (full, " ")]
        assert len(tops) <= 1
        assert column == [*([full] * column.count(full)), *tops, *([" "] * column.count(" "))]


def test_a_longer_run_has_a_higher_bar_until_four_medians() -> None:
    assert bars([1.0, 2.0, 3.0, 4.0], 1) == ["▂▄▆█"]
    assert bars([1.0] * 5 + [100.0, 4.0], 2) == ["     ██", "▄▄▄▄▄██"]


def test_of_several_states_the_worst_is_told() -> None:
    assert worst(["succeeded", "failed", "skipped"]) == "failed"
    assert worst(["reused", "succeeded", "running"]) == "running"
    assert worst([]) is None


# Cells ------------------------------------------------------------------------------------------------


def signs(mode: str, facts: list[Fact | None], names: object = SIGNS) -> str:
    return "".join(text for text, _ in heat(mode, facts, names))  # type: ignore[arg-type]


def test_cells_of_states() -> None:
    facts = [None, Fact("succeeded"), Fact("warning"), Fact("failed"), Fact("lost"), Fact("reused")]
    assert signs("state", facts) == " ✓▲✗?="
    assert signs("state", facts, ASCII_SIGNS) == " +^x?="


def test_cells_of_rows_compare_with_the_success_before() -> None:
    counts = (100, 100, 110, 150, 100, 0, None)
    facts = [Fact("succeeded", 1.0, rows) for rows in counts]
    with_failure = [*facts[:2], Fact("failed", 1.0, 7), *facts[2:]]
    assert signs("rows", [*with_failure]) == "+=✗▴▲▼▼·"
    styles = [style for _, style in heat("rows", [*facts], SIGNS)]
    assert styles == ["dim", "dim", "text", "warning", "warning", "failed", "dim"]


def test_cells_of_time_compare_with_the_median() -> None:
    facts = [Fact("succeeded", seconds) for seconds in (1.0, 1.0, 1.0, 2.0, 0.5, 16.0)]
    assert signs("time", [*facts]) == "▄▄▄▆▂█"
    styles = [style for _, style in heat("time", [*facts], SIGNS)]
    assert styles == ["dim", "dim", "dim", "warning", "ok", "warning"]


def test_cells_of_drift_tell_another_schema() -> None:
    facts = [Fact("succeeded", 1.0, 1, schema) for schema in ("a", "a", "b", "b", None)]
    assert signs("drift", [*facts]) == "+=Δ=·"
    assert note("drift", facts) == "1x"


def test_a_success_with_something_to_look_at_is_a_warning() -> None:
    cell = NodeCell("r", "n", "run", "succeeded", True, NOON, 1.0, 5, 0, 0, 0, "h", None)
    assert fact_of_cell(cell) == Fact("succeeded", 1.0, 5, "h")
    looks = ("quarantined", "checks_failed", "warnings", "unreadable")
    assert {fact_of_cell(replace(cell, **{name: 1})).status for name in looks} == {"warning"}  # type: ignore[arg-type]


def test_pipelines_tell_the_worst_of_their_nodes() -> None:
    cell = NodeCell("r1", "p.a", "run", "succeeded", True, NOON, 1.0, 5, 0, 0, 0, "h", None)
    cells = [cell, replace(cell, node="p.b", warnings=1), replace(cell, node="q.a")]
    past = past_of_pipelines([*cells, replace(cell, run_id="r0", status="failed")])
    assert past == {"r1": {"p": "warning", "q": "succeeded"}, "r0": {"p": "failed"}}
    nodes = [NodeState(key, PlannedNode(key, "run", "")) for key in ("p.a", "p.b", "q.a")]
    now = of_pipelines([replace(nodes[0], status="running"), *nodes[1:]])
    assert now == {"p": "running", "q": "queued"}


@given(st.lists(st.tuples(st.sampled_from("✓✗"), st.sampled_from(("ok", "failed")))))
def test_merging_equal_styles_changes_no_cell(spans: list[tuple[str, str]]) -> None:
    line = merged(spans, 2, 1_000)
    assert plain(line) == "".join(f"{text} " for text, _ in spans)
    assert all(a[1] != b[1] for a, b in pairwise(line))


# Rows of the pane -------------------------------------------------------------------------------------


@given(st.integers(1, 8), st.integers(0, 9))
def test_a_small_region_is_filled_with_the_timeline_alone(height: int, pipelines: int) -> None:
    shape = shape_of(height, pipelines)
    used = shape.bars + 1 + shape.pipelines + shape.marker + shape.facts
    assert (shape.matrix, used <= height) == (False, True)


@given(st.integers(9, 200), st.integers(0, 9))
def test_a_large_region_leaves_most_to_the_matrix(height: int, pipelines: int) -> None:
    shape = shape_of(height, pipelines)
    used = shape.bars + 1 + shape.pipelines + shape.marker + shape.facts + 1 + shape.foot
    assert shape.matrix
    assert height - used >= max(height // 2, 4) - 1


@given(st.integers(0, 60), st.integers(8, 80))
def test_the_marker_stands_below_its_column(column: int, cells: int) -> None:
    line = plain(marker(min(column, cells - 1), "12:00:00 failed 1.0s", cells))
    assert line.index("▲") == min(column, cells - 1)


def test_times_of_today_have_no_date() -> None:
    local = NOON.astimezone()
    assert when(NOON, NOON + timedelta(minutes=5)) == f"{local:%H:%M:%S}"
    assert when(NOON, NOON + timedelta(days=3)) == f"{local:%m-%d %H:%M}"
    assert when(NOON, NOON + timedelta(days=400)) == f"{local:%Y-%m-%d}"


def test_a_run_in_two_lines() -> None:
    told = summary(
        1,
        "failed",
        seconds=69.0,
        command=("odibi", "run", "--sample", "100"),
        selection=("gold.*",),
        git_sha="4f1c2ab99",
        sample=100,
        resume_of="run-0",
        nodes=3,
        succeeded=2,
        failed=1,
        rows_written=1200,
    )
    first, second = map(plain, details(told, NOON, SIGNS, 200))
    assert first.startswith(" ✗ run-1  failed 1:09  started ")
    assert first.endswith("  by odibi run --sample 100")
    assert second == (
        " 3 nodes ✓2 ✗1 · 1,200 rows · selection gold.* · git 4f1c2ab"
        "  sample of 100 rows  resume of run-0"
    )


# On a real project ------------------------------------------------------------------------------------

NODES = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT id FROM a WHERE id < 6"]}
  write: {connection: data, format: parquet, path: out/b.parquet}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs: whole, whole with fewer rows, failed."""
    root = tmp_path_factory.mktemp("runs")
    run(project(root, NODES))
    run(project(root, NODES.replace("id < 6", "id < 2")))
    run(project(root, NODES.replace("SELECT id", "SELECT nothing")))
    return root


@asynccontextmanager
async def top(
    folder: Path, tmp_path: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
    app = TopApp(Options(folder / "odibi.yaml", view="runs", preferences=tmp_path))
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        yield app, pilot


def rows_of(app: TopApp) -> list[str]:
    return screen_text(app).splitlines()


def row(app: TopApp, name: str) -> str:
    return next(text for text in rows_of(app) if text.startswith(f" {name} "))


async def test_the_matrix_shows_every_node_in_every_run(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        assert row(app, "state").split() == ["state", "✓", "✓", "✗"]
        assert row(app, "a").split()[:4] == ["a", "✓", "✓", "✓"]
        assert row(app, "b").split()[:4] == ["b", "✓", "✓", "✗"]
        assert any(text.startswith(" 3 runs  66% green") for text in rows_of(app))
        await pilot.press("v")
        assert row(app, "b").split() == ["b", "+", "▼", "✗", "2", "-66.7%"]
        await pilot.press("v", "v")
        assert row(app, "b").split() == ["b", "+", "=", "✗"]


async def test_the_cursor_moves_without_opening_and_enter_opens(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        newest, middle, oldest = [found.run_id for found in app.world.runs]
        pane = app.main.panes["runs"]
        assert isinstance(pane, RunsPane)
        await pilot.press("h", "left", "left")
        assert (pane.run_cursor, app.world.run_id) == (oldest, newest)
        await pilot.press("l")
        assert any("opens it" in text for text in rows_of(app))
        await pilot.press("enter")
        assert (app.world.run_id, app.world.follow) == (middle, False)
        await pilot.press("j")
        assert app.world.node == "p.b"


async def test_a_click_chooses_the_run_of_its_column(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        pane = app.main.panes["runs"]
        assert isinstance(pane, RunsPane) and pane.body.grid is not None
        oldest = app.world.runs[-1].run_id
        column = pane.body.grid.column(oldest)
        await pilot.click(pane.head, offset=(column or 0, 1))
        assert pane.run_cursor == oldest


async def test_a_run_started_elsewhere_appears(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "own"
    await asyncio.to_thread(command, project(root, NODES), "run")
    async with top(root, tmp_path) as (app, pilot):
        assert row(app, "state").split() == ["state", "✓"]
        await asyncio.to_thread(command, root, "run")
        app.look_for_runs()
        await app.look()
        await pilot.pause()
        assert row(app, "state").split() == ["state", "✓", "✓"]


async def test_before_the_first_run_it_says_what_to_type(tmp_path: Path) -> None:
    async with top(project(tmp_path / "new", NODES), tmp_path) as (app, _):
        assert any("odibi run" in text for text in rows_of(app))


# Replaying --------------------------------------------------------------------------------------------


async def played(app: TopApp, pilot: Pilot[None]) -> Playhead:
    """Wait until the replay has begun, and stop it at its beginning."""
    while app.main.player is None or not app.main.player.active:
        await pilot.pause(0.01)
    head = app.main.player.head
    assert head is not None
    head.playing = False
    head.seek(0.0)
    await pilot.press("left")
    await pilot.pause()
    return head


async def test_space_replays_the_run_of_the_cursor(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        oldest = app.world.runs[-1]
        await pilot.press("h", "h", "space")
        head = await played(app, pilot)
        assert (app.world.mode, app.world.run_id) == ("REPLAY", oldest.run_id)
        assert not app.world.state.done
        keys = rows_of(app)[-2]
        assert keys.lstrip().startswith("‖") and "esc end" in keys
        head.step(len(head.replay) - 3)
        await pilot.press("right_curly_bracket", "right_curly_bracket", "right_curly_bracket")
        assert app.world.state.done
        await pilot.press("left_curly_bracket")
        assert not app.world.state.done
        await pilot.press("escape")
        await pilot.pause()
        assert (app.world.mode, app.world.state.status) == ("FINISHED", "succeeded")
        assert "esc end" not in screen_text(app)


async def test_speeds_and_scrubbing(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        await pilot.press("T")
        head = await played(app, pilot)
        await pilot.press("full_stop")
        assert head.speed == 2.0
        await pilot.press("comma", "comma")
        assert head.speed == 0.5
        await pilot.press("right", "right", "left")
        assert head.seconds == pytest.approx(head.replay.seconds * 0.05)
        assert app.world.now() == head.replay.moment(head.seconds)


async def test_showing_another_run_ends_the_replay(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot):
        await pilot.press("T")
        await played(app, pilot)
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert app.world.mode == "FINISHED"
        assert "esc end" not in screen_text(app)
