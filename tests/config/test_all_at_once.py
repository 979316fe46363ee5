"""A file full of different mistakes gives a message for each, all at once, where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.config import ConfigError, load

BROKEN = """\
project: broken
engine: duckdbb
connections:
  data: {type: local, base_path: ./data}
pipelines:
  - pipeline: bronze
    layer: bronze
    nodes:
      - name: orders
        read: {connection: dta, format: csv, path: orders.csv}
        write: {connection: data, format: parquet, path: o.parquet, mode: overwritten}
      - name: orders
        read: {connection: data, format: csv, path: x.csv, table: x}
      - name: payments
        depends_on: [order]
        transform:
          steps:
            - {sql: SELECT 1, function: f}
            - sql_file: sql/missing.sql
        retries: 3
      - name: bad name
        inputs: {p: $bronze.paymnts}
        timeout: soon
        validation:
          tests:
            - {type: not_nul, columns: [id]}
            - {type: range, column: amount, on_fail: quarantine}
        write: {connection: data, format: parquet, path: b.parquet, mode: upsert}
"""


def problems(folder: Path, text: str) -> list[tuple[int, int, str]]:
    path = folder / "odibi.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def test_mistakes_of_shape_and_of_meaning_are_reported_together(tmp_path: Path) -> None:
    found = problems(tmp_path, BROKEN)
    expected = [
        (2, 9, "'engine' can't be 'duckdbb' (did you mean 'duckdb'?)"),
        (10, 16, "connection 'dta' is not defined (did you mean 'data'?)"),
        (11, 75, "'mode' can't be 'overwritten' (did you mean 'overwrite'?)"),
        (12, 9, "node 'orders' is defined twice in pipeline 'bronze' (first in line 9)"),
        (13, 9, "expected exactly one of `path` and `table`, found both"),
        (15, 22, "depends_on: no node 'order' in pipeline 'bronze' (did you mean 'orders'?)"),
        (
            18,
            15,
            "a step has exactly one of sql, sql_file, function, operation; found sql and function",
        ),
        (19, 15, "file sql/missing.sql does not exist"),
        (20, 9, "unknown key 'retries' in 'pipelines[0].nodes[2]' (did you mean 'retry'?)"),
        (21, 15, "'bad name' is not a name"),
        (22, 18, "input 'p': no node $bronze.paymnts (did you mean '$bronze.payments'?)"),
        (
            23,
            18,
            "'timeout': 'soon' is not a duration",
        ),
        (26, 22, "unknown type 'not_nul' (did you mean 'not_null'?)"),
        (27, 15, "on_fail: quarantine needs validation.quarantine"),
        (28, 69, "mode 'upsert' needs keys"),
    ]
    assert found == expected
