"""Projects in the language of Odibi 3.x run unchanged and give the tables that its documentation promises.

Each folder of `projects` holds a `project`, and for each run a folder with the files that have
arrived by then (`data`) and the tables that the run leaves (`expected`, by their places in the
project): all rows, in the columns named there.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from tests.runner.running import command

PROJECTS = Path(__file__).parent / "projects"
Rows = list[list[str]]


def stated(file: Path) -> tuple[list[str], Rows]:
    """Columns and rows of an expected table, as text; nothing between two commas is null."""
    with file.open(newline="") as lines:
        columns, *rows = csv.reader(lines)
    return columns, sorted(rows)


def relation(path: Path) -> duckdb.DuckDBPyRelation:
    """What lies at the place of an output: a file or a folder, with a suffix or without one."""
    if (path / "_delta_log").is_dir():
        return duckdb.from_arrow(DeltaTable(path).to_pyarrow_table())
    if not path.exists():
        (path,) = path.parent.glob(f"{path.name}.*")
    if path.suffix == ".csv":
        return duckdb.read_csv(str(path))
    files = f"{path}/**/*.parquet" if path.is_dir() else str(path)
    return duckdb.read_parquet(files, hive_partitioning=True)


def found(path: Path, columns: list[str]) -> Rows:
    """The rows at a place, in the columns, as text."""
    shown = ", ".join(f"coalesce(CAST(\"{name}\" AS VARCHAR), '')" for name in columns)
    return sorted([*row] for row in relation(path).project(shown).fetchall())


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
@pytest.mark.parametrize("name", sorted(path.name for path in PROJECTS.iterdir()))
def test_a_project_gives_its_tables_after_every_run(name: str, engine: str, tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECTS / name / "project", tmp_path / name)
    yaml = folder / "odibi.yaml"
    yaml.write_text(yaml.read_text().replace("engine: pandas", f"engine: {engine}"))
    for day in sorted((PROJECTS / name).glob("[0-9]")):
        shutil.copytree(day / "data", folder / "data", dirs_exist_ok=True)
        done = command(folder, "run")
        assert done.returncode == 0, done.stdout + done.stderr
        for file in sorted((day / "expected").rglob("*.csv")):
            place = file.relative_to(day / "expected").with_suffix("")
            columns, rows = stated(file)
            assert found(folder / place, columns) == rows, f"{place} after run {day.name}"
