"""The lines between two ranks: every source has one trunk across the way, in a track of its own.

Channel routing by the left-edge method with vertical constraints (Hashimoto & Stevens 1971): a
source's line into the channel and lines into a target on the same row must not meet, so that
source's trunk comes first. Where such constraints go in a circle, a trunk is broken in two by a
dogleg: over a row that is free, or over a row put in between for it.

Rows are counted in thirds here: multiples of `ROW` are rows of the drawing, the numbers between
are rows put in, one for a source that leaves downward and one for the next that leaves upward.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

__all__ = ["ROW", "Channel", "Net", "Trunk", "route"]

ROW = 3
_COST_OF_ROW = 6
"""A row put in may save a detour of this many rows outside a trunk's span."""


@dataclass(frozen=True)
class Net:
    """One source's row and the rows of its targets in the next rank."""

    source: int
    targets: frozenset[int]


@dataclass(frozen=True)
class Trunk:
    """A line across the way at `track`, from the row it comes in at to the rows it goes out at.

    `track` is -1 when all is on one row and no trunk is needed.
    """

    track: int
    source: int
    targets: frozenset[int]


@dataclass(frozen=True)
class Channel:
    """The trunks of each net (two when it has a dogleg) and how many tracks they need."""

    trunks: tuple[tuple[Trunk, ...], ...]
    tracks: int


def route(nets: Iterable[Net], *, gap: int, reach: int) -> Channel:
    """Tracks for the nets of one channel.

    `gap`: rows to leave free between two trunks of one track. `reach`: how many rows away a
    dogleg may look for a free row.
    """
    return _Router(list(nets), gap * ROW, reach * ROW).routed()


class _Router:
    """The state of one channel while its trunks get tracks, from left to right."""

    def __init__(self, nets: list[Net], gap: int, reach: int) -> None:
        self.nets, self.gap, self.reach = nets, gap, reach
        self.by_source = {net.source: i for i, net in enumerate(nets)}
        self.taken_by_target = {row for net in nets for row in net.targets}
        self.doglegs: set[int] = set()
        self.tracks: list[list[tuple[int, int]]] = []
        self.trunks: list[list[Trunk]] = [[] for _ in nets]
        self.least = [0] * len(nets)
        self.left = set(range(len(nets)))
        self.after: list[list[int]] = [[] for _ in nets]
        self.before: list[set[int]] = [set() for _ in nets]
        self._constrain()

    def _constrain(self) -> None:
        """Who must stand left of whom: a source's trunk left of others into its own row."""
        for j, net in enumerate(self.nets):
            for row in net.targets:
                i = self.by_source.get(row)
                if i is not None and i != j and self._has_trunk(i):
                    self.after[i].append(j)
                    self.before[j].add(i)

    def _has_trunk(self, i: int) -> bool:
        return self.nets[i].targets != {self.nets[i].source}

    def routed(self) -> Channel:
        ready = [(self._precedence(i), i) for i in self.left if not self.before[i]]
        heapify(ready)
        while self.left:
            if not ready:
                i = self._break_circle()
                self._free_followers(i, ready)
                continue
            i = heappop(ready)[1]
            self.left.discard(i)
            self._finish(i, ready)
        return Channel(tuple(tuple(trunks) for trunks in self.trunks), len(self.tracks))

    def _finish(self, i: int, ready: list[tuple[int, int]]) -> None:
        """Gives net i its trunk, or the second one when it is led over a dogleg."""
        net = self.nets[i]
        if self.trunks[i]:
            dogleg = next(iter(self.trunks[i][0].targets - {net.source}))
            trunk = self._place(dogleg, net.targets - {net.source}, self.least[i])
            self.trunks[i].append(trunk)
            return
        self.trunks[i].append(self._place(net.source, net.targets, self.least[i]))
        self._free_followers(i, ready)

    def _precedence(self, i: int) -> int:
        """Nets that go down from the lowest source on, those that go up from the highest on.

        So neither crosses what it could pass by.
        """
        net = self.nets[i]
        down = sum(1 if row > net.source else -1 for row in net.targets if row != net.source)
        return -net.source if down > 0 else net.source

    def _place(self, source: int, targets: frozenset[int], least: int) -> Trunk:
        if targets == {source}:
            return Trunk(-1, source, targets)
        low, high = min(source, *targets), max(source, *targets)
        for track in range(least, len(self.tracks)):
            if all(high + self.gap < a or b + self.gap < low for a, b in self.tracks[track]):
                break
        else:
            track = max(least, len(self.tracks))
            self.tracks.extend([] for _ in range(track + 1 - len(self.tracks)))
        self.tracks[track].append((low, high))
        return Trunk(track, source, targets)

    def _free_followers(self, i: int, ready: list[tuple[int, int]]) -> None:
        """Lets those go that waited for net i to leave its source's row."""
        track = self.trunks[i][0].track
        for j in self.after[i]:
            self.least[j] = max(self.least[j], track + 1)
            self.before[j].discard(i)
            if not self.before[j] and j in self.left:
                heappush(ready, (self._precedence(j), j))

    def _break_circle(self) -> int:
        """Leads one net of a circle off its source's row by a dogleg; returns the net."""
        _, i, row = min(self._dogleg(i) for i in self._circle())
        net = self.nets[i]
        self.doglegs.add(row)
        source = self.by_source.get(row)
        least = self.trunks[source][0].track + 1 if source is not None else 0
        targets = (net.targets & {net.source}) | {row}
        trunk = self._place(net.source, frozenset(targets), least)
        self.trunks[i].append(trunk)
        self.least[i] = max(self.least[i], trunk.track + 1)
        return i

    def _circle(self) -> list[int]:
        """Nets that wait for each other in a circle; none of them has a dogleg yet."""
        seen: dict[int, None] = {}
        i = min(i for i in self.left if not self.trunks[i])
        while i not in seen:
            seen[i] = None
            i = min(self.before[i])
        way = list(seen)
        return way[way.index(i) :]

    def _dogleg(self, i: int) -> tuple[int, int, int]:
        """Cost (rows of detour), net and row of its best dogleg: a free row or one put in."""
        net = self.nets[i]
        rows = net.targets | {net.source}
        low, high = min(rows), max(rows)
        toward = 1 if high - net.source >= net.source - low else -1
        found = [(_COST_OF_ROW, i, net.source + toward)]
        for row in range(net.source % ROW, net.source + self.reach + 1, ROW):
            if row >= net.source - self.reach and self._is_free(row):
                outside = max(low - row, row - high, 0)
                found.append((2 * outside // ROW, i, row))
        return min(found, key=lambda one: (one[0], abs(one[2] - net.source), one[2]))

    def _is_free(self, row: int) -> bool:
        """Whether nothing goes on to the right on a row, once what comes in there has a trunk."""
        if row in self.taken_by_target or row in self.doglegs:
            return False
        source = self.by_source.get(row)
        return source is None or bool(self.trunks[source])
