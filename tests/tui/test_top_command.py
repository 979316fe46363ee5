"""`odibi top` for scripts and pipes, and what it leaves on the normal screen."""

from __future__ import annotations

import json
from pathlib import Path

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
    import os

    return {**os.environ, "COLUMNS": "90", "LINES": "28"}


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
