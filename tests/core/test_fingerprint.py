"""What a node's result depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odibi.fingerprint import fingerprints
from odibi.graph import build
from tests.core.projects import graph_of, project

NODES = """
- pipeline: p
  nodes:
    - name: a
      read: {connection: raw, format: csv, path: "*.csv"}
      transform: {steps: [{sql_file: a.sql}]}
      write: {connection: lake, format: parquet, path: a.parquet}
    - name: b
      depends_on: [a]
      transformer: clean_text
      params: {columns: [x]}
    - name: c
      read: {connection: shop, format: sql, table: t}
      transform: {steps: [{function: mine}]}
    - name: d
      read: {connection: lake, format: parquet, path: a.parquet}
"""
FILES = {
    "a.sql": "SELECT * FROM df",
    "raw/1.csv": "x\n1\n",
    "raw/shop.db": "",
    "transforms.py": "def mine(context): ...\n",
}


def changed(root: Path, nodes: str = NODES, engine: str = "duckdb", **files: str) -> str:
    """Names of the nodes whose fingerprint changes with the nodes, engine or files."""
    before = fingerprints(graph_of(root, NODES, FILES), "duckdb")
    after = fingerprints(graph_of(root, nodes, files), engine)
    return " ".join(key[2:] for key in after if after[key] != before.get(key))


def test_they_are_sixteen_hexadecimal_digits_and_differ(tmp_path: Path) -> None:
    found = fingerprints(graph_of(tmp_path, NODES, FILES), "duckdb")
    assert list(found) == ["p.a", "p.b", "p.c", "p.d"]
    assert len(set(found.values())) == 4
    assert all(len(value) == 16 and int(value, 16) >= 0 for value in found.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: b", "name: b\n      description: text\n      tags: [x]\n      timeout: 5m"),
        ("name: c", "name: c\n      on_error: ignore\n      retry: {max_attempts: 9}"),
        ("columns: [x]", "columns: ['x']"),
        ("- pipeline: p", "- pipeline: p\n  owner: somebody\n  description: text"),
    ],
)
def test_words_about_a_node_change_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert changed(tmp_path, NODES.replace(old, new)) == ""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("columns: [x]", "columns: [y]", "b"),
        ("transformer: clean_text", "transformer: distinct", "b"),
        ('path: "*.csv"', 'path: "1.csv"', "a b d"),
        ("table: t", "table: u", "c"),
        ("path: a.parquet}\n    - name: b", "path: z.parquet}\n    - name: b", "a b d"),
    ],
)
def test_configuration_changes_a_node_and_all_that_need_it(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert changed(tmp_path, NODES.replace(old, new)) == expected


def test_sql_files_inputs_code_and_engine_count(tmp_path: Path) -> None:
    assert changed(tmp_path) == ""
    assert changed(tmp_path, **{"a.sql": "SELECT 1"}) == "a b d"
    assert changed(tmp_path, **{"raw/2.csv": "x\n2\n"}) == "a b d"
    (tmp_path / "raw/2.csv").unlink()
    assert changed(tmp_path, **{"raw/shop.db-wal": "later"}) == "c"
    (tmp_path / "raw/shop.db-wal").unlink()
    assert changed(tmp_path, **{"transforms.py": "def mine(context): return 1\n"}) == "c"
    assert changed(tmp_path, engine="pandas") == "a b c d"


def test_input_that_is_touched_counts_and_output_does_not(tmp_path: Path) -> None:
    before = fingerprints(graph_of(tmp_path, NODES, FILES), "duckdb")
    os.utime(tmp_path / "raw/shop.db", ns=(1, 1))
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/a.parquet").write_text("what p.a wrote")
    after = fingerprints(build(project(tmp_path, NODES)), "duckdb")
    assert [key for key in after if after[key] != before[key]] == ["p.c"]


def test_missing_input_is_a_state_like_any_other(tmp_path: Path) -> None:
    nodes = "- pipeline: p\n  nodes: [{name: x, read: {connection: raw, format: csv, path: x.csv}}]"
    absent = fingerprints(graph_of(tmp_path, nodes), "duckdb")
    assert fingerprints(graph_of(tmp_path, nodes), "duckdb") == absent
    assert fingerprints(graph_of(tmp_path, nodes, {"raw/x.csv": "1"}), "duckdb") != absent


def test_another_connection_of_the_same_name_counts(tmp_path: Path) -> None:
    loaded = project(tmp_path, NODES, FILES)
    before = fingerprints(build(loaded), "duckdb")
    moved = loaded.path.read_text().replace("base_path: ./raw", "base_path: ./raw/.")
    loaded.path.write_text(moved)
    from odibi import config

    after = fingerprints(build(config.load(loaded.path)), "duckdb")
    assert [key for key in after if after[key] != before[key]] == ["p.a", "p.b", "p.d"]


def test_they_are_the_same_in_every_process(tmp_path: Path) -> None:
    expected = fingerprints(graph_of(tmp_path, NODES, FILES), "duckdb")
    code = (
        "import sys; from odibi import config; from odibi.fingerprint import fingerprints;"
        "from odibi.graph import build;"
        "print(fingerprints(build(config.load(sys.argv[1])), 'duckdb'))"
    )
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "odibi.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == str(expected)
