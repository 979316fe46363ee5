"""Any mistake in any place is said in words, once, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.config import ConfigError, Loaded, load
from tests.config.conftest import MINIMAL, Folder, marked
from tests.config.whole import WHOLE


def test_the_whole_language_loads(folder: Folder) -> None:
    loaded = folder.load(WHOLE)
    node = loaded.project.pipelines[0].nodes[0]
    assert node.validation is not None
    assert [test.type for test in node.validation.tests][:3] == ["not_null", "unique", "range"]
    dim = loaded.project.pipelines[1].nodes[1]
    assert dim.transformer == "dimension"
    assert dim.params == {"natural_key": "id", "surrogate_key": "sk"}
    steps = loaded.project.pipelines[1].nodes[0].transform
    assert steps is not None
    assert [s.sql for s in steps.steps][:2] == ["SELECT * FROM orders", "SELECT * FROM df WHERE id > 1"]  # fmt: skip


def test_every_position_is_that_of_the_text(folder: Folder) -> None:
    """Every key that YAML's own parser sees is found by its path at the same place."""
    loaded = folder.load(WHOLE)
    renamed = {"pattern", "type", "params", "natural_key", "surrogate_key"}  # written out
    for path, mark in _keys(yaml.compose(WHOLE), ()):
        if path[0] == "pipelines" and path[-1] in renamed and "pattern" in path:
            continue
        found = loaded.positions.at(path)
        assert (found.line, found.column) == (mark.line + 1, mark.column + 1), path


