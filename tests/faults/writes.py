"""A small project that writes in every way there is: its second day is what the faults hit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

__all__ = ["OUTPUTS", "difference", "left_behind", "make", "second_day", "tables"]

_YAML = """\
project: write_heavy
engine: {engine}
retry: {{enabled: true, max_attempts: 2, backoff: constant}}
connections:
  data: {{type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes:
      - name: source
        read: {{connection: data, format: parquet, path: in/stock.parquet}}
        validation:
          tests:
            - {{type: range, column: amount, min: 0, on_fail: quarantine}}
          quarantine:
            connection: data
            path: out/rejected.parquet
            add_columns: {{rejected_at: false, source_batch_id: false}}
        write: {{connection: data, format: parquet, path: out/source.parquet}}
      - name: lines
        read:
          connection: data
          format: csv
          path: in/lines.csv
          options: {{header: true, columns: {{id: BIGINT, text: VARCHAR}}}}
          bad_lines: {{connection: data, path: out/bad_lines.parquet}}
        write: {{connection: data, format: csv, path: out/lines.csv, options: {{header: true}}}}
{nodes}
      - name: load
        read:
          connection: data
          format: parquet
          path: in/events.parquet
          incremental: {{mode: stateful, column: id}}
        write: {{connection: data, format: parquet, path: out/load.parquet, mode: append}}
      - name: load_delta
        read:
          connection: data
          format: parquet
          path: in/events.parquet
          incremental: {{mode: stateful, column: id}}
        write: {{connection: data, format: delta, path: out/load_delta, mode: append}}
"""
_WRITE = """\
      - name: {name}
        depends_on: [source]
        transform: {{steps: ["SELECT * FROM source"]}}
        write: {{connection: data, {write}}}
"""
_PATTERN = """\
      - name: {name}
        depends_on: [source]
        pattern: {{type: {name_of}, params: {params}}}
        write: {{connection: data, format: {format}, path: out/{name}{end}}}
"""
_KEYS = "options: {keys: [id]}"
_WRITES = {
    "over_delta": "format: delta, path: out/over_delta",
    "over_parts": "format: parquet, path: out/over_parts, partition_by: [kind]",
    "over_json": "format: json, path: out/over_json.json",
    "add_parquet": "format: parquet, path: out/add_parquet.parquet, mode: append",
    "add_parts": "format: parquet, path: out/add_parts, mode: append, partition_by: [kind]",
    "add_csv": "format: csv, path: out/add_csv.csv, mode: append",
    "add_delta": "format: delta, path: out/add_delta, mode: append",
    "up_parquet": f"format: parquet, path: out/up_parquet.parquet, mode: upsert, {_KEYS}",
    "up_delta": f"format: delta, path: out/up_delta, mode: upsert, {_KEYS}",
    "once_parquet": f"format: parquet, path: out/once_parquet.parquet, mode: append_once, {_KEYS}",
    "once_delta": f"format: delta, path: out/once_delta, mode: append_once, {_KEYS}",
}
_SCD2 = "{keys: [id], track_cols: [amount], effective_time_col: at_}"
_SUMS = (
    '{grain: [kind], measures: [{name: total, expr: "sum(amount)"}], '
    "incremental: {timestamp_column: at_, merge_strategy: sum}}"
)
_PATTERNS = {
    "merge_parquet": ("merge", "{keys: [id]}", "parquet"),
    "merge_delta": ("merge", "{keys: [id]}", "delta"),
    "scd2_parquet": ("scd2", _SCD2, "parquet"),
    "scd2_delta": ("scd2", _SCD2, "delta"),
    "sums_parquet": ("aggregation", _SUMS, "parquet"),
    "sums_delta": ("aggregation", _SUMS, "delta"),
}
OUTPUTS = (
    "source.parquet", "rejected.parquet", "lines.csv", "bad_lines.parquet", "over_delta",
    "over_parts", "over_json.json", "add_parquet.parquet", "add_parts", "add_csv.csv", "add_delta",
    "up_parquet.parquet", "up_delta", "once_parquet.parquet", "once_delta", "merge_parquet.parquet",
    "merge_delta", "scd2_parquet.parquet", "scd2_delta", "sums_parquet.parquet", "sums_delta",
    "load.parquet", "load_delta",
)  # fmt: skip
"""The tables, by their paths in `out/`."""


def make(folder: Path, engine: str = "duckdb") -> Path:
    """Write the project and the inputs of its first day. Returns the folder."""
    nodes = [_WRITE.format(name=name, write=write) for name, write in _WRITES.items()]
    nodes += [_pattern(name, *how) for name, how in _PATTERNS.items()]
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "odibi.yaml").write_text(_YAML.format(engine=engine, nodes="".join(nodes).rstrip()))
    _inputs(folder / "in", first=1, last=60, day=1)
    return folder


def _pattern(name: str, kind: str, params: str, format: str) -> str:
    end = ".parquet" if format == "parquet" else ""
    return _PATTERN.format(name=name, name_of=kind, params=params, format=format, end=end)


def second_day(folder: Path) -> Path:
    """Exchange the inputs for those of the second day: old keys with new amounts, and new keys."""
    _inputs(folder / "in", first=31, last=90, day=2)
    return folder


def _inputs(folder: Path, *, first: int, last: int, day: int) -> None:
    """Sixty stocks, every tenth with an amount that is refused; lines of which three can't be read."""
    stock = f"""
        SELECT i AS id, i % 3 AS kind, CASE WHEN i % 10 = 0 THEN -1 ELSE i * {day} END AS amount,
            TIMESTAMP '2026-03-0{day} 10:00:00' AS at_
        FROM range({first}, {last + 1}) AS t(i)"""
    duckdb.sql(stock).write_parquet(str(folder / "stock.parquet"))
    events = f"SELECT i AS id, 'e' || i AS text FROM range(1, {last + 1}) AS t(i)"
    duckdb.sql(events).write_parquet(str(folder / "events.parquet"))
    lines = [f"{i},line {i} of day {day}" for i in range(first, last + 1)]
    lines[3::20] = [f"not a number,{day}"] * len(lines[3::20])
    (folder / "lines.csv").write_text("\n".join(["id,text", *lines]) + "\n")


_UNSTABLE = ("run_id", "file")  # name the run and the folder, which differ between trials


def tables(folder: Path) -> dict[str, list[str]]:
    """Every table that is there, by its path: its rows as texts, sorted."""
    there = [name for name in OUTPUTS if (folder / "out" / name).exists()]
    return {name: _rows(folder / "out" / name) for name in there}


def _rows(path: Path) -> list[str]:
    if (path / "_delta_log").is_dir():
        from deltalake import DeltaTable  # 0.1 s, for the tables that need it

        found: list[dict[str, Any]] = DeltaTable(str(path)).to_pyarrow_table().to_pylist()
        return sorted(json.dumps(row, default=str, sort_keys=True) for row in found)
    source = {
        ".csv": "read_csv('{}', header=true, all_varchar=true)",
        ".json": "read_json('{}')",
        ".parquet": "read_parquet('{}')",
        "": "read_parquet('{}/**/*.parquet', hive_partitioning=true)",
    }[path.suffix]
    with duckdb.connect() as database:
        asked = database.execute(f"FROM {source.format(path)}")
        names = [column[0] for column in asked.description or ()]
        return sorted(
            json.dumps({n: v for n, v in zip(names, row, strict=True) if n not in _UNSTABLE}, default=str)
            for row in asked.fetchall()
        )  # fmt: skip


def difference(found: list[str], wanted: list[str]) -> tuple[int, int]:
    """Rows that are missing, and rows that are too many."""
    lost, left = 0, list(found)
    for row in wanted:
        if row in left:
            left.remove(row)
        else:
            lost += 1
    return lost, len(left)


def left_behind(folder: Path) -> list[str]:
    """What a finished run should have cleared away: staged tables and work folders.

    An empty folder of staging places may stay where the killed run had published all: the next write
    beside it takes it away.
    """
    staged = (folder / "out").rglob(".odibi-tmp*/*")
    work = (folder / ".odibi" / "work").glob("*")
    return sorted(str(path.relative_to(folder)) for path in (*staged, *work))


def copy(folder: Path, to: Path) -> Path:
    """The project with all it has written, times of files included."""
    shutil.copytree(folder, to, symlinks=True)
    return to
