"""Where panes stand on the screen: one at a time when it is small, together when there is room."""

from __future__ import annotations

from collections.abc import Mapping

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

__all__ = ["Board", "BoardLayout", "arrange", "size_class"]

ALONE = ("query", "tables", "compare")
"""Views that need the whole screen whatever its size."""


def size_class(size: Size) -> str:
    """tiny, narrow, medium or wide, for a whole screen of that size."""
    if size.width < 60 or size.height < 15:
        return "tiny"
    if size.width < 100 or size.height < 30:
        return "narrow"
    return "wide" if size.width >= 160 and size.height >= 45 else "medium"


def arrange(kind: str, size: Size, view: str, zoomed: bool) -> Mapping[str, Region]:
    """The place of each visible pane on a board of `size`, for the chosen `view`.

    Panes side by side have an empty column between them.
    """
    width, height = size
    whole = {view: Region(0, 0, width, height)}
    if kind == "tiny" or zoomed or view in ALONE:
        return whole
    if kind == "narrow":
        strip = min(9, height // 2 - 1)
        if view != "graph" or strip < 4:
            return whole
        return {
            view: Region(0, 0, width, height - strip),
            "strip": Region(0, height - strip, width, strip),
        }
    return _medium(width, height) if kind == "medium" else _wide(width, height)


def _medium(width: int, height: int) -> dict[str, Region]:
    logs, runs = 5, 4
    graph = max((height - logs - runs) * 4 // 10, 8)
    middle = height - logs - runs - graph
    left = width * 6 // 10
    return {
        "graph": Region(0, 0, width, graph),
        "nodes": Region(0, graph, left, middle),
        "story": Region(left + 1, graph, width - left - 1, middle),
        "runs": Region(0, graph + middle, width, runs),
        "logs": Region(0, graph + middle + runs, width, logs),
    }


def _wide(width: int, height: int) -> dict[str, Region]:
    logs, runs = max(height // 6, 8), 6
    graph = max((height - logs - runs) * 4 // 10, 12)
    middle = height - logs - runs - graph
    left, right = width * 11 // 20, width * 3 // 10
    return {
        "graph": Region(0, 0, width - right - 1, graph),
        "gantt": Region(width - right, 0, right, graph),
        "nodes": Region(0, graph, left, middle),
        "story": Region(left + 1, graph, width - left - 1, middle + runs),
        "runs": Region(0, graph + middle, left, runs),
        "logs": Region(0, graph + middle + runs, width, logs),
    }


class Board(Widget):
    """Holds all panes."""

    DEFAULT_CSS = "Board { height: 1fr; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="board")
        self.arrangement = BoardLayout()

    @property
    def layout(self) -> Layout:
        return self.arrangement


class BoardLayout(Layout):
    """Puts each child where `regions` says, by its id; those without a place aren't shown."""

    name = "board"

    def __init__(self) -> None:
        self.regions: Mapping[str, Region] = {}

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        parent.pre_layout(self)
        return [
            WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if (region := self.regions.get(child.id or "")) is not None
        ]
