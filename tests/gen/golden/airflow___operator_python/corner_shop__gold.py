# Made by odibi from odibi.yaml: change that, and run the command below again.
# odibi-gen: {"project": "corner shop", "target": "airflow", "command": "odibi gen airflow --operator python", "sha256": "c8c5e00391b882ed"}
"""The pipeline `gold` as an Airflow DAG: a task for each node.

A worker's environment has to hold ODIBI_PROJECT, the folder of odibi.yaml; ODIBI_BIN,
unless `odibi` is on its PATH; and what the YAML takes from the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException


def run_node(node: str, **context: Any) -> dict[str, Any]:
    """Run one node in a process of its own, and put what it said on its tables' events."""
    dag_run, task = context["dag_run"], context["ti"].task
    environment = {
        **os.environ,
        "ODIBI_RUN_ID": dag_run.run_id,
        "ODIBI_ORCHESTRATOR": "airflow",
        "ODIBI_ORCHESTRATOR_URL": str(getattr(context["ti"], "log_url", "")),
        "ODIBI_VAR_partition": str(getattr(dag_run, "partition_key", None) or ""),
    }
    with tempfile.TemporaryDirectory(prefix="odibi-") as folder:
        result = Path(folder, "result.json")
        command = [os.environ.get("ODIBI_BIN", "odibi"), "run", "--select", node]
        command += ["--project", os.environ["ODIBI_PROJECT"], "--wait", "3600"]
        command += ["--result-json", str(result)]
        with subprocess.Popen(
            command,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    print(line, end="", flush=True)
                code = process.wait()
            except BaseException:  # a timeout, or somebody who stops the task
                process.terminate()
                raise
        document = json.loads(result.read_text()) if result.exists() else {}
    if code == 2:
        raise AirflowFailException(f"{node}: the project has mistakes, see the log")
    if code:
        story = document.get("story", "no story")
        raise AirflowException(f"{node}: exit code {code}; {story}")
    told: dict[str, Any] = document["nodes"][node]
    for table in task.outlets:
        context["outlet_events"][table].extra.update(
            rows=told["rows"], checks=told["checks"], story=document["story"]
        )
    return told


DEFAULTS: dict[str, Any] = {
    "owner": "data@shop.example",
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": True,
}

FROM_BRONZE__ORDERS = Asset(
    name="corner_shop.bronze.orders",
    uri="odibi://corner_shop/bronze/orders",
    group="corner_shop_bronze",
)

with DAG(
    dag_id="corner_shop__gold",
    description="corner shop: gold",
    schedule=[FROM_BRONZE__ORDERS],
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["odibi", "gold"],
) as dag:
    cities = PythonOperator(
        task_id="cities",
        python_callable=run_node,
        op_args=["gold.cities"],
        inlets=[FROM_BRONZE__ORDERS],
        owner="geo",
        retries=0,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(minutes=90),
    )

    revenue = PythonOperator(
        task_id="revenue",
        python_callable=run_node,
        op_args=["gold.revenue"],
        inlets=[FROM_BRONZE__ORDERS],
        outlets=[
            Asset(
                name="corner_shop.gold.revenue",
                uri="odibi://corner_shop/gold/revenue",
                group="corner_shop_gold",
            ),
        ],
    )

    revenue.set_upstream(cities)
