"""Replays: any moment of a run is what its events up to there say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odibi import events as ev
from odibi.run_state import fold
from odibi_tui.paint import plain, width
from odibi_tui.replay import SPEEDS, Playhead, Replay, scrubber

BEGAN = datetime(2026, 11, 22, 23, tzinfo=UTC)
KEYS = ("p.a", "p.b", "p.c")
PLAN = ev.RunPlanned(
    "run", "small", "duckdb", tuple(ev.PlannedNode(key, "run", "selected") for key in KEYS)
)
FAULT = ev.ErrorInfo("ValidationError", "amount >= 0", file="odibi.yaml", line=7)

nodes = st.sampled_from(KEYS)
payloads = st.one_of(
    st.builds(ev.NodeStarted, nodes, st.integers(1, 3)),
    st.builds(ev.NodeProgress, nodes, st.just("write"), st.floats(0, 1)),
    st.builds(ev.NodeSucceeded, nodes, st.floats(0, 100)),
    st.builds(ev.NodeFailed, nodes, st.floats(0, 100), st.just(FAULT)),
    st.builds(ev.NodeRetried, nodes, st.integers(1, 3), st.just(1.0), st.just(FAULT)),
    st.builds(ev.LogLine, st.sampled_from(("INFO", "WARNING")), st.text(max_size=9), nodes),
    st.builds(ev.Heartbeat, st.integers(0, 9), st.just(1.0)),
    st.just(PLAN),
    st.just(ev.RunStarted(2)),
    st.just(ev.RunFinished("succeeded", 0, 9.0)),
)


def event(seq: int, payload: ev.Payload, seconds: float) -> ev.Event:
    at = (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    return ev.Event(seq, at.replace("+00:00", "Z"), seconds, payload)


@st.composite
def runs(draw: st.DrawFn) -> list[ev.Event]:
    """Events of a run, up to three strides of kept states, with a clock that may be set back."""
    said = draw(st.lists(payloads, min_size=1, max_size=12))
    said *= draw(st.integers(1, 50))
    steps = draw(st.lists(st.floats(-1, 20), min_size=1, max_size=7))
    passed, found = 0.0, []
    for seq, payload in enumerate([PLAN, *said], start=1):
        found.append(event(seq, payload, passed))
        passed = max(passed + steps[seq % len(steps)], 0.0)
    return found


@given(runs(), st.lists(st.integers(0, 601), min_size=1, max_size=8))
def test_any_moment_is_what_the_events_up_to_there_say(
    events: list[ev.Event], places: list[int]
) -> None:
    replay = Replay(events)
    for place in places:  # forward and back, in any order
        assert replay.at(place) == fold(events[:place])


@given(runs(), st.floats(0, 1))
def test_an_event_counts_from_its_own_second_on(events: list[ev.Event], share: float) -> None:
    replay = Replay(events)
    assert list(replay.times) == sorted(replay.times)
    index = replay.index_at(share * replay.seconds)
    assert all(at <= share * replay.seconds for at in replay.times[:index])
    assert all(at > share * replay.seconds for at in replay.times[index:])


def test_a_step_on_leaves_other_nodes_the_same_objects() -> None:
    replay = Replay([event(1, PLAN, 0), event(2, ev.NodeStarted("p.a"), 1)])
    before, after = replay.at(1), replay.at(2)
    assert after.nodes["p.b"] is before.nodes["p.b"]
    assert after.nodes["p.a"].status == "running"


def three() -> Replay:
    said = (PLAN, ev.NodeStarted("p.a"), ev.NodeSucceeded("p.a", 10.0))
    return Replay([event(i + 1, payload, i * 10.0) for i, payload in enumerate(said)])


def test_playing_goes_at_its_speed_and_stops_at_the_end() -> None:
    head = Playhead.begin(three())
    assert (head.index, head.speed) == (1, 1.0)
    head.faster()
    head.advance(5.0)
    assert (head.seconds, head.index, head.playing) == (10.0, 2, True)
    head.advance(99.0)
    assert (head.seconds, head.index, head.playing) == (20.0, 3, False)


def test_pausing_at_the_end_begins_again() -> None:
    head = Playhead.begin(three())
    head.advance(99.0)
    head.pause()
    assert (head.seconds, head.playing) == (0.0, True)


def test_steps_go_event_by_event_and_pause() -> None:
    head = Playhead.begin(three())
    head.step(1)
    assert (head.index, head.seconds, head.playing) == (2, 10.0, False)
    head.step(-2)
    assert (head.index, head.seconds) == (0, 0.0)


def test_scrubbing_stays_within_the_run() -> None:
    head = Playhead.begin(three())
    head.scrub(0.5)
    assert (head.seconds, head.index) == (10.0, 2)
    head.scrub(-9)
    assert head.seconds == 0.0


def test_a_long_run_begins_fast_and_speeds_have_ends() -> None:
    long = Replay([event(1, PLAN, 0), event(2, ev.RunStarted(1), 3_000.0)])
    head = Playhead.begin(long)
    assert head.speed == 50.0
    head.faster()
    assert head.speed == SPEEDS[-1]
    head.faster(-99)
    assert head.speed == SPEEDS[0]


@given(st.integers(20, 250), st.booleans())
def test_the_scrubber_fits_its_row(cells: int, ascii_only: bool) -> None:
    head = Playhead.begin(three())
    head.step(1)
    line = scrubber(head, cells, ascii_only)
    assert width(line) == cells
    assert "p.a started" in plain(line) or cells < 80


def test_a_run_without_events_can_be_replayed() -> None:
    head = Playhead.begin(Replay([]))
    head.advance(1.0)
    head.step(1)
    assert (head.index, head.ended, head.event_text()) == (0, True, "before the first event")
