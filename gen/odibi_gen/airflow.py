"""Airflow: a DAG for each pipeline, chained by assets, or one DAG for the project.

The files import nothing of odibi: a task starts `odibi run` for its node and reads the document that
this prints last. Commands are literals; what differs from run to run goes through the environment.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from odibi.errors import UsageError

from .names import identifier, identifiers, short
from .project import Pipeline, Project, Task, Tries
from .source import Call, Chain, Code, Lines, assigned, layout, statement

__all__ = ["Options", "render"]


@dataclass(frozen=True, slots=True)
class Options:
    """`version` is Airflow's major one; `env` the environment of the YAML that runs apply."""

    version: Literal[2, 3] = 3
    operator: Literal["bash", "python"] = "bash"
    layout: Literal["pipeline", "single"] = "pipeline"
    env: str | None = None


_TAKEN = (
    "Any", "Asset", "BashOperator", "CronDataIntervalTimetable", "CronPartitionTimetable", "CronTriggerTimetable",
    "DAG", "DEFAULTS", "Dataset", "ENVIRONMENT", "PartitionedAssetTimetable", "Path", "PythonOperator", "RUN",
    "TaskGroup", "annotations", "dag", "datetime", "json", "os", "publish", "read_result", "run_node", "subprocess",
    "tempfile", "timedelta", "timezone", "AirflowException", "AirflowFailException",
)  # fmt: skip

_PARTITION_KEYS = {
    "hourly": "%Y-%m-%dT%H", "daily": "%Y-%m-%d", "weekly": "%Y-%m-%d", "monthly": "%Y-%m",
}  # fmt: skip


def render(project: Project, options: Options) -> dict[str, str]:
    """File names and their texts. Raises UsageError for what the project can't be there."""
    _check(project, options)
    if options.layout == "single":
        name = identifier(project.name)
        return {f"{name}.py": _File(project, project.pipelines, name, options).text()}
    made = {}
    for pipeline in project.pipelines:
        name = f"{identifier(project.name)}__{short(pipeline.name)}"
        made[f"{name}.py"] = _File(project, (pipeline,), name, options).text()
    return made


def _check(project: Project, options: Options) -> None:
    """Raise UsageError for pipelines that one DAG, or this version, can't hold together."""
    if options.version == 2 and any(pipeline.partition for pipeline in project.pipelines):
        name = next(p.name for p in project.pipelines if p.partition)
        raise UsageError(
            f"pipeline {name}: Airflow 2 has no partitions",
            hint="leave orchestration.partition out, or generate for Airflow 3",
        )
    if options.layout == "single":
        schedules = {p.schedule for p in project.pipelines if p.schedule}
        if len(schedules) > 1:
            raise UsageError(
                f"one DAG can't have {len(schedules)} schedules: {', '.join(sorted(schedules))}",
                hint="generate a DAG for each pipeline: --layout pipeline",
            )


