"""Keys of JSON objects that no column takes are told, not dropped in silence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from odibi.stages.json_keys import unread_keys
from tests.runner.running import project, rows, run

NODE = """\
- name: load
  read: {connection: data, format: json, path: in.ndjson, options: {OPTIONS}}
  write: {connection: data, format: parquet, path: out.parquet}
"""


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_a_key_that_is_not_declared_is_warned_of(tmp_path: Path, engine: str) -> None:
    text = NODE.replace("OPTIONS", "columns: {id: BIGINT}")
    folder = project(tmp_path, text, engine=engine)
    (folder / "in.ndjson").write_text('{"id":1}\n{"ID":2,"name":"a","x":{}}\n')
    node = run(folder).state.nodes["p.load"]
    assert node.warnings == (
        "keys of the JSON objects that aren't read: 'name', 'x' (options.columns)",
    )


@pytest.mark.parametrize("options", ["columns: {id: BIGINT, t: VARCHAR}", ""])
def test_nothing_is_said_when_all_is_read(tmp_path: Path, options: str) -> None:
    folder = project(tmp_path, NODE.replace("OPTIONS", options))
    (folder / "in.ndjson").write_text('{"id":1,"t":"a"}\n\n{"id":2\n{"id":2}\n')
    node = run(folder).state.nodes["p.load"]
    assert (node.warnings, len(rows(folder / "out.parquet"))) == ((), 2)


def test_the_ends_of_large_files_are_looked_at(tmp_path: Path) -> None:
    lines = [json.dumps({"id": i, "text": "x" * 100}) for i in range(5000)]
    lines[0] = '{"id": 0, "first": 1}'
    lines[-1] = '{"id": 0, "last": {"a": 1}}'
    (tmp_path / "a.ndjson").write_text("\ufeff" + "\n".join(lines))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"packed": 1}\n[1]\nnull\n'))
    (tmp_path / "c.ndjson").write_bytes(b"\xff\n{\n" + b"[" * 100_000)
    files = sorted(tmp_path.iterdir())
    assert unread_keys(files, ["ID", "text"]) == ["first", "last", "packed"]
