"""What a DAG file of many nodes costs a scheduler to parse: `odibi gen airflow`, and a DAG made of YAML there.

    python perf/generated_dags.py --airflow ~/airflow/bin/python --nodes 500

Airflow is imported beforehand, as the processes that parse have it. Milliseconds of CPU, the least of
several processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from odibi import config, graph
from odibi_gen.airflow import Options, render
from odibi_gen.project import describe

GROUPS = 5
PARENTS = 2
DYNAMIC = """\
from datetime import datetime, timezone
from pathlib import Path

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset

project = yaml.safe_load(Path(__file__).with_name("odibi.yaml").read_text())
with DAG(dag_id="dynamic", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)):
    tasks = {}
    for pipeline in project["pipelines"]:
        for node in pipeline["nodes"]:
            key = f"{pipeline['pipeline']}.{node['name']}"
            tasks[key] = BashOperator(
                task_id=key.replace(".", "__"),
                bash_command=f"odibi run --select {key}",
                outlets=[Asset(name=key, uri=f"odibi://project/{key.replace('.', '/')}")],
                doc_md=node["description"],
            )
            for parent in node["depends_on"]:
                tasks[f"{pipeline['pipeline']}.{parent}"] >> tasks[key]
"""
PARSE = """\
import importlib.util, sys, time
import airflow.sdk, airflow.providers.standard.operators.bash
began = time.process_time()
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print((time.process_time() - began) * 1000)
"""


def many(nodes: int) -> dict[str, Any]:
    """A project of that many nodes in a few pipelines, each with the parents before it."""
    pipelines = [
        {
            "pipeline": f"p{group}",
            "nodes": [
                {
                    "name": f"n{number}",
                    "description": f"Number {number} of group {group}, with a sentence about it.",
                    "depends_on": [f"n{n}" for n in range(max(0, number - PARENTS), number)],
                    "read": {"connection": "data", "format": "csv", "path": "in.csv"},
                    "write": {
                        "connection": "data",
                        "format": "parquet",
                        "path": f"{group}_{number}.parquet",
                    },
                }
                for number in range(nodes // GROUPS)
            ],
        }
        for group in range(GROUPS)
    ]
    return {
        "project": "many",
        "engine": "duckdb",
        "connections": {"data": {"type": "local", "base_path": "."}},
        "pipelines": pipelines,
    }  # fmt: skip


def milliseconds(python: Path, file: Path, home: Path, times: int) -> float:
    """CPU of one parse of the file."""
    environ = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [str(python), "-c", PARSE, str(file)]
    said = [subprocess.check_output(command, env=environ, text=True) for _ in range(times)]
    return min(float(text.splitlines()[-1]) for text in said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--airflow", type=Path, required=True, help="Python that has Airflow")
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "odibi.yaml").write_text(yaml.safe_dump(many(given.nodes)))
        built = describe(graph.build(config.load(folder / "odibi.yaml")))
        for file, text in render(built, Options(layout="single")).items():
            (folder / file).write_text(text)
        (folder / "dynamic.py").write_text(DYNAMIC)
        for file in ("many.py", "dynamic.py"):
            cost = milliseconds(given.airflow, folder / file, folder / "home", given.times)
            print(f"{file:12} {given.nodes} nodes  {cost:7.0f} ms of CPU")


if __name__ == "__main__":
    main()
