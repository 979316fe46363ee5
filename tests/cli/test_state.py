"""`odibi state`: marks are listed, shown and reset, by hand and with the shell's completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from odibi.marks import Mark, Marks, Record, folder_of
from tests.runner.running import command, project

NODE = "- name: a\n  read: {connection: data, format: parquet, path: numbers.parquet}\n"
AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    marks = Marks(folder_of(tmp_path))
    marks.store(Record("p.a", Mark("BIGINT", "42"), "id", "r1-p.a", "r1", AT))
    marks.store(Record("p.b", Mark("VARCHAR", "x\x1b[31m"), "k", "r2-p.b", "r2", AT, {"seed": 7}))
    Marks(folder_of(tmp_path), "prod").store(Record("p.a", None, "id", "w", "r3", AT))
    return project(tmp_path, NODE)


def test_list_shows_every_mark(folder: Path) -> None:
    done = command(folder, "state")
    assert done.stdout.splitlines() == [
        "NODE  MARK   COLUMN  AT (UTC)             RUN",
        "p.a   42     id      2026-05-01 12:30:00  r1",
        "p.b   x[31m  k       2026-05-01 12:30:00  r2",
    ]
    assert done.stdout == command(folder, "state", "list").stdout
    prod = json.loads(command(folder, "state", "list", "--env", "prod", "--json").stdout)
    assert [(r["node"], r["mark"], r["run_id"]) for r in prod] == [("p.a", None, "r3")]


def test_show_names_everything(folder: Path) -> None:
    done = command(folder, "state", "show", "b", "--json")
    assert json.loads(done.stdout) == {
        "node": "p.b",
        "mark": "x\x1b[31m",
        "type": "VARCHAR",
        "column": "k",
        "at": "2026-05-01T12:30:00+00:00",
        "run_id": "r2",
        "write_id": "r2-p.b",
        "extra": {"seed": 7},
    }
    assert "BIGINT" in command(folder, "state", "show", "p.a").stdout


def test_reset_forgets_what_is_named(folder: Path) -> None:
    done = command(folder, "state", "reset", "p.a", "b")
    assert done.stdout.splitlines() == [
        "p.a",
        "p.b",
        "2 marks reset: the next run reads everything again",
    ]
    assert Marks(folder_of(folder)).all() == []
    assert len(Marks(folder_of(folder), "prod").all()) == 1
    assert command(folder, "state").stdout.startswith("no marks yet")


def test_name_that_means_nothing_is_refused(folder: Path) -> None:
    done = command(folder, "state", "reset", "p.c", "p.a")
    assert done.returncode == 2
    assert "there is no mark 'p.c'" in done.stderr
    assert "marks: p.a, p.b" in done.stderr
    assert len(Marks(folder_of(folder)).all()) == 2


def test_shell_completes_nodes_that_have_a_mark(folder: Path) -> None:
    words = "odibi state show p."
    env = {
        **os.environ,
        "_ODIBI_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": "3",
    }
    code = (
        "import sys; sys.argv = ['odibi']; from odibi.cli.main import app; app(prog_name='odibi')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["p.a", "p.b"]
