"""Keys that are null, not a number, or there twice: the same on every engine and format, and never a silent loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.faults.bad_data import plain
from tests.runner.running import project, rows, run

NODE = """\
- name: load
  read: {connection: data, format: parquet, path: in.parquet}
  write: {connection: data, format: FORMAT, path: out, mode: MODE, options: {keys: [k]}}
"""
STORED = "(1.0, 'a'), ('nan', 'b'), (NULL, 'c')"
CHANGES = {
    "odd": "('nan', 'n'), (NULL, 'm'), (2.0, 'd')",
    "twice": "(1.0, 'x'), (1.0, 'y'), (2.0, 'd'), (2.0, 'd')",
}
OLD = [(1.0, "a"), ("nan", "b"), (None, "c")]
WANTED: dict[tuple[str, str], list[tuple[Any, str]] | str] = {
    ("upsert", "odd"): [(1.0, "a"), ("nan", "n"), (None, "m"), (2.0, "d")],
    ("append_once", "odd"): [*OLD, (2.0, "d")],
    ("append", "odd"): [*OLD, ("nan", "n"), (None, "m"), (2.0, "d")],
    ("upsert", "twice"): "2 rows of the result have the same key (k = 1",
    ("append_once", "twice"): [*OLD, (2.0, "d")],
    ("append", "twice"): [*OLD, (1.0, "x"), (1.0, "y"), (2.0, "d"), (2.0, "d")],
}


def arrives(folder: Path, values: str) -> None:
    with duckdb.connect() as database:
        query = f"SELECT CAST(k AS DOUBLE) AS k, v FROM (VALUES {values}) AS t(k, v)"
        database.execute(f"COPY ({query}) TO '{folder / 'in.parquet'}'")


def stored(path: Path) -> list[str]:
    if (path / "_delta_log").is_dir():
        from deltalake import DeltaTable

        found = [
            tuple(row.values()) for row in DeltaTable(str(path)).to_pyarrow_table().to_pylist()
        ]
    else:
        found = rows(path)
    return sorted(repr(tuple(map(plain, row))) for row in found)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("format", ["parquet", "delta"])
@pytest.mark.parametrize(("mode", "change"), WANTED)
def test_odd_keys(tmp_path: Path, engine: str, format: str, mode: str, change: str) -> None:
    folder = project(tmp_path, NODE.replace("FORMAT", format).replace("MODE", mode), engine=engine)
    arrives(folder, STORED.replace("'nan'", "'nan'::DOUBLE"))
    run(folder)
    arrives(folder, CHANGES[change].replace("'nan'", "'nan'::DOUBLE"))
    error = run(folder).state.nodes["p.load"].error
    wanted = WANTED[mode, change]
    if isinstance(wanted, str):
        assert error is not None and wanted in error.message
        wanted = OLD
    else:
        assert error is None
    assert stored(folder / "out") == sorted(map(repr, wanted))
