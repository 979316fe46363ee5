"""A run again, from its events: its state at any moment, and a playhead that moves through it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from odibi.events import Event
from odibi.run_state import EMPTY, RunState, apply_all
from odibi.safe_text import safe_line
from odibi_tui.event_text import told
from odibi_tui.paint import Line, duration, join, width

__all__ = ["SPEEDS", "Playhead", "Replay", "scrubber"]

_STRIDE = 200  # events between kept states
_PATIENCE = 60.0  # seconds that a replay takes at most at the speed it begins with
SPEEDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Seconds of the run that pass in one second of a replay."""


class Replay:
    """The events of one run, with a state kept every 200, so that any moment costs little.

    `times` are seconds since the first event, one per event; they never run backwards, whatever the
    clock of the writer did.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = tuple(events)
        self.times = _times(self.events)
        self._kept = [EMPTY]
        for start in range(0, len(self.events), _STRIDE):
            self._kept.append(apply_all(self._kept[-1], self.events[start : start + _STRIDE]))
        self._latest: tuple[int, RunState] = (0, EMPTY)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        return self.times[-1] if self.times else 0.0

    def at(self, index: int) -> RunState:
        """The state after the first `index` events, 0 to all of them."""
        index = min(max(index, 0), len(self.events))
        start, state = (
            min(index // _STRIDE * _STRIDE, len(self.events)),
            self._kept[index // _STRIDE],
        )
        if (
            start <= self._latest[0] <= index
        ):  # a step on: nodes it leaves alone stay the same objects
            start, state = self._latest
        if start < index:
            state = apply_all(state, self.events[start:index])
        self._latest = (index, state)
        return state

    def index_at(self, seconds: float) -> int:
        """How many events had happened so many seconds after the first one."""
        return bisect_right(self.times, seconds)

    def moment(self, seconds: float) -> datetime | None:
        """The time of day then; None without events."""
        if not self.events:
            return None
        return datetime.fromisoformat(self.events[0].at) + timedelta(seconds=seconds)


def _times(events: Sequence[Event]) -> tuple[float, ...]:
    if not events:
        return ()
    first, latest, times = datetime.fromisoformat(events[0].at), 0.0, []
    for event in events:
        passed = (datetime.fromisoformat(event.at) - first).total_seconds()
        latest = max(latest, passed)
        times.append(latest)
    return tuple(times)


@dataclass(slots=True)
class Playhead:
    """Where a replay is: `index` events have happened, `seconds` have passed since the first."""

    replay: Replay
    seconds: float = 0.0
    index: int = 0
    speed: float = 1.0
    playing: bool = True

    @classmethod
    def begin(cls, replay: Replay) -> Playhead:
        """At the beginning, so fast that it takes at most a minute where a speed allows."""
        fast = next((s for s in SPEEDS if s >= 1 and replay.seconds <= s * _PATIENCE), SPEEDS[-1])
        return cls(replay, index=replay.index_at(0.0), speed=fast)

    @property
    def ended(self) -> bool:
        return self.index >= len(self.replay)

    def advance(self, seconds: float) -> None:
        """So many seconds passed for whoever watches. It stops at the end."""
        if self.playing:
            self.seek(self.seconds + seconds * self.speed)
            self.playing = not self.ended

    def seek(self, seconds: float) -> None:
        """Go to a moment of the run."""
        self.seconds = min(max(seconds, 0.0), self.replay.seconds)
        self.index = self.replay.index_at(self.seconds)

    def scrub(self, share: float) -> None:
        """Go on (or back) by a share of the whole run."""
        self.seek(self.seconds + share * self.replay.seconds)

    def step(self, events: int) -> None:
        """Go on (or back) by events, and stay there."""
        self.playing = False
        self.index = min(max(self.index + events, 0), len(self.replay))
        self.seconds = self.replay.times[self.index - 1] if self.index else 0.0

    def faster(self, steps: int = 1) -> None:
        """The next speed; slower with a negative number."""
        place = SPEEDS.index(self.speed) + steps
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]

    def pause(self) -> None:
        """Stop or go on; at the end: again from the beginning."""
        if self.ended and not self.playing:
            self.seek(0.0)
        self.playing = not self.playing

    def state(self) -> RunState:
        """The run as it was there."""
        return self.replay.at(self.index)

    def event_text(self) -> str:
        """What happened last, safe to show."""
        if not self.index:
            return "before the first event"
        payload = self.replay.events[self.index - 1].payload
        node = str(getattr(payload, "node", None) or "")
        said = told(payload)
        words = said[1] if said else payload.TYPE.replace("_", " ")
        return safe_line(f"{node} {words}", 200)


def scrubber(head: Playhead, cells: int, ascii_only: bool = False) -> Line:
    """The row above the keys: whether it plays, how fast, where, and what happened there."""
    sign = (">" if ascii_only else "▶") if head.playing else ("=" if ascii_only else "‖")
    left: Line = (
        (f" {sign} ", "mode.replay"),
        (f" ×{head.speed:g} ", "bold"),
        (f"{duration(head.seconds)} / {duration(head.replay.seconds)} ", "text"),
        *_track(head, max(min(cells // 4, 40), 8), ascii_only),
        (f" {head.index}/{len(head.replay)} ", "dim"),
        (head.event_text(), "text"),
    )
    keys: Line = (("space", "key"), (" pause  ", "dim"), ("←→", "key"), (" ±5%  ", "dim"))
    more: Line = (("{ }", "key"), (" event  ", "dim"), (", .", "key"), (" speed  ", "dim"))
    end: Line = (("esc", "key"), (" end ", "dim"))
    shown = next(
        (line for line in ((*keys, *more, *end), (*keys, *end)) if width(line) * 3.5 < cells), end
    )
    return join(left, shown, cells)


def _track(head: Playhead, cells: int, ascii_only: bool) -> Line:
    share = head.seconds / head.replay.seconds if head.replay.seconds else 1.0
    done = min(int(share * (cells - 1)), cells - 1)
    line, knob = ("-", "o") if ascii_only else ("─", "●")
    before = "=" if ascii_only else "━"
    rest = line * (cells - 1 - done)
    return ((before * done, "warning"), (knob, "warning"), (rest, "dim"))
