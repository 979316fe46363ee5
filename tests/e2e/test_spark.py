"""The main job on Spark: on this machine, on a standalone cluster, stopped half way; DuckDB's tables, always."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pyspark
import pytest

from tests.compat.test_projects import PROJECTS, found, stated
from tests.machine import needs_java

from .test_run_reference import comparable, finished, lake_tables, odibi

pytestmark = pytest.mark.wide
_SPARK = Path(pyspark.__file__).parent


@pytest.fixture(scope="module")
def by_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_java()
    return finished(tmp_path_factory.mktemp("duckdb"), "5MB", "duckdb", seed=7)


def assert_same_tables(project: Path, other: Path) -> None:
    ours, theirs = lake_tables(project), lake_tables(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if comparable(ours[name]) != comparable(theirs[name])] == []


def test_the_reference_project_on_this_machine(by_duckdb: Path, tmp_path: Path) -> None:
    project = finished(tmp_path, "5MB", "spark", seed=7)
    assert_same_tables(project, by_duckdb)


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def _service(log: Path, *command: str | Path) -> Iterator[None]:
    """A process of Spark's, until the end of the block."""
    environ = {**os.environ, "SPARK_HOME": str(_SPARK), "SPARK_LOCAL_IP": "127.0.0.1"}
    with log.open("w") as said:
        process = subprocess.Popen(command, env=environ, stdout=said, stderr=said)
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Spark Connect server on loopback, and its address."""
    needs_java()
    folder, port = tmp_path_factory.mktemp("connect"), _free_port()
    set_ = {
        "spark.connect.grpc.binding.port": port,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": folder,
    }
    command = [_SPARK / "bin" / "spark-submit", "--master", "local[2]"]
    command += [word for name, value in set_.items() for word in ("--conf", f"{name}={value}")]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    (jar,) = (_SPARK / "jars").glob("spark-connect_*.jar")
    with _service(folder / "log", *command, "--class", server, jar):
        _until(lambda: "server started at" in (folder / "log").read_text(), folder / "log")
        yield f"sc://127.0.0.1:{port}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A standalone master and two workers on loopback, and its address."""
    needs_java()
    port = _free_port()
    address = f"spark://127.0.0.1:{port}"
    roles = [
        ["master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0"],
        *(
            ["worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0",
             "--work-dir", str(tmp_path / f"worker-{n}"), address]
            for n in (1, 2)
        ),
    ]  # fmt: skip
    logs = [tmp_path / f"{n}.log" for n in range(len(roles))]
    with ExitStack() as stack:
        for (role, *options), log in zip(roles, logs, strict=True):
            command = [_SPARK / "bin" / "spark-class", f"org.apache.spark.deploy.{role}", *options]
            stack.enter_context(_service(log, *command))
        _until(lambda: logs[0].read_text().count("Registering worker") == 2, logs[0])
        yield address


def _until(done: Callable[[], bool], log: Path) -> None:
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    pytest.fail(f"not within a minute; the log says:\n{log.read_text()[-3_000:]}")


def run_again(project: Path, folder: Path, **where: str) -> Path:
    """The same raw files run through Spark at another place."""
    again = folder / "project"
    shutil.copytree(project, again, ignore=shutil.ignore_patterns("lake", ".odibi"))
    done = odibi(again, "run", "--engine", "spark", env={**os.environ, **where})
    assert done.returncode == 0, done.stdout + done.stderr
    return again


def test_the_reference_project_on_a_cluster(by_duckdb: Path, cluster: str, tmp_path: Path) -> None:
    again = run_again(by_duckdb, tmp_path, SPARK_MASTER=cluster)
    assert (tmp_path / "0.log").read_text().count("Registered app odibi") == 1
    assert_same_tables(again, by_duckdb)


def test_the_reference_project_by_spark_connect(
    by_duckdb: Path, connect: str, tmp_path: Path
) -> None:
    again = run_again(by_duckdb, tmp_path, SPARK_REMOTE=connect)
    assert_same_tables(again, by_duckdb)
    assert not [*(again / ".odibi").rglob("*.parquet")]


@pytest.mark.parametrize("name", sorted(path.name for path in PROJECTS.iterdir()))
def test_projects_of_3x_give_their_tables(name: str, tmp_path: Path) -> None:
    needs_java()
    folder = shutil.copytree(PROJECTS / name / "project", tmp_path / name)
    yaml = folder / "odibi.yaml"
    yaml.write_text(yaml.read_text().replace("engine: pandas", "engine: spark"))
    for day in sorted((PROJECTS / name).glob("[0-9]")):
        shutil.copytree(day / "data", folder / "data", dirs_exist_ok=True)
        done = odibi(folder, "run")
        assert done.returncode == 0, done.stdout + done.stderr
        for file in sorted((day / "expected").rglob("*.csv")):
            place = file.relative_to(day / "expected").with_suffix("")
            columns, rows = stated(file)
            assert found(folder / place, columns) == rows, f"{place} after run {day.name}"


_ENDLESS = """\
project: slow
engine: spark
connections: {data: {type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes:
      - name: slow
        read: {connection: data, path: numbers.parquet, format: parquet}
        transform:
          steps:
            - sql: >-
                SELECT sum(a.n * b.n % 7) AS total
                FROM df a JOIN df b ON a.n % 3 = b.n % 3
        write: {connection: data, path: slow.parquet, format: parquet}
"""


def _writes(project: Path) -> bool:
    """Whether Spark has begun with the table: its tasks are counted."""
    told = [path.read_text() for path in project.glob(".odibi/runs/*/events.jsonl")]
    return any('"stage":"write","fraction":' in text for text in told)


@pytest.mark.parametrize("place", ["here", "connect"])
def test_an_interrupt_stops_sparks_jobs(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    needs_java()
    server = request.getfixturevalue(place) if place == "connect" else ""
    (tmp_path / "odibi.yaml").write_text(_ENDLESS)
    numbers = duckdb.sql("SELECT range AS n FROM range(3_000_000)")
    numbers.write_parquet(str(tmp_path / "numbers.parquet"))
    log = tmp_path / "out"
    with log.open("w") as said:
        run = subprocess.Popen(
            [sys.executable, "-m", "odibi", "run", "-p", str(tmp_path)],
            env={**os.environ, "SPARK_REMOTE": server},
            stdout=said,
            stderr=said,
        )
    _until(lambda: run.poll() is not None or _writes(tmp_path), log)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130, log.read_text()
    assert "cancelled" in log.read_text()
    assert not (tmp_path / "slow.parquet").exists()
    assert not [*Path(tempfile.gettempdir()).glob(f"odibi-spark-{run.pid}-*")]
