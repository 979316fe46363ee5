"""What the pane of tables says of each: its layer, the run that wrote it, and that its files are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi_tui.app import Options, TopApp
from odibi_tui.paint import plain, width
from odibi_tui.panes.tables import Stored, TablesPane, stored_line, table_head
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project, run

NODES = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: csv, path: out/numbers.csv}
"""
WIDE = (160, 24)


@asynccontextmanager
async def top(folder: Path, keep: Path) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
    app = TopApp(Options(folder / "odibi.yaml", view="tables", preferences=keep))
    async with app.run_test(size=WIDE) as pilot:
        await asyncio.wait_for(settled(app, pilot), 20)
        yield app, pilot


async def until(app: TopApp, pilot: Pilot[None], *words: str) -> str:
    """The screen once it has the words."""
    for _ in range(600):
        shown = screen_text(app)
        if all(word in shown for word in words):
            return shown
        await asyncio.sleep(0.02)
        await pilot.pause()
    raise AssertionError(f"{words} not in\n{screen_text(app)}")


def only(app: TopApp) -> Stored:
    """The project's one table."""
    pane = app.main.panes["tables"]
    assert isinstance(pane, TablesPane)
    (table,) = pane.list.tables
    return table


@pytest.fixture
def requests() -> list[dict[str, Any]]:
    """The runs that a test begins with."""
    return [{}]


@pytest.fixture
def folder(tmp_path: Path, requests: list[dict[str, Any]]) -> Path:
    """A project after those runs. Not in the tests themselves: a run has a loop of its own."""
    made = project(tmp_path / "small", NODES)
    file = made / "odibi.yaml"
    file.write_text(file.read_text().replace("pipeline: p\n", "pipeline: p\n    layer: bronze\n"))
    for request in requests:
        run(made, **request)
    return made


# Lines ------------------------------------------------------------------------------------------------

GONE = Stored("p.n", "n", "csv", "out/n.csv", run_id="r1", layer="gold")
NEVER = Stored("p.n", "n", "csv", "out/n.csv", layer="gold")


def test_a_table_whose_files_are_gone_is_not_one_that_was_never_written() -> None:
    assert (GONE.missing, NEVER.missing) == (True, False)
    assert plain(stored_line(GONE, 1, 120, 4)).split() == ["n", "csv", "missing", "gold", "r1", "out/n.csv"]  # fmt: skip
    assert plain(stored_line(NEVER, 1, 120, 4)).split() == ["n", "csv", "not", "yet", "gold", "out/n.csv"]  # fmt: skip


def test_a_layer_stands_below_its_heading() -> None:
    assert plain(stored_line(GONE, 1, 120, 4)).index("gold") == plain(table_head(1, 120, 4)).index(
        "LAYER"
    )


def test_without_layers_there_is_no_column_of_them() -> None:
    assert "LAYER" not in plain(table_head(1, 120))
    assert plain(stored_line(GONE, 1, 120)).split() == ["n", "csv", "missing", "r1", "out/n.csv"]


@given(st.integers(1, 60), st.integers(0, 30), st.integers(10, 250))
def test_headings_and_rows_are_equally_wide(names: int, layers: int, cells: int) -> None:
    table = Stored("p.n", "n" * names, "csv", "out/n.csv", run_id="r1", layer="l" * layers)
    head, row = table_head(names, cells, layers), stored_line(table, names, cells, layers)
    assert width(head) == width(row) <= cells


# Runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [[{"run_id": "r1"}, {"sample": 2}, {"dry_run": True}]])
async def test_rows_and_run_are_those_of_the_run_that_wrote(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path / "kept") as (app, pilot):
        await until(app, pilot, "9 rows", "bronze")
        table = only(app)
        assert (table.run_id, table.rows, table.layer) == ("r1", 9, "bronze")


@pytest.mark.parametrize("requests", [[{"run_id": "r1"}]])
async def test_a_table_that_was_deleted_is_missing(folder: Path, tmp_path: Path) -> None:
    (folder / "out" / "numbers.csv").unlink()
    async with top(folder, tmp_path / "kept") as (app, pilot):
        screen = await until(
            app, pilot, "numbers is missing: nothing is at out/numbers.csv.", "--select +p.numbers"
        )
        assert "Run r1 wrote it last." in screen
        assert "has not been written" not in screen


@pytest.mark.parametrize("requests", [[{"sample": 2}], [{"dry_run": True}], [{"scratch": True}]])
async def test_runs_that_write_elsewhere_have_not_written_it(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path / "kept") as (app, pilot):
        screen = await until(app, pilot, "numbers has not been written yet.", "not yet")
        assert "missing" not in screen


async def test_asking_begins_with_the_first_hundred_rows(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path / "kept") as (app, pilot):
        await until(app, pilot, "numbers.csv")
        await pilot.press("a")
        await until(app, pilot, "SELECT * FROM numbers LIMIT 100")
