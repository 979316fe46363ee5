"""Generated definitions in a real Dagster: the reference project's tables, one asset, failing checks."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from odibi.ledger import Ledger
from tests.e2e.test_run_reference import comparable, finished, lake_tables, odibi
from tests.runner.running import project, rows

from .environments import environment, of_scheduler

pytestmark = pytest.mark.wide
_VERSION = "1.13.27"

_MATERIALIZE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import dagster as dg
import definitions
assert "odibi" not in sys.modules
instance = dg.DagsterInstance.local_temp(sys.argv[2])
chosen = json.loads(sys.argv[3])
selection = dg.AssetSelection.assets(*(dg.AssetKey(key) for key in chosen)) if chosen else None
result = dg.materialize(list(definitions.defs.assets), instance=instance, selection=selection, raise_on_error=False)
made = {event.asset_key.to_user_string(): event.materialization.metadata for event in result.get_asset_materialization_events()}
checks = instance.get_records_for_run(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
found = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in checks]
print("\\n" + json.dumps({
    "success": result.success,
    "rows": {key: told["dagster/row_count"].value for key, told in made.items()},
    "columns": {key: [c.name for c in told["dagster/column_schema"].schema.columns] for key, told in made.items()},
    "checks": [[c.asset_key.to_user_string(), c.check_name, c.passed, c.severity.value] for c in found],
}))
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    return environment(f"dagster=={_VERSION}", f"dagster-webserver=={_VERSION}")


def materialized(
    programs: Path, project_folder: Path, folder: Path, *keys: list[str]
) -> dict[str, Any]:
    """What Dagster says after making all assets, or the chosen ones."""
    code = folder / "code"
    if not code.exists():
        made = odibi(project_folder, "gen", "dagster", "--output", str(code))
        assert made.returncode == 0, made.stderr
    (folder / "instance").mkdir(exist_ok=True)
    command = [programs / "python", "-c", _MATERIALIZE, code, folder / "instance", json.dumps(keys)]
    environ = of_scheduler(programs, project_folder)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_reference_project(programs: Path, tmp_path: Path) -> None:
    by_odibi = finished(tmp_path / "by_odibi", "1MB", "duckdb")
    again = tmp_path / "project"
    shutil.copytree(by_odibi, again, ignore=shutil.ignore_patterns("lake", ".odibi"))
    told = materialized(programs, again, tmp_path)
    assert told["success"]
    ours, theirs = lake_tables(again), lake_tables(by_odibi)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if comparable(ours[name]) != comparable(theirs[name])] == []
    (run,) = Ledger(again).runs()
    counted = {n.node: n.rows_out or 0 for n in Ledger(again).nodes(run.run_id)}
    assert {key.replace("/", "."): rows for key, rows in told["rows"].items()} == counted
    assert told["columns"]["gold/order_value_by_city"][0] == "city"
    validate = [
        programs / "dagster",
        "definitions",
        "validate",
        "-f",
        tmp_path / "code/definitions.py",
    ]
    checked = subprocess.run(
        validate, env=of_scheduler(programs, again), cwd=tmp_path, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


NODES = """\
- name: good
  read: {connection: data, format: parquet, path: numbers.parquet}
  validation: {tests: [{type: range, column: id, max: 3, on_fail: warn}]}
  write: {connection: data, format: parquet, path: good.parquet}
- name: strict
  depends_on: [good]
  transform: {steps: ["SELECT * FROM good"]}
  validation: {tests: [{type: range, column: id, max: 3}, {type: not_null, columns: [id]}]}
  write: {connection: data, format: parquet, path: strict.parquet}
  orchestration: {retries: 0}
- name: after
  depends_on: [strict]
  transform: {steps: ["SELECT * FROM strict"]}
  write: {connection: data, format: parquet, path: after.parquet}
"""


def test_checks_that_fail_and_one_asset_alone(programs: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", NODES)
    told = materialized(programs, folder, tmp_path)
    assert (told["success"], told["rows"]) == (False, {"p/good": 9})
    assert sorted(told["checks"]) == [
        ["p/good", "range_id", False, "WARN"],
        ["p/strict", "not_null_id", True, "ERROR"],
        ["p/strict", "range_id", False, "ERROR"],
    ]
    assert not (folder / "after.parquet").exists()
    before = (folder / "good.parquet").stat().st_mtime_ns
    (folder / "odibi.yaml").write_text(
        (folder / "odibi.yaml").read_text().replace("max: 3}", "max: 99}")
    )
    alone = materialized(programs, folder, tmp_path, ["p", "strict"])
    assert (alone["success"], alone["rows"]) == (True, {"p/strict": 9})
    assert (folder / "good.parquet").stat().st_mtime_ns == before
    assert len(rows(folder / "strict.parquet")) == 9
