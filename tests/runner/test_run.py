"""Running small projects for real: what is written, what fails, what goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from odibi import config
from odibi.control import CancelRequest, ControlFile, request_cancel
from odibi.engine import Target
from odibi.errors import UsageError
from odibi.events import (
    AS_EXECUTED,
    Event,
    LogLine,
    NodeCancelled,
    NodeCancelRequested,
    NodeRetried,
    NodeSkipped,
    NodeStarted,
    Payload,
)
from odibi.ledger import Ledger
from odibi.runner import RunRequest, launch
from odibi_engines.publish import staging_path
from tests.runner.running import command, project, result_of, rows, run, statuses

READ = "read: {connection: data, format: parquet, path: numbers.parquet}"


def node(
    name: str, body: str = "", sql: str | None = None, read: bool = True, out: bool = True
) -> str:
    """A node of the test project as YAML."""
    lines = [f"- name: {name}"]
    lines += [f"  {READ}"] if read else []
    lines += [f'  transform: {{steps: ["{sql}"]}}'] if sql else []
    lines += (
        [f"  write: {{connection: data, format: parquet, path: out/{name}.parquet}}"] if out else []
    )
    lines += [f"  {line}" for line in body.splitlines()]
    return "\n".join(lines) + "\n"


SLOW = (
    "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 1"
)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_nodes_run_in_order_and_write_what_their_sql_says(tmp_path: Path, engine: str) -> None:
    nodes = (
        node("doubled", sql="SELECT id * 2 AS id, kind FROM df")
        + node(
            "kept",
            "depends_on: [doubled]",
            "SELECT * FROM doubled WHERE kind = 1",
            read=False,
            out=False,
        )
        + node(
            "counted", "", "SELECT count(*) AS n, sum(id)::BIGINT AS total FROM kept", read=False
        )
    )
    result = run(project(tmp_path, nodes, engine=engine))
    assert (result.exit_code, statuses(result)) == (
        0,
        {"doubled": "succeeded", "kept": "succeeded", "counted": "succeeded"},
    )
    assert rows(tmp_path / "out/counted.parquet") == [(3, 24)]
    assert rows(tmp_path / "out/doubled.parquet")[:2] == [(0, 0), (10, 2)]


def test_a_failure_skips_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    nodes = (
        node("broken", sql="SELECT idd FROM df")
        + node("after", "depends_on: [broken]", read=False)
        + node("beyond", "depends_on: [after]", read=False)
        + node("other")
    )
    result = run(project(tmp_path, nodes))
    assert result.exit_code == 1
    assert statuses(result) == {
        "broken": "failed",
        "after": "skipped",
        "beyond": "skipped",
        "other": "succeeded",
    }
    error = result.state.nodes["p.broken"].error
    assert error is not None
    assert "idd" in error.message
    assert error.line == 8
    assert result.state.nodes["p.beyond"].because == "p.after"
    assert not (tmp_path / "out/broken.parquet").exists()


def test_fail_fast_starts_nothing_more_in_the_pipeline(tmp_path: Path) -> None:
    nodes = (
        node("broken", "on_error: fail_fast", "SELECT nope FROM df") + node("later") + node("last")
    )
    result = run(project(tmp_path, nodes), jobs=1)
    assert statuses(result) == {"broken": "failed", "later": "skipped", "last": "skipped"}


def test_ignore_lets_dependents_go_on_with_what_was_stored(tmp_path: Path) -> None:
    folder = project(tmp_path, node("first") + node("second", "depends_on: [first]", read=False))
    run(folder)
    broken = node("first", "on_error: ignore", "SELECT nope FROM df") + node(
        "second", "depends_on: [first]", read=False
    )
    result = run(project(tmp_path, broken))
    assert (result.exit_code, statuses(result)) == (0, {"first": "failed", "second": "succeeded"})
    assert len(rows(tmp_path / "out/second.parquet")) == 9


def test_transient_failures_are_tried_again_and_others_are_not(tmp_path: Path) -> None:
    functions = """
