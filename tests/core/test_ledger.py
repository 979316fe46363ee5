"""The ledger: ids, what is known across runs, and an index that never knows better than the logs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi import events as ev
from odibi.errors import StateError, UsageError
from odibi.event_log import EventLog
from odibi.history import History
from odibi.ledger import Ledger, _base36
from odibi.locks import acquire
from odibi.processes import this_writer
from odibi.redact import Redactor
from tests.core.recorded import (
    GONE,
    RUN_ID,
    START,
    eventful_run,
    good_node,
    plan,
    planned,
    stamped,
    write_log,
)


def record(
    root: Path, run_id: str, payloads: Sequence[ev.Payload], start: datetime = START
) -> None:
    """A finished or abandoned run in the ledger of `root`."""
    write_log(root / ".odibi" / "runs" / run_id, stamped(payloads, start=start))


def simple_run(
    run_id: str, *, rows: int = 10, outcome: str = "succeeded", **facts: object
) -> list[ev.Payload]:
    """A run of one node `a.x`."""
    ending: list[ev.Payload] = good_node("a.x", rows=rows)
    if outcome == "failed":
        error = ev.ErrorInfo(kind="EngineError", message="no")
        ending = [ev.NodeStarted(node="a.x"), ev.NodeFailed(node="a.x", seconds=0.1, error=error)]
    return [
        GONE,
        plan(planned("a.x"), run_id=run_id, **facts),
        ev.RunStarted(jobs=1),
        *ending,
        ev.RunFinished(outcome=outcome, exit_code=0, seconds=2.0),  # type: ignore[arg-type]
    ]


def days(count: float) -> timedelta:
    return timedelta(days=count)


@given(st.lists(st.integers(0, 999_999), min_size=2, max_size=2))
def test_the_end_of_an_id_sorts_as_the_microseconds_do(pair: list[int]) -> None:
    one, two = map(_base36, pair)
    assert len(one) == 4
    assert (one < two) == (pair[0] < pair[1])


def test_ids_are_new_and_sorted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ids = []
    for _ in range(20):
        ids.append(ledger.new_run_id())
        ledger.run_dir(ids[-1]).mkdir(parents=True)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a b", "x" * 201, "a\n"])
def test_an_id_can_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be a run id"):
        Ledger(tmp_path).run_dir(name)


def test_a_project_that_never_ran(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.runs() == []
    assert ledger.resumable() is None
    with pytest.raises(UsageError, match="nothing has run yet"):
        ledger.resolve("last")
    assert (tmp_path / ".odibi" / ".gitignore").read_text() == "*\n"


def test_what_the_index_says_of_a_run(tmp_path: Path) -> None:
    record(tmp_path, RUN_ID, eventful_run())
    ledger = Ledger(tmp_path)
    (run,) = ledger.runs()
    assert (run.run_id, run.status, run.exit_code, run.engine) == (RUN_ID, "failed", 1, "duckdb")
    assert (run.nodes, run.succeeded, run.failed, run.skipped, run.reused) == (5, 2, 1, 1, 1)
    assert (run.rows_written, run.quarantined, run.unreadable) == (1950, 20, 20)
    assert run.started == START + timedelta(seconds=0.75)
    nodes = {node.node: node for node in ledger.nodes(RUN_ID)}
    assert list(nodes) == [
        "bronze.menus", "bronze.orders", "silver.orders", "gold.by_city", "gold.report",
    ]  # fmt: skip
    silver = nodes["silver.orders"]
    assert (silver.status, silver.attempt, silver.seconds) == ("succeeded", 2, 2.0)
    assert (silver.rows_read, silver.rows_in, silver.rows_out) == (1000, 980, 950)
    assert (silver.quarantined, silver.deduplicated, silver.checks_failed) == (20, 10, 1)
    assert silver.schema is not None and silver.schema[0] == ("order_id", "BIGINT")
    assert silver.fingerprint == "f-silver.orders"
    assert nodes["gold.by_city"].error == 'Binder Error: column "citty" not found'


def test_a_new_ledger_object_and_a_rebuilt_index_know_the_same(tmp_path: Path) -> None:
    record(tmp_path, RUN_ID, eventful_run())
    record(tmp_path, "later", simple_run("later"), START + days(1))
    first = Ledger(tmp_path)
    first.runs()
    first.close()
    kept = _dump(tmp_path)
    again = Ledger(tmp_path)
    assert again.reindex() == 2
    again.close()
    assert _dump(tmp_path) == kept
    assert len(kept) == 2 + 5 + 1


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["run-a", "run-b", "run-c"]),
        st.sampled_from(["succeeded", "failed", "cancelled", None]),
        st.booleans(),
    ),
    max_size=6,
)


@given(steps=_STEPS)
@settings(max_examples=25, deadline=None)
def test_catching_up_step_by_step_equals_a_rebuild(
    steps: list[tuple[str, str | None, bool]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("project")
    ledger = Ledger(root)
    for number, (run_id, outcome, look) in enumerate(steps):
        payloads = simple_run(run_id, rows=number, outcome=outcome or "failed")
        record(root, run_id, payloads if outcome else payloads[:-2], START + days(number))
        if look:
            ledger.runs()
    ledger.refresh()
    ledger.close()
    stepwise = _dump(root)
    ledger.reindex()
    ledger.close()
    assert _dump(root) == stepwise


def _dump(root: Path) -> list[tuple[object, ...]]:
    history = History(root / ".odibi" / "history.db")
    try:
        return history.dump()
    finally:
        history.close()


def test_runs_that_go_on_and_runs_that_are_gone_are_noticed(tmp_path: Path) -> None:
    payloads = simple_run("one")
    record(tmp_path, "one", payloads[:-1])
    record(tmp_path, "two", simple_run("two"), START + days(1))
    ledger = Ledger(tmp_path)
    assert [(r.run_id, r.status) for r in ledger.runs()] == [("two", "succeeded"), ("one", "lost")]
    record(tmp_path, "one", payloads)
    (tmp_path / ".odibi" / "runs" / "two" / "events.jsonl").unlink()
    assert [(r.run_id, r.status) for r in ledger.runs()] == [("one", "succeeded")]
    assert ledger.nodes("two") == []


def test_a_run_of_a_living_process_is_running_and_lost_once_it_is_killed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with _running(ledger.run_dir("now")) as process:
        assert [run.status for run in ledger.runs()] == ["running"]
        process.kill()
        process.wait()
        (run,) = ledger.runs()
        assert (run.status, run.failed) == ("lost", 1)
    assert ledger.state("now").nodes["a.x"].status == "lost"
    assert ledger.resumable() == "now"


_RUN = """
import sys, time
from pathlib import Path
from odibi import events as ev
from odibi.event_log import EventLog
from odibi.redact import Redactor
log = EventLog.create(Path(sys.argv[1]), Redactor([]))
log.emit(ev.RunPlanned("now", "P", "duckdb", (ev.PlannedNode("a.x", "run", "selected"),)))
log.emit(ev.RunStarted(jobs=1))
log.emit(ev.NodeStarted(node="a.x"))
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def _running(run_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(run_dir)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_living_run_whose_log_did_not_grow_is_not_read_again(tmp_path: Path) -> None:
    opened = ev.WriterOpened(writer=this_writer(), version="0.1.0")
    record(tmp_path, "now", [opened, *simple_run("now", rows=10)[1:-1]])
    log = tmp_path / ".odibi" / "runs" / "now" / "events.jsonl"
    ledger = Ledger(tmp_path)
    assert [(run.status, run.rows_written) for run in ledger.runs()] == [("running", 10)]
    touched = log.stat().st_mtime_ns
    log.write_text(log.read_text().replace('"rows":10,', '"rows":99,'))
    os.utime(log, ns=(touched, touched))  # nothing tells that it changed
    assert [run.rows_written for run in ledger.runs()] == [10]
    assert ledger.reindex() == 1
    assert [run.rows_written for run in ledger.runs()] == [99]


def test_a_reader_may_take_the_index_as_it_is(tmp_path: Path) -> None:
    record(tmp_path, "one", simple_run("one"))
    ledger = Ledger(tmp_path)
    assert [run.run_id for run in ledger.runs(refresh=False)] == ["one"]  # there was no index yet
    record(tmp_path, "two", simple_run("two"), START + days(1))
    other = Ledger(tmp_path)
    for late in (ledger, other):
        assert [run.run_id for run in late.runs(refresh=False)] == ["one"]
        assert [cell.run_id for cell in late.matrix()] == ["one"]
    assert [node.run_id for node in other.node_history("a.x")] == ["two", "one"]
    assert [run.run_id for run in ledger.runs(limit=1)] == ["two"]


def test_the_matrix_holds_the_nodes_of_the_latest_runs(tmp_path: Path) -> None:
    record(tmp_path, "old", simple_run("old"), START - days(1))
    record(tmp_path, RUN_ID, eventful_run())
    record(tmp_path, "later", simple_run("later", rows=7), START + days(1))
    cells = Ledger(tmp_path).matrix(limit=2)
    assert [(cell.run_id, cell.node, cell.status, cell.rows_out) for cell in cells] == [
        ("later", "a.x", "succeeded", 7),
        (RUN_ID, "bronze.menus", "reused", None),
        (RUN_ID, "bronze.orders", "succeeded", 1000),
        (RUN_ID, "silver.orders", "succeeded", 950),
        (RUN_ID, "gold.by_city", "failed", None),
        (RUN_ID, "gold.report", "skipped", None),
    ]
    silver = cells[3]
    assert (silver.seconds, silver.quarantined, silver.checks_failed, silver.warnings) == (
        2.0, 20, 1, 1,
    )  # fmt: skip
    assert silver.schema_hash == cells[0].schema_hash == cells[2].schema_hash
    assert cells[4].error == 'Binder Error: column "citty" not found'


@pytest.mark.parametrize(
    ("writer", "age", "status"),
    [
        (ev.Writer("elsewhere", 1, 1, "b"), 0.0, "running"),
        (ev.Writer("elsewhere", 1, 1, "b"), 120.0, "lost"),
        (ev.Writer(this_writer().host, os.getpid(), 1, this_writer().boot_id), 0.0, "lost"),
        (ev.Writer(this_writer().host, os.getpid(), this_writer().started, "boot"), 0.0, "lost"),
        (this_writer(), 120.0, "running"),
    ],
    ids=["other host", "other host, silent", "number reused", "before a reboot", "this process"],
)
def test_who_counts_as_living(tmp_path: Path, writer: ev.Writer, age: float, status: str) -> None:
    opened = ev.WriterOpened(writer=writer, version="0.1.0")
    record(tmp_path, "r", [opened, plan(planned("a.x"), run_id="r"), ev.RunStarted(jobs=1)])
    path = tmp_path / ".odibi" / "runs" / "r" / "events.jsonl"
    then = datetime.now(UTC).timestamp() - age
    os.utime(path, (then, then))
    assert [run.status for run in Ledger(tmp_path).runs()] == [status]


def test_one_damaged_log_is_shown_as_such_and_hides_no_other(tmp_path: Path) -> None:
    record(tmp_path, "good", simple_run("good"))
    record(tmp_path, "bad", simple_run("bad"))
    path = tmp_path / ".odibi" / "runs" / "bad" / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq":3', b'"sex":3'))
    ledger = Ledger(tmp_path)
    runs = {run.run_id: run for run in ledger.runs()}
    assert (runs["good"].status, runs["bad"].status) == ("succeeded", "damaged")
    assert "events.jsonl:3" in str(runs["bad"].error)
    with pytest.raises(StateError, match=r"events\.jsonl:3"):
        ledger.state("bad")
    with pytest.raises(StateError, match="run bad is damaged") as refused:
        ledger.resumable()
    assert "history prune --run bad" in str(refused.value.hint)
    ledger.remove("bad")
    assert [run.run_id for run in ledger.runs()] == ["good"]


@pytest.mark.parametrize("damage", [b"not a database, not even nearly" * 200, b""])
def test_a_damaged_index_is_set_aside_and_built_anew(tmp_path: Path, damage: bytes) -> None:
    record(tmp_path, RUN_ID, eventful_run())
    before = Ledger(tmp_path)
    known = before.runs()
    before.close()
    (tmp_path / ".odibi" / "history.db").write_bytes(damage)
    assert Ledger(tmp_path).runs() == known
    aside = list((tmp_path / ".odibi").glob("history.db.damaged-*"))
    assert [path.read_bytes() for path in aside] == ([damage] if damage else [])


def test_an_index_that_breaks_while_open_is_rebuilt_too(tmp_path: Path) -> None:
    for n in range(40):
        record(tmp_path, f"r{n:02}", simple_run(f"r{n:02}"), START + days(n))
    ledger = Ledger(tmp_path)
    known = ledger.runs()
    ledger.close()
    path = tmp_path / ".odibi" / "history.db"
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    path.write_bytes(whole)
    assert ledger.runs() == known


def test_an_index_of_another_layout_is_rebuilt(tmp_path: Path) -> None:
    record(tmp_path, RUN_ID, eventful_run())
    history = History(tmp_path / ".odibi" / "history.db")
    history._db.execute("PRAGMA user_version=99")
    history.close()
    assert [run.run_id for run in Ledger(tmp_path).runs()] == [RUN_ID]


def test_who_may_only_read_still_reads(tmp_path: Path) -> None:
    record(tmp_path, RUN_ID, eventful_run())
    home = tmp_path / ".odibi"
    for folder in (tmp_path, home, home / "runs", home / "runs" / RUN_ID):
        folder.chmod(0o555)
    with _as_nobody(tmp_path):
        assert [run.run_id for run in Ledger(tmp_path).runs()] == [RUN_ID]
    home.chmod(0o755)
    assert not (home / "history.db").exists()


@contextmanager
def _as_nobody(place: Path) -> Iterator[None]:
    """Root may write anywhere; for a while be somebody who may only read at `place`."""
    if os.geteuid() != 0:
        yield
        return
    for parent in place.parents:  # pytest keeps its folders to their owner
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_resolving_a_name(tmp_path: Path) -> None:
    for n, run_id in enumerate(["20260101-000000-aaaa", "20260101-000001-bbbb", "scheduled"]):
        record(tmp_path, run_id, simple_run(run_id), START + days(n))
    ledger = Ledger(tmp_path)
    assert ledger.resolve("last") == ledger.resolve("last~0") == "scheduled"
    assert ledger.resolve("last~2") == ledger.resolve("aaaa") == "20260101-000000-aaaa"
    assert ledger.resolve("sched") == "scheduled"
    with pytest.raises(
        UsageError, match="could be any of 20260101-000001-bbbb, 20260101-000000-aaaa"
    ):
        ledger.resolve("2026")
    with pytest.raises(UsageError, match="there is no run 'nope'") as none:
        ledger.resolve("nope")
    assert "scheduled" in str(none.value.hint)
    with pytest.raises(UsageError, match="before the first of 3 runs"):
        ledger.resolve("last~3")


def test_the_past_of_a_node_counts_whole_successful_runs_only(tmp_path: Path) -> None:
    facts: list[tuple[str, dict[str, object]]] = [
        ("first", {}),
        ("dry", {"dry_run": True}),
        ("sampled", {"sample": 5}),
        ("broken", {"outcome": "failed"}),
        ("second", {}),
    ]
    for n, (run_id, fact) in enumerate(facts):
        payloads = simple_run(run_id, rows=n + 1, **fact)  # type: ignore[arg-type]
        record(tmp_path, run_id, payloads, START + days(n))
    ledger = Ledger(tmp_path)
    assert [(r.run_id, r.rows_out) for r in ledger.node_history("a.x")] == [
        ("second", 5),
        ("first", 1),
    ]
    assert ledger.previous_state("second")["a.x"].run_id == "first"
    assert ledger.previous_state("first") == {}
    assert [rows for _, rows in ledger.past("a.x").rows] == [5, 1]
    assert ledger.resumable() is None


def test_a_failed_run_can_be_resumed_and_its_origin_is_known(tmp_path: Path) -> None:
    record(tmp_path, "one", simple_run("one", outcome="failed", resume_of="zero"))
    two = simple_run("two", outcome="failed", resume_of="one")
    record(tmp_path, "two", two, START + days(1))
    record(tmp_path, "dry", simple_run("dry", dry_run=True), START + days(2))
    ledger = Ledger(tmp_path)
    assert ledger.resumable() == "two"
    assert ledger.origin_of("two") == "zero"
    record(tmp_path, "three", simple_run("three"), START + days(3))
    assert ledger.resumable() is None


def test_what_a_plan_hears_of_earlier_runs(tmp_path: Path) -> None:
    for n, run_id in enumerate(["first", "second"]):
        record(tmp_path, run_id, simple_run(run_id), START + days(n))
    record(tmp_path, "third", simple_run("third", outcome="failed"), START + days(2))
    reused = plan(
        planned("b.y"), planned("a.x", action="reuse"), run_id="fourth", resume_of="third"
    )
    record(tmp_path, "fourth", [GONE, reused, ev.RunStarted(jobs=1)], START + days(3))
    last = Ledger(tmp_path).last_state()
    a = last.nodes["a.x"]
    assert (a.outcome, a.run_id, a.success_run) == ("failed", "third", "second")
    assert (a.fingerprint, a.seconds) == ("f-a.x", (1.5, 1.5))
    assert a.finished_at is not None
    assert START + days(1) < a.finished_at < START + days(1.1)
    b = last.nodes["b.y"]
    assert (b.outcome, b.run_id, b.success_run, b.seconds) == ("queued", "fourth", None, ())
    assert last.resumes == ("fourth", "third")
    assert last.planned == {"a.x", "b.y"}


def test_a_plan_is_refused_what_a_damaged_log_would_have_said(tmp_path: Path) -> None:
    record(tmp_path, "bad", simple_run("bad"))
    record(tmp_path, "good", simple_run("good"), START + days(1))
    path = tmp_path / ".odibi" / "runs" / "bad" / "events.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    ledger = Ledger(tmp_path)
    with pytest.raises(StateError, match="run bad is damaged"):
        ledger.last_state()
    ledger.remove("bad")
    assert set(ledger.last_state().nodes) == {"a.x"}


def test_pruning_keeps_the_newest_and_what_stored_tables_came_from(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for n in range(6):
        outcome = "succeeded" if n == 1 else "failed"
        record(tmp_path, f"r{n}", simple_run(f"r{n}", outcome=outcome), now - days(10 - n))
    (tmp_path / ".odibi" / "scratch" / "r0").mkdir(parents=True)
    ledger = Ledger(tmp_path)
    assert ledger.prune(keep=2, dry_run=True) == ["r3", "r2", "r0"]
    assert len(ledger.runs()) == 6
    assert ledger.prune(days=8.5) == ["r0"]
    assert not (tmp_path / ".odibi" / "scratch" / "r0").exists()
    assert ledger.prune(keep=2) == ["r3", "r2"]
    assert [run.run_id for run in ledger.runs()] == ["r5", "r4", "r1"]
    assert ledger.prune(keep=0, days=0) == ["r4"]


def test_a_running_run_is_never_pruned(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with EventLog.create(ledger.run_dir("r1"), Redactor([])) as log:
        log.emit(plan(planned("a.x"), run_id="r1"))
        log.emit(ev.RunStarted(jobs=1))
        record(tmp_path, "r2", simple_run("r2"), datetime.now(UTC) + days(1))
        assert ledger.prune(keep=0, days=0) == []


def test_git_is_told_to_keep_out_whoever_makes_the_folder(tmp_path: Path) -> None:
    with acquire(tmp_path):
        Ledger(tmp_path).runs()
    assert (tmp_path / ".odibi" / ".gitignore").read_text() == "*\n"


def test_a_process_killed_before_its_first_word_leaves_no_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    folder = tmp_path / ".odibi" / "runs" / "20260101-120000-aaaa"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").touch()
    assert ledger.runs() == []
    assert ledger.resumable() is None
