"""Delta tables in stores: every mode is one transaction, versions are read, a busy store is an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Engine, Source, Target, Written
from odibi.errors import EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from tests.api import s3
from tests.api.lakes import Lake
from tests.cli.command import odibi


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Server]:
    with s3.server() as server:
        yield server


@pytest.fixture(params=[DuckDBEngine, PandasEngine])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = request.param(work_dir=tmp_path / "work", threads=2, memory_limit="500MB")
    yield engine
    engine.close()


@pytest.fixture
def lake(server: s3.Server) -> Lake:
    base = f"{server.new_bucket()}/lake"
    return Lake({"type": "s3", "base_path": base, "options": server.options()})


def write(engine: Engine, target: Target, query: str) -> Written:
    session = engine.session("n")
    try:
        return session.commit(session.stage(session.sql(query, {}), target))
    finally:
        session.close()


def read(engine: Engine, source: Source) -> list[tuple[Any, ...]]:
    session = engine.session("r")
    frame = session.read(source)
    rows = session.fetch("SELECT * FROM df ORDER BY ALL", {"df": frame}).rows
    session.close()
    return rows


ONE, TWO = "SELECT 1 AS id, 'a' AS x", "SELECT * FROM (VALUES (1, 'b'), (2, 'c')) t(id, x)"


@pytest.mark.parametrize(
    ("mode", "keys", "expected"),
    [
        ("overwrite", (), [(1, "b"), (2, "c")]),
        ("append", (), [(1, "a"), (1, "b"), (2, "c")]),
        ("append_once", ("id",), [(1, "a"), (2, "c")]),
        ("upsert", ("id",), [(1, "b"), (2, "c")]),
    ],
)
def test_modes(
    engine: Engine, lake: Lake, mode: str, keys: tuple[str, ...], expected: list[Any]
) -> None:
    first = lake.target("delta", "gold/t", mode, "w1", keys=keys)
    assert not engine.was_written(first)
    assert not engine.is_there(lake.source("delta", "gold/t"))
    written = write(engine, first, ONE)
    assert (written.rows, written.version) == (1, 0)
    assert written.bytes > 0
    second = write(engine, replace(first, write_id="w2"), TWO)
    assert (second.rows, second.version) == (1 if mode == "append_once" else 2, 1)
    assert engine.was_written(replace(first, write_id="w2"))
    assert engine.is_there(lake.source("delta", "gold/t"))
    assert read(engine, lake.source("delta", "gold/t")) == expected
    assert read(engine, replace(lake.source("delta", "gold/t"), version=0)) == [(1, "a")]


def test_what_isnt_there(engine: Engine, lake: Lake) -> None:
    with pytest.raises(EngineError, match="no Delta table at no/table"):
        read(engine, lake.source("delta", "no/table"))
    write(engine, lake.target("delta", "t", "overwrite", "w1"), ONE)
    with pytest.raises(EngineError, match="Delta table t: ") as caught:
        read(engine, replace(lake.source("delta", "t"), version=7))
    assert caught.value.hint == "it has the versions 0 to 0"


def test_a_store_that_is_gone(engine: Engine) -> None:
    with s3.server() as gone:
        base = gone.new_bucket()
    options = {**gone.options(), "max_retries": 0, "retry_timeout": "1s"}
    lake = Lake({"type": "s3", "base_path": base, "options": options})
    with pytest.raises(EngineError) as caught:
        write(engine, lake.target("delta", "t", "append", "w1"), ONE)
    assert caught.value.transient
    assert s3.SECRET not in str(caught.value)


def test_stores_without_delta(engine: Engine) -> None:
    memory = Lake({"type": "memory", "base_path": "/b", "options": {}})
    with pytest.raises(EngineError, match="can't be kept in connections of type memory"):
        write(engine, memory.target("delta", "t", "append", "w1"), ONE)


PROJECT = """\
project: shop
engine: duckdb
connections:
  lake:
    type: s3
    base_path: BASE
    options: {key: "${S3_KEY}", secret: "${S3_SECRET}", endpoint_url: ADDRESS, client_kwargs: {region_name: eu-central-1}}
pipelines:
  - pipeline: bronze
    nodes:
      - name: days
        transform: {steps: [{sql: "SELECT 1 AS id, DATE '2026-01-05' AS day"}]}
        write: {connection: lake, format: delta, path: bronze/days, mode: append, partition_by: [day]}
  - pipeline: silver
    nodes:
      - name: count
        inputs: {days: $bronze.days}
        transform: {steps: [{sql: SELECT count(*) AS n FROM days}]}
        write: {connection: lake, format: delta, path: silver/count}
"""


def test_a_project(tmp_path: Path, server: s3.Server, lake: Lake) -> None:
    text = PROJECT.replace("BASE", lake.connection["base_path"]).replace("ADDRESS", server.address)
    (tmp_path / "odibi.yaml").write_text(text)
    env = {"S3_KEY": s3.KEY, "S3_SECRET": s3.SECRET}
    for expected in (1, 2):
        ran = odibi("run", cwd=tmp_path, env=env)
        assert ran.code == 0, ran.out + ran.err
        asked = odibi("query", "SELECT n FROM count", "--json", cwd=tmp_path, env=env)
        assert asked.code == 0, asked.out + asked.err
        assert asked.json == [{"n": expected}]