from pathlib import Path
from odibi import transform

def _again(name):
    file = Path(__file__).with_name(name)
    file.write_text(file.read_text() + "x" if file.exists() else "x")
    return len(file.read_text())

@transform
def flaky(df):
    if _again("flaky") < 3:
        raise ConnectionError("not yet")
    return df

@transform
def wrong(df):
    _again("wrong")
    raise ValueError("never")
"""
    nodes = node("a", "transform: {steps: [{function: flaky}]}") + node(
        "b", "transform: {steps: [{function: wrong}]}"
    )
    folder = project(
        tmp_path, nodes, functions=functions, extra="retry: {max_attempts: 3, backoff: constant}\n"
    )
    result = run(folder)
    assert statuses(result) == {"a": "succeeded", "b": "failed"}
    assert result.state.nodes["p.a"].attempt == 3
    assert (tmp_path / "wrong").read_text() == "x"
    error = result.state.nodes["p.b"].error
    assert error is not None
    assert "wrong" in error.message
    assert "never" in error.message


def test_a_node_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    nodes = node("slow", "timeout: 1s", SLOW, read=False) + node("quick")
    result = run(project(tmp_path, nodes))
    assert statuses(result) == {"slow": "failed", "quick": "succeeded"}
    error = result.state.nodes["p.slow"].error
    assert error is not None
    assert error.message == "stopped after its timeout of 1 s"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_cleanly(tmp_path: Path, number: int, code: int) -> None:
    folder = project(
        tmp_path,
        node("slow", "", SLOW, read=False) + node("after", "depends_on: [slow]", read=False),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-p", str(folder)], stdout=subprocess.DEVNULL
    )
    _wait_for_event(folder, "node_started")
    process.send_signal(number)
    assert process.wait(30) == code
    finished = _last_event(folder)
    assert (finished["type"], finished["data"]["outcome"]) == ("run_finished", "cancelled")
    assert (_run_dir(folder) / "story.json").exists()


def test_a_run_can_be_cancelled_from_outside(tmp_path: Path) -> None:
    folder = project(tmp_path, node("slow", "", SLOW, read=False))
    process = subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-p", str(folder)], stdout=subprocess.DEVNULL
    )
    _wait_for_event(folder, "node_started")
    request_cancel(_run_dir(folder), "a test")
    assert process.wait(30) == 130
    assert (
        '"run_cancel_requested","data":{"by":"a test"}'
        in (_run_dir(folder) / "events.jsonl").read_text()
    )


def test_a_control_file_is_read_as_it_grows_and_nonsense_is_passed_over(tmp_path: Path) -> None:
    control = ControlFile(tmp_path / "control.jsonl")
    assert control.requests() == []
    with control.path.open("a") as file:
        file.write('nonsense\n[1]\n{"request": "dance"}\n{"request": "cancel", "node": 7}\n')
    request_cancel(tmp_path, "one")
    request_cancel(tmp_path, "two", "p.a")
    with control.path.open("a") as file:
        file.write('{"request": "cancel", "by"')
    assert control.requests() == [CancelRequest("one"), CancelRequest("two", "p.a")]
    assert control.requests() == []
    with control.path.open("a") as file:
        file.write(': "three"}\n')
    assert control.requests() == [CancelRequest("three")]


def test_one_node_can_be_cancelled_and_the_rest_goes_on(tmp_path: Path) -> None:
    nodes = (
        node("slow", "", SLOW, read=False)
        + node("after", "depends_on: [slow]", "SELECT * FROM slow", read=False)
        + node("beyond", "depends_on: [after]", "SELECT * FROM after", read=False)
        + node("other")
    )
    folder = project(tmp_path, nodes)

    def watch(event: Event) -> None:
        if isinstance(event.payload, NodeStarted) and event.payload.node == "p.slow":
            request_cancel(_run_dir(folder), "a test", "p.slow")

    result = launch(config.load(folder / "odibi.yaml"), RunRequest(jobs=1), watch=watch)
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert statuses(result) == {
        "slow": "cancelled",
        "after": "skipped",
        "beyond": "skipped",
        "other": "succeeded",
    }
    slow = result.state.nodes["p.slow"]
    assert (slow.cancelled_by, slow.reason) == ("a test", "cancelled by a test")
    assert result.state.nodes["p.beyond"].because == "p.after"
    assert result.state.cancelled_by is None
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.parquet"]


def test_a_node_cancelled_while_it_waits_never_starts(tmp_path: Path) -> None:
    nodes = (
        node("first", "", SLOW, read=False)
        + node("waiting", "depends_on: [first]", "SELECT * FROM first", read=False)
        + node("second")
        + node("after", "depends_on: [second]", "SELECT * FROM second", read=False)
    )
    folder = project(tmp_path, nodes)
    seen: list[Payload] = []

    def watch(event: Event) -> None:
        seen.append(event.payload)
        if isinstance(event.payload, NodeStarted) and event.payload.node == "p.first":
            for name in ("waiting", "second", "nobody"):
                request_cancel(_run_dir(folder), "a test", f"p.{name}")
        if isinstance(event.payload, LogLine) and "nobody" in event.payload.message:
            for name in ("waiting", "first", "first"):
                request_cancel(_run_dir(folder), "a test", f"p.{name}")

    result = launch(config.load(folder / "odibi.yaml"), RunRequest(jobs=1), watch=watch)
    assert result.exit_code == 1
    assert statuses(result) == {
        "first": "cancelled",
        "waiting": "cancelled",
        "second": "cancelled",
        "after": "skipped",
    }
    assert [p.node for p in seen if isinstance(p, NodeStarted)] == ["p.first"]
    order = [p for p in seen if isinstance(p, NodeCancelled | NodeSkipped)]
    assert [p.node for p in order] == ["p.waiting", "p.second", "p.after", "p.first"]
    assert [p.message for p in seen if isinstance(p, LogLine)] == [
        "a test asked to cancel p.nobody: this run has no such node",
        "a test asked to cancel p.waiting: it had ended",
    ]
    assert sum(isinstance(p, NodeCancelRequested) for p in seen) == 3


def test_a_cancel_cuts_the_pause_between_attempts_short(tmp_path: Path) -> None:
    functions = """
