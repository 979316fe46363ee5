"""Small real projects for tests of the runner: written to a folder, run through the real command or launch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from odibi import config
from odibi.runner import RunRequest, RunResult, launch

HEAD = """\
project: small
engine: {engine}
connections:
  data: {{type: local, base_path: .}}
{extra}pipelines:
  - pipeline: p
    nodes:
"""


def project(
    folder: Path, nodes: str, *, engine: str = "duckdb", extra: str = "", functions: str = ""
) -> Path:
    """A project of one pipeline `p` whose nodes are the YAML given (list items, not indented)."""
    folder.mkdir(parents=True, exist_ok=True)
    body = "".join(f"      {line}\n" if line else "\n" for line in nodes.strip("\n").splitlines())
    (folder / "odibi.yaml").write_text(HEAD.format(engine=engine, extra=extra) + body)
    if functions:
        (folder / "transforms.py").write_text(functions)
    numbers = folder / "numbers.parquet"
    if not numbers.exists():
        duckdb.sql("SELECT range AS id, range % 3 AS kind FROM range(9)").write_parquet(
            str(numbers)
        )
    return folder


def run(folder: Path, **request: Any) -> RunResult:
    """Run in this process."""
    return launch(config.load(folder / "odibi.yaml"), RunRequest(**request))


def command(folder: Path, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `odibi` as users do."""
    return subprocess.run(
        [sys.executable, "-m", "odibi", *args, "-p", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def statuses(result: RunResult) -> dict[str, str]:
    """Status of each node by its name."""
    return {node.name: node.status for node in result.state.nodes.values()}


def rows(path: Path) -> list[tuple[Any, ...]]:
    """A Parquet file's rows, sorted."""
    return sorted(duckdb.sql(f"FROM read_parquet('{path}')").fetchall(), key=repr)


def result_of(folder: Path, *args: str) -> tuple[int, dict[str, Any]]:
    """Exit code and result document of `odibi run`."""
    done = command(folder, "run", "--result-json", str(folder / "result.json"), *args)
    assert (folder / "result.json").exists(), done.stderr
    return done.returncode, json.loads((folder / "result.json").read_text())