class _File:
    """One DAG file: its parts are written first, so that the imports are those that they need."""

    def __init__(
        self, project: Project, pipelines: Sequence[Pipeline], name: str, options: Options
    ) -> None:
        self.project = project
        self.pipelines = pipelines
        self.name = name
        self.options = options
        self.first = pipelines[0]
        self.tasks = [task for pipeline in pipelines for task in pipeline.tasks]
        self.own = {task.key for task in self.tasks}
        self.outside = tuple(sorted({key for p in pipelines for key in p.outside} - self.own))
        known = {task.key: task for task in project.tasks}
        self.stored = {key for key, task in known.items() if task.stores}
        keys = [task.key for task in self.tasks]
        single = len(pipelines) > 1
        wanted = {key: key.replace(".", "__") if single else key.partition(".")[2] for key in keys}
        made = identifiers(wanted.values(), _TAKEN)
        self.names = {key: made[name] for key, name in wanted.items()}
        read = [key for key in self.outside if key in self.stored]
        self.inputs = {key: f"FROM_{key.replace('.', '__').upper()}" for key in read}
        self.inputs = {
            key: identifiers(self.inputs.values(), (*_TAKEN, *self.names.values()))[name]
            for key, name in self.inputs.items()
        }
        self.standard: set[str] = (
            {"BashOperator"} if options.operator == "bash" else {"PythonOperator"}
        )
        self.sdk: set[str] = {"DAG"}

    # The file

    def text(self) -> str:
        body = "".join([*self._assets(), "\n" if self.inputs else "", *self._dag()])
        head = [
            self._docstring(),
            self._imports(),
            self._environment(),
            self._functions(),
            self._defaults(),
        ]
        return "\n".join(part for part in head if part) + "\n" + body

    def _docstring(self) -> str:
        what = "The project" if len(self.pipelines) > 1 else f"The pipeline `{self.first.name}`"
        return (
            f'"""{what} as an Airflow DAG: a task for each node.\n\n'
            "A worker's environment has to hold ODIBI_PROJECT, the folder of odibi.yaml; ODIBI_BIN,\n"
            "unless `odibi` is on its PATH; and what the YAML takes from the environment.\n"
            '"""\n'
        )

    def _imports(self) -> str:
        plain = {"json"}
        if self.options.operator == "python":
            plain |= {"os", "subprocess", "tempfile"}
        lines = ["from __future__ import annotations\n\n"]
        lines += [f"import {name}\n" for name in sorted(plain)]
        lines.append("from datetime import datetime, timedelta, timezone\n")
        if self.options.operator == "python":
            lines.append("from pathlib import Path\n")
        lines.append("from typing import Any\n\n")
        lines += self._airflow_imports()
        return "".join(lines)

    def _airflow_imports(self) -> Iterator[str]:
        operator, old = self.options.operator, self.options.version == 2
        timetables = {name for name in self.sdk if name.startswith("Cron")}
        others = [*(self.sdk - timetables - {"TaskGroup"} if old else self.sdk)]
        if old:
            yield _import("airflow", others)
            if operator == "python":
                yield _import("airflow.exceptions", ["AirflowException", "AirflowFailException"])
            yield _import(f"airflow.operators.{operator}", sorted(self.standard))
            if "CronDataIntervalTimetable" in timetables:
                yield _import("airflow.timetables.interval", ["CronDataIntervalTimetable"])
            if "CronTriggerTimetable" in timetables:
                yield _import("airflow.timetables.trigger", ["CronTriggerTimetable"])
            if "TaskGroup" in self.sdk:
                yield _import("airflow.utils.task_group", ["TaskGroup"])
            return
        yield _import(f"airflow.providers.standard.operators.{operator}", sorted(self.standard))
        yield _import("airflow.sdk", others)
        if operator == "python":
            yield _import("airflow.sdk.exceptions", ["AirflowException", "AirflowFailException"])

    # What a run is told

    def _environment(self) -> str:
        env = {
            "ODIBI_RUN_ID": "{{ run_id }}",
            "ODIBI_ORCHESTRATOR": "airflow",
            "ODIBI_ORCHESTRATOR_URL": "{{ ti.log_url }}",
        }
        if self.options.env:
            env["ODIBI_ENV"] = _plain(self.options.env)
        env |= {f"ODIBI_VAR_{name}": value for name, value in self._variables()}
        if self.options.operator == "python":
            return ""
        command = 'exec "${ODIBI_BIN:-odibi}" run --project "${ODIBI_PROJECT:?not set}" --select '
        after = " --result-json - --wait 3600"
        return (
            assigned("RUN", Code(f"{_code(command)}"))
            + assigned("RESULT", Code(_code(after)))
            + assigned("ENVIRONMENT", env)
        )

    def _variables(self) -> Iterator[tuple[str, str]]:
        """Variables of the project that a scheduler knows the value of, and where Airflow has it."""
        source = {
            "partition": "dag_run.partition_key",
            "data_interval_start": "dag_run.data_interval_start",
            "data_interval_end": "dag_run.data_interval_end",
        }
        for name, place in source.items():
            if name in self.project.variables and (name != "partition" or self.options.version > 2):
                yield name, f"{{{{ {place} or '' }}}}"

    def _functions(self) -> str:
        if self.options.operator == "bash":
            return _READ_RESULT + "\n\n" + _PUBLISH
        variables = [name for name, _ in self._variables()]
        told = "".join(
            f'        "ODIBI_VAR_{name}": str(getattr(dag_run, "{_ATTRIBUTES[name]}", None) or ""),\n'
            for name in variables
        )
        if self.options.env:
            told = f"        {_code('ODIBI_ENV')}: {_code(self.options.env)},\n" + told
        return _RUN_NODE.replace("        # variables\n", told)

    def _defaults(self) -> str:
        defaults: dict[str, object] = {}
        if self.first.owner:
            defaults["owner"] = self.first.owner
        defaults |= _tries(self.first.tries)
        if self.options.operator == "bash":
            defaults |= {
                "env": Code("ENVIRONMENT"),
                "append_env": True,
                "output_processor": Code("read_result"),
                "post_execute": Code("publish"),
            }
        return "\n" + assigned("DEFAULTS: dict[str, Any]", defaults)

    # The DAG

    def _asset(self, key: str) -> object:
        """The asset that a node's table is: the same in every file that names it."""
        pipeline, node = map(short, key.split("."))
        home = identifier(self.project.name)
        uri = f"odibi://{home}/{pipeline}/{node}"
        if self.options.version == 2:
            self.sdk.add("Dataset")
            return Call("Dataset", (uri,))
        self.sdk.add("Asset")
        return Call(
            "Asset",
            (),
            {"name": f"{home}.{pipeline}.{node}", "uri": uri, "group": f"{home}_{pipeline}"},
        )

    def _assets(self) -> list[str]:
        return [assigned(name, self._asset(key)) for key, name in self.inputs.items()]

    def _dag(self) -> Iterator[str]:
        named: dict[str, object] = {"dag_id": self.name, "description": self._description()}
        doc = self._doc()
        if doc:
            named["doc_md"] = doc
        named |= {
            "schedule": self._schedule(),
            "start_date": Call(
                "datetime",
                (self.first.start.year, self.first.start.month, self.first.start.day),
                {"tzinfo": Code("timezone.utc")},
            ),
            "catchup": self.first.catchup,
            "max_active_runs": 1,
            "default_args": Code("DEFAULTS"),
            "tags": self._tags(),
        }
        tasks = [line for pipeline in self.pipelines for line in self._group(pipeline)]
        edges = list(self._edges())
        yield statement(Call("DAG", (), named), before="with ", after=" as dag:")
        yield from tasks
        yield "\n" if edges else ""
        yield from edges

    def _description(self) -> str:
        if len(self.pipelines) > 1:
            return self.project.description or f"All pipelines of {self.project.name}"
        return self.first.description or f"{self.project.name}: {self.first.name}"

    def _doc(self) -> Lines | None:
        """A page of the DAG: what each node makes. It never ends as the name of a file would."""
        told = [
            f"- **{task.key}**: {task.description.strip()}\n"
            for task in self.tasks
            if task.description
        ]
        return Lines(tuple(told)) if told else None

    def _tags(self) -> list[str]:
        layers = dict.fromkeys(p.layer for p in self.pipelines if p.layer)
        tags = [tag for p in self.pipelines for tag in p.tags]
        # Airflow takes at most 100 characters
        return list(dict.fromkeys(tag[:100] for tag in ["odibi", *layers, *tags]))

    def _schedule(self) -> object:
        scheduled = next((p for p in self.pipelines if p.schedule), None)
        if scheduled is not None:
            return self._cron(scheduled)
        if not self.inputs or len(self.pipelines) > 1:
            return None
        if self.first.partition:
            self.sdk.add("PartitionedAssetTimetable")
            together = Chain("&", tuple(map(Code, self.inputs.values())))
            return Call("PartitionedAssetTimetable", (), {"assets": together})
        return [Code(name) for name in self.inputs.values()]

    def _cron(self, pipeline: Pipeline) -> object:
        cron, zone = str(pipeline.schedule), {"timezone": pipeline.timezone}
        if pipeline.partition:
            self.sdk.add("CronPartitionTimetable")
            form = {"run_offset": -1, "key_format": _PARTITION_KEYS[pipeline.partition]}
            return Call("CronPartitionTimetable", (cron,), {**zone, **form})
        if any(name.startswith("data_interval") for name, _ in self._variables()):
            self.sdk.add("CronDataIntervalTimetable")
            return Call("CronDataIntervalTimetable", (cron,), zone)
        if pipeline.timezone == "UTC":
            return cron
        self.sdk.add("CronTriggerTimetable")
        return Call("CronTriggerTimetable", (cron,), zone)

    def _group(self, pipeline: Pipeline) -> Iterator[str]:
        if len(self.pipelines) == 1:
            for number, task in enumerate(pipeline.tasks):
                yield "\n" if number else ""
                yield self._task(task, 4)
            return
        self.sdk.add("TaskGroup")
        yield "" if pipeline is self.first else "\n"
        yield statement(
            Call("TaskGroup", (), {"group_id": short(pipeline.name)}), 4, before="with ", after=":"
        )
        for task in pipeline.tasks:
            yield self._task(task, 8)

    def _task(self, task: Task, indent: int) -> str:
        named: dict[str, object] = {"task_id": short(task.name)}
        if self.options.operator == "bash":
            call = "BashOperator"
            node = shlex.quote(task.key)
            named["bash_command"] = Chain("+", (Code("RUN"), node, Code("RESULT")))
        else:
            call = "PythonOperator"
            named |= {"python_callable": Code("run_node"), "op_args": [task.key]}
        read = [Code(self.inputs[key]) for key in task.upstream if key in self.inputs]
        if read:
            named["inlets"] = read
        if task.stores:
            named["outlets"] = [self._asset(task.key)]
        named |= self._own(task)
        if task.description:
            named["doc_md"] = task.description.rstrip() + "\n"
        return assigned(self.names[task.key], Call(call, (), named), indent)

    def _own(self, task: Task) -> dict[str, object]:
        """What a task has otherwise than the DAG's default."""
        usual = {"owner": self.first.owner, **_tries(self.first.tries)}
        mine = {"owner": task.owner, **_tries(task.tries)}
        return {
            name: value
            for name, value in mine.items()
            if value is not None and _flat(value) != _flat(usual.get(name))
        }

    def _edges(self) -> Iterator[str]:
        for task in self.tasks:
            before = [Code(self.names[key]) for key in task.upstream if key in self.own]
            if before:
                what: object = before[0] if len(before) == 1 else before
                yield statement(Call(f"{self.names[task.key]}.set_upstream", (what,)), 4)


