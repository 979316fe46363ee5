"""Delta tables that are kept in shape: properties, clustering, few files, and the same rows whatever is done."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from odibi import config
from tests.runner.running import project, run, statuses

_NODES = """\
- name: a
  read: {{connection: data, format: parquet, path: numbers.parquet}}
  write: {{connection: data, format: {format}, path: a, mode: append{more}}}
"""


def _written(
    folder: Path, runs: int, more: str, extra: str = "", engine: str = "duckdb"
) -> DeltaTable:
    nodes = _NODES.format(format="delta", more=more)
    folder = project(folder, nodes, extra=extra, engine=engine)
    for _ in range(runs):
        assert statuses(run(folder)) == {"a": "succeeded"}
    table = DeltaTable(folder / "a")
    assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == sorted([*range(9)] * runs)
    return table


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_properties_are_set_once_and_when_they_change(tmp_path: Path, engine: str) -> None:
    extra = "performance: {delta_table_properties: {delta.logRetentionDuration: interval 9 days}}\n"
    more = ", table_properties: {owner: data}"
    table = _written(tmp_path, 2, more, extra, engine)
    wanted = {"delta.logRetentionDuration": "interval 9 days", "owner": "data"}
    assert table.metadata().configuration == wanted
    assert [entry["operation"] for entry in table.history()].count("SET TBLPROPERTIES") == 1
    project(
        tmp_path, _NODES.format(format="delta", more=more.replace("data}", "shop}")), extra=extra
    )
    assert statuses(run(tmp_path)) == {"a": "succeeded"}
    table.update_incremental()
    assert table.metadata().configuration == {**wanted, "owner": "shop"}


def test_files_are_joined(tmp_path: Path) -> None:
    assert len(_written(tmp_path / "many", 3, "").file_uris()) == 3
    assert len(_written(tmp_path / "few", 3, ", auto_optimize: true").file_uris()) == 1
    off = _written(tmp_path / "off", 2, ", auto_optimize: {enabled: false}")
    assert len(off.file_uris()) == 2


def test_rows_are_clustered(tmp_path: Path) -> None:
    table = _written(tmp_path, 3, ", zorder_by: [kind]")
    (file,) = table.file_uris()
    kinds = [kind for (kind,) in duckdb.sql(f"SELECT kind FROM read_parquet('{file}')").fetchall()]
    assert kinds == sorted(kinds)


def test_files_that_no_version_needs_are_removed(tmp_path: Path) -> None:
    more = ", auto_optimize: {vacuum_retention_hours: 1}"
    _written(tmp_path, 2, more)
    assert len(_files(tmp_path)) == 3  # the two that were joined are still those of a version
    for log in (tmp_path / "a/_delta_log").glob("*.json"):
        log.write_text(re.sub(r'("deletionTimestamp":)\d+', r"\g<1>1700000000000", log.read_text()))
    before = _files(tmp_path)
    assert statuses(run(tmp_path)) == {"a": "succeeded"}
    assert len(before & _files(tmp_path)) == 1
    assert DeltaTable(tmp_path / "a").to_pyarrow_table().num_rows == 27


def _files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "a").glob("*.parquet")}


def test_a_column_that_isnt_there_is_said_and_the_rows_are_safe(tmp_path: Path) -> None:
    more = ", zorder_by: [nope]"
    folder = project(tmp_path, _NODES.format(format="delta", more=more))
    result = run(folder)
    error = result.state.nodes["p.a"].error
    assert error is not None
    assert "nope" in error.message
    assert DeltaTable(folder / "a").to_pyarrow_table().num_rows == 9


def test_other_formats_say_that_it_has_no_effect(tmp_path: Path) -> None:
    more = ", zorder_by: [id], auto_optimize: false, table_properties: {a: b}"
    folder = project(tmp_path, _NODES.format(format="parquet", more=more))
    loaded = config.load(folder / "odibi.yaml")
    assert [warning.message for warning in loaded.warnings] == [
        "zorder_by is for Delta tables: it has no effect on format parquet",
        "table_properties is for Delta tables: it has no effect on format parquet",
    ]
