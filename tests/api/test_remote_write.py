"""Tables in stores: every mode and format, seen whole or not at all, and each write once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Engine, Source, Target, Written
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from tests.api import s3
from tests.api.lakes import Lake
from tests.cli.command import odibi

FORMATS = ("parquet", "csv", "json")


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Server]:
    with s3.server() as server:
        yield server


@pytest.fixture(params=[DuckDBEngine, PandasEngine])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = request.param(work_dir=tmp_path / "work", threads=2, memory_limit="500MB")
    yield engine
    engine.close()


@pytest.fixture(params=["s3", "memory", "file"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, server: s3.Server) -> Lake:
    kind = request.param
    if kind == "s3":
        base, options = f"{server.new_bucket()}/lake", server.options()
    else:
        base, options = str(tmp_path / "bucket") if kind == "file" else f"/{uuid.uuid4()}", {}
    return Lake({"type": kind, "base_path": base, "options": options})


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


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("mode", "keys", "expected"),
    [
        ("overwrite", (), [(1, "b"), (2, "c")]),
        ("append", (), [(1, "a"), (1, "b"), (2, "c")]),
        ("append_once", ("id",), [(1, "a"), (2, "c")]),
        ("upsert", ("id",), [(1, "b"), (2, "c")]),
        ("merge", ("id",), [(1, "b"), (2, "c")]),
    ],
)
def test_modes(
    engine: Engine, lake: Lake, format: str, mode: str, keys: tuple[str, ...], expected: Any
) -> None:
    place = f"day/orders.{format}"
    first = lake.target(format, place, mode, "w1", keys=keys)
    assert write(engine, first, ONE).rows == 1
    second = replace(first, write_id="w2")
    assert not engine.was_written(second)
    written = write(engine, second, TWO)
    assert written.rows == (1 if mode == "append_once" else 2)
    assert engine.was_written(second)
    assert engine.was_written(first) is (mode != "overwrite")
    assert read(engine, lake.source(format, place)) == expected
    notes = [] if format == "parquet" else [f"day/.orders.{format}.odibi.json"]
    assert lake.names() == [*notes, place]


@pytest.mark.parametrize(
    ("mode", "keys", "expected"),
    [
        ("overwrite", (), [(1, "b"), (2, "c")]),
        ("append", (), [(1, "a"), (1, "b"), (2, "c")]),
        ("upsert", ("x",), [(1, "a"), (1, "b"), (2, "c")]),
    ],
)
def test_partitions(
    engine: Engine, lake: Lake, mode: str, keys: tuple[str, ...], expected: Any
) -> None:
    first = lake.target("parquet", "t", mode, "w1", keys=keys, partition_by=("id",))
    write(engine, first, ONE)
    write(engine, replace(first, write_id="w2"), TWO)
    rows = read(engine, lake.source("parquet", "t"))
    assert sorted(row if isinstance(row[0], int) else row[::-1] for row in rows) == expected
    note = json.loads(lake.system.cat_file(f"{lake.connection['base_path']}/t/_odibi_write.json"))
    assert sorted(lake.names()) == sorted(
        ["t/_odibi_write.json", *(f"t/{n}" for n in note["files"])]
    )
    assert note["write_ids"] == (["w2"] if mode == "overwrite" else ["w1", "w2"])
    assert engine.was_written(replace(first, write_id="w2"))


PROJECT = """\
project: shop
engine: ENGINE
connections:
  landing: {type: local, base_path: landing}
  lake:
    type: s3
    base_path: BASE
    options: {key: "${S3_KEY}", secret: "${S3_SECRET}", endpoint_url: ADDRESS, client_kwargs: {region_name: eu-central-1}}
pipelines:
  - pipeline: bronze
    nodes:
      - name: orders
        read:
          connection: landing
          format: csv
          path: orders.csv
          options: {columns: {id: BIGINT, day: VARCHAR, amount: "DECIMAL(9,2)"}}
          bad_lines: {connection: lake, path: bad/lines.csv}
        validation:
          tests: [{type: range, column: amount, min: 0, on_fail: quarantine}]
          quarantine: {connection: lake, path: bad/orders.parquet}
        write: {connection: lake, format: parquet, path: orders, partition_by: [day], mode: append}
      - name: names
        read: {connection: landing, format: csv, path: orders.csv}
        transform: {steps: [{sql: SELECT id FROM df}]}
        write: {connection: lake, format: csv, path: names.csv, skip_if_unchanged: true}
  - pipeline: silver
    nodes:
      - name: totals
        inputs: {orders: $bronze.orders}
        transform: {steps: [{sql: "SELECT day, sum(amount) AS total FROM orders GROUP BY day"}]}
        write: {connection: lake, format: json, path: totals.json, mode: upsert, options: {keys: [day]}}
      - name: read_again
        read: {connection: lake, format: parquet, path: orders}
        transform: {steps: [{sql: SELECT count(*) AS n FROM df}]}
        write: {connection: lake, format: parquet, path: count.parquet}
"""


def _project(folder: Path, engine: str, server: s3.Server, monkeypatch: pytest.MonkeyPatch) -> Lake:
    base = f"{server.new_bucket()}/lake"
    text = (
        PROJECT.replace("ENGINE", engine).replace("BASE", base).replace("ADDRESS", server.address)
    )
    (folder / "odibi.yaml").write_text(text)
    (folder / "landing").mkdir()
    (folder / "landing" / "orders.csv").write_text(
        "id,day,amount\n1,mon,1.50\n2,tue,2.25\n3,tue,-1\n4,wed,abc\n"
    )
    monkeypatch.setenv("S3_KEY", s3.KEY)
    monkeypatch.setenv("S3_SECRET", s3.SECRET)
    return Lake({"type": "s3", "base_path": base, "options": server.options()})


def _asked(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    said = odibi("query", sql, "--json", cwd=folder)
    assert said.code == 0, said.out + said.err
    return [tuple(row.values()) for row in said.json]


@pytest.mark.parametrize("engine_name", ["duckdb", "pandas"])
def test_a_project_lives_in_a_store(
    tmp_path: Path, server: s3.Server, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = _project(tmp_path, engine_name, server, monkeypatch)
    assert odibi("validate", cwd=tmp_path).code == 0
    for expected in (2, 4):
        ran = odibi("run", cwd=tmp_path)
        assert ran.code == 0, ran.out + ran.err
        assert _asked(tmp_path, "SELECT count(*) AS n FROM orders") == [(expected,)]
    totals = "SELECT day, CAST(total AS DOUBLE) AS t FROM totals ORDER BY day"
    assert _asked(tmp_path, totals) == [("mon", 3.0), ("tue", 4.5)]
    assert _asked(tmp_path, "SELECT n FROM read_again") == [(4,)]
    assert _asked(tmp_path, "SELECT id FROM quarantine.orders") == [(3,), (3,)]
    assert _asked(tmp_path, "SELECT raw FROM quarantine.orders_lines") == [("4,wed,abc",)] * 2
    only = odibi("run", "--select", "totals", cwd=tmp_path)
    assert only.code == 0, only.out + only.err
    written = [name for name in lake.names() if name.startswith("orders/day=")]
    assert len(written) == 4
    for file in (tmp_path / ".odibi").rglob("*"):
        assert file.is_dir() or s3.SECRET.encode() not in file.read_bytes(), file
