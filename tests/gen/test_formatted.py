"""Generated Python is laid out and linted as people would have it, whatever the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from odibi_gen import airflow, dagster
from odibi_gen.project import Project

from .projects import HOSTILE, SHOP, described
from .test_airflow_source import ALL, KEYWORDS, hostile

RULES = "AIR,B,E,F,I,PIE,RET,SIM,UP,W"
IGNORED = {
    "E501": "a text of the project is in one line",
    "AIR3": "files for Airflow 2 aren't for Airflow 3",
    "AIR001": "in one DAG for all, a task's name is its pipeline's and its own; long ones are cut",
}


def made(project: Project, folder: Path) -> None:
    """Write what all generators make of the project, in all their ways."""
    for number, options in enumerate(ALL):
        wanted = {**airflow.render(project, options), **dagster.render(project, dagster.Options())}
        home = folder / str(number)
        home.mkdir(parents=True)
        for name, text in wanted.items():
            (home / name).write_text(text, encoding="utf-8")


def ruff(*words: str) -> str:
    command = [sys.executable, "-m", "ruff", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("what", ["shop", "hostile"])
def test_ruff_has_nothing_to_say(tmp_path: Path, what: str) -> None:
    project = SHOP if what == "shop" else hostile(HOSTILE, KEYWORDS)
    made(described(tmp_path / "project", project), tmp_path / "made")
    assert ruff("format", "--isolated", "--diff", str(tmp_path / "made")) == ""
    words = ["check", "--isolated", "--target-version", "py310", "--select", RULES]
    assert ruff(*words, "--ignore", ",".join(IGNORED), str(tmp_path / "made")) == ""
