"""Questions to a project's tables through the process that answers them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from odibi import config, graph
from odibi.tables import set_aside_tables, stored_tables
from odibi_tui.as_node import as_node
from odibi_tui.asking import Asker, QuestionError
from odibi_tui.query_text import extent
from tests.runner.running import project, rows, run

NODES = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/numbers.parquet}
- name: select
  depends_on: [numbers]
  transform: {steps: [{sql: "SELECT id, NULL AS nothing FROM numbers"}]}
  write: {connection: data, format: csv, path: out/odd.csv}
- name: later
  depends_on: [numbers]
  enabled: false
  write: {connection: data, format: parquet, path: out/later.parquet}
"""
LONG = "SELECT count(*) FROM range(100000000000) a, range(1000) b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("asked"), NODES)
    run(made)
    return made


@pytest.fixture
async def asker(folder: Path) -> AsyncIterator[Asker]:
    asks = Asker(folder / "odibi.yaml")
    yield asks
    await asks.close()


async def test_rows_come_as_text_with_their_types_and_the_number_of_all(asker: Asker) -> None:
    answer = await asker.ask(
        "SELECT id, NULL::INTEGER AS x, 'a' AS t FROM numbers ORDER BY id", limit=2
    )
    assert answer.table.columns == (("id", "BIGINT"), ("x", "INTEGER"), ("t", "VARCHAR"))
    assert answer.table.rows == [["0", None, "a"], ["1", None, "a"]]
    assert answer.table.right == {0, 1}
    assert (answer.more, await asker.count()) == (True, 9)


async def test_an_answer_without_rows_has_its_columns(asker: Asker) -> None:
    answer = await asker.ask("FROM numbers WHERE false")
    assert [name for name, _ in answer.table.columns] == ["id", "kind"]
    assert (list(answer.table.rows), answer.more) == ([], False)
    assert extent(answer).startswith("0 rows")


async def test_an_answer_is_no_larger_than_can_be_sent(asker: Asker) -> None:
    answer = await asker.ask("SELECT repeat('x', 1_000_000) AS x FROM range(1000)")
    assert len(str(answer.table.rows[0][0])) == 20_000
    assert answer.more and 100 < len(answer.table.rows) < 500


async def test_an_error_has_its_place_and_the_nearest_name(asker: Asker) -> None:
    answer = await asker.ask("SELECT\n  knd FROM numbers")
    message, line, marks = (answer.error or "").split("\n")
    assert "knd" in message
    assert line[marks.index("^") :].startswith("knd")
    assert "kind" in (answer.hint or "")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY numbers TO 'stolen.csv'",
        "ATTACH 'stolen.db'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '1GB'",
        "EXPLAIN ANALYZE COPY numbers TO 'stolen.csv'",
        "SELECT 1; COPY numbers TO 'stolen.csv'",
        "FROM read_csv('/etc/passwd')",
    ],
)
async def test_nothing_is_written_and_nothing_else_is_read(
    asker: Asker, folder: Path, sql: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert (await asker.ask(sql)).error is not None
    assert sorted(folder.rglob("*")) == before


async def test_tables_are_told_with_what_their_files_say(asker: Asker) -> None:
    found = {table["key"]: table for table in await asker.tables()}
    assert {key: table["rows"] for key, table in found.items()} == {
        "p.numbers": 9,
        "p.select": None,
        "p.later": None,
    }
    assert found["p.select"]["sql_name"] == '"select"'
    assert found["p.later"]["changed"] is None
    assert (await asker.ask('FROM "select"')).error is None


async def test_a_broken_project_says_where(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES.replace("numbers.parquet}", "numbers.parquet, mode: no}", 2))
    asker = Asker(folder / "odibi.yaml")
    with pytest.raises(QuestionError, match=r"odibi\.yaml:\d+"):
        await asker.tables()
    await asker.close()


async def test_who_is_cancelled_ends_the_question_and_the_next_is_answered(asker: Asker) -> None:
    await asker.ask("SELECT 1")
    process = asker._process
    assert process is not None
    asking = asyncio.create_task(asker.ask(LONG))
    await asyncio.sleep(0.3)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert process.returncode is not None
    assert (await asker.ask("SELECT 1")).table.rows == [["1"]]


async def test_a_question_that_takes_too_long_is_stopped(folder: Path) -> None:
    asker = Asker(folder / "odibi.yaml", seconds=3)
    answer = await asker.ask(LONG)
    assert "longer than 3 seconds" in (answer.error or "")
    await asker.close()


async def test_the_process_ends_with_its_asker_and_leaves_nothing(
    asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    await asker.ask("SELECT 1")
    process = asker._process
    assert process is not None and len(list(tmp_path.iterdir())) == 1
    await asker.close()
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())


async def test_a_process_that_breaks_is_said_and_replaced(asker: Asker) -> None:
    await asker.ask("SELECT 1")
    process = asker._process
    assert process is not None
    os.kill(process.pid, 9)
    deadline = time.monotonic() + 10
    while process.returncode is None and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert (await asker.ask("SELECT 1")).error is None


def node_of(folder: Path, sql: str) -> str:
    built = graph.build(config.load(folder / "odibi.yaml"))
    return as_node(sql, built, [*stored_tables(built), *set_aside_tables(built)])


def test_a_question_as_a_node_makes_what_it_asked_for(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES)
    run(folder)
    text = node_of(folder, "SELECT kind, count(*) AS n\nFROM p.numbers\nGROUP BY ALL;\n")
    path = folder / "odibi.yaml"
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    path.write_text(path.read_text() + lines)
    assert run(folder).state.status == "succeeded"
    assert rows(folder / "numbers_query.parquet") == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("sql", "inputs", "kept"),
    [
        ("FROM numbers", {"numbers": "$p.numbers"}, "FROM numbers"),
        ('FROM "p".numbers', {"numbers": "$p.numbers"}, "FROM numbers"),
        ("SELECT 'FROM p.numbers' -- p.numbers", None, "SELECT 'FROM p.numbers' -- p.numbers"),
        ('FROM "select"', {"select": "$p.select"}, 'FROM "select"'),
        (
            "WITH numbers AS (SELECT 1) FROM numbers",
            None,
            "WITH numbers AS (SELECT 1) FROM numbers",
        ),
        ("  SELECT 1 -- : {", None, "SELECT 1 -- : {"),
    ],
)
def test_tables_of_a_question_become_inputs(
    folder: Path, sql: str, inputs: dict[str, str] | None, kept: str
) -> None:
    (node,) = yaml.safe_load(node_of(folder, sql))
    assert node.get("inputs") == inputs
    assert node["transform"]["steps"][0]["sql"].strip() == kept