from odibi import transform

@transform
def unreachable(df):
    raise ConnectionError("not yet")
"""
    nodes = node("a", "transform: {steps: [{function: unreachable}]}") + node("b")
    extra = "retry: {max_attempts: 9, backoff: exponential}\n"
    folder = project(tmp_path, nodes, functions=functions, extra=extra)
    attempts: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event.payload, NodeRetried):
            attempts.append(event.payload.attempt)
            if event.payload.attempt == 2:
                request_cancel(_run_dir(folder), "a test", "p.a")

    result = launch(config.load(folder / "odibi.yaml"), RunRequest(), watch=watch)
    assert (result.exit_code, statuses(result)) == (1, {"a": "cancelled", "b": "succeeded"})
    assert attempts == [1, 2]


def test_the_command_cancels_a_node_then_the_run(tmp_path: Path) -> None:
    nodes = node("slow", "", SLOW, read=False) + node("slower", "", SLOW, read=False)
    folder = project(tmp_path, nodes)
    idle = command(folder, "cancel")
    assert (idle.returncode, "no run of this project goes on" in idle.stderr) == (2, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-j", "2", "-p", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    _wait_for_event(folder, "node_started")
    run_id = _run_dir(folder).name
    wrong = command(folder, "cancel", "--node", "p.slo")
    assert (wrong.returncode, "did you mean p.slow" in wrong.stderr) == (2, True)
    one = command(folder, "cancel", "--node", "slow")
    assert (one.returncode, one.stdout) == (0, f"p.slow of run {run_id} is being cancelled\n")
    _wait_for_event(folder, "node_cancelled")
    again = command(folder, "cancel", "--node", "slow")
    assert "p.slow has ended already: cancelled" in again.stderr
    whole = command(folder, "cancel", run_id)
    assert (whole.returncode, whole.stdout) == (0, f"run {run_id} is being cancelled\n")
    assert process.wait(30) == 130
    late = command(folder, "cancel", run_id)
    assert f"run {run_id} has ended already: cancelled" in late.stderr


def test_a_dry_run_binds_everything_and_writes_nothing(tmp_path: Path) -> None:
    nodes = node("a", sql="SELECT id + 1 AS id FROM df") + node(
        "b", "depends_on: [a]", "SELECT missing FROM a", read=False
    )
    folder = project(tmp_path, nodes)
    result = run(folder, dry_run=True)
    assert statuses(result) == {"a": "succeeded", "b": "failed"}
    assert result.state.nodes["p.a"].schema_out == (("id", "BIGINT"),)
    assert not (tmp_path / "out").exists()


def test_a_sample_reads_few_rows_and_leaves_the_tables_alone(tmp_path: Path) -> None:
    folder = project(tmp_path, node("a"))
    run(folder)
    result = run(folder, sample=2)
    assert result.exit_code == 0
    assert len(rows(tmp_path / "out/a.parquet")) == 9
    scratch = list((tmp_path / ".odibi/scratch").rglob("a.parquet"))
    assert [len(rows(file)) for file in scratch] == [2]


def test_a_scratch_run_takes_all_rows_and_leaves_the_tables_alone(tmp_path: Path) -> None:
    appended = node("b", "depends_on: [a]", "SELECT id FROM a", read=False).replace(
        "format: parquet, path: out/b.parquet", "format: delta, path: out/b, mode: append"
    )
    folder = project(tmp_path, node("a") + appended)
    run(folder)
    before = (tmp_path / "out/a.parquet").stat().st_mtime_ns
    duckdb.sql("SELECT range AS id, 0 AS kind FROM range(20)").write_parquet(
        str(tmp_path / "numbers.parquet")
    )
    result = run(folder, scratch=True, run_id="apart")
    assert (result.exit_code, statuses(result)) == (0, {"a": "succeeded", "b": "succeeded"})
    assert (tmp_path / "out/a.parquet").stat().st_mtime_ns == before
    scratch = tmp_path / ".odibi/scratch/apart" / tmp_path.relative_to("/") / "out"
    assert len(rows(scratch / "a.parquet")) == 20
    assert DeltaTable(scratch / "b").to_pyarrow_table().num_rows == 20
    assert DeltaTable(tmp_path / "out/b").to_pyarrow_table().num_rows == 9
    latest = Ledger(tmp_path).runs()[0]
    assert (latest.run_id, latest.scratch, latest.whole) == ("apart", True, False)
    assert all(n.run_id != "apart" for n in Ledger(tmp_path).node_history("p.a"))


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_other_sql_is_tried_on_the_side_and_told_in_the_story(tmp_path: Path, engine: str) -> None:
    steps = (
        "transform:\n"
        "  steps:\n"
        "    - sql: SELECT id FROM df\n"
        "    - operation: distinct\n"
        "    - sql: SELECT id * 2 AS id FROM df"
    )
    folder = project(
        tmp_path, node("a", steps) + node("b", "depends_on: [a]", read=False), engine=engine
    )
    run(folder)
    (tmp_path / "try.sql").write_text("SELECT id * 10 AS id, 'new' AS word FROM df WHERE id < 3")
    done = command(
        folder,
        *("run", "--scratch", "--sql", str(tmp_path / "try.sql"), "-s", "a", "--run-id", "apart"),
    )
    assert done.returncode == 0, done.stderr
    assert "scratch" in done.stdout
    assert rows(tmp_path / "out/a.parquet") == [(n,) for n in (0, 10, 12, 14, 16, 2, 4, 6, 8)]
    (written,) = (tmp_path / ".odibi/scratch/apart").rglob("a.parquet")
    assert rows(written) == [(0, "new"), (10, "new"), (20, "new")]
    story = json.loads((tmp_path / ".odibi/runs/apart/story.json").read_text())
    assert story["run"]["scratch"] is True
    (told,) = story["nodes"]
    assert [(s["step"], s["sql"]) for s in told["sql"] if s["step"].startswith("step 3")] == [
        ("step 3 sql", "SELECT id * 10 AS id, 'new' AS word FROM df WHERE id < 3")
    ]
    assert told["sample"]["columns"] == ["id", "word"]
    assert [row[1] for row in told["sample"]["rows"]] == ["new"] * 3
    assert {column["name"] for column in told["profile"]["columns"]} == {"id", "word"}


def test_sql_is_added_to_a_node_that_has_none_and_may_read_other_nodes(tmp_path: Path) -> None:
    folder = project(tmp_path, node("a") + node("b", out=False))
    run(folder)
    sql = "SELECT sum(df.id * a.id)::BIGINT AS total FROM df JOIN a USING (id)"
    result = run(folder, scratch=True, select=("b",), sql=sql)
    assert statuses(result) == {"a": "reused", "b": "succeeded"}
    profile = result.state.nodes["p.b"].profile
    assert profile is not None
    assert profile.sample == ((204,),)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"sql": "SELECT 1", "select": ("a",)}, "add --scratch"),
        ({"sql": "SELECT 1", "scratch": True}, "2 are selected"),
        ({"scratch": True, "resume": True}, "leave --resume out"),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(
    tmp_path: Path, request_: dict[str, Any], said: str
) -> None:
    folder = project(tmp_path, node("a") + node("b"))
    with pytest.raises(UsageError) as refused:
        run(folder, **request_)
    assert said in f"{refused.value.message} {refused.value.hint}"
    assert not (tmp_path / ".odibi/runs").exists()


def test_resume_reuses_what_succeeded_and_runs_the_rest(tmp_path: Path) -> None:
    good = node("a")
    folder = project(
        tmp_path, good + node("b", "depends_on: [a]", "SELECT nope FROM a", read=False)
    )
    assert run(folder).exit_code == 1
    before = (tmp_path / "out/a.parquet").stat().st_mtime_ns
    project(tmp_path, good + node("b", "depends_on: [a]", "SELECT id FROM a", read=False))
    result = run(folder, resume=True)
    assert statuses(result) == {"a": "reused", "b": "succeeded"}
    assert (tmp_path / "out/a.parquet").stat().st_mtime_ns == before
    assert len(rows(tmp_path / "out/b.parquet")) == 9


def test_selection_runs_a_part_on_stored_results(tmp_path: Path) -> None:
    folder = project(
        tmp_path, node("a") + node("b", "depends_on: [a]", "SELECT id FROM a", read=False)
    )
    run(folder)
    result = run(folder, select=("b",))
    assert statuses(result) == {"a": "reused", "b": "succeeded"}


def test_rows_that_cannot_be_read_are_kept_and_counted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.ndjson").write_text(
        '{"id": 1, "at": "2024-01-01"}\n{"id": "x", "at": null}\n{"id": 3\n{"id": 4, "at": "soon"}\n'
    )
    nodes = """\
