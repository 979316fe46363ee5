"""`skip_if_unchanged`: a table is left alone exactly when the content is that of its last write."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.runner.running import project, rows, run, statuses
from tests.runner.test_stateful import killed

NODE = """\
- name: load
  read: {{connection: data, format: parquet, path: in.parquet}}
  write:
    connection: data
    format: {format}
    path: out.{format}
    mode: {mode}
    skip_if_unchanged: true
    add_metadata: true{more}
"""


def _project(
    folder: Path,
    *,
    engine: str = "duckdb",
    mode: str = "append",
    format: str = "parquet",
    more: str = "",
) -> Path:
    more = f"\n    {more}" if more else ""
    return project(folder, NODE.format(mode=mode, format=format, more=more), engine=engine)


def _source(folder: Path, values: str, columns: str = "id, v") -> None:
    query = f"SELECT * FROM (VALUES {values}) AS t({columns})"
    duckdb.sql(f"COPY ({query}) TO '{folder / 'in.parquet'}'")


def _ids(folder: Path) -> list[object]:
    return sorted(row[0] for row in rows(folder / "out.parquet"))


def _skipped(folder: Path) -> bool:
    """Run; whether the table was left alone."""
    result = run(folder)
    assert statuses(result) == {"load": "succeeded"}
    return any("nothing was written" in line.message for line in result.state.nodes["p.load"].logs)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_same_rows_in_any_order_are_not_written_again(tmp_path: Path, engine: str) -> None:
    folder = _project(tmp_path, engine=engine)
    _source(folder, "(1, 'a'), (2, 'b')")
    assert not _skipped(folder)
    _source(folder, "(2, 'b'), (1, 'a')")
    assert _skipped(folder)
    assert _ids(folder) == [1, 2]
    _source(folder, "(2, 'b'), (1, 'c')")
    assert not _skipped(folder)
    assert _ids(folder) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ("(1, 'a'), (1, 'a')", "id, v"),
        ("(2, 'b'), (2, 'b'), (2, 'b')", "id, v"),
        ("(1, 'a'), (2, NULL)", "id, v"),
        ("(1, 'a'), (2, 'b')", "id, w"),
        ("(1::BIGINT, 'a'), (2, 'b')", "id, v"),
        ("(1, 'a, v: b'), (2, '')", "id, v"),
        ("(1, 'b'), (2, 'a')", "id, v"),
    ],
)
def test_every_difference_is_written(tmp_path: Path, values: str, columns: str) -> None:
    folder = _project(tmp_path, mode="overwrite")
    _source(folder, "(1, 'a'), (2, 'b')")
    assert not _skipped(folder)
    _source(folder, values, columns)
    assert not _skipped(folder)


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert, merge_keys: [id]"])
@pytest.mark.parametrize("format", ["parquet", "csv", "json"])
def test_table_that_another_wrote_is_written(tmp_path: Path, mode: str, format: str) -> None:
    mode = mode.replace(", merge_keys", "\n    merge_keys")
    folder = _project(tmp_path, mode=mode, format=format)
    _source(folder, "(1, 'a')")
    assert [_skipped(folder), _skipped(folder)] == [False, True]
    out = folder / f"out.{format}"
    out.unlink()
    assert [_skipped(folder), _skipped(folder)] == [False, True]
    query = f"SELECT * REPLACE (5 AS id) FROM '{out}'"
    duckdb.sql(f"COPY ({query}) TO '{folder / f'other.{format}'}'")
    (folder / f"other.{format}").replace(out)
    assert [_skipped(folder), _skipped(folder)] == [False, True]


def test_only_named_columns_count(tmp_path: Path) -> None:
    folder = _project(tmp_path, more="skip_hash_columns: [id]")
    _source(folder, "(1, 'a')")
    assert not _skipped(folder)
    _source(folder, "(1, 'b')")
    assert _skipped(folder)
    _source(folder, "(1, 'b')", "x, v")
    result = run(folder)
    error = result.state.nodes["p.load"].error
    assert error is not None
    assert error.message == "write.skip_hash_columns: there is no column 'id'"


def test_trial_compares_nothing(tmp_path: Path) -> None:
    folder = _project(tmp_path)
    _source(folder, "(1, 'a')")
    run(folder, scratch=True)
    assert not _skipped(folder)
    assert _ids(folder) == [1]


@pytest.mark.parametrize(("method", "ids"), [("prepare", [1]), ("confirm", [1])])
def test_kill_around_the_write_loses_and_doubles_nothing(
    tmp_path: Path, method: str, ids: list[int]
) -> None:
    folder = _project(tmp_path)
    _source(folder, "(1, 'a')")
    killed(folder, method, "after")
    assert _skipped(folder) == (method == "confirm")
    assert _ids(folder) == ids


def test_rows_of_a_skipped_batch_count_as_read(tmp_path: Path) -> None:
    folder = _project(tmp_path, more="skip_hash_columns: [v]")
    text = (folder / "odibi.yaml").read_text()
    incremental = "in.parquet, incremental: {mode: stateful, column: id}}"
    (folder / "odibi.yaml").write_text(text.replace("in.parquet}", incremental))
    _source(folder, "(1, 'a')")
    assert not _skipped(folder)
    _source(folder, "(1, 'a'), (2, 'a')")
    assert _skipped(folder)
    _source(folder, "(1, 'a'), (2, 'a'), (3, 'b')")
    assert not _skipped(folder)
    assert _ids(folder) == [1, 3]
