# Made by odibi from odibi.yaml: change that, and run the command below again.
# odibi-gen: {"project": "corner shop", "target": "airflow", "command": "odibi gen airflow", "sha256": "626ece453326e0a3"}
"""The pipeline `bronze` as an Airflow DAG: a task for each node.

A worker's environment has to hold ODIBI_PROJECT, the folder of odibi.yaml; ODIBI_BIN,
unless `odibi` is on its PATH; and what the YAML takes from the environment.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, CronTriggerTimetable

RUN = 'exec "${ODIBI_BIN:-odibi}" run --project "${ODIBI_PROJECT:?not set}" --select '
RESULT = " --result-json - --wait 3600"
ENVIRONMENT = {
    "ODIBI_RUN_ID": "{{ run_id }}",
    "ODIBI_ORCHESTRATOR": "airflow",
    "ODIBI_ORCHESTRATOR_URL": "{{ ti.log_url }}",
    "ODIBI_VAR_partition": "{{ dag_run.partition_key or '' }}",
}


def read_result(output: str) -> Any:
    """What the run said of itself in its last line; another last line tells nothing."""
    try:
        return json.loads(output)
    except ValueError:
        return {}


def publish(context: Any, result: Any = None) -> None:
    """Put rows, checks and the story's place on the events of the task's tables."""
    document = result if isinstance(result, dict) else {}
    *_, last = "", *document.get("ran", ())  # what the node needs ran before it
    node = document.get("nodes", {}).get(last, {})
    told = {name: node[name] for name in ("rows", "quarantined", "checks") if node}
    told |= {name: document[name] for name in ("story", "run_id") if document}
    for table in context["task"].outlets:
        context["outlet_events"][table].extra.update(told)


DEFAULTS: dict[str, Any] = {
    "owner": "data@shop.example",
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": True,
    "env": ENVIRONMENT,
    "append_env": True,
    "output_processor": read_result,
    "post_execute": publish,
}

with DAG(
    dag_id="corner_shop__bronze",
    description="As it arrived.",
    doc_md="- **bronze.orders**: Each order once.\n",
    schedule=CronTriggerTimetable("30 2 * * *", timezone="Europe/Lisbon"),
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["odibi", "bronze", "daily"],
) as dag:
    orders = BashOperator(
        task_id="orders",
        bash_command=RUN + "bronze.orders" + RESULT,
        outlets=[
            Asset(
                name="corner_shop.bronze.orders",
                uri="odibi://corner_shop/bronze/orders",
                group="corner_shop_bronze",
            ),
        ],
        doc_md="Each order once.\n",
    )
