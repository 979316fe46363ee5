"""Simulated sources in runs: they go on where the last run ended, once, whatever happens between."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.runner.running import command, project, run

NODE = """\
- name: feed
  read:
    format: simulation
    options:
      simulation:
        scope: {{start_time: "2026-01-01T00:00:00Z", timestep: 1h, {rows}}}
        entities: {{names: [a, b]}}
        columns:
          - {{name: who, data_type: string, generator: {{type: constant, value: "{{entity_id}}"}}}}
          - {{name: at, data_type: timestamp, generator: {{type: timestamp}}}}
          - {{name: n, data_type: int, generator: {{type: sequential}}}}
          - {{name: walk, data_type: float, generator: {{type: random_walk, start: 5, min: 0, max: 9}}}}
          - {{name: total, data_type: int, generator: {{type: derived, expression: "prev('total', 0) + 1"}}}}
    incremental: {{mode: stateful, column: at}}
  write: {{connection: data, format: parquet, path: out/feed.parquet, mode: append}}
"""
FEED = NODE.format(rows="row_count: 6")


def table(folder: Path) -> list[tuple[Any, ...]]:
    path = next(folder.rglob("out/feed.parquet"))
    return (
        duckdb.read_parquet(f"{path}/**/*.parquet" if path.is_dir() else str(path))
        .order('who, "at"')
        .fetchall()
    )


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_each_run_goes_on(tmp_path: Path, engine: str) -> None:
    whole = project(tmp_path / "whole", NODE.format(rows="row_count: 18"))
    run(whole, engine=engine)
    folder = project(tmp_path / "parts", FEED)
    for count in (12, 24, 36):
        assert run(folder, engine=engine).outcome == "succeeded"
        assert len(table(folder)) == count
    found = table(folder)
    assert found == table(whole)
    assert [row[4] for row in found] == [*range(1, 19)] * 2
    start = datetime(2026, 1, 1)
    assert [row[1] for row in found] == [start + timedelta(hours=n) for n in range(18)] * 2


def test_both_engines_make_the_same_rows(tmp_path: Path) -> None:
    folders = [project(tmp_path / engine, FEED) for engine in ("duckdb", "pandas")]
    for folder, engine in zip(folders, ("duckdb", "pandas"), strict=True):
        run(folder, engine=engine)
    assert table(folders[0]) == table(folders[1])


def test_an_end_brings_no_more_rows(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE.format(rows='end_time: "2026-01-01T04:00:00Z"'))
    for _ in range(2):
        assert run(folder).outcome == "succeeded"
        assert len(table(folder)) == 8


def test_a_sample_moves_nothing(tmp_path: Path) -> None:
    folder = project(tmp_path, FEED)
    run(folder)
    run(folder, sample=3)
    run(folder)
    assert len(table(folder)) == 24


def test_without_incremental_each_run_is_the_first(tmp_path: Path) -> None:
    node = FEED.replace("    incremental: {mode: stateful, column: at}\n", "")
    folder = project(tmp_path, node.replace("mode: append", "mode: overwrite"))
    run(folder)
    first = table(folder)
    run(folder)
    assert table(folder) == first and len(first) == 12


def test_forgotten_it_begins_anew(tmp_path: Path) -> None:
    folder = project(tmp_path, FEED.replace("mode: append", "mode: overwrite"))
    run(folder)
    first = table(folder)
    run(folder)
    assert table(folder) != first
    (mark,) = (folder / ".odibi" / "marks").iterdir()
    assert json.loads(mark.read_text())["current"]["mark"]["value"].startswith("2026-01-01 11:00")
    mark.unlink()
    run(folder)
    assert table(folder) == first


def test_a_value_that_a_column_cannot_take_fails_the_node(tmp_path: Path) -> None:
    folder = project(tmp_path, FEED.replace("prev('total', 0) + 1", "who"))
    done = command(folder, "run")
    assert done.returncode != 0
    assert "simulated column 'total': 'a' is no number" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
