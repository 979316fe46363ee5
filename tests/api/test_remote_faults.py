"""Writes to a store that breaks off, refuses or is killed: nothing is lost, doubled or half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from odibi.engine import Rows
from odibi.errors import EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.api import s3
from tests.api.lakes import Lake
from tests.cli.command import odibi


@pytest.fixture
def server() -> Iterator[s3.Server]:
    with s3.server() as server:
        yield server


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(work_dir=tmp_path / "work", threads=2, memory_limit="500MB")
    yield engine
    engine.close()


def lake_of(server: s3.Server) -> Lake:
    base = f"{server.new_bucket()}/lake"
    return Lake({"type": "s3", "base_path": base, "options": server.options()})


def rows(engine: DuckDBEngine, lake: Lake, place: str) -> Rows:
    session = engine.session("r")
    frame = session.read(lake.source("parquet", place))
    found = session.fetch("SELECT id FROM df ORDER BY ALL", {"df": frame})
    session.close()
    return found


PROJECT = """\
project: shop
engine: duckdb
performance: {memory_limit: 500MB}
connections:
  landing: {type: local, base_path: landing}
  lake:
    type: s3
    base_path: BASE
    options: {key: "${S3_KEY}", secret: "${S3_SECRET}", endpoint_url: ADDRESS, client_kwargs: {region_name: eu-central-1}}
pipelines:
  - pipeline: p
    nodes:
      - name: orders
        read: {connection: landing, format: csv, path: orders.csv}
        write: WRITE