_ATTRIBUTES = {
    "partition": "partition_key",
    "data_interval_start": "data_interval_start",
    "data_interval_end": "data_interval_end",
}


def _import(module: str, names: Sequence[str]) -> str:
    names = sorted(names, key=lambda name: (not name.isupper(), name))  # as isort does
    line = f"from {module} import {', '.join(names)}\n"
    if len(line) <= 89:
        return line
    return f"from {module} import (\n{''.join(f'    {name},{chr(10)}' for name in names)})\n"


def _code(text: str) -> str:
    return layout(text)


def _flat(value: object) -> str:
    return layout(value)


def _plain(text: str) -> str:
    """Text that Airflow's templates leave as it is: neither a template, nor the name of one's file."""
    plain = re.fullmatch(r"[\w-]+", text, re.ASCII)
    return text if plain else f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"


def _seconds(seconds: int) -> Call:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds % size == 0:
            return Call("timedelta", (), {unit: seconds // size})
    return Call("timedelta", (), {"seconds": seconds})


def _tries(tries: Tries) -> dict[str, object]:
    made: dict[str, object] = {"retries": tries.retries, "retry_delay": _seconds(tries.delay)}
    if tries.backoff:
        made["retry_exponential_backoff"] = True
    if tries.timeout is not None:
        made["execution_timeout"] = _seconds(tries.timeout)
    return made


_READ_RESULT = '''
def read_result(output: str) -> Any:
    """What the run said of itself in its last line; another last line tells nothing."""
    try:
        return json.loads(output)
    except ValueError:
        return {}
'''
_PUBLISH = '''def publish(context: Any, result: Any = None) -> None:
    """Put rows, checks and the story's place on the events of the task's tables."""
    document = result if isinstance(result, dict) else {}
    *_, last = "", *document.get("ran", ())  # what the node needs ran before it
    node = document.get("nodes", {}).get(last, {})
    told = {name: node[name] for name in ("rows", "quarantined", "checks") if node}
    told |= {name: document[name] for name in ("story", "run_id") if document}
    for table in context["task"].outlets:
        context["outlet_events"][table].extra.update(told)
'''
_RUN_NODE = '''
def run_node(node: str, **context: Any) -> dict[str, Any]:
    """Run one node in a process of its own, and put what it said on its tables' events."""
    dag_run, task = context["dag_run"], context["ti"].task
    environment = {
        **os.environ,
        "ODIBI_RUN_ID": dag_run.run_id,
        "ODIBI_ORCHESTRATOR": "airflow",
        "ODIBI_ORCHESTRATOR_URL": str(getattr(context["ti"], "log_url", "")),
        # variables
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
'''
