"""Incremental reads: a rolling window takes the rows it says, on both engines and for every kind of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from odibi import config
from odibi.config.nodes import IncrementalConfig
from odibi.engine import Column
from odibi.errors import NodeError
from odibi.incremental import window_condition
from tests.runner.running import project, rows, run, statuses

NODE = """\
- name: recent
  read:
    connection: data
    format: {format}
    path: events.{format}
    incremental: {incremental}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""
AGES_IN_HOURS = (-1, 1, 23, 25, 47, 49)


def _events(folder: Path, format: str, type: str) -> None:
    """One event for each age, then one whose time is null but that was loaded an hour ago."""
    folder.mkdir(parents=True)
    now = datetime.now(UTC).replace(tzinfo=None)
    times = [now - timedelta(hours=age) for age in AGES_IN_HOURS]
    values = ", ".join(
        f"({age}, TIMESTAMP '{at}', NULL::TIMESTAMP)"
        for age, at in zip(AGES_IN_HOURS, times, strict=True)
    )
    late = f"(100, NULL, TIMESTAMP '{now - timedelta(hours=1)}')"
    at = "timezone('UTC', happened)" if type == "TIMESTAMPTZ" else "happened"
    query = (
        f"SELECT id, {at} AS at_, loaded FROM (VALUES {values}, {late}) AS t(id, happened, loaded)"
    )
    duckdb.sql(f"COPY ({query}) TO '{folder / f'events.{format}'}'")


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize(
    ("format", "type"), [("parquet", "TIMESTAMP"), ("parquet", "TIMESTAMPTZ"), ("csv", "TIMESTAMP")]
)
@pytest.mark.parametrize(
    ("incremental", "ids"),
    [
        ("{column: at_}", [-1, 1, 23]),
        ("{column: at_, lookback: 2}", [-1, 1, 23, 25, 47]),
        ("{column: at_, lookback: 24, unit: hour, fallback_column: loaded}", [-1, 1, 23, 100]),
        ("{column: at_, lookback: 1, unit: month}", [-1, 1, 23, 25, 47, 49]),
    ],
)
def test_window_keeps_the_rows_of_its_time(
    tmp_path: Path, engine: str, format: str, type: str, incremental: str, ids: list[int]
) -> None:
    _events(tmp_path / "p", format, type)
    folder = project(
        tmp_path / "p", NODE.format(format=format, incremental=incremental), engine=engine
    )
    result = run(folder)
    assert statuses(result) == {"recent": "succeeded"}
    assert [row[0] for row in sorted(rows(folder / "out.parquet"))] == ids


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ((Column("id", "BIGINT"),), "there is no column 'at_'"),
        ((Column("at_", "VARCHAR"),), "column 'at_' is VARCHAR"),
    ],
)
def test_column_that_tells_no_time_is_refused(schema: tuple[Column, ...], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        window_condition(
            IncrementalConfig.model_validate({"column": "at_"}), datetime.now(UTC), schema
        )


@pytest.mark.parametrize("more", ["mode: stateful", "date_format: eu"])
def test_what_is_not_built_is_refused_by_name(tmp_path: Path, more: str) -> None:
    nodes = NODE.format(format="csv", incremental=f"{{column: at_, {more}}}")
    folder = project(tmp_path, nodes)
    with pytest.raises(config.ConfigError) as error:
        config.load(folder / "odibi.yaml")
    assert [p.message for p in error.value.problems if "not supported yet" in p.message]
