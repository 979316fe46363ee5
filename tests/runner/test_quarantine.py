"""How long rejected rows are kept."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.runner.running import project, run, statuses

_NODES = """\
- name: a
  read: {{connection: data, format: parquet, path: numbers.parquet}}
  validation:
    tests: [{{type: range, column: id, max: 6, on_fail: quarantine}}]
    quarantine: {{connection: {place}, retention_days: 30{more}}}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""
_AGO = (5, 29, 31, 400)


def _moments() -> list[datetime]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return [now - timedelta(days=days) for days in _AGO]


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_rejected_rows_go_when_they_are_too_old(tmp_path: Path, suffix: str, engine: str) -> None:
    name = f"aside.{suffix}"
    old = ", ".join(f"({i}, TIMESTAMP '{at}')" for i, at in enumerate(_moments()))
    form = " (FORMAT json)" if suffix == "json" else ""
    duckdb.execute(
        f"COPY (SELECT id, moment AS _rejected_at FROM (VALUES {old}, (9, NULL)) v(id, moment)) "
        f"TO '{tmp_path / name}'{form}"
    )
    result = run(
        project(tmp_path, _NODES.format(place="data", more=f", path: {name}"), engine=engine)
    )
    assert statuses(result) == {"a": "succeeded"}
    left = duckdb.sql(f"SELECT id::BIGINT FROM '{tmp_path / name}' ORDER BY 1").fetchall()
    assert left == [(0,), (1,), (7,), (8,), (9,)]


def test_rejected_rows_in_a_database_go_when_they_are_too_old(tmp_path: Path) -> None:
    extra = "  base: {type: sqlite, path: aside.db}\n"
    folder = project(tmp_path, _NODES.format(place="base", more=", table: aside"), extra=extra)
    assert statuses(run(folder)) == {"a": "succeeded"}
    with sqlite3.connect(tmp_path / "aside.db") as base:
        base.executemany(
            "INSERT INTO aside (id, _rejected_at) VALUES (?, ?)",
            [(i, str(at)) for i, at in enumerate(_moments())],
        )
        base.execute("UPDATE aside SET _rejected_at = NULL WHERE id = 7")
    assert statuses(run(folder)) == {"a": "succeeded"}
    with sqlite3.connect(tmp_path / "aside.db") as base:
        left = base.execute("SELECT id FROM aside ORDER BY 1").fetchall()
    assert left == [(0,), (1,), (7,), (7,), (8,), (8,)]


def test_without_a_number_of_days_rejected_rows_stay(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT 0::BIGINT AS id, TIMESTAMP '1999-01-01' AS _rejected_at) "
        f"TO '{tmp_path / 'aside.parquet'}'"
    )
    nodes = _NODES.format(place="data", more=", path: aside.parquet")
    run(project(tmp_path, nodes.replace(", retention_days: 30", "")))
    left = duckdb.sql(f"SELECT id FROM '{tmp_path / 'aside.parquet'}' ORDER BY 1").fetchall()
    assert left == [(0,), (7,), (8,)]
