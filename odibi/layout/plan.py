"""Where everything of a drawing is: rows and columns of items, and the trunks between ranks.

All is computed as if the drawing went right (rows across, columns along); one that goes down is
turned when it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from odibi.layout.cells import cell_width
from odibi.layout.channels import ROW, Channel, Net, route
from odibi.layout.drawing import Column, Direction, Style
from odibi.layout.ranks import Ranked
from odibi.layout.rows import placed

__all__ = ["Form", "Plan", "Wire"]

_FRAME_ROWS = 4


@dataclass(frozen=True)
class Form:
    """How to draw: what the caller asked for, and the measures that follow from it."""

    style: Style
    direction: Direction
    spacing: int
    ascii: bool
    widest: int

    @property
    def down(self) -> bool:
        return self.direction == "down"

    @property
    def lead(self) -> int:
        """Cells between a column and the first track. `+` in ASCII needs one to lean on."""
        return 0 if not self.ascii and (self.down or self.style == "dots") else 1

    @property
    def tail(self) -> int:
        """Cells between the last track and the next column, the arrow among them."""
        return 1 if self.style == "dots" or (self.down and not self.ascii) else 2

    @property
    def pitch(self) -> int:
        """Cells from track to track. In ASCII a cell between shows what is connected."""
        return 2 if self.ascii else 1

    @property
    def gap(self) -> int:
        """Rows to leave free between trunks of one track, for the same reason."""
        return (2 if self.down else 1) if self.ascii else 0

    @property
    def reach(self) -> int:
        """Rows a dogleg may go for a free row, before one is put in (which can split a frame)."""
        return 12 if self.down or self.style == "boxes" else 8


@dataclass(frozen=True)
class Wire:
    """A trunk on its column (-1: none needed), with the rows it comes in at and goes out at."""

    column: int
    source: int
    targets: frozenset[int]


class Plan:
    """Where everything is: rows and columns of items, trunks between the ranks."""

    def __init__(
        self, graph: Ranked, levels: list[list[int]], form: Form, names: list[str]
    ) -> None:
        self.graph, self.levels, self.form, self.names = graph, levels, form, names
        self.spans = [self._span(i) for i in range(graph.size)]
        ports = placed(graph, levels, self._distance)
        least = min(
            (port - span[0] for port, span in zip(ports, self.spans, strict=True)), default=0
        )
        ports = [ROW * (port - least) for port in ports]
        channels = [self._channel(rank, ports) for rank in range(len(levels) - 1)]
        self.row_of = _Rows([_rows_put_in(channel) for channel in channels])
        self.ports = ports
        self.columns = self._columns(channels)
        self._numbers = {node: i for i, node in enumerate(graph.nodes)}
        self._ranks = {item: rank for rank, level in enumerate(levels) for item in level}
        self.wires: dict[int, tuple[Wire, ...]] = {}
        for rank, channel in enumerate(channels):
            self._wire(rank, channel)
        self.width = self.columns[-1].start + self.columns[-1].size if levels else 0
        self.height = self._height()

    def _span(self, i: int) -> tuple[int, int]:
        """Cells of an item across the drawing: before its port, and from the port on."""
        if i >= len(self.names):
            return 0, 1
        if not self.form.down:
            return (1, _FRAME_ROWS - 1) if self.form.style == "boxes" else (0, 1)
        width = self._label_width(i)
        return (width // 2, width - width // 2) if self.form.style == "boxes" else (0, width)

    def _label_width(self, i: int) -> int:
        """Cells of a node along a line of text: status, label and frame."""
        if self.form.style == "dots":
            return 1
        return cell_width(self.names[i]) + (6 if self.form.style == "boxes" else 2)

    def _distance(self, first: int, second: int) -> int:
        nodes = (first < len(self.names)) + (second < len(self.names))
        if self.form.down and self.form.style != "dots":
            gap = (0, 1, 2)[nodes] + (self.form.spacing - 1) * nodes
        else:
            gap = self.form.spacing - 1 if nodes else 0
        return self.spans[first][1] + gap + self.spans[second][0]

    def _channel(self, rank: int, ports: list[int]) -> Channel:
        below = self.graph.below
        nets = [
            Net(ports[item], frozenset(ports[other] for other in below[item]))
            for item in self.levels[rank]
            if below[item]
        ]
        return route(nets, gap=self.form.gap, reach=self.form.reach)

    def _columns(self, channels: list[Channel]) -> tuple[Column, ...]:
        columns, start, form = [], 0, self.form
        for rank, level in enumerate(self.levels):
            if form.down:
                size = _FRAME_ROWS if form.style == "boxes" else 1
            else:
                size = max((self._label_width(i) for i in level if i < len(self.names)), default=0)
            columns.append(Column(start, size))
            if rank < len(channels):
                tracks = channels[rank].tracks
                start += (
                    size
                    + form.lead
                    + form.tail
                    + max(form.pitch * (tracks - 1) + 1, 0) * (tracks > 0)
                )
        return tuple(columns)

    def _wire(self, rank: int, channel: Channel) -> None:
        start = self.columns[rank].start + self.columns[rank].size + self.form.lead
        sources = [item for item in self.levels[rank] if self.graph.below[item]]
        for item, trunks in zip(sources, channel.trunks, strict=True):
            self.wires[item] = tuple(
                Wire(
                    -1 if trunk.track < 0 else start + self.form.pitch * trunk.track,
                    self.row_of(trunk.source),
                    frozenset(map(self.row_of, trunk.targets)),
                )
                for trunk in trunks
            )

    def _height(self) -> int:
        ends = [
            self.row_of(port + ROW * (span[1] - 1))
            for port, span in zip(self.ports, self.spans, strict=True)
        ]
        passed = [row for wires in self.wires.values() for wire in wires for row in wire.targets]
        return max((*ends, *passed), default=-1) + 1

    def row(self, i: int) -> int:
        """The row of an item's port."""
        return self.row_of(self.ports[i])

    def rank(self, i: int) -> int:
        """The rank of an item."""
        return self._ranks[i]

    def number(self, node: str) -> int:
        """The item of a node."""
        return self._numbers[node]

    def across(self, i: int) -> tuple[int, int]:
        """First row of a node and the row after its last."""
        before, after = self.spans[i]
        return (
            self.row_of(self.ports[i] - ROW * before),
            self.row_of(self.ports[i] + ROW * (after - 1)) + 1,
        )

    def along(self, i: int) -> tuple[int, int]:
        """First column of a node and the column after its last."""
        column = self.columns[self.graph.rank_of[i]]
        whole = self.form.down or self.form.style == "boxes"
        return column.start, column.start + (column.size if whole else self._label_width(i))


class _Rows:
    """Rows of the drawing by rows counted in thirds.

    Rows put in take a row of their own; the two below one row share it when no channel has both.
    """

    def __init__(self, put_in: list[set[int]]) -> None:
        added = set[int]().union(*put_in)
        shared = {row for row in added if row % ROW == 1 and row + 1 in added}
        shared -= {row for rows in put_in for row in rows if row + 1 in rows}
        self.shift: list[int] = []
        count = 0
        for row in range(max(added, default=-1) + 1):
            self.shift.append(count)
            count += row in added and row not in shared
        self.count = count

    def __call__(self, row: int) -> int:
        shift = self.shift[row] if row < len(self.shift) else self.count
        return -(-row // ROW) + shift


def _rows_put_in(channel: Channel) -> set[int]:
    return {
        row for trunks in channel.trunks for trunk in trunks for row in trunk.targets if row % ROW
    }
