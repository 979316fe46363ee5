"""How long a run still takes: worked examples and laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.events import PlannedNode
from odibi.run_state import NodeState, RunState
from odibi_tui import eta

NOW = datetime(2026, 11, 22, 23, 15, tzinfo=UTC)


def node(key: str, *upstream: str, status: str = "queued", **facts: object) -> NodeState:
    plan = PlannedNode(key, "run", "", upstream=upstream)
    return replace(NodeState(key, plan), status=status, **facts)  # type: ignore[arg-type]


def run(*nodes: NodeState, jobs: int = 2) -> RunState:
    return RunState("r", status="running", jobs=jobs, started=NOW, nodes={n.key: n for n in nodes})


PAST = {"a": (10.0,), "b": (20.0,), "c": (5.0,), "d": (7.0,)}


def test_nothing_known_of_open_nodes_is_no_estimate() -> None:
    assert eta.estimate(run(node("x")), {}, NOW) is None
    assert eta.estimate(replace(run(node("a")), status="succeeded"), PAST, NOW) is None


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 42), (2, 27), (9, 27)])
def test_what_waits_is_carried_out_with_the_workers_there_are(jobs: int, seconds: float) -> None:
    state = run(node("a"), node("b"), node("c", "a"), node("d", "b"), jobs=jobs)
    left = eta.estimate(state, PAST, NOW)
    assert left is not None
    assert left.seconds == pytest.approx(seconds)


def test_a_nodes_own_progress_counts_more_than_its_past() -> None:
    began = NOW - timedelta(seconds=8)
    half = eta.estimate(run(node("a", status="running", started=began, fraction=0.5)), PAST, NOW)
    untold = eta.estimate(run(node("a", status="running", started=began)), PAST, NOW)
    assert half is not None
    assert untold is not None
    assert (half.seconds, untold.seconds) == (pytest.approx(8), pytest.approx(2))


def test_a_node_past_its_time_is_nearly_done_and_never_overdue() -> None:
    late = run(node("a", status="running", started=NOW - timedelta(seconds=99)))
    left = eta.estimate(late, PAST, NOW)
    assert left is not None
    assert left.seconds == pytest.approx(0.5)


def test_the_share_done_weighs_nodes_by_their_time() -> None:
    state = run(node("a", status="succeeded"), node("b", status="running", fraction=0.5))
    assert eta.fraction(state, PAST) == pytest.approx(20 / 30)


def test_the_critical_path_is_the_longest_chain() -> None:
    state = run(node("a"), node("b"), node("c", "a", "b"), node("d", "a"))
    assert eta.critical_path(state, PAST) == (("b", "c"), 25.0)
    done = run(node("a", status="succeeded", seconds=60.0), node("b"), node("c", "a", "b"))
    assert eta.critical_path(done, PAST) == (("a", "c"), 65.0)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.integers(1, 8), st.data())
def test_the_estimate_lies_between_the_longest_chain_and_the_sum(
    seconds: list[float], jobs: int, data: st.DataObject
) -> None:
    keys = [f"n{i}" for i in range(len(seconds))]
    nodes = [
        node(
            key,
            *data.draw(st.lists(st.sampled_from(keys[:i]), max_size=3, unique=True)) if i else (),
        )
        for i, key in enumerate(keys)
    ]
    past = {key: (value,) for key, value in zip(keys, seconds, strict=True)}
    state = run(*nodes, jobs=jobs)
    left = eta.estimate(state, past, NOW)
    _, longest = eta.critical_path(state, past)
    assert left is not None
    assert longest - 1e-6 <= left.seconds <= sum(seconds) + 1e-6


@pytest.mark.parametrize(("seconds", "late"), [(5, False), (14, False), (16, True), (99, True)])
def test_far_beyond_its_usual_time_a_node_is_overdue(seconds: float, late: bool) -> None:
    began = NOW - timedelta(seconds=seconds)
    state = run(node("a", status="running", started=began), node("x", status="running"))
    assert eta.overdue(state, PAST, NOW) == (("a",) if late else ())


def test_a_node_that_says_how_far_it_is_is_never_overdue() -> None:
    began = NOW - timedelta(seconds=99)
    state = run(node("a", status="running", started=began, fraction=0.9))
    assert eta.overdue(state, PAST, NOW) == ()
