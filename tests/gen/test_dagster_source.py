"""The file of Dagster's definitions: read as Python, it holds the project's nodes and nothing else of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi_gen.dagster import FILE, Options, render
from odibi_gen.project import Project

from .projects import HOSTILE, SHOP, described, functions_called, parts
from .test_airflow_source import KEYWORDS, NAMES, TEXTS, hostile

CALLS = {
    "Path", "Timer", "checks.get", "context.log.info", "dg.AssetCheckResult", "dg.AssetCheckSeverity",
    "dg.AssetCheckSpec", "dg.AssetSelection.groups", "dg.AutomationCondition.eager", "dg.DailyPartitionsDefinition",
    "dg.Definitions", "dg.Failure", "dg.FreshnessPolicy.time_window", "dg.MaterializeResult", "dg.MetadataValue.path",
    "dg.RetryPolicy", "dg.ScheduleDefinition", "dg.TableColumn", "dg.TableSchema", "dg.asset",
    "dg.build_schedule_from_partitioned_job", "dg.define_asset_job", "document.get", "document['nodes'].get",
    "drift.get", "json.loads", "line.rstrip", "list", "os.environ.get", "process.terminate", "process.wait",
    "result.exists", "result.read_text", "run_node", "str", "subprocess.Popen", "tempfile.TemporaryDirectory",
    "timedelta", "timer.cancel", "timer.start", "told.get", "(checks or {}).get", "JOBS.values",
    "told.get('checks', {}).get", "context.partition_time_window.end.isoformat",
    "context.partition_time_window.start.isoformat",
}  # fmt: skip


def assets(source: str) -> dict[str, dict[str, Any]]:
    """By the node that its function runs: what the decorator of each asset says, without its calls."""
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.decorator_list:
            (decorator,), (body,) = statement.decorator_list, statement.body
            assert isinstance(decorator, ast.Call)
            key = body.value.value.args[1].value  # type: ignore[attr-defined]  # yield from run_node(context, key)
            found[key] = {k.arg: k.value for k in decorator.keywords}
    return found


def keys_of(source: str) -> dict[str, tuple[str, ...]]:
    return {node: tuple(ast.literal_eval(a["key"])) for node, a in assets(source).items()}


def holds_only_the_project(project: Project) -> None:
    found = render(project, Options(env="prod"))
    assert render(project, Options(env="prod")) == found
    text = found[FILE]
    assert functions_called(text) <= CALLS
    keys = keys_of(text)
    assert sorted(keys) == sorted(task.key for task in project.tasks)
    assert len(set(keys.values())) == len(keys)
    for task in project.tasks:
        said = assets(text)[task.key]
        deps = {tuple(key) for key in ast.literal_eval(said["deps"])} if "deps" in said else set()
        assert deps == {keys[key] for key in task.upstream}


def test_nodes_and_edges_are_those_of_the_project(tmp_path: Path) -> None:
    project = described(tmp_path, SHOP)
    holds_only_the_project(project)
    text = render(project, Options())[FILE]
    assert keys_of(text) == {
        "bronze.orders": ("bronze", "orders"),
        "gold.cities": ("gold", "cities"),
        "gold.revenue": ("gold", "revenue"),
    }
    assert [part for part in parts(text) if "import" not in part and "from" not in part] == [
        "Expr",
        "def run_node",
        "def bronze__orders",
        "def gold__cities",
        "def gold__revenue",
        "JOBS =",
        "SCHEDULES =",
        "defs =",
    ]


def test_texts_that_would_be_code_are_data(tmp_path: Path) -> None:
    holds_only_the_project(described(tmp_path, hostile(HOSTILE, KEYWORDS)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(NAMES, min_size=2, max_size=6, unique_by=str.lower),
)
def test_any_project_is_data(tmp_path: Path, texts: list[str], names: list[str]) -> None:
    holds_only_the_project(described(tmp_path, hostile(tuple(texts), tuple(names))))


def test_checks_schedules_and_limits(tmp_path: Path) -> None:
    text = render(described(tmp_path, SHOP), Options())[FILE]
    orders = [ast.unparse(spec) for spec in assets(text)["bronze.orders"]["check_specs"].elts]
    assert orders == [
        "dg.AssetCheckSpec('unique_id', asset=['bronze', 'orders'], description='unique(id)', blocking=True)",
        "dg.AssetCheckSpec('range_amount', asset=['bronze', 'orders'], description='range(amount)', blocking=False)",
    ]
    cities = {k: ast.unparse(v) for k, v in assets(text)["gold.cities"].items()}
    assert cities["owners"] == "['team:geo']" and "retry_policy" not in cities
    assert cities["freshness_policy"] == (
        "dg.FreshnessPolicy.time_window(fail_window=timedelta(seconds=86400))"
    )
    assert 'yield from run_node(context, "gold.cities", timeout=5400)\n' in text
    assert 'cron_schedule="30 2 * * *",\n        execution_timezone="Europe/Lisbon",\n' in text


def partitioned(schedule: str, partition: str) -> dict[str, Any]:
    return {**SHOP, "orchestration": {"schedule": schedule, "partition": partition}}


@pytest.mark.parametrize(
    ("schedule", "partition", "when"),
    [
        ("5 * * * *", "hourly", "minute_of_hour=5"),
        ("30 2 * * *", "daily", "minute_of_hour=30, hour_of_day=2"),
        ("@daily", "daily", "minute_of_hour=0, hour_of_day=0"),
        ("30 2 * * 7", "weekly", "minute_of_hour=30, hour_of_day=2, day_of_week=0"),
        ("30 2 3 * *", "monthly", "minute_of_hour=30, hour_of_day=2, day_of_month=3"),
    ],
)
def test_each_partition_has_its_run(
    tmp_path: Path, schedule: str, partition: str, when: str
) -> None:
    text = render(described(tmp_path, partitioned(schedule, partition)), Options())[FILE]
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    start = "dg.build_schedule_from_partitioned_job(JOBS['bronze'], name='bronze_schedule', "
    assert start + when + ")" in calls
    assert 'environment["ODIBI_VAR_partition"] = context.partition_key\n' in text


@pytest.mark.parametrize(
    ("schedule", "partition"),
    [
        ("*/15 * * * *", "daily"),
        ("30 2 * * 1-5", "daily"),
        ("30 2 * * *", "weekly"),
        ("@yearly", "monthly"),
    ],
)
def test_a_schedule_of_other_times_is_refused(
    tmp_path: Path, schedule: str, partition: str
) -> None:
    project = described(tmp_path, partitioned(schedule, partition))
    with pytest.raises(UsageError, match=f"is no schedule of one run for each {partition}"):
        render(project, Options())


def test_names_that_dagster_refuses_for_jobs(tmp_path: Path) -> None:
    text = render(described(tmp_path, hostile(("shop",), ("x", "config"))), Options())[FILE]
    (jobs,) = [s for s in ast.parse(text).body if ast.unparse(s).startswith("JOBS = ")]
    named = ast.unparse(jobs)
    assert "'config': dg.define_asset_job('config_" in named
    assert "'first': dg.define_asset_job('first', " in named