def _keys(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark
            yield from _keys(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _keys(item, (*path, index))


# names that the author of a project chooses, and keys that are free
_FREE = frozenset(
    [
        "raw",
        "lake",
        "shop",
        "prod",
        "day",
        "limit",
        "hide",
        "id",
        "amount",
        "orders",
        "payments",
        "zones",
        "header",
        "delimiter",
        "columns",
        "keys",
        "natural_key",
        "surrogate_key",
    ]
)


@pytest.mark.parametrize(
    "start",
    # an environment is read when it is chosen, and without `vars` there are no variables
    [
        m.start(1)
        for m in re.finditer(r"(\w+): (?!.*/srv/lake)", WHOLE)
        if m[1] not in {*_FREE, "vars"}
    ],
)
def test_a_mistyped_key_is_one_message_with_the_right_one(folder: Folder, start: int) -> None:
    match = re.compile(r"\w+").match(WHOLE, start)
    assert match is not None
    line = WHOLE.count("\n", 0, start) + 1
    column = start - WHOLE.rfind("\n", 0, start)
    if WHOLE[:start].endswith("pattern: {"):
        column = 9  # without a type there is no pattern
    (problem,) = folder.problems(WHOLE[: match.end()] + "x" + WHOLE[match.end() :])
    assert (problem.line, problem.column) == (line, column)
    assert f"'{match[0]}'?" in problem.message or "must be a map with type" in problem.message


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('max_sample_rows: 5', 'max_sample_rows: ‸many', "'max_sample_rows' must be a whole number, found 'many'"),
        ('max_sample_rows: 5', 'max_sample_rows: ‸2.5', "'max_sample_rows' must be a whole number, found 2.5"),
        ('max_sample_rows: 5', 'max_sample_rows: ‸-1', "'max_sample_rows' must be at least 0, found -1"),
        ('tags: [daily]', 'tags: ‸daily', "'tags' must be a list, found 'daily'"),
        ('tags: [daily]', 'tags: [‸5]', "an entry of 'tags' must be text, found 5"),
        ('owner: data', 'owner: ‸true', "'owner' must be text, found true"),
        ('enabled: false', 'enabled: ‸maybe', "'enabled' must be true or false, found 'maybe'"),
        ('sensitive: [amount]', 'sensitive: ‸7', "'sensitive' must be true or false or a list, found 7"),
        ('sensitive: [amount]', 'sensitive: [‸7]', "an entry of 'sensitive' must be text, found 7"),
        ('{source_file: true}', '‸5', "'add_metadata' must be true or false or a map, found 5"),
        ('{source_file: true}', '{‸sourcefile: true}', "unknown key 'sourcefile' in 'pipelines[0].nodes[0].write.add_metadata' (did you mean 'source_file'?)"),
        ('max: 1e6', 'max: ‸[1]', "'max' must be a number or text, found a list"),
        ('timeout: 5m', 'timeout: ‸soon', "'timeout': 'soon' is not a duration"),
        ('timeout: 5m', 'timeout: ‸[5]', "'timeout' must be text or a number, found a list"),
        ('max_age: 24h', 'max_age: ‸old', "'max_age': 'old' is not a duration"),
        ('threshold: "> 100"', 'threshold: ‸high', "'high' is not a comparison"),
        ('require_pass_rate: 0.9', 'require_pass_rate: ‸95', "'require_pass_rate' must be at most 1, found 95"),
        ('columns: [id], on_fail', 'columns: ‸[], on_fail', "'columns' must not be empty"),
        ('orders: $bronze.orders', 'orders: ‸bronze.orders', "'orders': not a reference"),
        ('type: unique', 'type: ‸uniq', "unknown type 'uniq' (did you mean 'unique'?)"),
        ('type: unique', 'type: ‸[x]', "'type' must be text, found a list"),
        ('- {type: schema, strict: false}', '- ‸schema', "an entry of 'tests' must be a map, found 'schema'"),
        ('{operation: drop, params: {columns: [x]}', '‸{operation: drop, params: {columns: [x]}, sql: SELECT 1', 'a step has exactly one of sql, sql_file, function, operation; found sql and operation'),
        ('pattern: {type:', 'transformer: x\n        ‸pattern: {type:', 'a node has either `pattern` or `transformer`'),
        ('pattern: {type: dimension, params: {natural_key: id, surrogate_key: sk}}', '‸pattern: dimension', "'pattern' must be a map with type and params"),
        ('delimiter: ";", columns: {id: BIGINT', 'delimiter: ";", columns: {‸id: 5', "'id' must be the name of a type"),
        ('format: sql, query', '‸format: csv, path', "connection 'shop' is a database: its format is sql"),
        ('connection: raw, format: json, path', 'connection: raw, ‸format: sql, table', "connection 'raw' is a folder: format sql reads a database"),
        ('{connection: lake, path: stories', '{‸connection: shop, path: stories', "connection 'shop' is a database that holds tables, not files"),
        ('write: {connection: lake, format: delta, path: payments', 'write: {connection: shop, ‸format: delta, table: payments', "connection 'shop' is a database: its format is sql"),
        ('write: {connection: lake, format: delta, path: payments', 'write: {connection: shop, format: sql, ‸path: payments', "a database has tables: write `table`, not `path`"),
        ('write: {connection: lake, format: delta, path', 'write: {connection: lake, ‸format: sql, table', "connection 'lake' is a folder: format sql writes to a database"),
        ('connection: lake, format: parquet, path: orders, partition_by', 'connection: shop, format: sql, table: orders, ‸partition_by', "a table of a database has no folders"),
        ('project: whole', 'project: whole\n‸recipes: {}', "'recipes' in the file: recipes are not supported; write the nodes out, or share parts with YAML anchors"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message(folder: Folder, right: str, wrong: str, said: str) -> None:
    assert right in WHOLE
    place, text = marked(WHOLE.replace(right, wrong, 1))
    assert folder.said(text) == [f"{place}: {said}"]


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("tags: [daily]", "tags: daily", "write a list: [daily]"),
        ("owner: data", "owner: 2024", "put it in quotes: '2024'"),
        ("engine: duckdb", "engine: x", "one of: duckdb, pandas, polars, spark"),
        ("timeout: 5m", "timeout: x", "write seconds, or a number with s, m, h, d or w"),
        ("on_error: ignore", "transform: [SELECT 1]", "write transform: {steps: […]}"),
    ],
)
def test_hints_say_what_to_do(folder: Folder, right: str, wrong: str, hint: str) -> None:
    (problem,) = folder.problems(WHOLE.replace(right, wrong, 1))
    assert problem.hint == hint


def test_polars_runs_with_a_notice_and_unused_connections_only_warn(folder: Folder) -> None:
    text = WHOLE.replace("engine: duckdb", "engine: polars").replace(
        "  raw:", "  blob: {type: azure_blob, account_name: a, container: c}\n  raw:"
    )
    warnings = {f"{p.line}:{p.column}: {p.message}" for p in folder.load(text).warnings}
    assert warnings >= {
        "2:1: engine polars runs on DuckDB here",
        "7:3: connection 'blob': type 'azure_blob' is not supported yet",
    }
    used = text.replace("connection: raw, format: json", "connection: blob, format: json")
    assert "7:3: connection 'blob': type 'azure_blob' is not supported yet" in folder.said(used)


def test_what_is_known_but_unsupported_is_refused_where_it_stands(folder: Folder) -> None:
    more = "        streaming: true\n        write: {connection: data, format: avro, path: x}\n"
    assert folder.said_of_node(more) == [
        "10:9: streaming is not supported",
        "11:35: writing format 'avro' is not supported yet",
    ]


def test_a_dependency_in_another_pipeline_is_an_input(folder: Folder) -> None:
    text = MINIMAL + "  - pipeline: q\n    nodes: [{name: b, depends_on: [a]}]\n"
    (problem,) = folder.problems(text)
    assert problem.hint == "it is in pipeline 'p': use inputs: {a: $p.a}"


def test_transformers_are_checked_when_their_names_are_given(folder: Folder) -> None:
    more = "        transformer: dimensoin\n        transform: {steps: [{function: dedup}]}\n"
    known = {"dimension", "deduplicate"}
    assert folder.said_of_node(more, transformers=known) == [
        "10:9: unknown transformer 'dimensoin' (did you mean 'dimension'?)",
        "11:29: unknown function 'dedup' (did you mean 'deduplicate'?)",
    ]
    assert folder.node(more).transformer == "dimensoin"


_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DOCUMENT = yaml.safe_load(WHOLE)
_PATHS = [path for path, _ in _keys(yaml.compose(WHOLE), ())]
_JUNK: list[Any] = [
    None, 5, -1, 2.5, float("nan"), True, "x", "", [], {}, [1], [None], [[]], {"a": 1}, {"type": "x"},
    {"type": None}, {"type": [1]}, [{"type": "range"}], "${vars.limit}", "${NOPE}", "$a.b", "\0",
    "x" * 5000, {"1": {}}, 10**30,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(_PATHS), st.sampled_from(_JUNK)), max_size=4))