- name: lines
  read: {connection: data, format: json, path: in/*.ndjson, options: {columns: {id: BIGINT, at: DATE}}, bad_lines: {connection: data, path: out/bad.parquet}}
  write: {connection: data, format: parquet, path: out/lines.parquet}
"""
    folder = project(tmp_path, nodes)
    result = run(folder)
    counts = result.state.nodes["p.lines"].counts
    assert counts is not None
    assert (counts.read, counts.unreadable, counts.rows_in, counts.rows_out) == (4, 3, 1, 1)
    bad = rows(tmp_path / "out/bad.parquet")
    assert sorted((Path(row[0]).name, row[1]) for row in bad) == [
        ("a.ndjson", 2),
        ("a.ndjson", 3),
        ("a.ndjson", 4),
    ]


def test_failing_tests_write_nothing_and_quarantine_keeps_rows(tmp_path: Path) -> None:
    nodes = (
        node("strict", "validation: {tests: [{type: range, column: id, max: 5}]}")
        + node(
            "parted",
            "validation: {tests: [{type: range, column: id, max: 5, on_fail: quarantine}, {type: unique, columns: [id]}],"
            " quarantine: {connection: data, path: out/aside.parquet}}",
        )
        + node("warned", "validation: {mode: warn, tests: [{type: row_count, min: 100}]}")
    )
    result = run(project(tmp_path, nodes))
    assert statuses(result) == {"strict": "failed", "parted": "succeeded", "warned": "succeeded"}
    assert not (tmp_path / "out/strict.parquet").exists()
    assert len(rows(tmp_path / "out/parted.parquet")) == 6
    aside = rows(tmp_path / "out/aside.parquet")
    assert [(row[0], row[2]) for row in aside] == [
        (6, "range(id)"),
        (7, "range(id)"),
        (8, "range(id)"),
    ]
    counts = result.state.nodes["p.parted"].counts
    assert counts is not None
    assert (counts.rows_in, counts.rows_out, counts.quarantined) == (9, 6, 3)
    strict = result.state.nodes["p.strict"].checks[0]
    assert (strict.passed, strict.failed_rows, strict.total_rows, len(strict.sample)) == (
        False,
        3,
        9,
        3,
    )


@pytest.mark.parametrize(
    ("policy", "rate", "status", "written"),
    [
        ("abort", 0.9, "failed", None),
        ("warn_and_write", 0.9, "succeeded", 9),
        ("write_valid_only", 0.9, "succeeded", 6),
        ("abort", 0.6, "succeeded", 9),
    ],
)
def test_the_gate_counts_rows_that_pass_all_tests(
    tmp_path: Path, policy: str, rate: float, status: str, written: int | None
) -> None:
    body = (
        "validation: {tests: [{type: range, column: id, max: 5, on_fail: warn}, {type: range, column: id, max: 7, on_fail: warn}],"
        f" gate: {{require_pass_rate: {rate}, on_fail: {policy}}}}}"
    )
    result = run(project(tmp_path, node("gated", body)))
    assert statuses(result) == {"gated": status}
    out = tmp_path / "out/gated.parquet"
    assert (len(rows(out)) if out.exists() else None) == written


def test_contracts_stop_a_node_before_it_computes(tmp_path: Path) -> None:
    result = run(
        project(
            tmp_path, node("a", "contracts: [{type: row_count, min: 10}]", "SELECT nope FROM df")
        )
    )
    error = result.state.nodes["p.a"].error
    assert error is not None
    assert error.message == "contract row_count failed: 9 rows, fewer than 10"


def test_personal_data_is_hidden_in_tables_and_stories(tmp_path: Path) -> None:
    body = "columns: {kind: {pii: true}}\nprivacy: {method: hash, salt: pepper-pepper}\nsensitive: [id]"
    result = run(project(tmp_path, node("a", body)))
    values = {row[1] for row in rows(tmp_path / "out/a.parquet")}
    assert all(len(value) == 64 for value in values)
    assert len(values) == 3
    profile = result.state.nodes["p.a"].profile
    assert profile is not None
    assert {cell for row in profile.sample for cell in row} == {"***"}
    text = "".join(file.read_text() for file in result.run_dir.glob("*.json*"))
    assert "pepper-pepper" not in text
    assert not any(value in text for value in values)


def test_the_result_document_is_what_schedulers_read(tmp_path: Path) -> None:
    folder = project(tmp_path, node("a") + node("b", "", "SELECT nope FROM df"))
    code, document = result_of(folder)
    assert code == 1
    found = document["nodes"]
    assert (found["p.a"]["status"], found["p.a"]["rows"]) == ("succeeded", 9)
    assert found["p.b"]["status"] == "failed"
    assert "nope" in found["p.b"]["error"]["message"]


def test_two_runs_at_once_are_refused_with_the_holder(tmp_path: Path) -> None:
    folder = project(tmp_path, node("slow", "", SLOW, read=False))
    first = subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-p", str(folder)], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_event(folder, "node_started")
        second = command(folder, "run")
        assert second.returncode == 4
        assert str(first.pid) in second.stderr
    finally:
        first.kill()
        first.wait()
    third = command(project(folder, node("quick")), "run")
    assert third.returncode == 0, third.stderr


def test_a_broken_project_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    folder = project(
        tmp_path,
        node("a", "depends_on: [b]", read=False) + node("b", "depends_on: [a]", read=False),
    )
    done = command(folder, "run")
    assert done.returncode == 2
    assert "p.a → p.b → p.a" in done.stderr
    assert "Traceback" not in done.stderr


def _run_dir(folder: Path) -> Path:
    return max((folder / ".odibi/runs").iterdir(), key=lambda path: path.name)


def _wait_for_event(folder: Path, kind: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        logs = (
            list((folder / ".odibi/runs").glob("*/events.jsonl"))
            if (folder / ".odibi/runs").exists()
            else []
        )
        if any(f'"type":"{kind}"' in log.read_text() for log in logs):
            return
        time.sleep(0.02)
    pytest.fail(f"no {kind} within 30 s")


