"""Text values of CSV and JSON that a cast would take and change: they are unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runner.running import project, rows, run

VALUES = {
    "DOUBLE": {"1e400": False, "-1e999": False, "inf": True, "nan": True, "1e308": True},
    "FLOAT": {"1e39": False, "1.5": True},
    "DECIMAL(10,2)": {
        "1.005": False, "1.5e-3": False, "-0.001": False, "1.500": True, "15e-1": True, "7": True,
    },
    "TIMESTAMP": {
        "2025-01-01 00:00:00+05:00": False,
        "2025-01-01T10:00:00.5-0330": False,
        "2025-01-01T10:00:00Z": True,
        "2025-01-01 10:00:00+00:00": True,
        "2025-01-01": True,
    },
    "TIMESTAMPTZ": {"2025-01-01 00:00:00+05:00": True},
    "DATE": {"2025-01-01 12:00:00": False, "2025-01-01 00:00:00": True, "2025-01-01": True},
    "TIME": {"10:00:00+05:00": False, "10:00:00": True},
    "BIGINT": {"5.5": False, "5.0": True, "55e-1": False, "9007199254740993": True},
}  # fmt: skip
NODE = """\
- name: n
  read: {{connection: data, format: {format}, path: in.{format}, options: {{columns: {{id: BIGINT, v: '{type}'}}}}}}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""


@pytest.mark.parametrize("type_", VALUES)
@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("format_", ["csv", "json"])
def test_what_a_cast_would_change_is_unreadable(
    format_: str, engine: str, type_: str, tmp_path: Path
) -> None:
    values = VALUES[type_]
    folder = project(tmp_path, NODE.format(type=type_, format=format_), engine=engine)
    lines = [json.dumps({"id": n, "v": value}) for n, value in enumerate(values)]
    if format_ == "csv":
        lines = ["id,v", *(f"{n},{value}" for n, value in enumerate(values))]
    (folder / f"in.{format_}").write_text("\n".join(lines) + "\n")
    done = run(folder)
    counts = done.state.nodes["p.n"].counts
    assert counts is not None
    good = [n for n, taken in enumerate(values.values()) if taken]
    assert [row[0] for row in rows(folder / "out.parquet")] == good
    assert counts.unreadable == len(values) - len(good)
