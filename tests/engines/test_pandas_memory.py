"""The pandas engine and rows that don't fit: SQL, reads and writes go on in parts, a function says that it can't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

_ROWS = 3_000_000
_PROJECT = """\
project: big
engine: pandas
performance: {memory_limit: 96MB, threads: 2}
connections: {data: {type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes:
      - name: kept
        read: {connection: data, format: parquet, path: big.parquet}
        transform: {steps: ["SELECT *, id % 7 AS day FROM df WHERE id % 10 > 0"]}
        write: {connection: data, format: parquet, path: kept.parquet}
      - name: counted
        inputs: {k: $p.kept}
        transform: {steps: ["SELECT day, count(*) AS n, min(a) AS a FROM k GROUP BY day"]}
        write: {connection: data, format: parquet, path: counted.parquet}
      - name: all_at_once
        inputs: {k: $p.kept}
        transform: {steps: [{function: same}]}
        write: {connection: data, format: parquet, path: same.parquet}
      - name: streamed
        inputs: {k: $p.kept}
        transform: {steps: [{function: doubled}]}
        write: {connection: data, format: parquet, path: doubled.parquet}
"""
_FUNCTIONS = """\
import duckdb
import pandas as pd

from odibi import transform


@transform
def same(df: pd.DataFrame) -> pd.DataFrame:
    return df


@transform
def doubled(df: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return df.project("id, id * 2 AS twice")
"""
# The kernel's peak of this address space: `ru_maxrss` would count the test's process, which started it.
_RUN = """\
import atexit, re, sys
from pathlib import Path

from odibi.cli.entry import main

@atexit.register
def measure():
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    (Path(sys.argv[-1]) / "peak").write_text(peak[1])

main()
"""


def test_an_input_of_several_times_the_limit(tmp_path: Path) -> None:
    made = f"SELECT range AS id, hash(range)::VARCHAR AS a, hash(range + 1)::VARCHAR AS b FROM range({_ROWS})"
    duckdb.sql(made).write_parquet(str(tmp_path / "big.parquet"))
    (tmp_path / "odibi.yaml").write_text(_PROJECT)
    (tmp_path / "transforms.py").write_text(_FUNCTIONS)
    command = [sys.executable, "-c", _RUN, "run", "--jobs", "1", "-p", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    text, peak = run.stdout + run.stderr, int((tmp_path / "peak").read_text())
    assert "p.all_at_once" in text and "1 failed" in text and "3 succeeded" in text
    assert "the function needs all 2,700,000 rows in memory at once" in text
    found = duckdb.read_parquet(str(tmp_path / "counted.parquet")).order("day").fetchall()
    assert sum(n for _, n, _ in found) == 2_700_000
    twice = duckdb.read_parquet(str(tmp_path / "doubled.parquet"))
    assert twice.aggregate("count(*), sum(twice - 2 * id)").fetchall() == [(2_700_000, 0)]
    assert peak < 500 * 1024, f"{peak // 1024} MB at most"
