"""The main job, for real: OdibiEats from raw files to gold tables, compared with the planted truth."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from odibi_datagen import generate
from odibi_datagen.scores import score
from tests.e2e.truth import compare_all

_PROJECT = Path(__file__).parents[2] / "reference_project"
_PRICE_DAY = "2025-11-05"


def odibi(
    project: Path, *args: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "odibi", *args, "-p", str(project)],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


def finished(folder: Path, size: str, engine: str, seed: int = 7, **how: bool) -> Path:
    """A copy of the project in `folder` with data of `size`, run on `engine`."""
    project = folder / engine
    shutil.copytree(
        _PROJECT, project, ignore=shutil.ignore_patterns("data", ".odibi", "__pycache__")
    )
    generate(project / "data" / "landing", size=size, seed=seed, **how)
    done = odibi(project, "run", "--engine", engine)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reference")
    return {engine: finished(folder, "5MB", engine) for engine in ("duckdb", "pandas")}


def lake_tables(project: Path) -> dict[str, Path]:
    lake = project / "data" / "lake"
    return {str(path.relative_to(lake)): path for path in sorted(lake.rglob("*.parquet"))}


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_tables_agree_with_the_truth(projects: dict[str, Path], engine: str) -> None:
    data = projects[engine] / "data"
    found = compare_all(data / "lake", data / "landing", _PRICE_DAY)
    assert [problem for problems in found.values() for problem in problems] == []


def comparable(
    path: Path, but: frozenset[str] = frozenset()
) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """Columns with types, and rows in canonical order, but for what names the run and its time, and `but`."""
    table = duckdb.sql(f"FROM read_parquet('{path}')")
    own = {"_rejected_at", "_source_batch_id", "run_id", "file"} | but
    keep = [
        (name, str(kind))
        for name, kind in zip(table.columns, table.types, strict=True)
        if name not in own
    ]
    names = ", ".join(f'"{name}"' for name, _ in keep)
    return keep, duckdb.sql(f"SELECT {names} FROM read_parquet('{path}') ORDER BY ALL").fetchall()


def test_packed_feeds_are_read_too(tmp_path: Path) -> None:
    project = finished(tmp_path, "2MB", "duckdb", gzip=True)
    assert list(project.glob("data/landing/clickstream/*/*.ndjson.gz"))
    assert [
        one.name
        for one in score(project / "data" / "lake", project / "data" / "landing")
        if not one.reached
    ] == []


def test_engines_write_the_same_tables(projects: dict[str, Path]) -> None:
    ours, theirs = (lake_tables(projects[engine]) for engine in ("duckdb", "pandas"))
    assert list(ours) == list(theirs)
    for name in ours:
        assert comparable(ours[name]) == comparable(theirs[name]), name


def test_the_story_is_valid_and_complete(projects: dict[str, Path]) -> None:
    told = json.loads(odibi(projects["duckdb"], "story", "last", "--json").stdout)
    schema = json.loads(
        subprocess.run(
            [sys.executable, "-m", "odibi", "schema", "story"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    jsonschema.validate(told, schema, cls=jsonschema.Draft202012Validator)
    nodes = {node["key"]: node for node in told["nodes"]}
    assert len(nodes) == 29
    assert {node["status"] for node in nodes.values()} == {"succeeded"}
    texts = [node["rows"] for node in nodes.values() if node["rows"]["read"] is not None]
    assert all(rows["read"] == rows["rows_in"] + rows["unreadable"] for rows in texts)
    assert sum(rows["unreadable"] for rows in texts) > 0


def test_a_second_run_changes_nothing(projects: dict[str, Path]) -> None:
    project = projects["duckdb"]
    before = {
        name: comparable(path)
        for name, path in lake_tables(project).items()
        if not name.startswith("quarantine")
    }
    done = odibi(project, "run")
    assert done.returncode == 0, done.stderr
    after = {
        name: comparable(path)
        for name, path in lake_tables(project).items()
        if not name.startswith("quarantine")
    }
    assert before == after


@pytest.mark.wide
@pytest.mark.parametrize("size", ["10MB", "100MB"])
@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_tables_agree_with_the_truth_at_every_size(tmp_path: Path, engine: str, size: str) -> None:
    project = finished(tmp_path, size, engine, seed=42)
    lake, landing = project / "data" / "lake", project / "data" / "landing"
    assert [one.name for one in score(lake, landing) if not one.reached] == []
    found = compare_all(lake, landing, _PRICE_DAY)
    assert [problem for problems in found.values() for problem in problems] == []
