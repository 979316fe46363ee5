"""Files of other machines: copied whole, or an error that says why not; on both engines."""

from __future__ import annotations

import io
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest

from odibi.config import ConfigError, load
from odibi.engine import Engine, Source
from odibi.errors import Cancelled, EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from odibi_engines.remote_copy import RemoteCopy
from tests.cli.command import odibi

FORMATS = {"csv": "orders.csv", "json": "orders.ndjson", "parquet": "orders.parquet"}


@pytest.fixture(params=[DuckDBEngine, PandasEngine])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = request.param(work_dir=tmp_path / "work")
    yield engine
    engine.close()


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, Any]]:
    """Type, base path and file system of a store that is empty."""
    base = str(tmp_path / "bucket") if request.param == "file" else f"/{uuid.uuid4()}"
    system = fsspec.filesystem(request.param)
    yield request.param, base, system
    if request.param == "memory" and system.exists(base):
        system.rm(base, recursive=True)


def content(format: str, first: int, rows: int) -> bytes:
    ids = range(first, first + rows)
    if format == "csv":
        return "\n".join(["id", *map(str, ids)]).encode() + b"\n"
    if format == "json":
        return b"".join(json.dumps({"id": n}).encode() + b"\n" for n in ids)
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table({"id": list(ids)}), out)
    return out.getvalue()


def put(store: tuple[str, str, Any], name: str, data: bytes) -> None:
    _, base, system = store
    path = f"{base}/{name}"
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    system.pipe_file(path, data)


def source(store: tuple[str, str, Any], format: str, path: str) -> Source:
    return Source(
        format, Path(path), connection={"type": store[0], "base_path": store[1], "options": {}}
    )


def read(engine: Engine, source: Source) -> list[tuple[Any, ...]]:
    session = engine.session("n")
    frame = session.read(source)
    rows = session.fetch("SELECT * FROM df ORDER BY ALL", {"df": frame}).rows
    session.close()
    return rows


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("path", ["day/orders", "day", "day/*"])
def test_files_folders_and_patterns(
    engine: Engine, store: tuple[str, str, Any], format: str, path: str
) -> None:
    suffix = Path(FORMATS[format]).suffix
    put(store, f"day/orders{suffix}", content(format, 0, 3))
    put(store, f"day/more{suffix}", content(format, 3, 2))
    if path == "day":
        put(store, "day/_SUCCESS", b"")
        put(store, f"day/.staging/x{suffix}", b"broken")
    one = path == "day/orders"
    found = read(engine, source(store, format, f"{path}{suffix}" if one else path))
    assert found == [(n,) for n in range(3 if one else 5)]


def test_folders_of_partitions_keep_their_columns(
    engine: Engine, store: tuple[str, str, Any]
) -> None:
    put(store, "t/day=1/a.parquet", content("parquet", 0, 1))
    put(store, "t/day=2/a.parquet", content("parquet", 1, 1))
    assert read(engine, source(store, "parquet", "t")) == [(0, 1), (1, 2)]


def test_rows_outlive_the_session_that_copied_them(
    tmp_path: Path, store: tuple[str, str, Any]
) -> None:
    put(store, "a.parquet", content("parquet", 0, 3))
    engine = DuckDBEngine(work_dir=tmp_path / "work")
    first, second = engine.session("a"), engine.session("b")
    frame = first.read(source(store, "parquet", "a.parquet"))
    first.close()
    assert second.fetch("SELECT count(*) FROM df", {"df": frame}).rows == [(3,)]
    second.close()
    engine.close()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("path", ["no.csv", "no", "no/*.csv"])
def test_nothing_there(engine: Engine, store: tuple[str, str, Any], path: str) -> None:
    with pytest.raises(EngineError, match=f"no csv file at {store[0]}://"):
        read(engine, source(store, "csv", path))


def test_a_path_stays_in_its_connection(engine: Engine, store: tuple[str, str, Any]) -> None:
    with pytest.raises(EngineError, match="leaves its connection"):
        read(engine, source(store, "csv", "../other.csv"))


class _Grows(io.BytesIO):
    """A stream whose file is replaced while it is read."""

    def __init__(self, data: bytes, then: Any) -> None:
        super().__init__(data)
        self.then = then

    def read(self, size: int | None = -1) -> bytes:
        self.then()
        return super().read(size)


