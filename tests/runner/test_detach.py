"""Runs in a process of their own: they outlive who started them, and say why they could not begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from odibi import detach
from odibi.errors import UsageError
from odibi.ledger import Ledger
from odibi.locks import acquire
from tests.runner.running import command, project, rows

NODE = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
"""
STARTER = """
import sys, time
from pathlib import Path
from odibi import detach
started = detach.start(Path(sys.argv[1]), ["--jobs=1"], "one")
print(started.pid, flush=True)
time.sleep(60)
"""


def wait_until(happened: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_goes_on_when_its_starter_is_killed(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE)
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
        starter.wait()
    assert os.getsid(pid) == pid
    log = folder / ".odibi/logs/one.log"
    wait_until(lambda: "✓ succeeded: 1 succeeded" in log.read_text(encoding="utf-8"))
    state = Ledger(folder).state("one")
    assert (state.status, state.jobs) == ("succeeded", 1)
    assert len(rows(tmp_path / "out/a.parquet")) == 9


def test_who_only_asks_or_starts_loads_no_part_of_the_runner() -> None:
    code = "import sys, odibi.control, odibi.detach; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"asyncio", "pydantic", "duckdb", "odibi.config", "odibi.runner"}.isdisjoint(
        out.stdout.split()
    )


def test_a_run_that_ended_leaves_no_zombie_and_no_failure(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE)
    started = detach.start(folder, [], "one")
    assert started.pid == started.process.pid
    assert started.command[1:] == ("-m", "odibi", "run", "--run-id", "one", "-p", str(folder))
    wait_until(lambda: not exists(started.pid))
    assert detach.has_begun(started)
    assert detach.failure(started) is None


def test_why_a_run_could_not_begin_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE.replace("write", "rite"))
    started = detach.start(folder, [], "one")
    wait_until(lambda: detach.failure(started))
    said = detach.failure(started)
    assert said is not None
    assert "odibi.yaml:10:9" in said
    assert "rite" in said


def test_a_process_that_dies_without_a_word_is_told_too(tmp_path: Path) -> None:
    started = detach.start(project(tmp_path, NODE), [], "one")
    os.kill(started.pid, signal.SIGKILL)
    wait_until(lambda: detach.failure(started))
    assert detach.failure(started) == "the process ended with exit code -9 and said nothing"


def test_an_id_that_leads_elsewhere_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be a run id"):
        detach.start(tmp_path, [], "../x")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_where_the_run_is(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE + NODE.replace("name: a", "name: b").replace("out/a", "out/b"))
    done = command(folder, "run", "--detach", "--run-id", "mine", "-s", "a", "--profile=off")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("run mine goes on as process ")
    assert ".odibi/logs/mine.log" in done.stdout
    assert "odibi top" in done.stdout
    wait_until(lambda: Ledger(folder).state("mine").done)
    state = Ledger(folder).state("mine")
    assert state.plan is not None
    assert (state.status, state.plan.selection) == ("succeeded", ("a",))
    assert state.nodes["p.a"].profile is None


def test_the_command_says_at_once_that_another_run_holds_the_project(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE)
    with acquire(folder, command=["odibi", "run"]):
        done = command(folder, "run", "--detach")
    assert (done.returncode, done.stdout) == (4, "")
    assert "another run holds this project" in done.stderr
