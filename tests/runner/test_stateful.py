"""Reads that go on from a stored mark: what each run adds, and what no crash, trial or failure can spoil."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from odibi.marks import Mark, Marks
from tests.runner.running import command, project, rows, run, statuses

NODE = """\
- name: load
  read:
    connection: data
    format: {format}
    path: in.{format}
    incremental: {{mode: stateful, column: {column}{more}}}
  write: {{connection: data, format: {to}, path: out.{to}, mode: {mode}}}
"""
ENGINES = pytest.mark.parametrize("engine", ["duckdb", "pandas"])


def load(
    folder: Path,
    *,
    engine: str = "duckdb",
    format: str = "parquet",
    column: str = "at_",
    more: str = "",
    mode: str = "append",
    to: str = "parquet",
    extra: str = "",
) -> Path:
    text = NODE.format(format=format, column=column, more=more, mode=mode, to=to)
    return project(folder, text + extra, engine=engine)


def source(folder: Path, values: str, *, format: str = "parquet", columns: str = "id, at_") -> None:
    """Write the input file: rows of `VALUES`."""
    folder.mkdir(parents=True, exist_ok=True)
    query = f"SELECT * FROM (VALUES {values}) AS t({columns})"
    duckdb.sql(f"COPY ({query}) TO '{folder / f'in.{format}'}'")


def ids(folder: Path) -> list[Any]:
    return sorted(row[0] for row in rows(folder / "out.parquet"))


def mark(folder: Path) -> Mark | None:
    record = Marks(folder / ".odibi" / "marks").read("p.load")
    return record.mark if record is not None else None


TYPES = {
    "TIMESTAMP": ("TIMESTAMP '2026-03-0{} 10:00:00.5'", "2026-03-0{} 10:00:00.5"),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMPTZ '2026-03-0{} 10:00:00+02'", "2026-03-0{} 08:00:00"),
    "DATE": ("DATE '2026-03-0{}'", "2026-03-0{}"),
    "BIGINT": ("CAST({}0 AS BIGINT)", "{}0"),
    "DECIMAL(10,2)": ("CAST({}.50 AS DECIMAL(10,2))", "{}.50"),
    "DOUBLE": ("CAST({}.25 AS DOUBLE)", "{}.25"),
    "VARCHAR": ("'k{}'", "k{}"),
}


@ENGINES
@pytest.mark.parametrize("kind", TYPES)
def test_each_run_adds_what_is_above_the_mark(tmp_path: Path, engine: str, kind: str) -> None:
    value, stored = TYPES[kind]
    first = f"(1, {value.format(1)}), (2, {value.format(3)}), (3, NULL)"
    folder = load(tmp_path, engine=engine)
    source(folder, first)
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert (ids(folder), mark(folder)) == ([1, 2, 3], Mark(kind, stored.format(3)))
    # a row of the mark's own value, one below it and one without: none of them is new
    source(folder, f"{first}, (4, {value.format(3)}), (5, {value.format(2)}), (6, NULL)")
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert (ids(folder), mark(folder)) == ([1, 2, 3], Mark(kind, stored.format(3)))
    source(folder, f"{first}, (7, {value.format(4)}), (8, {value.format(5)})")
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert (ids(folder), mark(folder)) == ([1, 2, 3, 7, 8], Mark(kind, stored.format(5)))


@ENGINES
def test_numbers_compare_as_numbers(tmp_path: Path, engine: str) -> None:
    folder = load(tmp_path, engine=engine, column="id")
    source(folder, "(9, 'a')", columns="id, v")
    run(folder)
    source(folder, "(9, 'a'), (10, 'b'), (100, 'c')", columns="id, v")
    run(folder)
    assert ids(folder) == [9, 10, 100]
    assert mark(folder) == Mark("INTEGER", "100")


@ENGINES
@pytest.mark.parametrize("format", ["csv", "json"])
def test_text_files_are_read_from_the_mark_on(tmp_path: Path, engine: str, format: str) -> None:
    folder = load(tmp_path, engine=engine, format=format)
    source(folder, "(1, TIMESTAMP '2026-03-01 10:00:00')", format=format)
    run(folder)
    source(
        folder,
        "(1, TIMESTAMP '2026-03-01 10:00:00'), (2, TIMESTAMP '2026-03-01 10:00:01')",
        format=format,
    )
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert ids(folder) == [1, 2]


@ENGINES
@pytest.mark.parametrize("to", ["csv", "json"])
def test_text_tables_take_batches_and_empty_ones(tmp_path: Path, engine: str, to: str) -> None:
    folder = load(tmp_path, engine=engine, column="id", to=to)
    read = f"SELECT id, v FROM read_{to}('{folder / f'out.{to}'}') ORDER BY 1"
    expected = []
    for last in (1, 1, 3, 3):
        source(folder, ", ".join(f"({n}, 'x{n}')" for n in range(1, last + 1)), columns="id, v")
        assert statuses(run(folder)) == {"load": "succeeded"}
        expected.append([(n, f"x{n}") for n in range(1, last + 1)])
        assert duckdb.sql(read).fetchall() == expected[-1]


@ENGINES
def test_sqlite_table_is_read_from_the_mark_on(tmp_path: Path, engine: str) -> None:
    import sqlite3

    node = NODE.format(format="sql", column="id", more="", mode="append", to="parquet")
    node = node.replace("path: in.sql", "table: orders").replace(
        "connection: data\n    format: sql", "connection: shop\n    format: sql"
    )
    folder = project(tmp_path, node, engine=engine, extra="  shop: {type: sqlite, path: shop.db}\n")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER, what TEXT)")
        shop.execute("INSERT INTO orders VALUES (1, 'tea'), (2, 'jam')")
    run(folder)
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("INSERT INTO orders VALUES (3, 'oil'), (2, 'late')")
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert rows(folder / "out.parquet") == [(1, "tea"), (2, "jam"), (3, "oil")]


@ENGINES
def test_lag_reads_the_overlap_again_for_an_upsert(tmp_path: Path, engine: str) -> None:
    folder = load(
        tmp_path,
        engine=engine,
        more=", watermark_lag: 2h",
        mode="upsert, options: {keys: [id]}",
    )
    source(folder, "(1, TIMESTAMP '2026-03-01 07:00'), (2, TIMESTAMP '2026-03-01 10:00')")
    run(folder)
    # 3 came late inside the lag, 4 too late; 2 is gone, which does not take the mark back
    source(
        folder,
        "(1, TIMESTAMP '2026-03-01 09:30'), (3, TIMESTAMP '2026-03-01 08:30'),"
        " (4, TIMESTAMP '2026-03-01 08:00')",
    )
    assert statuses(run(folder)) == {"load": "succeeded"}
    found = [(id, f"{at:%H:%M}") for id, at in rows(folder / "out.parquet")]
    assert found == [(1, "09:30"), (2, "10:00"), (3, "08:30")]
    assert mark(folder) == Mark("TIMESTAMP", "2026-03-01 10:00:00")


@ENGINES
def test_second_column_stands_in_for_null(tmp_path: Path, engine: str) -> None:
    folder = load(tmp_path, engine=engine, column="changed", more=", fallback_column: made")
    columns = "id, changed, made"
    source(folder, "(1, NULL::DATE, DATE '2026-03-01')", columns=columns)
    run(folder)
    assert mark(folder) == Mark("DATE", "2026-03-01")
    source(
        folder,
        "(1, NULL::DATE, DATE '2026-03-01'), (2, NULL, DATE '2026-03-02'),"
        " (3, DATE '2026-03-03', DATE '2026-02-01')",
        columns=columns,
    )
    run(folder)
    assert ids(folder) == [1, 2, 3]
    assert mark(folder) == Mark("DATE", "2026-03-03")


@ENGINES
def test_nan_is_no_mark(tmp_path: Path, engine: str) -> None:
    folder = load(tmp_path, engine=engine)
    source(folder, "(1, 1.5::DOUBLE), (2, 'NaN'::DOUBLE), (3, 'Infinity'::DOUBLE)")
    run(folder)
    assert mark(folder) == Mark("DOUBLE", "1.5")
    source(folder, "(1, 1.5::DOUBLE), (2, 'NaN'::DOUBLE), (4, 2.0::DOUBLE)")
    run(folder)
    assert ids(folder) == [1, 2, 3, 4]


@pytest.mark.parametrize("trial", [{"scratch": True}, {"sample": 5}, {"dry_run": True}])
def test_trial_moves_no_mark(tmp_path: Path, trial: dict[str, Any]) -> None:
    folder = load(tmp_path, column="id")
    source(folder, "(1, 'a')", columns="id, v")
    assert statuses(run(folder, **trial)) == {"load": "succeeded"}
    assert mark(folder) is None
    run(folder)
    source(folder, "(1, 'a'), (2, 'b')", columns="id, v")
    assert statuses(run(folder, **trial)) == {"load": "succeeded"}
    assert mark(folder) == Mark("INTEGER", "1")
    run(folder)
    assert ids(folder) == [1, 2]


def test_failed_node_moves_no_mark(tmp_path: Path) -> None:
    test = "  validation: {tests: [{type: range, column: id, max: 10}]}\n"
    folder = load(tmp_path, column="id", extra=test)
    source(folder, "(1, 'a')", columns="id, v")
    run(folder)
    source(folder, "(1, 'a'), (2, 'b'), (11, 'c')", columns="id, v")
    assert statuses(run(folder)) == {"load": "failed"}
    assert (ids(folder), mark(folder)) == ([1], Mark("INTEGER", "1"))
    source(folder, "(1, 'a'), (2, 'b'), (3, 'c')", columns="id, v")
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert ids(folder) == [1, 2, 3]


def test_everything_is_read_again_when_the_table_is_gone(tmp_path: Path) -> None:
    folder = load(tmp_path, column="id")
    source(folder, "(1, 'a'), (2, 'b')", columns="id, v")
    run(folder)
    (folder / "out.parquet").unlink()
    result = run(folder)
    assert ids(folder) == [1, 2]
    told = [line.message for line in result.state.nodes["p.load"].logs if line.level == "WARNING"]
    assert told == [
        "the node's table is gone: everything is read again, not what is above the mark"
    ]


def test_text_is_compared_as_what_its_mark_is(tmp_path: Path) -> None:
    folder = load(tmp_path, column="id", format="csv", to="csv")
    (folder / "in.csv").write_text("id,v\n9,a\n")
    run(folder)
    (folder / "in.csv").write_text('id,v\n"9",a\n"10",b\n')
    assert statuses(run(folder)) == {"load": "succeeded"}
    assert (folder / "out.csv").read_text() == "id,v\n9,a\n10,b\n"
    (folder / "in.csv").write_text("id,v\n11,a\nx12,b\n")
    assert statuses(run(folder)) == {"load": "failed"}
    assert mark(folder) == Mark("BIGINT", "10")


def test_column_that_became_another_kind_is_refused(tmp_path: Path) -> None:
    folder = load(tmp_path, column="id")
    source(folder, "(9, 'a')", columns="id, v")
    run(folder)
    source(folder, "(DATE '2026-01-01', 'a')", columns="id, v")
    error = run(folder).state.nodes["p.load"].error
    assert error is not None
    assert error.message == "read.incremental: column 'id' is DATE, and its mark INTEGER"
    assert mark(folder) == Mark("INTEGER", "9")


# Kills --------------------------------------------------------------------------------------------

KILLED = """\
import os, sys
from odibi.marks import Marks
from odibi import config
from odibi.runner import RunRequest, launch
original = getattr(Marks, sys.argv[2])
def die(self, *args):
    if sys.argv[3] == 'after':
        original(self, *args)
    os._exit(9)