def test_no_value_in_any_place_gives_another_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    document = deepcopy(_DOCUMENT)
    for path, junk in changes:
        _replace(document, path, junk)
    _loads_or_is_refused(tmp_path_factory.getbasetemp() / "any.yaml", document)


def _replace(document: Any, path: tuple[Any, ...], value: Any) -> None:
    try:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value
    except (TypeError, KeyError, IndexError):
        return  # an earlier change took the place away


_names = st.sampled_from(
    [
        "project",
        "pipelines",
        "nodes",
        "name",
        "read",
        "write",
        "connections",
        "type",
        "tests",
        "steps",
        "sql",
        "vars",
    ]
) | st.text(max_size=8)
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=100, deadline=None)
@given(document=_documents)
def test_any_document_loads_or_is_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    _loads_or_is_refused(tmp_path_factory.getbasetemp() / "any.yaml", document)


def _loads_or_is_refused(path: Path, document: Any) -> None:
    path.write_text(yaml.dump(document, Dumper=_Dumper, allow_unicode=True), encoding="utf-8")
    try:
        assert isinstance(load(path, environ={}), Loaded)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is fine, silence is not


def test_keys_that_do_nothing_are_warned_of(folder: Folder) -> None:
    text = WHOLE + "metrics: []\n"
    said = [w.message for w in folder.load(text).warnings if w not in folder.load(WHOLE).warnings]
    assert said == ["metrics are not used yet"]


def test_old_rejected_rows_are_known_by_a_column(folder: Folder) -> None:
    text = WHOLE.replace("original_node: true}", "rejected_at: false}, retention_days: 3")
    assert text != WHOLE
    with pytest.raises(ConfigError) as caught:
        folder.load(text)
    assert [problem.message for problem in caught.value.problems] == [
        "retention_days goes by the column _rejected_at, which isn't written"
    ]