def _last_event(folder: Path) -> dict[str, object]:
    lines = (_run_dir(folder) / "events.jsonl").read_text().splitlines()
    event: dict[str, object] = json.loads(lines[-1])
    return event


@pytest.mark.parametrize(
    ("write", "said"),
    [
        ("path: .", "the folder of connection 'data'"),
        ("path: odibi.yaml", "odibi.yaml"),
        ("path: .odibi, partition_by: [kind]", "the ledger"),
        ("path: .odibi/runs/x.parquet", "a part of the ledger"),
        ("path: in.csv", "its own source in.csv"),
    ],
)
def test_a_write_that_would_destroy_something_is_refused(
    tmp_path: Path, write: str, said: str
) -> None:
    (tmp_path / "in.csv").write_text("id,kind\n1,2\n")
    nodes = f"""\
- name: a
  read: {{connection: data, format: csv, path: in.csv}}
  write: {{connection: data, format: parquet, {write}}}
"""
    done = command(project(tmp_path, nodes), "run")
    assert done.returncode == 2
    assert said in done.stderr
    assert (tmp_path / "in.csv").read_text() == "id,kind\n1,2\n"


def test_two_outputs_of_one_place_are_refused_unless_both_add(tmp_path: Path) -> None:
    same = node("a").replace("out/a", "out/x") + node("b").replace("out/b", "out/x")
    done = command(project(tmp_path, same), "run")
    assert done.returncode == 2
    assert "p.b (write) writes to the same place as p.a (write)" in done.stderr
    adding = same.replace("out/x.parquet}", "out/x.parquet, mode: append}")
    assert command(project(tmp_path, adding), "run", "--jobs", "1").returncode == 0
    assert len(rows(tmp_path / "out/x.parquet")) == 18


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep/letter.txt").write_text("dear")
    result = run(project(tmp_path, node("a").replace("out/a.parquet", "keep")))
    assert statuses(result) == {"a": "failed"}
    assert (tmp_path / "keep/letter.txt").read_text() == "dear"


