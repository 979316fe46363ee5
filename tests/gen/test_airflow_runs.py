"""Generated DAGs in a real Airflow: the reference project's tables, failures, and what is told of them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from odibi.ledger import Ledger
from tests.e2e.test_run_reference import comparable, finished, lake_tables, odibi
from tests.runner.running import project, rows

from .environments import environment, of_scheduler

pytestmark = pytest.mark.wide


@dataclass(frozen=True)
class Airflow:
    """An Airflow with a home of its own, for one project."""

    home: Path
    environ: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["airflow", *words]
        return subprocess.run(
            command, env=self.environ, cwd=self.home, capture_output=True, text=True, check=False
        )

    def ask(self, query: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.home / "airflow.db") as db:
            return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def programs() -> Path:
    return environment("apache-airflow==3.3.2")


@pytest.fixture(scope="module")
def fresh_home(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database is migrated and empty."""
    home = tmp_path_factory.mktemp("airflow")
    done = airflow_at(home, programs, home).run("db", "migrate")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return home


def airflow_at(home: Path, programs: Path, project_folder: Path) -> Airflow:
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    return Airflow(home, of_scheduler(programs, project_folder, **settings))


def ready(
    fresh: Path, programs: Path, folder: Path, project_folder: Path, *options: str
) -> Airflow:
    """An Airflow with the project's generated DAGs."""
    home = folder / "home"
    shutil.copytree(fresh, home)
    made = odibi(project_folder, "gen", "airflow", "--output", str(home / "dags"), *options)
    assert made.returncode == 0, made.stderr
    return airflow_at(home, programs, project_folder)


@pytest.fixture(scope="module")
def by_odibi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("by_odibi"), "1MB", "duckdb")


def not_run(by_odibi: Path, folder: Path) -> Path:
    """The same raw files, nothing made of them."""
    again = folder / "project"
    shutil.copytree(by_odibi, again, ignore=shutil.ignore_patterns("lake", ".odibi"))
    return again


def test_the_reference_project(
    programs: Path, fresh_home: Path, by_odibi: Path, tmp_path: Path
) -> None:
    again = not_run(by_odibi, tmp_path)
    airflow = ready(fresh_home, programs, tmp_path, again)
    said = airflow.run("dags", "list-import-errors", "--output", "json").stdout
    assert "No data found" in said or "[]" in said, said
    for pipeline in ("bronze", "silver", "gold"):
        done = airflow.run("dags", "test", f"odibieats__{pipeline}")
        assert done.returncode == 0, done.stdout[-5000:]
    ours, theirs = lake_tables(again), lake_tables(by_odibi)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if comparable(ours[name]) != comparable(theirs[name])] == []
    runs = Ledger(again).runs()
    assert [(run.status, run.failed) for run in runs] == [("succeeded", 0)] * 3
    told = airflow.ask(
        "SELECT a.name, e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id"
    )
    extras = {name: json.loads(extra) for name, extra in told}
    stored = {f"odibieats.{n.node}" for run in runs for n in Ledger(again).nodes(run.run_id)}
    assert extras.keys() <= stored
    assert len(extras) == 27  # tables; what was set aside has no asset
    assert extras["odibieats.gold.time_on_site"]["rows"] > 0
    assert Path(extras["odibieats.gold.time_on_site"]["story"]).is_file()


NODES = """\
- name: good
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: good.parquet}
- name: bad
  depends_on: [good]
  transform: {steps: ["SELECT * FROM good"]}
  validation: {tests: [{type: range, column: id, max: 3}]}
  write: {connection: data, format: parquet, path: bad.parquet}
  orchestration: {retries: 1, retry_delay: 1s, retry_backoff: false}
- name: after
  depends_on: [bad]
  transform: {steps: ["SELECT * FROM bad"]}
  write: {connection: data, format: parquet, path: after.parquet}
"""


@pytest.mark.parametrize("options", [(), ("--operator", "python"), ("--layout", "single")])
def test_a_failing_node_is_tried_again_and_nothing_comes_after_it(
    options: tuple[str, ...], programs: Path, fresh_home: Path, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project", NODES)
    airflow = ready(fresh_home, programs, tmp_path, folder, *options)
    dag = "small" if "single" in options else "small__p"
    done = airflow.run("dags", "test", dag)
    assert done.returncode == 1
    states = airflow.ask("SELECT task_id, state, try_number FROM task_instance")
    assert {task.rpartition(".")[2]: state for task, state, _ in states} == {
        "good": "success",
        "bad": "failed",
        "after": "upstream_failed",
    }
    assert len(rows(folder / "good.parquet")) == 9
    assert not (folder / "bad.parquet").exists()
    assert "story" in done.stdout
    (run,) = Ledger(folder).runs()
    assert (run.status, run.succeeded, run.failed) == ("failed", 1, 1)
