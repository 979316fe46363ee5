"""Bars over time: inside the row, in order, and as long as what they stand for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odibi.events import PlannedNode
from odibi.run_state import NodeState, RunState
from odibi_tui.paint import plain
from odibi_tui.panes.gantt import Bar, bars, order, row, span

BEGAN = datetime(2026, 11, 22, 23, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def node(key: str = "p.a", status: str = "succeeded", **facts: object) -> NodeState:
    return replace(NodeState(key, PlannedNode(key, "run", "")), status=status, **facts)  # type: ignore[arg-type]


def ran(start: float, end: float | None, first: float | None = None, **facts: object) -> NodeState:
    return node(
        first_started=at(start if first is None else first),
        started=at(start),
        finished=None if end is None else at(end),
        **facts,
    )


WINDOW = (BEGAN, at(10))


def test_waiting_working_and_what_is_left() -> None:
    assert bars(ran(2, 5), WINDOW, 20, at(9), None) == [Bar(0, 4, "wait"), Bar(4, 10, "work")]
    running = ran(2, None, status="running")
    assert bars(running, WINDOW, 20, at(4), 6.0) == [
        Bar(0, 4, "wait"),
        Bar(4, 8, "work"),
        Bar(8, 16, "rest"),
    ]
    assert bars(node(status="queued"), WINDOW, 20, at(4), 6.0) == []


def test_an_earlier_attempt_is_a_bar_of_its_own() -> None:
    found = bars(ran(5, 8, first=1), WINDOW, 20, at(9), None)
    assert found == [Bar(0, 2, "wait"), Bar(2, 10, "retry"), Bar(10, 16, "work")]
    assert plain(row(ran(5, 8, first=1), found, 20, ascii_only=True)) == "..xxxxxxxx######"


def test_nodes_stand_in_the_order_in_which_they_began() -> None:
    nodes = {
        "p.late": replace(ran(5, 6), key="p.late"),
        "p.never": node("p.never", "queued"),
        "p.first": replace(ran(0, 2), key="p.first"),
    }
    assert order(RunState("r", nodes=nodes)) == ["p.first", "p.late", "p.never"]


def test_the_axis_reaches_to_the_expected_end_of_a_live_run() -> None:
    live = RunState(
        "r",
        status="running",
        jobs=1,
        started=BEGAN,
        nodes={"p.a": ran(0, None, status="running"), "p.b": node("p.b", "queued")},
    )
    assert span(live, {"p.a": (4.0,), "p.b": (6.0,)}, at(2)) == (BEGAN, at(10))
    assert span(RunState("r"), {}, at(2)) is None


seconds = st.floats(-5, 30)


@given(seconds, seconds, seconds, st.integers(1, 120), st.floats(0, 60))
def test_bars_lie_inside_the_row_one_after_the_other(
    first: float, start: float, end: float, cells: int, usual: float
) -> None:
    first, start, end = sorted((first, start, end))
    for candidate in (ran(start, end, first), ran(start, None, first, status="running")):
        found = bars(candidate, WINDOW, cells, at(end), usual)
        edges = [edge for bar in found for edge in (bar.start, bar.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= cells
        assert len(plain(row(candidate, found, cells))) <= cells