def test_a_function_that_leaves_the_process_fails_its_node_only(tmp_path: Path) -> None:
    functions = (
        "import sys\nfrom odibi import transform\n\n@transform\ndef leave(df):\n    sys.exit(0)\n"
    )
    nodes = node("a", "transform: {steps: [{function: leave}]}") + node("b")
    result = run(project(tmp_path, nodes, functions=functions))
    assert (result.exit_code, statuses(result)) == (1, {"a": "failed", "b": "succeeded"})


def test_a_function_that_never_returns_cannot_hold_the_run(tmp_path: Path) -> None:
    functions = "import time\nfrom odibi import transform\n\n@transform\ndef hang(df):\n    time.sleep(600)\n"
    nodes = node("a", "transform: {steps: [{function: hang}]}\ntimeout: 1s") + node("b")
    folder = project(tmp_path, nodes, functions=functions)
    code, document = result_of(folder, "--jobs", "1")
    assert code == 1
    assert {name: entry["status"] for name, entry in document["nodes"].items()} == {
        "p.a": "failed",
        "p.b": "succeeded",
    }


def test_an_ignored_failure_leaves_a_warning_where_old_rows_are_read(tmp_path: Path) -> None:
    folder = project(tmp_path, node("a") + node("b", "depends_on: [a]", read=False))
    run(folder)
    broken = node("a", "on_error: ignore", "SELECT nope FROM df") + node(
        "b", "depends_on: [a]", read=False
    )
    result = run(project(tmp_path, broken))
    assert result.state.nodes["p.b"].warnings == (
        "p.a failed and is ignored: 'a' is what an earlier run stored",
    )


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_append_once_counts_what_it_leaves_out(tmp_path: Path, engine: str) -> None:
    body = "write: {connection: data, format: parquet, path: out/a.parquet, mode: append_once, merge_keys: [kind]}"
    folder = project(tmp_path, node("a", body, out=False), engine=engine)
    for rows_out, left_out in ((3, 6), (0, 9)):
        counts = run(folder).state.nodes["p.a"].counts
        assert counts is not None
        assert (counts.rows_in, counts.rows_out, counts.deduplicated) == (9, rows_out, left_out)
    assert len(rows(tmp_path / "out/a.parquet")) == 3


