# Made by odibi from odibi.yaml: change that, and run the command below again.
# odibi-gen: {"project": "corner shop", "target": "dagster", "command": "odibi gen dagster (partitioned)", "sha256": "15f7e0ba0326e5b4"}
"""Dagster definitions of an odibi project: an asset for each of its nodes.

The environment has to hold ODIBI_PROJECT, the folder of odibi.yaml; ODIBI_BIN, unless
`odibi` is on the PATH; and what the YAML takes from the environment.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import dagster as dg

BRONZE_PARTITIONS = dg.DailyPartitionsDefinition(
    start_date="2026-01-01",
    timezone="UTC",
)

GOLD_PARTITIONS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC")


def run_node(
    context: dg.AssetExecutionContext,
    node: str,
    checks: dict[str, str] | None = None,
    timeout: float | None = None,
) -> Iterator[Any]:
    """Run one node in a process of its own and make events of what it said of itself.

    `checks` has Dagster's name for each test of the node; `timeout` is in seconds.
    """
    environment = {
        **os.environ,
        "ODIBI_RUN_ID": context.run_id,
        "ODIBI_ORCHESTRATOR": "dagster",
    }
    if context.has_partition_key:
        environment["ODIBI_VAR_partition"] = context.partition_key
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
            timer = Timer(timeout or 10**6, process.terminate)
            timer.start()
            try:
                for line in process.stdout:
                    context.log.info(line.rstrip())
                code = process.wait()
            except BaseException:  # somebody stops the run
                process.terminate()
                raise
            finally:
                timer.cancel()
        document = json.loads(result.read_text()) if result.exists() else {"nodes": {}}
    told = document["nodes"].get(node, {})
    for check in told.get("checks", {}).get("all", ()):
        name = (checks or {}).get(check["name"])
        if name is not None:
            fatal = check["on_fail"] == "fail"
            severity = "ERROR" if fatal else "WARN"
            yield dg.AssetCheckResult(
                check_name=name,
                passed=check["passed"],
                severity=dg.AssetCheckSeverity(severity),
                metadata={"failed_rows": check["failed_rows"] or 0},
            )
    if code:
        raise dg.Failure(
            description=f"{node}: odibi ended with exit code {code}",
            metadata={"story": dg.MetadataValue.path(document.get("story", ""))},
            allow_retries=code != 2,  # a mistake in the project stays one
        )
    drift = told.get("drift") or {}
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": told["rows"] or 0,
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, kind) for name, kind in told["columns"]]
            ),
            "odibi/seconds": told["seconds"],
            "odibi/quarantined": told["quarantined"],
            "odibi/rows_change": drift.get("rows_change") or 0.0,
            "odibi/story": dg.MetadataValue.path(document["story"]),
            "odibi/run_id": document["run_id"],
        }
    )


@dg.asset(
    key=["bronze", "orders"],
    group_name="bronze",
    kinds={"odibi", "bronze"},
    owners=["data@shop.example"],
    tags={"orders": ""},
    description="Each order once.",
    partitions_def=BRONZE_PARTITIONS,
    retry_policy=dg.RetryPolicy(
        max_retries=1,
        delay=300,
        backoff=dg.Backoff.EXPONENTIAL,
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "unique_id",
            asset=["bronze", "orders"],
            description="unique(id)",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "range_amount",
            asset=["bronze", "orders"],
            description="range(amount)",
            blocking=False,
        ),
    ],
)
def bronze__orders(context: dg.AssetExecutionContext) -> Iterator[Any]:
    yield from run_node(
        context,
        "bronze.orders",
        checks={"unique(id)": "unique_id", "range(amount)": "range_amount"},
    )


@dg.asset(
    key=["gold", "cities"],
    deps=[["bronze", "orders"]],
    group_name="gold",
    kinds={"odibi", "gold"},
    owners=["team:geo"],
    partitions_def=GOLD_PARTITIONS,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(seconds=86400),
    ),
    automation_condition=dg.AutomationCondition.eager(),
)
def gold__cities(context: dg.AssetExecutionContext) -> Iterator[Any]:
    yield from run_node(context, "gold.cities", timeout=5400)


@dg.asset(
    key=["gold", "revenue"],
    deps=[["bronze", "orders"], ["gold", "cities"]],
    group_name="gold",
    kinds={"odibi", "gold"},
    owners=["data@shop.example"],
    partitions_def=GOLD_PARTITIONS,
    retry_policy=dg.RetryPolicy(
        max_retries=1,
        delay=300,
        backoff=dg.Backoff.EXPONENTIAL,
    ),
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(seconds=86400),
    ),
    automation_condition=dg.AutomationCondition.eager(),
)
def gold__revenue(context: dg.AssetExecutionContext) -> Iterator[Any]:
    yield from run_node(context, "gold.revenue")


JOBS = {
    "bronze": dg.define_asset_job(
        "bronze",
        selection=dg.AssetSelection.groups("bronze"),
    ),
    "gold": dg.define_asset_job("gold", selection=dg.AssetSelection.groups("gold")),
}
SCHEDULES = [
    dg.build_schedule_from_partitioned_job(
        JOBS["bronze"],
        name="bronze_schedule",
        minute_of_hour=30,
        hour_of_day=2,
    ),
]

defs = dg.Definitions(
    assets=[bronze__orders, gold__cities, gold__revenue],
    jobs=list(JOBS.values()),
    schedules=SCHEDULES,
)
