"""Following runs: reads what is new in the ledger and the event logs. Knows no screen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from odibi.errors import OdibiError
from odibi.event_log import Tail
from odibi.ledger import Ledger, RunSummary
from odibi.run_state import EMPTY, RunState, apply_all

__all__ = ["LIVE", "Follower", "News"]

LIVE = ("planned", "running")
_LIFE_SIGNS = 2.0  # seconds between looks whether a silent run's process is still there
_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class News:
    """What changed since the last look. `runs` is None when nobody asked for them.

    `states` are those of followed runs that went on; `damaged` says why a run's log can't be read.
    """

    runs: tuple[RunSummary, ...] | None = None
    states: Mapping[str, RunState] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.runs is not None or bool(self.states) or bool(self.damaged)


@dataclass(slots=True)
class _Followed:
    """A run being read: how far, what it came to, and when its process was last looked for."""

    tail: Tail
    raw: RunState = EMPTY
    shown: RunState = EMPTY
    looked: float = 0.0
    broken: bool = False


class Follower:
    """Reads runs of one ledger. All methods may block and are called from one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._followed: dict[str, _Followed] = {}

    def look(self, follow: Iterable[str], *, runs: bool = False) -> News:
        """What is new in the runs to follow (others are forgotten), and all runs when asked for."""
        wanted = dict.fromkeys(follow)
        for run_id in self._followed.keys() - wanted.keys():
            del self._followed[run_id]
        states: dict[str, RunState] = {}
        damaged: dict[str, str] = {}
        for run_id in wanted:
            try:
                if (state := self._advance(run_id)) is not None:
                    states[run_id] = state
            except OdibiError as error:
                if not self._followed[run_id].broken:
                    self._followed[run_id].broken = True
                    damaged[run_id] = error.message
        return News(tuple(self.ledger.runs(_REMEMBERED)) if runs else None, states, damaged)

    def grown(self) -> bool:
        """Whether a followed log has more to read; cheap enough to be asked at each frame."""
        return any(run.tail.grown() for run in self._followed.values() if not run.broken)

    def _advance(self, run_id: str) -> RunState | None:
        """The run's new state, or None when nothing happened."""
        run = self._followed.get(run_id)
        if run is None:
            run = self._followed[run_id] = _Followed(Tail(self.ledger.run_dir(run_id)))
        events = run.tail.poll()
        if events:
            run.raw = apply_all(run.raw, events)
        now = time.monotonic()
        if not run.raw.done and now - run.looked > _LIFE_SIGNS and run.raw.run_id:
            run.looked = now
            shown = self.ledger.settle(run_id, run.raw)
        else:
            shown = run.raw if events else run.shown
        if not events and shown.status == run.shown.status:
            return None
        run.shown = shown
        return shown
