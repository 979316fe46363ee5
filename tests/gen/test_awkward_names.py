"""Projects with awkward names and texts, loaded by the real Airflow and the real Dagster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from odibi_gen import airflow, dagster

from .environments import environment, of_scheduler
from .projects import HOSTILE, described
from .test_airflow_source import ALL, KEYWORDS, hostile

pytestmark = pytest.mark.wide

NAMES = (*KEYWORDS, "input", "output", "str", "context", "config")
BAG = """\
import json, sys
from airflow.dag_processing.dagbag import DagBag
found = {}
for folder in sys.argv[1:]:
    bag = DagBag(folder)
    found[folder] = [bag.import_errors, {name: sorted(dag.task_dict) for name, dag in bag.dags.items()}]
assert "odibi" not in sys.modules
print(json.dumps(found))
"""
DEFINITIONS = """\
import importlib.util, json, sys
import dagster as dg
spec = importlib.util.spec_from_file_location("definitions", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
dg.Definitions.validate_loadable(module.defs)
assert "odibi" not in sys.modules
keys = {asset.key.to_user_string() for asset in module.defs.assets}
print(json.dumps([sorted(keys), sorted(job.name for job in module.JOBS.values())]))
"""


def test_airflow_loads_them(tmp_path: Path) -> None:
    project = described(tmp_path / "project", hostile(HOSTILE, NAMES))
    ways = [options for options in ALL if options.version == 3]
    folders = [tmp_path / str(number) for number, _ in enumerate(ways)]
    for folder, options in zip(folders, ways, strict=True):
        folder.mkdir()
        for name, text in airflow.render(project, options).items():
            (folder / name).write_text(text, encoding="utf-8")
    programs = environment("apache-airflow==3.3.2")
    environ = of_scheduler(programs, tmp_path, AIRFLOW_HOME=str(tmp_path / "home"))
    command = [str(programs / "python"), "-c", BAG, *map(str, folders)]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for folder, options in zip(folders, ways, strict=True):
        errors, dags = found[str(folder)]
        assert errors == {}
        assert len(dags) == (2 if options.layout == "pipeline" else 1)
        assert sum(map(len, dags.values())) == len(project.tasks) == len(NAMES) + 1


@pytest.mark.parametrize("last", ["class", "config", "input", "n" * 200])
def test_dagster_loads_them(last: str, tmp_path: Path) -> None:
    names = (*(name for name in NAMES if name != last), last)
    project = described(tmp_path / "project", hostile(HOSTILE, names))
    file = tmp_path / dagster.FILE
    file.write_text(dagster.render(project, dagster.Options())[dagster.FILE], encoding="utf-8")
    programs = environment("dagster==1.13.27", "dagster-webserver==1.13.27")
    environ = of_scheduler(programs, tmp_path, DAGSTER_HOME=str(tmp_path))
    command = [str(programs / "python"), "-c", DEFINITIONS, str(file)]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    keys, jobs = json.loads(done.stdout.splitlines()[-1])
    assert len(keys) == len(project.tasks) == len(NAMES) + 1
    assert len(jobs) == 2 and "first" in jobs
