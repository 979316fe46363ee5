"""`odibi top` for scripts and pipes, and what it leaves on the normal screen."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from odibi.ledger import Ledger
from odibi_tui.follow import Follower
from odibi_tui.starting import farewell
from odibi_tui.world import World
from tests.runner.running import command, project, run

NODES = """
- name: good
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/good.parquet}
- name: bad
  depends_on: [good]
  transform: {steps: ["SELECT nope FROM good"]}
- name: after
  depends_on: [bad]
"""


def test_the_state_as_json(tmp_path: Path) -> None:
    result = run(project(tmp_path, NODES))
    done = command(tmp_path, "top", "--once", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["live"] == []
    assert [found["run_id"] for found in shown["runs"]] == [result.run_id]
    assert shown["run"]["status"] == "failed"
    assert {n["node"]: (n["status"], n["rows_out"]) for n in shown["run"]["nodes"]} == {
        "p.good": ("succeeded", 9),
        "p.bad": ("failed", None),
        "p.after": ("skipped", None),
    }


def test_a_named_run_as_json(tmp_path: Path) -> None:
    first = run(project(tmp_path, NODES))
    run(tmp_path, select=("good",))
    shown = json.loads(command(tmp_path, "top", "last~1", "--once", "--json").stdout)
    assert shown["run"]["run_id"] == first.run_id


def test_where_there_is_no_terminal_one_frame_is_printed(tmp_path: Path) -> None:
    run(project(tmp_path, NODES))
    done = command(tmp_path, "top", "--view", "nodes", env=_wide())
    assert done.returncode == 0, done.stderr
    assert "✗ FAILED" in done.stdout
    assert "\x1b" not in done.stdout
    assert [word for word in ("good", "bad", "after") if word not in done.stdout] == []


def _wide() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "90", "LINES": "28"}


def test_a_terminal_that_cannot_place_its_cursor_gets_one_frame(tmp_path: Path) -> None:
    run(project(tmp_path, NODES))
    with in_terminal(tmp_path, TERM="dumb") as (top, screen):
        said = until(screen, b"FAILED")
        assert top.wait(20) == 0
    assert b"\x1b" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_leave_it_restores_the_terminal(tmp_path: Path, number: signal.Signals) -> None:
    run(project(tmp_path, NODES))
    with in_terminal(tmp_path, TERM="xterm-256color") as (top, screen):
        until(screen, b"FAILED")
        top.send_signal(number)
        said = until(screen, b"shows it again")
        assert top.wait(20) == 128 + number
    assert b"\x1b[?1049l" in said and b"\x1b[?1000l" in said
    assert b"Traceback" not in said


def test_a_terminal_that_is_gone_ends_it(tmp_path: Path) -> None:
    run(project(tmp_path, NODES))
    with in_terminal(tmp_path, TERM="xterm-256color") as (top, screen):
        until(screen, b"FAILED")
        os.close(screen)
        assert top.wait(20)  # it ends: nobody is left to look at it


@contextmanager
def in_terminal(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`odibi top` in a terminal of its own, 30 rows of 100: the process and what it prints."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    top = subprocess.Popen(
        [sys.executable, "-m", "odibi", "top", "--view", "nodes"],
        cwd=folder,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder), **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield top, ours
    finally:
        top.kill()
        top.wait()
        with suppress(OSError):
            os.close(ours)


def until(screen: int, sign: bytes) -> bytes:
    """What was printed, up to and with a sign."""
    said = b""
    while sign not in said:
        ready, _, _ = select.select([screen], [], [], 30)
        assert ready, said[-2000:]
        try:
            said += os.read(screen, 65536)
        except OSError as error:  # the other side was closed
            raise AssertionError(said[-2000:]) from error
    return said


def test_mistakes_are_said_plainly(tmp_path: Path) -> None:
    run(project(tmp_path, NODES))
    for arguments, said in (
        (["--view", "nope"], "--view nope: not one of graph, nodes"),
        (["--json"], "--json needs --once"),
        (["no-such-run", "--once"], "there is no run 'no-such-run'"),
    ):
        done = command(tmp_path, "top", *arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
    assert command(tmp_path / "nowhere", "top").returncode == 2


def test_the_farewell_names_what_failed_and_the_story(tmp_path: Path) -> None:
    result = run(project(tmp_path, NODES))
    world = World(tmp_path / "odibi.yaml", Ledger(tmp_path))
    follower = Follower(world.ledger)
    world.accept(follower.look((), runs=True))
    world.accept(follower.look(world.followed()))
    lines = farewell(world)
    assert lines[0].startswith(f"✗ {result.run_id} failed in ")
    assert lines[1] == "  ✗ p.bad"
    assert "nope" in "\n".join(lines[2:])
    assert any(str(result.run_dir / "story.json") in line for line in lines)
