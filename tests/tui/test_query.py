"""The panes that ask the tables and browse them, by key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi.safe_text import safe_line
from odibi_tui import assistant
from odibi_tui.app import Options, TopApp
from odibi_tui.asking import Answer
from odibi_tui.assistant import Reply
from odibi_tui.filtering import is_filter
from odibi_tui.grid import Table
from odibi_tui.paint import plain, width
from odibi_tui.panes.query import QueryPane
from odibi_tui.panes.tables import Stored, TablesPane, stored_line, table_head
from odibi_tui.query_text import error_lines, extent, no_assistant, opening_lines
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project, run

NODES = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/numbers.parquet}
- name: order
  depends_on: [numbers]
  transform: {steps: [{sql: "SELECT id, NULL AS nothing FROM numbers"}]}
  write: {connection: data, format: csv, path: out/order.csv}
- name: later
  depends_on: [numbers]
  enabled: false
  write: {connection: data, format: parquet, path: out/later.parquet}
"""
EVIL = "\x1b[31mred\x07\u202e[b]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("asked"), NODES)
    run(made)
    return made


# Words ------------------------------------------------------------------------------------------------


def texts(lines: Sequence[Any]) -> list[str]:
    return [plain(line).rstrip() for line in lines]


def test_how_much_of_an_answer_is_shown() -> None:
    table = Table((("a", "INTEGER"),), [("1",), ("2",)])
    assert extent(Answer("", table, seconds=0.04)) == "2 rows · 0.0s"
    assert extent(Answer("", table, more=True, seconds=1)) == "first 2 rows · 1.0s"
    assert extent(Answer("", table, more=True, total=12_345)) == "2 of 12,345 rows · 0.0s"


def test_the_mark_of_an_error_stays_under_its_place() -> None:
    answer = Answer("FROM x", error="no table x\n  FROM x\n       ^", hint="did you mean y?")
    assert texts(error_lines(answer, 80)) == [
        " FROM x",
        "",
        " no table x",
        "   FROM x",
        "        ^",
        " → did you mean y?",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s:failed", True),
        ("t>30 tag:daily", True),
        ("!s:ok", True),
        ("orders+", True),
        ("+orders", True),
        ("2+orders+1", True),
        ("orders", False),
        ("why did s:failed happen", False),
        ("SELECT 1+1", False),
        ("", False),
    ],
)
def test_a_filter_is_told_from_words(text: str, meant: bool) -> None:
    assert is_filter(text) is meant


@given(st.text(max_size=60), st.integers(20, 200))
def test_hostile_text_is_harmless(text: str, cells: int) -> None:
    stored = Stored(text, text, text, text, 10, datetime(2026, 11, 22, tzinfo=UTC), 3, text)
    answer = Answer(text, error=text, hint=text)
    lines = [
        *error_lines(answer, cells),
        *no_assistant(text, [text], cells),
        *opening_lines([text], cells),
    ]
    rows = [table_head(20, cells), stored_line(stored, 20, cells)]
    for line in (*lines, *rows):
        assert all(safe_line(word) == word for word in plain(line).split())
    assert all(width(row) <= cells for row in rows)


# Panes ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def top(
    folder: Path, tmp_path: Path, view: str, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
    app = TopApp(Options(folder / "odibi.yaml", view=view, preferences=tmp_path))
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        yield app, pilot


async def until(app: TopApp, pilot: Pilot[None], *wanted: str) -> str:
    async with asyncio.timeout(30):
        while not all(text in (screen := screen_text(app)) for text in wanted):
            await pilot.pause(0.02)
    return screen


def query_of(app: TopApp) -> QueryPane:
    pane = app.main.panes["query"]
    assert isinstance(pane, QueryPane)
    return pane


async def test_a_question_by_key(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "graph") as (app, pilot):
        await pilot.press("a", *"SELECT max(id) AS biggest, NULL AS no FROM numbers", "enter")
        screen = await until(app, pilot, "biggest", "1 row ")
        assert "BIGINT" in screen and "NULL" in screen
        pane = query_of(app)
        await pilot.press("escape")
        assert app.main.focused is pane.grid
        await pilot.press("y")
        await until(app, pilot, "1 row as CSV")
        await pilot.press("3")
        assert app.clipboard == "biggest,no\n8,\n"
        await pilot.press("enter")
        await until(app, pilot, "Row 1", "biggest  8")
        await pilot.press("escape", "a", "up")
        assert pane.prompt.text == "SELECT max(id) AS biggest, NULL AS no FROM numbers"
        await pilot.press("down")
        assert pane.prompt.text == ""


