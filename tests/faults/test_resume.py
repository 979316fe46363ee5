"""What a resumed run takes over from the one that failed, and what queries do about damaged tables."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.command import odibi
from tests.runner.running import project, rows

NODES = """\
- name: marked
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: ["SELECT id, '${vars.day}' AS day FROM df WHERE id < 2"]}
  write: {connection: data, format: parquet, path: "marked_${vars.place}.parquet"}
- name: late
  depends_on: [marked]
  transform: {steps: [{function: late}]}
  write: {connection: data, format: parquet, path: late.parquet}
"""
LATE = """\
from pathlib import Path

from odibi import transform


@transform
def late(df):
    if not Path(__file__).with_name("ready").exists():
        raise ValueError("not ready")
    return df
"""
VARS = "vars: {day: monday, place: here}\nenvironments: {prod: {vars: {place: there}}}\n"


def test_a_resume_takes_over_variables_and_environment(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, extra=VARS, functions=LATE)
    assert odibi("run", "--var", "day=friday", "--env", "prod", cwd=folder).code == 1
    (folder / "ready").touch()
    done = odibi("run", "--resume", cwd=folder)
    assert (done.code, rows(folder / "late.parquet")) == (0, [(0, "friday"), (1, "friday")])
    assert not (folder / "marked_here.parquet").exists()


def test_a_variable_given_anew_wins(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, extra=VARS, functions=LATE)
    odibi("run", "--var", "day=friday", cwd=folder)
    (folder / "ready").touch()
    assert odibi("run", "--resume", "--var", "day=sunday", cwd=folder).code == 0
    assert rows(folder / "late.parquet") == [(0, "sunday"), (1, "sunday")]


TABLES = """\
- name: good
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: csv, path: good.csv}
- name: bad
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: csv, path: bad.csv}
- name: torn
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: delta, path: torn}
"""


def test_a_damaged_table_is_no_matter_to_questions_about_others(tmp_path: Path) -> None:
    folder = project(tmp_path, TABLES)
    assert odibi("run", cwd=folder).code == 0
    (folder / "bad.csv").write_bytes(b"\xff\xfe\x00" * 100)
    next((folder / "torn/_delta_log").glob("*.json")).write_text("{broken")
    found = odibi("query", "SELECT count(*) AS n FROM good", "--csv", cwd=folder)
    assert (found.code, found.out) == (0, "n\n9\n")
    for name in ("bad", "torn"):
        asked = odibi("query", f"FROM {name}", cwd=folder)
        assert asked.code == 2
        assert f"p.{name} can't be read: " in asked.err
        assert f"odibi run --select +p.{name}" in asked.err


def test_ctrl_c_ends_a_long_question(tmp_path: Path) -> None:
    folder = project(tmp_path, TABLES)
    odibi("run", "--select", "good", cwd=folder)
    endless = "SELECT sum(a.id * b.range) FROM good AS a, range(1000000000000) AS b"
    asked = subprocess.Popen(
        [sys.executable, "-m", "odibi", "query", endless, "-p", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(2)
    asked.send_signal(signal.SIGINT)
    said = asked.communicate(timeout=60)[0]
    assert (asked.returncode, "Traceback" in said) == (130, False)


SECOND = """\
  - pipeline: q
    nodes:
      - name: other
        read: {connection: data, format: parquet, path: numbers.parquet}
        write: {connection: data, format: parquet, path: other.parquet}
"""


def test_a_run_of_another_pipeline_leaves_the_failed_one_resumable(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, extra=VARS, functions=LATE)
    (folder / "odibi.yaml").write_text((folder / "odibi.yaml").read_text() + SECOND)
    assert odibi("run", "--select", "pipeline:p", cwd=folder).code == 1
    assert odibi("run", "--select", "pipeline:q", cwd=folder).code == 0
    (folder / "ready").touch()
    done = odibi("run", "--resume", cwd=folder)
    assert (done.code, rows(folder / "late.parquet")) == (0, [(0, "monday"), (1, "monday")])
    assert "there is no failed" in odibi("run", "--resume", cwd=folder).err


def test_a_later_run_of_the_same_nodes_leaves_nothing_to_resume(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, extra=VARS, functions=LATE)
    assert odibi("run", cwd=folder).code == 1
    assert odibi("run", "--select", "marked", cwd=folder).code == 0
    assert "there is no failed" in odibi("run", "--resume", cwd=folder).err


def test_a_resume_that_finds_all_done_ends_the_matter(tmp_path: Path) -> None:
    """A run killed between its last node's end and its own, as at the last step before its end."""
    folder = project(tmp_path, NODES, extra=VARS, functions=LATE)
    (folder / "ready").touch()
    subprocess.run([sys.executable, "-m", "odibi", "run"], cwd=folder, check=True, timeout=120)
    (log,) = (folder / ".odibi" / "runs").glob("*/*.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"run_finished"' not in line]
    assert len(kept) == len(lines) - 1
    log.write_bytes(b"".join(kept))
    (folder / ".odibi" / "history.db").unlink()  # it knows that the run ended
    done = odibi("run", "--resume", cwd=folder)
    assert (done.code, rows(folder / "late.parquet")) == (0, [(0, "monday"), (1, "monday")])
    assert "there is no failed" in odibi("run", "--resume", cwd=folder).err