setattr(Marks, sys.argv[2], die)
launch(config.load(sys.argv[1]), RunRequest(resume='resume' in sys.argv))
"""


def killed(folder: Path, method: str, when: str, *more: str) -> None:
    """Run until the marks' method is called, and die there as if the power went."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder / "odibi.yaml"), method, when, *more],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    ("engine", "to"), [("duckdb", "parquet"), ("duckdb", "csv"), ("pandas", "parquet")]
)
@pytest.mark.parametrize(
    ("method", "when"),
    [("prepare", "before"), ("prepare", "after"), ("confirm", "before"), ("confirm", "after")],
)
def test_kill_around_the_write_loses_and_doubles_nothing(
    tmp_path: Path, engine: str, method: str, when: str, to: str, resume: bool
) -> None:
    folder = load(tmp_path, engine=engine, column="id", to=to)
    source(folder, "(1, 'a')", columns="id, v")
    run(folder)
    source(folder, "(1, 'a'), (2, 'b')", columns="id, v")
    killed(folder, method, when)
    source(folder, "(1, 'a'), (2, 'b'), (3, 'c')", columns="id, v")  # more came meanwhile
    assert statuses(run(folder, resume=resume)) == {"load": "succeeded"}
    found = duckdb.sql(f"SELECT id FROM '{folder / f'out.{to}'}' ORDER BY 1").fetchall()
    assert found == [(1,), (2,), (3,)]
    assert mark(folder) == Mark("INTEGER", "3")