def test_sensitive_values_stay_out_of_reasons(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,card\n1,41x\n2,42\n")
    nodes = """\
- name: a
  sensitive: [card]
  read: {connection: data, format: csv, path: in.csv, options: {columns: {id: BIGINT, card: BIGINT}}}
  write: {connection: data, format: parquet, path: out/a.parquet}
"""
    result = run(project(tmp_path, nodes))
    assert [q.reasons for q in result.state.nodes["p.a"].quarantines] == [
        {"column card: *** is not a BIGINT": 1}
    ]
    assert "41x" not in (result.run_dir / "story.json").read_text()


def test_the_story_holds_the_statement_that_was_run(tmp_path: Path) -> None:
    result = run(project(tmp_path, node("a", sql="SELECT id * 7 AS seven FROM df")))
    ran = [s.sql for s in result.state.nodes["p.a"].sql if s.step == AS_EXECUTED]
    assert len(ran) == 1
    again = ran[0].replace("out/a.parquet", "again.parquet")
    duckdb.sql(again)
    assert rows(tmp_path / "again.parquet") == rows(tmp_path / "out/a.parquet")


def test_a_resumed_write_starts_without_what_the_killed_one_left(tmp_path: Path) -> None:
    body = "write: {connection: data, format: parquet, path: out/a, partition_by: [kind]}"
    folder = project(tmp_path, node("a", body, "SELECT nope FROM df", out=False))
    failed = run(folder)
    target = Target("parquet", tmp_path / "out/a", "overwrite", f"{failed.run_id}-p.a")
    left = staging_path(target) / "kind=0"
    left.mkdir(parents=True)
    shutil.copy(tmp_path / "numbers.parquet", left / "stale.parquet")
    project(tmp_path, node("a", body, out=False))
    assert statuses(run(folder, resume=True)) == {"a": "succeeded"}
    found = duckdb.sql(
        f"SELECT count(*) FROM read_parquet('{tmp_path}/out/a/**/*.parquet')"
    ).fetchall()
    assert found == [(9,)]
    assert not (tmp_path / "out/.odibi-tmp").exists()