class Odd(fsspec.spec.AbstractFileSystem):
    """A store with one file that is shorter than it says, changes meanwhile, or can't be read."""

    protocol = "odibi-odd"
    cachable = False

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.trouble = trouble
        self.etag = "a"

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        size = 9 if self.trouble == "short" else 5
        return {"name": path, "size": size, "type": "file", "ETag": self.etag}

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if self.trouble == "refuses":
            raise PermissionError(13, "Permission denied")
        if self.trouble == "drops":
            raise ConnectionResetError(104, "Connection reset by peer")
        return _Grows(b"id\n1\n", self._change)

    def _change(self) -> None:
        self.etag = "b" if self.trouble == "changes" else self.etag


@pytest.mark.parametrize(
    ("trouble", "words", "transient"),
    [
        ("short", "has 9 bytes and 5 came", True),
        ("changes", "changed while it was copied", True),
        ("refuses", "can't be read: Permission denied", False),
        ("drops", "can't be read: Connection reset", True),
    ],
)
def test_a_copy_is_whole_or_an_error(
    tmp_path: Path, trouble: str, words: str, transient: bool
) -> None:
    fsspec.register_implementation("odibi-odd", Odd, clobber=True)
    odd = Source(
        "csv",
        Path("a.csv"),
        connection={"type": "odibi-odd", "base_path": "b", "options": {"trouble": trouble}},
    )
    with pytest.raises(EngineError, match=words) as caught:
        RemoteCopy(lambda: False).fetch(odd, tmp_path)
    assert caught.value.transient is transient


def test_a_cancel_stops_the_copy(tmp_path: Path, store: tuple[str, str, Any]) -> None:
    put(store, "a.csv", content("csv", 0, 3))
    with pytest.raises(Cancelled):
        RemoteCopy(lambda: True).fetch(source(store, "csv", "a.csv"), tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    absent = Source("csv", Path("a"), connection={"type": "sftp", "base_path": "/", "options": {}})
    with pytest.raises(EngineError, match="one more package") as caught:
        RemoteCopy(lambda: False).fetch(absent, tmp_path)
    assert caught.value.hint == "pip install paramiko"


PROJECT = """\
project: shop
engine: ENGINE
connections:
  bucket: {type: memory, base_path: BASE, options: {}}
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: bronze
    nodes:
      - name: orders
        read: {connection: bucket, format: csv, path: raw/*.csv}
        write: {connection: lake, format: parquet, path: orders.parquet, add_metadata: true}
      - name: more
        read: {connection: bucket, format: parquet, path: raw/more.parquet}
      - name: both
        transform: {steps: [{sql: SELECT id FROM orders UNION ALL SELECT id FROM more}]}
        depends_on: [orders, more]
        write: {connection: lake, format: csv, path: both.csv}
"""


@pytest.mark.parametrize("engine_name", ["duckdb", "pandas"])
def test_a_project_reads_a_store(tmp_path: Path, engine_name: str) -> None:
    store = ("memory", f"/{uuid.uuid4()}", fsspec.filesystem("memory"))
    put(store, "raw/a.csv", content("csv", 0, 3) + b"x,y,z\n")
    put(store, "raw/more.parquet", content("parquet", 3, 2))
    text = PROJECT.replace("ENGINE", engine_name).replace("BASE", store[1])
    (tmp_path / "odibi.yaml").write_text(text)
    ran = odibi("run", cwd=tmp_path)
    assert ran.code == 0, ran.out + ran.err
    assert duckdb.sql(f"SELECT id FROM '{tmp_path}/lake/both.csv' ORDER BY id").fetchall() == [
        (n,) for n in range(5)
    ]
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/lake/orders.parquet'").fetchall() == [(3,)]
    work = [file for file in (tmp_path / ".odibi").rglob("*") if file.suffix == ".csv"]
    assert work == []


def test_mistakes_are_named(tmp_path: Path) -> None:
    text = PROJECT.replace("ENGINE", "duckdb").replace("BASE", "/b")
    text = text.replace("format: csv, path: raw", "format: delta, path: raw").replace(
        "{connection: lake, format: csv", "{connection: bucket, format: sql"
    )
    (tmp_path / "odibi.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "odibi.yaml")
    said = " ".join(str(problem) for problem in caught.value.problems)
    assert "format 'delta' can't be read from connection 'bucket'" in said
    assert "format 'sql' can't be written to connection 'bucket'" in said