def test_first_write_may_be_killed_too(tmp_path: Path) -> None:
    folder = load(tmp_path, column="id")
    source(folder, "(1, 'a')", columns="id, v")
    killed(folder, "confirm", "before")
    killed(folder, "confirm", "before", "resume")
    source(folder, "(1, 'a'), (2, 'b')", columns="id, v")
    killed(folder, "confirm", "before", "resume")
    assert statuses(run(folder, resume=True)) == {"load": "succeeded"}
    assert ids(folder) == [1, 2]


def test_attempts_after_a_published_write_add_only_what_is_new(tmp_path: Path) -> None:
    failing = "  post_sql: [SELECT error('later')]\n"
    folder = load(tmp_path, column="id", extra=failing)
    source(folder, "(1, 'a')", columns="id, v")
    assert statuses(run(folder)) == {"load": "failed"}
    assert ids(folder) == [1]
    source(folder, "(1, 'a'), (2, 'b')", columns="id, v")
    assert statuses(run(folder, resume=True)) == {"load": "failed"}
    assert ids(folder) == [1, 2]


def test_decimal_marks_keep_their_digits(tmp_path: Path) -> None:
    folder = load(tmp_path)
    big = "CAST('12345678901234567890.123456789' AS DECIMAL(38,9))"
    source(folder, f"(1, {big})")
    run(folder)
    source(folder, f"(1, {big}), (2, {big} + CAST('0.000000001' AS DECIMAL(38,9)))")
    run(folder)
    assert rows(folder / "out.parquet")[1] == (2, Decimal("12345678901234567890.123456790"))


def test_quarantine_of_each_batch_is_kept(tmp_path: Path) -> None:
    test = """\
  validation:
    tests: [{type: range, column: id, max: 10, on_fail: quarantine}]
    quarantine: {connection: data, path: bad.parquet}
"""
    folder = load(tmp_path, column="id", extra=test)
    source(folder, "(1, 'a'), (11, 'b')", columns="id, v")
    killed(folder, "confirm", "before")
    source(folder, "(1, 'a'), (11, 'b'), (12, 'c')", columns="id, v")
    run(folder, resume=True)
    assert ids(folder) == [1]
    assert [row[0] for row in rows(folder / "bad.parquet")] == [11, 12]


def test_command_line_runs_of_an_environment_have_their_own_marks(tmp_path: Path) -> None:
    folder = load(tmp_path, column="id")
    with (folder / "odibi.yaml").open("a") as file:
        file.write("environments: {prod: {vars: {x: 1}}}\n")
    source(folder, "(1, 'a')", columns="id, v")
    done = command(folder, "run", "--env", "prod")
    assert done.returncode == 0, done.stderr
    assert mark(folder) is None
    assert [r.key for r in Marks(folder / ".odibi" / "marks", "prod").all()] == ["p.load"]