async def test_the_prompt_takes_lines_and_grows_with_them(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        pane = query_of(app)
        assert app.main.focused is pane.prompt
        await pilot.press(*"SELECT 1 AS one", "ctrl+j", *"FROM numbers", "enter")
        await until(app, pilot, "9 rows")
        assert pane.prompt.text == "SELECT 1 AS one\nFROM numbers"
        assert pane.prompt.size.height == 2
        assert pane.answer is not None and pane.answer.sql == pane.prompt.text


async def test_one_error_after_the_other_is_said(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        await pilot.press(*"FROM number", "enter")
        await until(app, pilot, "there is no table number", "did you mean numbers?")
        await pilot.press(*"s WHERE knd = 1", "enter")
        await until(app, pilot, '"knd" not found', "^^^", '"kind"')
        query_of(app).prompt.put("DROP TABLE numbers")
        await pilot.press("enter")
        await until(app, pilot, "DROP is refused")


async def test_esc_stops_a_question(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        pane = query_of(app)
        pane.prompt.put("SELECT count(*) FROM range(100000000000) a, range(1000) b")
        await pilot.press("enter")
        await until(app, pilot, "asking", "esc stops it")
        await pilot.press("escape")
        await until(app, pilot, "SQL, read-only")
        assert app.main.focused is pane.prompt
        pane.prompt.put("SELECT 42 AS answer")
        await pilot.press("enter")
        await until(app, pilot, "42", "1 row")


async def test_the_number_of_all_rows_follows(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        query_of(app).prompt.put("FROM range(1234)")
        await pilot.press("enter")
        await until(app, pilot, "500 of 1,234 rows")


async def test_words_are_told_what_to_type_instead(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        await pilot.press(*"what sold best?", "enter")
        await until(app, pilot, "what sold best?", "no assistant is configured", "s:failed")


async def test_the_filter_lists_nodes_and_leads_to_their_story(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path, "query") as (app, pilot):
        await pilot.press(*"numbers+", "enter")
        await until(app, pilot, "3 nodes of the shown run", "p.order")
        await pilot.press("escape", "down", "enter")
        await pilot.pause()
        assert (app.world.node, app.main.view) == ("p.order", "story")


async def test_an_assistant_is_shown_with_its_sql(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting:
        """Answers each question with the number of rows of a table."""

        name = "counting"

        async def ask(self, question: str, tables: Sequence[str]) -> Reply:
            if "why" in question:
                return Reply(None, "it is so", ("story of numbers",))
            return Reply(f"SELECT count(*) AS n FROM {tables[0]}", "")

    monkeypatch.setattr(assistant, "configured", Counting)
    async with top(folder, tmp_path, "query") as (app, pilot):
        await until(app, pilot, "FROM numbers LIMIT 10")
        await pilot.press(*"how many are there", "enter")
        await until(app, pilot, "SELECT count(*) AS n FROM numbers", "1 row")
        await pilot.press(*" and why", "enter")
        await until(app, pilot, "it is so", "story of numbers")


async def test_a_question_becomes_yaml_to_copy(folder: Path, tmp_path: Path) -> None:
    before = (folder / "odibi.yaml").read_bytes()
    async with top(folder, tmp_path, "query") as (app, pilot):
        await pilot.press(*"FROM p.numbers", "enter")
        await until(app, pilot, "9 rows")
        await pilot.press("ctrl+s")
        await until(app, pilot, "- name: numbers_query", "    numbers: $p.numbers")
        await pilot.press("y")
        assert "    numbers: $p.numbers\n" in app.clipboard
    assert (folder / "odibi.yaml").read_bytes() == before


async def test_tables_show_their_columns_and_rows(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "tables") as (app, pilot):
        screen = await until(app, pilot, "out/numbers.parquet", "2 columns · 9 rows", "BIGINT")
        assert "not yet" in screen
        await pilot.press("down")
        await until(app, pilot, "nothing", "NULL")
        await pilot.press("down")
        await until(app, pilot, "later has not been written yet", "--select +p.later")
        await pilot.press("up", "enter")
        await until(app, pilot, "nothing")
        pane = app.main.panes["tables"]
        assert isinstance(pane, TablesPane)
        if app.main.focused is not pane.grid:
            await pilot.press("enter")
        await pilot.press("enter")
        await until(app, pilot, '"order", row 1')
        await pilot.press("escape", "escape")
        assert app.main.focused is pane.list


async def test_a_table_whose_name_is_a_word_of_sql_leads_to_the_prompt(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path, "tables") as (app, pilot):
        await until(app, pilot, "2 columns")
        await pilot.press("down", "a")
        await until(app, pilot, 'SELECT * FROM "order"')
        await pilot.press("enter")
        await until(app, pilot, "9 rows")


async def test_tables_are_filtered(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "tables") as (app, pilot):
        await until(app, pilot, "3 tables", "2 columns")
        await pilot.press("slash", *"lat", "enter")
        await until(app, pilot, "1 of 3 tables match lat", "later has not been written")
        await pilot.press("slash", "x", "enter")
        await until(app, pilot, "No table matches latx")
        await pilot.press("escape")
        await until(app, pilot, "3 tables ─")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A project whose first table is no Parquet any more."""
    made = project(tmp_path / "damaged", NODES)
    run(made)
    (made / "out" / "numbers.parquet").write_bytes(b"no parquet")
    return made


async def test_a_damaged_file_says_so(damaged: Path, tmp_path: Path) -> None:
    async with top(damaged, tmp_path, "tables") as (app, pilot):
        await until(app, pilot, "p.numbers can't be read")


async def test_a_project_without_tables_says_what_makes_one(tmp_path: Path) -> None:
    reads = "- name: n\n  read: {connection: data, format: parquet, path: numbers.parquet}\n"
    async with top(project(tmp_path, reads), tmp_path / "prefs", "tables") as (app, pilot):
        await until(app, pilot, "No node writes a table", "`write:`")


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 60)])
@pytest.mark.parametrize("view", ["query", "tables"])
async def test_they_fit_screens_of_any_size(
    folder: Path, tmp_path: Path, view: str, size: tuple[int, int]
) -> None:
    async with top(folder, tmp_path, view, size) as (app, pilot):
        if view == "query":
            await pilot.press(*"SELECT kind FROM numbers", "enter")
            await until(app, pilot, "9 rows", "BIGINT")
        await until(app, pilot, "numbers")


async def test_no_process_is_left(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "tables") as (app, pilot):
        await until(app, pilot, "2 columns")
        pane = app.main.panes["tables"]
        assert isinstance(pane, TablesPane)
        process = pane.asker._process
        assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
