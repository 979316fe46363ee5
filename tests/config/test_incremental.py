"""Incremental reads in the YAML: what is refused at its place, and what is warned of."""

from __future__ import annotations

import pytest

from tests.config.conftest import HERE, Folder, marked

TEXT = """\
project: demo
engine: duckdb
connections:
  data: {{type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes:
      - name: a
        read:
          connection: data
          format: parquet
          path: a.parquet
          incremental: {incremental}
        {write}
"""
APPEND = "write: {connection: data, format: parquet, path: b.parquet, mode: append}"
UPSERT = (
    "write: {connection: data, format: parquet, path: b.parquet, mode: upsert, merge_keys: [i]}"
)


@pytest.mark.parametrize(
    ("incremental", "write", "message"),
    [
        (
            f"{{column: at, {HERE}mode: stateful}}",
            "tags: []",
            "mode: stateful needs `write`: the mark moves when the rows are stored",
        ),
        (f"{{column: at, lookback: {HERE}0}}", APPEND, "'lookback' must be at least 1, found 0"),
        (
            f"{{column: at, mode: stateful, watermark_lag: {HERE}soon}}",
            APPEND,
            "'watermark_lag': 'soon' is not a duration",
        ),
    ],
)
def test_what_can_not_work_is_refused(
    folder: Folder, incremental: str, write: str, message: str
) -> None:
    place, text = marked(TEXT.format(incremental=incremental, write=write))
    assert folder.said(text) == [f"{place}: {message}"]


@pytest.mark.parametrize(
    ("incremental", "write", "message"),
    [
        (
            "{column: at}",
            APPEND.replace("mode", f"{HERE}mode"),
            "mode: append adds rows twice: windows overlap from run to run",
        ),
        (
            "{column: at, mode: stateful, watermark_lag: 2h}",
            APPEND.replace("mode", f"{HERE}mode"),
            "mode: append adds rows twice: watermark_lag reads rows below the mark again",
        ),
        (
            "{column: at}",
            f"{HERE}write: {{connection: data, format: parquet, path: b.parquet}}",
            "mode: overwrite leaves only the rows of the last incremental read in the table",
        ),
        (
            f"{{column: at, mode: stateful, {HERE}lookback: 2}}",
            APPEND,
            "'lookback' has no effect with mode: stateful",
        ),
        (
            f"{{column: at, {HERE}state_key: x}}",
            UPSERT,
            "'state_key' has no effect with mode: rolling_window",
        ),
    ],
)
def test_what_loses_or_repeats_rows_is_warned_of(
    folder: Folder, incremental: str, write: str, message: str
) -> None:
    place, text = marked(TEXT.format(incremental=incremental, write=write))
    warnings = folder.load(text).warnings
    assert [f"{w.line}:{w.column}: {w.message}" for w in warnings] == [f"{place}: {message}"]


@pytest.mark.parametrize(
    ("incremental", "write"),
    [
        ("{column: at, mode: stateful}", APPEND),
        ("{column: at, mode: stateful, watermark_lag: 2h, state_key: mine}", UPSERT),
        ("{column: at, lookback: 3, unit: day}", UPSERT),
    ],
)
def test_what_goes_together_is_silent(folder: Folder, incremental: str, write: str) -> None:
    assert folder.load(TEXT.format(incremental=incremental, write=write)).warnings == []


def test_input_of_several_moves_no_mark(folder: Folder) -> None:
    source = f"{{connection: data, format: parquet, path: a.parquet, incremental: {{column: at, {HERE}mode: stateful}}}}"
    text = TEXT.format(incremental="{column: at}", write=APPEND)
    head, _, _ = text.partition("        read:")
    place, text = marked(f"{head}        inputs: {{x: {source}}}\n")
    assert folder.said(text) == [
        f"{place}: mode: stateful is for the `read` of a node, whose write moves the mark"
    ]


def test_two_nodes_do_not_share_a_mark(folder: Folder) -> None:
    text = TEXT.format(incremental="{column: at, mode: stateful, state_key: k}", write=APPEND)
    node = text[text.index("      - name: a") :]
    second = node.replace("name: a", "name: b").replace("b.parquet", "c.parquet")
    place, text = marked(text + second.replace("state_key", f"{HERE}state_key"))
    assert folder.said(text) == [f"{place}: the mark 'k' is moved by two nodes (first in line 13)"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            f"{HERE}materialized: view\n        {APPEND}",
            "a view stores nothing, and this node has `write`",
        ),
        (
            f"{HERE}materialized: incremental\n        {APPEND.replace('append', 'overwrite')}",
            "materialized: incremental adds to a table, and this node replaces its table",
        ),
        (
            f"{HERE}materialized: incremental",
            "materialized: incremental adds to a table, and this node has no `write`",
        ),
        (
            "write: {connection: data, format: parquet, path: b.parquet, mode: append, "
            f"{HERE}first_run_query: SELECT 1}}",
            "first_run_query takes the place of a database's query, and this node reads none",
        ),
    ],
)
def test_ways_to_store_that_contradict_each_other_are_refused(
    folder: Folder, keys: str, message: str
) -> None:
    place, text = marked(TEXT.format(incremental="{column: at}", write=keys))
    assert folder.said(text) == [f"{place}: {message}"]


def test_materialized_incremental_appends(folder: Folder) -> None:
    write = "write: {connection: data, format: parquet, path: b.parquet}\n        materialized: "
    for kind, mode in [("incremental", "append"), ("table", "overwrite")]:
        text = TEXT.format(incremental="{column: at, mode: stateful}", write=write + kind)
        stored = folder.load(text).project.pipelines[0].nodes[0].write
        assert stored is not None
        assert stored.mode == mode
