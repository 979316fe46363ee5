"""Dagster: an asset for each node, with its checks, a job for each pipeline, and their schedules.

The file imports nothing of odibi: an asset starts `odibi run` for its node and makes Dagster's events
of the document that this leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from odibi.errors import UsageError

from .names import identifiers, slug
from .project import Pipeline, Project, Task, Tries
from .source import WIDTH, Call, Code, assigned, layout, statement

__all__ = ["FILE", "Options", "render"]

FILE = "definitions.py"
_TAKEN = (
    "Any", "JOBS", "SCHEDULES", "Iterator", "Path", "Timer", "datetime", "defs", "dg", "json", "os", "run_node",
    "subprocess", "tempfile", "timedelta",
)  # fmt: skip
_REFUSED = (
    "arg_dict", "bool", "conf", "config", "context", "dict", "float", "input", "input_arg_dict", "int", "meta",
    "output", "output_arg_dict", "str",
)  # fmt: skip
"""Names that Dagster takes for no job, besides Python's keywords."""

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)
_PARTITIONS = {
    "hourly": "HourlyPartitionsDefinition",
    "daily": "DailyPartitionsDefinition",
    "weekly": "WeeklyPartitionsDefinition",
    "monthly": "MonthlyPartitionsDefinition",
}
_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_CLOCK = {"minute_of_hour": "minute", "hour_of_day": "hour"}
_WHEN = {
    "hourly": {"minute_of_hour": "minute"},
    "daily": _CLOCK,
    "weekly": {**_CLOCK, "day_of_week": "weekday"},
    "monthly": {**_CLOCK, "day_of_month": "day"},
}
_INTERVAL = {
    "partition": "context.partition_key",
    "data_interval_start": "context.partition_time_window.start.isoformat()",
    "data_interval_end": "context.partition_time_window.end.isoformat()",
}


@dataclass(frozen=True, slots=True)
class Options:
    """`env` is the environment of the YAML that runs apply."""

    env: str | None = None


def render(project: Project, options: Options) -> dict[str, str]:
    """The file of definitions and its text. Raises UsageError for a schedule that Dagster can't keep."""
    return {FILE: _File(project, options).text()}


class _File:
    """The file of one project."""

    def __init__(self, project: Project, options: Options) -> None:
        self.project = project
        self.options = options
        wanted = {task.key: task.key.replace(".", "__") for task in project.tasks}
        made = identifiers(wanted.values(), _TAKEN)
        self.names = {key: made[name] for key, name in wanted.items()}
        self.keys = _asset_keys(project)
        self.jobs = identifiers((pipeline.name for pipeline in project.pipelines), _REFUSED)
        partitioned = {p.name: p for p in project.pipelines if p.partition}
        named = identifiers(
            (f"{name.upper()}_PARTITIONS" for name in partitioned),
            (*_TAKEN, *self.names.values()),
        )
        self.partitions = {name: named[f"{name.upper()}_PARTITIONS"] for name in partitioned}

    def text(self) -> str:
        assets = [
            self._asset(pipeline, task)
            for pipeline in self.project.pipelines
            for task in pipeline.tasks
        ]
        parts = [
            _HEAD.replace(
                "# freshness\n", "from datetime import timedelta\n" if self._ages() else ""
            ),
            *self._partitions(),
            _RUN_NODE.replace("        # environment\n", self._told()).replace(
                "    # partition\n", self._interval()
            ),
            "\n\n",
            "\n\n".join(assets),
            "\n\n",
            *self._jobs(),
            *self._definitions(),
        ]
        return "".join(parts)

    def _ages(self) -> bool:
        return any(pipeline.freshness for pipeline in self.project.pipelines)

    def _told(self) -> str:
        """What a run is told besides its name."""
        env = self.options.env
        return f'        "ODIBI_ENV": {layout(env)},\n' if env else ""

    def _interval(self) -> str:
        """What a run of a partition is told of it: the variables of these names that there are."""
        known = [name for name in _INTERVAL if name in self.project.variables]
        if not known or not self.partitions:
            return ""
        told = "".join(
            f'        environment["ODIBI_VAR_{name}"] = {_INTERVAL[name]}\n' for name in known
        )
        return f"    if context.has_partition_key:\n{told}"

    def _partitions(self) -> Iterator[str]:
        for pipeline in self.project.pipelines:
            if pipeline.partition:
                start = pipeline.start.isoformat() + (
                    "-00:00" if pipeline.partition == "hourly" else ""
                )
                named = {"start_date": start, "timezone": pipeline.timezone}
                call = Call(f"dg.{_PARTITIONS[pipeline.partition]}", (), named)
                yield "\n" + assigned(self.partitions[pipeline.name], call)

    # Assets

    def _asset(self, pipeline: Pipeline, task: Task) -> str:
        named: dict[str, object] = {"key": list(self.keys[task.key])}
        upstream = [list(self.keys[key]) for key in task.upstream if key in self.keys]
        if upstream:
            named["deps"] = upstream
        named["group_name"] = pipeline.name
        named["kinds"] = Code("{" + ", ".join(layout(kind) for kind in _kinds(task)) + "}")
        if task.owner:
            named["owners"] = [_owner(task.owner)]
        if task.tags:
            named["tags"] = dict.fromkeys(map(_tag, task.tags), "")
        if task.description:
            named["description"] = task.description
        if pipeline.partition:
            named["partitions_def"] = Code(self.partitions[pipeline.name])
        named |= _retries(task.tries)
        if pipeline.freshness:
            age = Call("timedelta", (), {"seconds": round(pipeline.freshness)})
            named["freshness_policy"] = Call(
                "dg.FreshnessPolicy.time_window", (), {"fail_window": age}
            )
        if pipeline.schedule is None and pipeline.outside:
            named["automation_condition"] = Call("dg.AutomationCondition.eager")
        checks = identifiers(check.name for check in task.checks)
        if checks:
            named["check_specs"] = [
                Call(
                    "dg.AssetCheckSpec",
                    (checks[check.name],),
                    {
                        "asset": list(self.keys[task.key]),
                        "description": check.name,
                        "blocking": check.blocking,
                    },
                )
                for check in task.checks
            ]
        return self._function(task, named, checks)

    def _function(self, task: Task, named: dict[str, object], checks: dict[str, str]) -> str:
        told: dict[str, object] = {"checks": checks} if checks else {}
        if task.tries.timeout is not None:
            told["timeout"] = task.tries.timeout
        call = Call("run_node", (Code("context"), task.key), told)
        return (
            statement(Call("@dg.asset", (), named))
            + _signature(self.names[task.key])
            + statement(call, 4, before="yield from ")
        )

    # Jobs and schedules

    def _jobs(self) -> Iterator[str]:
        jobs = {
            pipeline.name: Call(
                "dg.define_asset_job",
                (self.jobs[pipeline.name],),
                {"selection": Call("dg.AssetSelection.groups", (pipeline.name,))},
            )
            for pipeline in self.project.pipelines
        }
        yield assigned("JOBS", jobs)
        schedules = [
            self._schedule(pipeline) for pipeline in self.project.pipelines if pipeline.schedule
        ]
        yield assigned("SCHEDULES", schedules) if schedules else ""

    def _schedule(self, pipeline: Pipeline) -> Call:
        job = Code(f"JOBS[{layout(pipeline.name)}]")
        named: dict[str, object] = {"name": f"{self.jobs[pipeline.name]}_schedule"}
        if pipeline.partition:
            named |= _time_of(pipeline)
            return Call("dg.build_schedule_from_partitioned_job", (job,), named)
        cron = {"job": job, "cron_schedule": pipeline.schedule}
        return Call(
            "dg.ScheduleDefinition", (), named | cron | {"execution_timezone": pipeline.timezone}
        )

    def _definitions(self) -> Iterator[str]:
        named: dict[str, object] = {
            "assets": [Code(name) for name in self.names.values()],
            "jobs": Code("list(JOBS.values())"),
        }
        if any(pipeline.schedule for pipeline in self.project.pipelines):
            named["schedules"] = Code("SCHEDULES")
        yield "\n" + assigned("defs", Call("dg.Definitions", (), named))


