"""Nodes that together need more memory than there is run one after the other; all others at the same time."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from odibi import config
from odibi.events import Event, LogLine, NodeStarted, NodeSucceeded
from odibi.runner import RunRequest, launch
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from tests.runner.running import project

NODES = """
- name: wide
  read: {connection: data, format: parquet, path: wide.parquet}
  write: {connection: data, format: parquet, path: out/wide.parquet}
- name: first
  inputs: {wide: $p.wide}
  transform: {steps: ["SELECT id, max(word) AS word FROM wide GROUP BY id"]}
  write: {connection: data, format: parquet, path: out/first.parquet}
- name: second
  inputs: {wide: $p.wide}
  transform: {steps: ["SELECT count(DISTINCT word) AS n FROM wide"]}
  write: {connection: data, format: parquet, path: out/second.parquet}
"""


def ran(folder: Path, memory: str, engine: str) -> list[Event]:
    """The events of a run over a million rows with a number and a word."""
    limit = f"performance: {{memory_limit: {memory}, threads: 2}}\n"
    project(folder, NODES, engine=engine, extra=limit)
    duckdb.sql("SELECT range AS id, range::VARCHAR AS word FROM range(1000000)").write_parquet(
        str(folder / "wide.parquet")
    )
    seen: list[Event] = []
    loaded = config.load(folder / "odibi.yaml")
    assert launch(loaded, RunRequest(jobs=3), watch=seen.append).exit_code == 0
    return seen


def waits(seen: list[Event]) -> list[str]:
    logged = [event.payload.message for event in seen if isinstance(event.payload, LogLine)]
    return [message for message in logged if "memory" in message]


@pytest.mark.parametrize(("engine", "memory"), [("duckdb", "60MB"), ("pandas", "86MB")])
def test_two_that_fill_the_memory_take_turns(tmp_path: Path, engine: str, memory: str) -> None:
    seen = ran(tmp_path, memory, engine)
    assert waits(seen) == ["p.second waits for memory that others need now: p.first"]
    turns = [
        (type(event.payload).__name__, event.payload.node)
        for event in seen
        if isinstance(event.payload, NodeStarted | NodeSucceeded) and event.payload.node != "p.wide"
    ]
    assert turns == [
        ("NodeStarted", "p.first"), ("NodeSucceeded", "p.first"),
        ("NodeStarted", "p.second"), ("NodeSucceeded", "p.second"),
    ]  # fmt: skip


def test_where_there_is_memory_nobody_waits(tmp_path: Path) -> None:
    assert waits(ran(tmp_path, "1GB", "duckdb")) == []


@pytest.mark.parametrize("make", [DuckDBEngine, PandasEngine])
def test_a_frame_not_yet_computed_needs_what_it_is_made_of(
    tmp_path: Path, make: type[DuckDBEngine | PandasEngine]
) -> None:
    engine = make(work_dir=tmp_path / "work", memory_limit="100MB")
    session = engine.session("n")
    rows = session.hold(session.sql("SELECT range AS id FROM range(2000000)", {}))
    lazy = session.sql("SELECT a.id FROM a JOIN b USING (id)", {"a": rows, "b": rows})
    assert engine.need([rows]) == engine.need([lazy]) == engine.need([rows, lazy])
    assert 0.1 < engine.need([rows]) < 0.3
    assert engine.need([session.hold(session.sql("SELECT 1 AS one", {}))]) == 0
    session.close()
    engine.close()
