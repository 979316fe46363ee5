"""What the fold of a run's events says, and that it never trips over any of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi import events as ev
from odibi.run_state import EMPTY, SYMBOLS, RunState, apply, apply_all, as_lost, fold
from tests.core.recorded import START, eventful_run, good_node, plan, planned, stamped

_TEXT = st.text(max_size=8)
_SECONDS = st.floats(0, 1e6)  # the log never holds NaN, which isn't equal to itself
_PLAIN = st.none() | st.integers() | _TEXT
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "fraction": st.none() | _SECONDS,
    "node": st.sampled_from(["a.x", "a.y", "b.z"]),
    "sample": st.lists(st.tuples(_PLAIN), max_size=2).map(tuple),
    "columns": st.just((("id", "BIGINT"),)),
    "error": st.builds(ev.ErrorInfo, kind=_TEXT, message=_TEXT),
    "nodes": st.lists(st.builds(planned, st.sampled_from(["a.x", "a.y", "c.new"])), max_size=3).map(
        tuple
    ),
}


def _payloads() -> st.SearchStrategy[ev.Payload]:
    """Any event with any content, in any order."""
    kinds = []
    public = [getattr(ev, name) for name in ev.__all__]
    for cls in (c for c in public if isinstance(c, type) and issubclass(c, ev.Payload) and c.TYPE):
        own = {name: value for name, value in _FIELDS.items() if name in cls.__annotations__}
        own |= {name: _SECONDS for name, kind in cls.__annotations__.items() if kind == "float"}
        if cls is ev.RunPlanned:
            own["sample"] = st.none() | st.integers()
        if cls is ev.ProfileObserved:
            own["columns"] = st.just(({"name": "id", "nulls": 0},))
        kinds.append(st.builds(cls, **own))
    return st.one_of(kinds)


@given(st.lists(_payloads(), max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_prefix_of_any_log_folds_and_batches_make_no_difference(
    payloads: list[ev.Payload],
) -> None:
    events = stamped(payloads)
    state = EMPTY
    for event in events:
        before = (state, dict(state.nodes))
        state = apply(state, event)
        assert before == (before[0], dict(before[0].nodes))
    half = len(events) // 2
    assert state == fold(events) == apply_all(fold(events[:half]), events[half:])
    assert as_lost(state).done
    assert {node.status for node in state.nodes.values()} <= set(SYMBOLS)
    assert SYMBOLS["running"] == "◐"


@given(st.lists(_payloads(), max_size=10))
@settings(max_examples=100, deadline=None)
def test_the_state_survives_the_way_through_the_log(payloads: list[ev.Payload]) -> None:
    events = stamped(payloads)
    assert fold(e for e in (ev.decode(ev.encode(x)) for x in events) if e) == fold(events)


@pytest.fixture(scope="module")
def run() -> RunState:
    return fold(stamped(eventful_run()))


def test_the_run_itself(run: RunState) -> None:
    assert (run.run_id, run.project, run.engine) == ("20260314-092653-k3x9", "OdibiEats", "duckdb")
    assert (run.status, run.exit_code, run.seconds, run.jobs) == ("failed", 1, 5.25, 4)
    assert run.started is not None and run.planned is not None and run.finished is not None
    assert START < run.planned < run.started < run.finished == run.last_at
    assert run.heartbeat is not None
    assert (run.heartbeat.rss, run.peak_rss) == (180_000_000, 180_000_000)


def test_nodes_are_in_plan_order_with_their_outcome(run: RunState) -> None:
    assert {key: node.status for key, node in run.nodes.items()} == {
        "bronze.menus": "reused",
        "bronze.orders": "succeeded",
        "silver.orders": "succeeded",
        "gold.by_city": "failed",
        "gold.report": "skipped",
    }
    assert list(run.nodes) == [p.key for p in run.plan.nodes] if run.plan else False


def test_a_retried_node_shows_its_last_attempt_and_remembers_the_others(run: RunState) -> None:
    node = run.nodes["silver.orders"]
    assert (node.attempt, node.seconds, node.error) == (2, 2.0, None)
    assert [(r.attempt, r.error.message) for r in node.retries] == [(1, "the file is busy")]
    assert [stage.stage for stage in node.stages] == ["read", "write"]
    assert node.first_started is not None and node.started is not None
    assert node.first_started < node.started
    assert node.warnings == ("20 rows went to quarantine",)


def test_a_write_is_one_from_intent_to_commit(run: RunState) -> None:
    (write,) = run.nodes["silver.orders"].writes
    assert (write.committed, write.format, write.mode) == (True, "delta", "append")
    assert (write.rows, write.bytes, write.version) == (950, 38_000, 3)


def test_a_skipped_node_names_the_node_that_failed(run: RunState) -> None:
    node = run.nodes["gold.report"]
    assert (node.reason, node.because) == ("gold.by_city failed", "gold.by_city")


def test_totals(run: RunState) -> None:
    totals = run.totals
    assert totals.nodes == {"reused": 1, "succeeded": 2, "failed": 1, "skipped": 1}
    assert (totals.rows_written, totals.bytes_written) == (1950, 78_000)
    assert (totals.quarantined, totals.unreadable, totals.warnings) == (20, 20, 1)
    assert (totals.checks_passed, totals.checks_failed) == (1, 1)


def test_progress_is_of_the_stage_that_runs() -> None:
    events = stamped(
        [
            plan(planned("a.x")),
            ev.NodeStarted(node="a.x"),
            ev.NodeProgress(node="a.x", stage="write", fraction=0.5, rows_done=10),
        ]
    )
    node = fold(events).nodes["a.x"]
    assert (node.status, node.stage, node.fraction, node.rows_done) == ("running", "write", 0.5, 10)
    done = apply(fold(events), stamped([ev.NodeSucceeded(node="a.x", seconds=1.0)])[0])
    assert (done.nodes["a.x"].stage, done.nodes["a.x"].fraction) == (None, None)


def test_a_run_that_died_loses_what_ran() -> None:
    state = fold(
        stamped(
            [
                plan(planned("a.x"), planned("a.y"), planned("a.z")),
                ev.RunStarted(jobs=1),
                *good_node("a.x"),
                ev.NodeStarted(node="a.y"),
            ]
        )
    )
    lost = as_lost(state)
    assert lost.status == "lost"
    assert [node.status for node in lost.nodes.values()] == ["succeeded", "lost", "queued"]
    assert state.nodes["a.y"].status == "running"


def test_logs_are_bounded_and_keep_the_first_warnings() -> None:
    lines = [ev.LogLine(level="WARNING", message=str(n), node="a.x") for n in range(500)]
    node = fold(stamped([plan(planned("a.x")), *lines])).nodes["a.x"]
    assert [entry.message for entry in node.logs] == [str(n) for n in range(300, 500)]
    assert node.warnings == tuple(str(n) for n in range(200))