"""
WRITES = {
    "parts": "{connection: lake, format: parquet, path: orders, partition_by: [day], mode: append}",
    "text": "{connection: lake, format: csv, path: orders.csv, mode: append}",
    "file": "{connection: lake, format: parquet, path: orders.parquet, mode: append}",
}
PUTS = {"parts": 3, "text": 2, "file": 1}


def project(folder: Path, lake: Lake, server: s3.Server, write: str) -> dict[str, str]:
    """A project that adds two rows in two partitions; the environment it needs."""
    text = PROJECT.replace("BASE", lake.connection["base_path"]).replace("ADDRESS", server.address)
    (folder / "odibi.yaml").write_text(text.replace("WRITE", WRITES[write]))
    (folder / "landing").mkdir()
    (folder / "landing" / "orders.csv").write_text("id,day\n1,mon\n2,tue\n")
    return {"S3_KEY": s3.KEY, "S3_SECRET": s3.SECRET}


def ids(folder: Path, env: dict[str, str]) -> list[int]:
    asked = odibi("query", "SELECT id FROM orders ORDER BY id", "--json", cwd=folder, env=env)
    assert asked.code == 0, asked.out + asked.err
    return [row["id"] for row in asked.json]


@pytest.mark.parametrize(
    ("write", "put", "arrives"),
    [(write, put, arrives) for write in WRITES for put in range(1, PUTS[write] + 1) for arrives in (False, True)],
)  # fmt: skip
def test_a_killed_write_is_there_once(
    tmp_path: Path, server: s3.Server, write: str, put: int, arrives: bool
) -> None:
    """`arrives`: the store still takes the file whose sender is killed."""
    lake = lake_of(server)
    env = project(tmp_path, lake, server, write)
    assert odibi("run", cwd=tmp_path, env=env).code == 0
    seen = 0

    def kill(method: str, path: str) -> int | None:
        nonlocal seen
        seen += method == "PUT"
        if method != "PUT" or seen != put:
            return None
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        return 503

    setattr(server, "after" if arrives else "before", kill)
    child = subprocess.Popen([sys.executable, "-m", "odibi", "run"], cwd=tmp_path,
        env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    assert child.wait(timeout=300) == -signal.SIGKILL
    server.before = server.after = None
    published = arrives and put == PUTS[write]
    assert ids(tmp_path, env) == ([1, 1, 2, 2] if published else [1, 2])
    resumed = odibi("run", "--resume", cwd=tmp_path, env=env)
    assert resumed.code == 0, resumed.out + resumed.err
    assert ids(tmp_path, env) == [1, 1, 2, 2]
    files = [name for name in lake.names() if name.startswith("orders/day=")]
    assert len(files) == (4 if write == "parts" else 0)


def test_a_busy_store_is_asked_again(tmp_path: Path, server: s3.Server) -> None:
    lake = lake_of(server)
    env = project(tmp_path, lake, server, "parts")
    refused: list[str] = []

    def busy(method: str, path: str) -> int | None:
        if method != "PUT" or len(refused) >= 3:
            return None
        refused.append(path)
        return 503

    server.before = busy
    ran = odibi("run", cwd=tmp_path, env=env)
    server.before = None
    assert (ran.code, len(refused)) == (0, 3), ran.out + ran.err
    assert ids(tmp_path, env) == [1, 2]


@pytest.mark.parametrize(("status", "transient"), [(503, True), (403, False)])
def test_a_refusal_is_an_error(
    engine: DuckDBEngine, server: s3.Server, status: int, transient: bool
) -> None:
    lake = lake_of(server)
    options = {**lake.connection["options"], "config_kwargs": {"retries": {"max_attempts": 1}}}
    lake = replace(lake, connection={**lake.connection, "options": options})
    session = engine.session("n")
    target = lake.target("parquet", "t.parquet", "overwrite", "w1")
    staged = session.stage(session.sql("SELECT 1 AS id", {}), target)
    server.before = lambda method, _: status if method == "PUT" else None
    with pytest.raises(EngineError, match=r"lake/t\.parquet can't be written: ") as caught:
        session.commit(staged)
    server.before = None
    assert caught.value.transient is transient
    assert s3.SECRET not in str(caught.value)
    assert lake.names() == []
    session.close()


def test_nobody_there(engine: DuckDBEngine) -> None:
    with s3.server() as server:
        lake = lake_of(server)
    options = {**lake.connection["options"], "config_kwargs": {"retries": {"max_attempts": 0}}}
    lake = replace(lake, connection={**lake.connection, "options": options})
    session = engine.session("n")
    frame = session.sql("SELECT 1 AS id", {})
    with pytest.raises(EngineError, match=r"lake/t\.parquet can't be read: ") as caught:
        session.stage(frame, lake.target("parquet", "t.parquet", "append", "w1"))
    assert caught.value.transient
    with pytest.raises(EngineError) as caught:
        session.read(lake.source("parquet", "t.parquet"))
    assert caught.value.transient
    session.close()


def test_somebody_else_wrote_meanwhile(engine: DuckDBEngine, server: s3.Server) -> None:
    lake = lake_of(server)
    place = f"{lake.connection['base_path']}/t.parquet"
    session = engine.session("n")
    for number in (1, 2):
        target = lake.target("parquet", "t.parquet", "append", f"w{number}")
        staged = session.stage(session.sql(f"SELECT {number} AS id", {}), target)
        if number == 1:
            session.commit(staged)
    lake.system.pipe_file(place, lake.system.cat_file(place) + b"PAR1")
    with pytest.raises(EngineError, match="changed in its store while it was written") as caught:
        session.commit(staged)
    assert caught.value.transient
    session.close()


def test_files_that_are_no_part_of_a_table_are_left(
    engine: DuckDBEngine, server: s3.Server
) -> None:
    lake = lake_of(server)
    base = lake.connection["base_path"]
    lake.system.pipe_file(f"{base}/t/notes.txt", b"mine")
    lake.system.pipe_file(f"{base}/one", b"mine")
    session = engine.session("n")
    frame = session.sql("SELECT 1 AS id, 2 AS day", {})
    for place, more, words in (
        ("t", {"partition_by": ("day",)}, "a folder that holds other things"),
        ("one", {"partition_by": ("day",)}, "is a file, and partition_by makes a folder"),
        ("t", {}, "is a folder, and the write is one file"),
    ):
        with pytest.raises(EngineError, match=words):
            session.stage(frame, lake.target("parquet", place, "overwrite", "w1", **more))
    assert lake.names() == ["one", "t/notes.txt"]
    session.close()
