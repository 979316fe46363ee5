"""Playing a run again on the screen: a clock that moves the playhead, and the keys while it does."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from odibi import event_log
from odibi.errors import OdibiError
from odibi_tui.replay import Playhead, Replay, scrubber

if TYPE_CHECKING:
    from textual.timer import Timer

    from odibi_tui.app import TopApp

__all__ = ["Player"]

_TICK, _TICK_SSH = 0.1, 0.25  # seconds between two frames of a replay
_SCRUB = 0.05


class Player:
    """One replay at a time. Its `do_` methods come before those of panes while it is `active`."""

    def __init__(self, app: TopApp) -> None:
        self.top = app
        self.head: Playhead | None = None
        self._run_id: str | None = None
        self._timer: Timer | None = None
        self._ticked = 0.0

    @property
    def active(self) -> bool:
        """Whether the screen shows a moment of a replay."""
        world = self.top.world
        return self.head is not None and world.replay is not None and world.run_id == self._run_id

    # Beginning and ending -------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Read the shown run's events and play them from the beginning."""
        run_id = self.top.world.run_id
        if run_id is None:
            return
        folder = self.top.world.ledger.run_dir(run_id)
        try:
            replay = await asyncio.to_thread(lambda: Replay(event_log.read(folder)))
        except OdibiError as error:
            self.top.notify(error.message, severity="error", markup=False)
            return
        if not replay or run_id != self.top.world.run_id:
            self.top.notify("there are no events to replay", timeout=2)
            return
        self.head, self._run_id = Playhead.begin(replay), run_id
        self._show()
        self._start_clock()

    def end(self) -> None:
        """Stop; the run is shown as it is now."""
        if self.head is None:
            return
        self.head = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self.top.world.run_id == self._run_id:
            self.top.changed(self.top.world.show_replay(None))

    def _start_clock(self) -> None:
        self._ticked = time.monotonic()
        if self._timer is None:
            far = os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")
            self._timer = self.top.set_interval(_TICK_SSH if far else _TICK, self._tick)

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        if self.head is None:
            return
        if not self.active:  # another run is shown now, or esc was pressed
            self.end()
        elif self.head.playing:
            self.head.advance(passed)
            self._show()

    def _show(self) -> None:
        head = self.head
        if head is not None:
            moment = head.replay.moment(head.seconds)
            self.top.changed(self.top.world.show_replay(head.state(), moment))

    # Keys -----------------------------------------------------------------------------------------------

    def do_mark(self) -> None:
        """Space: stop, or go on."""
        if self.head is not None:
            self.head.pause()
            self._show()

    def do_move_left(self) -> None:
        self._scrub(-_SCRUB)

    def do_move_right(self) -> None:
        self._scrub(_SCRUB)

    def _scrub(self, share: float) -> None:
        if self.head is not None:
            self.head.scrub(share)
            self._show()

    def do_replay_back(self) -> None:
        self._step(-1)

    def do_replay_forward(self) -> None:
        self._step(1)

    def _step(self, events: int) -> None:
        if self.head is not None:
            self.head.step(events)
            self._show()

    def do_replay_slower(self) -> None:
        self._faster(-1)

    def do_replay_faster(self) -> None:
        self._faster(1)

    def _faster(self, steps: int) -> None:
        if self.head is not None:
            self.head.faster(steps)

    def do_replay(self) -> None:
        """Again from the beginning."""
        if self.head is not None:
            self.head.seek(0.0)
            self.head.playing = True
            self._show()

    def do_back(self) -> None:
        self.end()

    def scrubber(self, cells: int) -> tuple[tuple[str, str], ...]:
        """The row above the keys while a replay is shown."""
        return scrubber(self.head, cells, self.top.ascii) if self.head is not None else ()
