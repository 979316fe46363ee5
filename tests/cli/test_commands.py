"""What is true of every command: help, the missing project, unknown names; and that the docs know it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import odibi as package
from odibi.cli.main import COMMANDS
from tests.cli.command import odibi

DOCS = Path(package.__file__).parent.parent / "docs"
OF_PROJECTS = ["graph", "history", "list", "plan", "query", "run", "story last", "validate"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    outcome = odibi(command, "--help", cwd=tmp_path)
    assert outcome.code == 0
    assert f"odibi {command}" in outcome.out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_docs(command: str) -> None:
    assert (
        f"`odibi {command}" in (DOCS / "cli.md").read_text()
        or f"odibi {command} " in (DOCS / "cli.md").read_text()
    )


def test_the_list_of_commands_is_in_the_top_help(tmp_path: Path) -> None:
    out = odibi("--help", cwd=tmp_path).out
    assert all(f"  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", OF_PROJECTS)
def test_without_a_project_there_is_one_sentence(command: str, tmp_path: Path) -> None:
    outcome = odibi(*command.split(), cwd=tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [
        "error: no odibi.yaml here or above",
        "  → start one with `odibi init`, or name one with --project",
    ]


def test_another_yaml_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("project: shop\n")
    outcome = odibi("validate", cwd=tmp_path)
    assert "or name another file: --project shop.yaml" in outcome.err


def test_a_project_is_found_from_a_folder_below(hello: Path) -> None:
    assert odibi("validate", cwd=hello / "data").code == 0


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_wrong_selector_names_the_nearest_node(command: str, hello: Path) -> None:
    outcome = odibi(command, "--select", "ordrs", cwd=hello)
    assert outcome.code == 2
    assert "orders" in outcome.err and "ordrs" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_wrong_engine_names_those_there_are(command: str, hello: Path) -> None:
    outcome = odibi(command, "--engine", "duckdv", cwd=hello)
    assert outcome.code == 2
    assert "did you mean 'duckdb'?" in outcome.err


def test_the_real_binary_runs_in_a_plain_locale(tmp_path: Path) -> None:
    binary = Path(sys.executable).with_name("odibi")
    env = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [binary, "validate"], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert "→ start one with `odibi init`".encode() in done.stderr
