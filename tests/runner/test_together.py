"""Nodes of a scheduler's run in processes of their own: one odibi run, whatever their order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from odibi import events as ev
from odibi.ledger import Ledger
from odibi.run_state import RunState, as_lost, fold
from tests.core.recorded import GONE, plan, planned, stamped

from .running import command, project, rows

RUN_ID = "scheduled__2026-11-23T20:00:00+00:00"
NODES = """\
- name: first
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: first.parquet}
- name: left
  depends_on: [first]
  transform: {steps: [{function: meet, params: {me: left}}]}
  write: {connection: data, format: parquet, path: left.parquet, mode: append}
- name: right
  depends_on: [first]
  transform: {steps: ["SELECT id, '${vars.day}' AS day FROM first", {function: meet, params: {me: right}}]}
  write: {connection: data, format: parquet, path: right.parquet}
"""
MEET = """\
import time
from pathlib import Path

from odibi import transform


@transform
def meet(df, me):
    here = Path(__file__).parent
    (here / f"{me}.here").touch()
    for _ in range(1200):
        if all((here / f"{name}.here").exists() for name in ("left", "right")):
            return df
        time.sleep(0.05)
    raise TimeoutError("the other node doesn't run at the same time")
"""


def test_nodes_of_one_run_in_processes_at_the_same_time(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, functions=MEET, extra="vars: {day: none}\n")
    environ = {**os.environ, "ODIBI_RUN_ID": RUN_ID, "ODIBI_VAR_day": "monday"}
    environ |= {"ODIBI_PROJECT": str(folder), "ODIBI_ORCHESTRATOR": "airflow"}
    odibi = [sys.executable, "-m", "odibi", "run", "--select"]
    subprocess.run([*odibi, "p.first"], env=environ, check=True, timeout=120)
    both = [
        subprocess.Popen([*odibi, f"p.{name}", "--result-json", tmp_path / name], env=environ)
        for name in ("left", "right")
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    (run,) = Ledger(folder).runs()
    assert (run.run_id, run.status, run.succeeded, run.rows_written) == (RUN_ID, "succeeded", 3, 27)
    assert sorted(run.selection) == ["p.first", "p.left", "p.right"]
    state = Ledger(folder).state(RUN_ID)
    assert state.plan is not None and state.plan.environment["orchestrator"] == "airflow"
    assert rows(folder / "right.parquet")[0] == (0, "monday")
    for name in ("left", "right"):
        told = json.loads((tmp_path / name).read_text())
        assert (told["status"], told["exit_code"]) == ("succeeded", 0)
        assert told["nodes"][f"p.{name}"]["rows"] == 9
    assert not [*(folder / ".odibi" / "work").iterdir()]


def test_a_node_that_is_tried_again_adds_its_rows_once(tmp_path: Path) -> None:
    folder = project(tmp_path, NODES, functions=MEET, extra="vars: {day: none}\n")
    for name in ("left", "right"):
        (folder / f"{name}.here").touch()
    for node in ("first", "left", "left"):
        assert command(folder, "run", "--run-id", RUN_ID, "--select", f"p.{node}").returncode == 0
    assert len(rows(folder / "left.parquet")) == 9
    assert [run.status for run in Ledger(folder).runs()] == ["succeeded"]


def _of(*payloads: ev.Payload) -> RunState:
    return fold(stamped(payloads))


def _begins(key: str) -> tuple[ev.Payload, ...]:
    return (GONE, plan(planned(key)), ev.RunStarted(jobs=1), ev.NodeStarted(node=key))


_WORKED = (ev.RunFinished(outcome="succeeded", exit_code=0, seconds=1.0),)
_FAILED = (ev.RunFinished(outcome="failed", exit_code=1, seconds=1.0),)
_BROKE = ev.NodeFailed(node="p.b", error=ev.ErrorInfo(kind="X", message="no"), seconds=1.0)


def test_the_run_goes_on_while_any_process_does() -> None:
    begun = (*_begins("p.a"), *_begins("p.b"))
    state = _of(*begun, ev.NodeSucceeded(node="p.a", seconds=1.0), *_WORKED)
    assert (state.status, state.working, state.exit_code) == ("running", 1, None)
    state = _of(*begun, _BROKE, *_FAILED, ev.NodeSucceeded(node="p.a", seconds=1.0), *_WORKED)
    assert (state.status, state.exit_code, state.working) == ("failed", 1, 0)


def test_a_node_that_another_process_made_good_makes_the_run_good() -> None:
    again = (*_begins("p.b"), ev.NodeSucceeded(node="p.b", seconds=1.0))
    assert _of(*_begins("p.b"), _BROKE, *_FAILED, *again, *_WORKED).status == "succeeded"
    killed = _of(*_begins("p.b"), *again, *_WORKED)
    assert (killed.status, as_lost(killed).status) == ("running", "succeeded")
    assert as_lost(_of(*_begins("p.a"), *_begins("p.b"))).status == "lost"