def _time_of(pipeline: Pipeline) -> dict[str, object]:
    """When the run of a partition starts, after its end. Raises UsageError for other schedules."""
    cron = _PRESETS.get(str(pipeline.schedule), str(pipeline.schedule))
    fields = dict(zip(("minute", "hour", "day", "month", "weekday"), cron.split(), strict=True))
    wanted = _WHEN[str(pipeline.partition)]
    said = {name: fields.pop(field) for name, field in wanted.items()}
    if set(fields.values()) != {"*"} or not all(value.isdigit() for value in said.values()):
        raise UsageError(
            f"pipeline {pipeline.name}: {pipeline.schedule!r} is no schedule of one run for each "
            f"{pipeline.partition} partition",
            hint=f"give numbers for {' and '.join(wanted.values())}, and * for the others",
        )
    # Sunday is 0 and, in cron, 7 as well
    return {
        name: int(value) % 7 if name == "day_of_week" else int(value)
        for name, value in said.items()
    }


def _signature(name: str) -> str:
    line = f"def {name}(context: dg.AssetExecutionContext) -> Iterator[Any]:\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"def {name}(\n    context: dg.AssetExecutionContext,\n) -> Iterator[Any]:\n"


def _asset_keys(project: Project) -> dict[str, tuple[str, ...]]:
    """An asset's key: its layer (or pipeline) and name, with the pipeline where that isn't enough."""
    short = {t.key: (slug(t.layer or "") or t.pipeline, t.name) for t in project.tasks}
    taken = list(short.values())
    clashing = {t.pipeline for t in project.tasks if taken.count(short[t.key]) > 1}
    return {
        t.key: (short[t.key][0], t.pipeline, t.name) if t.pipeline in clashing else short[t.key]
        for t in project.tasks
    }


def _kinds(task: Task) -> list[str]:
    layer = slug(task.layer or "").lower()
    return ["odibi", *([layer] if layer else [])]


def _owner(owner: str) -> str:
    """An address, or a team."""
    return owner if _EMAIL.fullmatch(owner) else f"team:{slug(owner) or 'unknown'}"


def _tag(tag: str) -> str:
    return (slug(tag) or "tag")[:63].strip("_")


def _retries(tries: Tries) -> dict[str, object]:
    if not tries.retries:
        return {}
    named: dict[str, object] = {"max_retries": tries.retries, "delay": tries.delay}
    if tries.backoff:
        named["backoff"] = Code("dg.Backoff.EXPONENTIAL")
    return {"retry_policy": Call("dg.RetryPolicy", (), named)}


_HEAD = '''"""Dagster definitions of an odibi project: an asset for each of its nodes.

The environment has to hold ODIBI_PROJECT, the folder of odibi.yaml; ODIBI_BIN, unless
`odibi` is on the PATH; and what the YAML takes from the environment.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
# freshness
from pathlib import Path
from threading import Timer
from typing import Any

import dagster as dg
'''
_RUN_NODE = '''

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
        # environment
    }
    # partition
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
'''
