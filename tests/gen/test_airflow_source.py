"""The DAG files: read as Python, they hold the project's nodes and edges and nothing else of it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi_gen.airflow import Options, render
from odibi_gen.project import Project

from .projects import HOSTILE, SHOP, described, functions_called

ALL = [
    Options(version, operator, layout, env)  # type: ignore[arg-type]  # of the product of their words
    for version, operator, layout, env in itertools.product(
        (2, 3), ("bash", "python"), ("pipeline", "single"), (None, "prod")
    )
]
CALLS = {
    "document.get('nodes', {}).get",
    "Asset", "BashOperator", "CronDataIntervalTimetable", "CronTriggerTimetable", "DAG", "Dataset", "PythonOperator",
    "TaskGroup", "datetime", "timedelta", "json.loads", "isinstance", "next", "document.get", "extra.update",
    "context['outlet_events'][table].extra.update", "getattr", "str", "Path", "tempfile.TemporaryDirectory",
    "subprocess.Popen", "print", "process.wait", "process.terminate", "result.exists", "result.read_text",
    "os.environ.get", "AirflowException", "AirflowFailException",
}  # fmt: skip
KEYWORDS = ("class", "match", "DAG", "json", "dag", "publish", "run_node", "None", "_", "n" * 200)


def tasks(source: str) -> dict[str, ast.Call]:
    """The operators of the file by the name of the variable that each is put in."""
    return {
        node.targets[0].id: node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) in ("BashOperator", "PythonOperator")
    }


def named(call: ast.Call, name: str) -> Any:
    return next(keyword.value for keyword in call.keywords if keyword.arg == name)


def key_of(call: ast.Call) -> str:
    """The node that the task runs."""
    if any(keyword.arg == "op_args" for keyword in call.keywords):
        (key,) = ast.literal_eval(named(call, "op_args"))
        return str(key)
    return str(named(call, "bash_command").left.right.value)


def edges(source: str) -> Iterator[tuple[str, str]]:
    made = {name: key_of(call) for name, call in tasks(source).items()}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="set_upstream")):
                (what,) = node.args
                sources = what.elts if isinstance(what, ast.List) else [what]
                yield from ((made[each.id], made[name]) for each in sources)  # type: ignore[attr-defined]


def holds_only_the_project(project: Project, options: Options) -> None:
    found = render(project, options)
    assert render(project, options) == found
    keys = [key_of(call) for text in found.values() for call in tasks(text).values()]
    assert sorted(keys) == sorted(task.key for task in project.tasks)
    for name, text in found.items():
        assert len(name) <= 200 and name.removesuffix(".py").isidentifier()
        calls = {call for call in functions_called(text) if not call.endswith(".set_upstream")}
        assert calls <= CALLS
        own = {key_of(call) for call in tasks(text).values()}
        wanted = {
            (source, task.key)
            for task in project.tasks
            for source in task.upstream
            if {source, task.key} <= own
        }
        assert set(edges(text)) == wanted
        for call in tasks(text).values():
            assert len(ast.literal_eval(named(call, "task_id"))) <= 120


@pytest.mark.parametrize("options", ALL, ids=str)
def test_nodes_and_edges_are_those_of_the_project(tmp_path: Path, options: Options) -> None:
    project = described(tmp_path, SHOP)
    holds_only_the_project(project, options)


def hostile(texts: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """A project whose names and texts are these."""
    read = {"connection": "data", "format": "csv", "path": "in.csv"}
    nodes = [
        {
            "name": name,
            "description": text,
            "tags": [text],
            "orchestration": {"owner": text},
            "read": read,
            "write": {"connection": "data", "format": "parquet", "path": f"{number}.parquet"},
        }
        for number, (name, text) in enumerate(zip(names, itertools.cycle(texts), strict=False))
    ]
    follows = {
        "name": names[0],
        "inputs": {"x": f"$first.{names[0]}"},
        "transform": {"steps": ["SELECT * FROM x"]},
    }
    return {
        "project": texts[0],
        "description": texts[-1],
        "owner": texts[-1],
        "engine": "duckdb",
        "connections": {"data": {"type": "local", "base_path": "."}},
        "pipelines": [
            {"pipeline": "first", "description": texts[0], "tags": list(texts), "nodes": nodes},
            {"pipeline": names[-1], "description": texts[-1], "nodes": [follows]},
        ],
    }


@pytest.mark.parametrize("options", ALL, ids=str)
def test_texts_that_would_be_code_are_data(tmp_path: Path, options: Options) -> None:
    project = described(tmp_path, hostile(HOSTILE, KEYWORDS))
    holds_only_the_project(project, options)
    told = {
        ast.literal_eval(named(call, "doc_md")).strip()
        for text in render(project, options).values()
        for call in tasks(text).values()
        if any(keyword.arg == "doc_md" for keyword in call.keywords)
    }
    assert {text.strip() for text in HOSTILE} <= told


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0$"), min_size=1, max_size=60
)
NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,30}", fullmatch=True)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(NAMES, min_size=2, max_size=6, unique_by=str.lower),
    st.sampled_from(ALL),
)
def test_any_project_is_data(
    tmp_path: Path, texts: list[str], names: list[str], options: Options
) -> None:
    project = described(tmp_path, hostile(tuple(texts), tuple(names)))
    holds_only_the_project(project, options)


def test_pipelines_follow_what_they_read(tmp_path: Path) -> None:
    found = render(described(tmp_path, SHOP), Options())
    assert sorted(found) == ["corner_shop__bronze.py", "corner_shop__gold.py"]
    bronze, gold = found["corner_shop__bronze.py"], found["corner_shop__gold.py"]
    assert 'schedule=CronTriggerTimetable("30 2 * * *", timezone="Europe/Lisbon"),' in bronze
    assert "schedule=[FROM_BRONZE__ORDERS]," in gold
    assert bronze.count('uri="odibi://corner_shop/bronze/orders"') == 1
    assert gold.count('uri="odibi://corner_shop/bronze/orders"') == 1


def test_settings_of_a_node_are_its_own(tmp_path: Path) -> None:
    gold = render(described(tmp_path, SHOP), Options())["corner_shop__gold.py"]
    cities = {k.arg: ast.unparse(k.value) for k in tasks(gold)["cities"].keywords}
    assert cities["owner"] == "'geo'"
    assert cities["retries"] == "0"
    assert cities["execution_timeout"] == "timedelta(minutes=90)"
    assert cities["retry_delay"] == "timedelta(seconds=30)"
    revenue = {k.arg for k in tasks(gold)["revenue"].keywords}
    assert revenue == {"task_id", "bash_command", "inlets", "outlets"}


def test_two_schedules_are_no_single_dag(tmp_path: Path) -> None:
    pipelines = [
        {**pipeline, "orchestration": {"schedule": f"{hour} 2 * * *"}}
        for hour, pipeline in enumerate(SHOP["pipelines"])
    ]
    project = described(tmp_path, {**SHOP, "pipelines": pipelines})
    with pytest.raises(UsageError, match="one DAG can't have 2 schedules"):
        render(project, Options(layout="single"))
    assert len(render(project, Options())) == 2


def test_partitions_need_airflow_3(tmp_path: Path) -> None:
    settings = {**SHOP["orchestration"], "partition": "daily"}
    project = described(tmp_path, {**SHOP, "orchestration": settings})
    with pytest.raises(UsageError, match="Airflow 2 has no partitions"):
        render(project, Options(version=2))
    found = render(project, Options())
    assert 'key_format="%Y-%m-%d"' in found["corner_shop__bronze.py"]
    assert "PartitionedAssetTimetable(assets=FROM_BRONZE__ORDERS)" in found["corner_shop__gold.py"]
    assert (
        '"ODIBI_VAR_partition": "{{ dag_run.partition_key or \'\' }}"'
        in found["corner_shop__gold.py"]
    )


def test_long_names_are_cut_where_airflow_wants_them_short_and_stay_apart(tmp_path: Path) -> None:
    nodes = ("n" * 199 + "a", "n" * 199 + "b")
    project = described(tmp_path, hostile(("shop",), nodes))
    for options in ALL:
        ids = [
            ast.literal_eval(named(call, "task_id"))
            for text in render(project, options).values()
            for call in tasks(text).values()
        ]
        assert all(len(each) == 113 for each in ids)
        assert len(set(ids)) == 2, "two nodes, and one of them in two pipelines"


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ("prod", '"prod"'),
        ("prod.sh", "'{{ \"prod.sh\" }}'"),
        ("{% raw %}", "'{{ \"{% raw %}\" }}'"),
    ],
)
def test_the_environment_is_no_template(tmp_path: Path, env: str, told: str) -> None:
    found = render(described(tmp_path, SHOP), Options(env=env))
    assert f'    "ODIBI_ENV": {told},\n' in found["corner_shop__gold.py"]


def test_an_event_tells_of_the_node_of_its_task(tmp_path: Path) -> None:
    """`publish` as the file has it, given what a run says that also made a view which its node needs."""
    source = render(described(tmp_path, SHOP), Options())["corner_shop__gold.py"]
    (function,) = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "publish"
    ]
    names: dict[str, Any] = {"Any": Any}
    exec(compile(ast.Module([function], []), "dag", "exec"), names)  # our own code
    extra: dict[str, Any] = {}
    context = {
        "task": SimpleNamespace(outlets=["table"]),
        "outlet_events": {"table": SimpleNamespace(extra=extra)},
    }
    ran = {"rows": 3, "quarantined": 1, "checks": {"passed": 2}}
    document = {
        "nodes": {"gold.cities": {**ran, "rows": 99}, "gold.revenue": ran},
        "ran": ["gold.cities", "gold.revenue"],
        "story": "story.json",
        "run_id": "x",
    }
    names["publish"](context, document)
    assert extra == {**ran, "story": "story.json", "run_id": "x"}
    names["publish"](context, {})
    names["publish"](context, None)
    assert extra["rows"] == 3
