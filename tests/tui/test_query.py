"""Asking the tables: SQL with its result, errors where they stand, words without an assistant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from textual.pilot import Pilot

from odibi_tui.app import Options, TopApp
from odibi_tui.asking import LIMIT, Answer, ask, tables
from odibi_tui.assistant import looks_like_sql
from odibi_tui.paint import plain
from odibi_tui.panes.query import QueryPane, answer_lines, as_node, no_assistant
from odibi_tui.panes.tables import Stored, detail_lines, stored_line
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project, run

NODES = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/numbers.parquet}
- name: later
  depends_on: [numbers]
  enabled: false
  write: {connection: data, format: parquet, path: out/later.parquet}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("asked"), NODES)
    run(made)
    return made


async def test_rows_come_under_their_columns(folder: Path) -> None:
    answer = await ask(folder, "SELECT id, kind FROM numbers ORDER BY id", limit=2)
    assert (answer.columns, answer.rows, answer.more) == (("id", "kind"), ((0, 0), (1, 1)), True)
    assert answer.error is None


async def test_an_error_is_told_as_the_engine_says_it(folder: Path) -> None:
    answer = await ask(folder, "SELECT nope FROM numbers")
    assert answer.rows == ()
    assert "nope" in (answer.error or "")


async def test_nothing_can_be_written(folder: Path) -> None:
    answer = await ask(folder, "COPY numbers TO 'stolen.csv'")
    assert answer.error is not None
    assert not (folder / "stolen.csv").exists()


async def test_a_cancelled_question_ends_its_process(folder: Path) -> None:
    long = "SELECT count(*) FROM range(100000000000) a, range(1000) b"
    asking = asyncio.create_task(ask(folder, long))
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 10)


async def test_the_tables_are_listed(folder: Path) -> None:
    found = await tables(folder)
    assert {table["sql_name"]: table["changed"] is not None for table in found} == {
        "numbers": True,
        "later": False,
    }


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("SELECT 1", True),
        ("  (from x)", True),
        ("with a as (select 1) from a", True),
        ("what sold best", False),
        ("", False),
    ],
)
def test_sql_is_told_from_words(text: str, sql: bool) -> None:
    assert looks_like_sql(text) is sql


def test_an_answer_shows_its_sql_its_rows_and_whether_there_are_more() -> None:
    lines = [
        plain(line) for line in answer_lines(Answer("SELECT 1", ("a", "b"), ((1, None),), True), 80)
    ]
    assert lines[0] == "  SELECT 1"
    assert lines[-1] == f"  … more than {LIMIT} rows; a LIMIT or a WHERE asks for less"
    assert any("1" in line for line in lines[2:-1])


def test_the_caret_of_an_error_stays_under_its_place() -> None:
    lines = [
        plain(line) for line in answer_lines(Answer("x", error="error: no\n  FROM x\n       ^"), 80)
    ]
    assert lines[-2:] == ["    FROM x", "         ^"]


def test_a_statement_as_a_node_is_yaml_that_holds_it() -> None:
    made = yaml.safe_load(as_node("SELECT 1;\n"))
    assert made == [{"name": "my_query", "transform": {"steps": [{"sql": "SELECT 1\n"}]}}]


def test_words_are_told_what_to_type_instead() -> None:
    said = "\n".join(plain(line) for line in no_assistant("what sold best?", 80))
    assert "no assistant is configured" in said
    assert "what sold best?" in said


def test_hostile_names_and_values_are_harmless() -> None:
    evil = "\x1b[31mred\x07\u202e"
    stored = Stored(evil, evil, "parquet", evil, 10, "2026-11-22T23:00:00+00:00", 3)
    answer = Answer(evil, (evil,), ((evil,),))
    shown = [stored_line(stored, 10, 80), *detail_lines(stored, ((evil, evil),), answer)]
    shown += answer_lines(Answer(evil, (evil,), ((evil,),), error=evil), 80)
    text = "\n".join(plain(line) for line in shown)
    assert not any(ord(character) < 32 and character != "\n" for character in text)
    assert "\u202e" not in text


@asynccontextmanager
async def top(folder: Path, tmp_path: Path, view: str) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
    app = TopApp(Options(folder / "odibi.yaml", view=view, preferences=tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        yield app, pilot


async def until(app: TopApp, pilot: Pilot[None], text: str) -> str:
    async with asyncio.timeout(30):
        while text not in (screen := screen_text(app)):
            await pilot.pause(0.05)
    return screen


async def test_a_question_by_key(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "graph") as (app, pilot):
        await pilot.press("a", *"SELECT max(id) AS biggest FROM numbers", "enter")
        screen = await until(app, pilot, "biggest")
        await until(app, pilot, "1 row ")
        assert " 8" in await until(app, pilot, "read-only")
        pane = app.main.panes["query"]
        assert isinstance(pane, QueryPane)
        assert [label for label, _ in pane.copies()][:2] == ["SQL", "result as CSV"]
        await pilot.press("up")
        assert pane.line.value == "SELECT max(id) AS biggest FROM numbers"
        await pilot.press("escape", "q")
    assert screen


async def test_the_tables_show_columns_and_rows_and_lead_to_the_prompt(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path, "tables") as (app, pilot):
        screen = await until(app, pilot, "BIGINT")
        assert "out/numbers.parquet" in screen
        await pilot.press("a")
        await until(app, pilot, "Ask ─")
        pane = app.main.panes["query"]
        assert isinstance(pane, QueryPane)
        assert pane.line.value == "FROM numbers LIMIT 100"
