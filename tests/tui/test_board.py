"""Where panes stand: no overlap, nothing outside, the whole board covered."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Size

from odibi_tui.board import arrange, size_class
from odibi_tui.screen import VIEWS


@given(st.integers(10, 300), st.integers(6, 120), st.sampled_from(VIEWS), st.booleans())
def test_panes_cover_the_board_without_overlapping(
    width: int, height: int, view: str, zoomed: bool
) -> None:
    board = Size(width, height - 3)
    regions = arrange(size_class(Size(width, height)), board, view, zoomed)
    assert view in regions
    assert not any(a.overlaps(b) for a, b in combinations(regions.values(), 2))
    assert sum(region.area for region in regions.values()) >= board.area - 2 * board.height
    assert all(region in board.region for region in regions.values())
    assert all(region.height >= 3 and region.width >= 10 for region in regions.values())


def test_small_screens_show_one_view() -> None:
    assert size_class(Size(50, 40)) == "tiny"
    assert size_class(Size(80, 24)) == "narrow"
    assert size_class(Size(120, 40)) == "medium"
    assert size_class(Size(200, 60)) == "wide"
    assert set(arrange("narrow", Size(80, 21), "nodes", False)) == {"nodes"}
    assert set(arrange("narrow", Size(80, 21), "graph", False)) == {"graph", "strip"}
    assert "gantt" in arrange("wide", Size(200, 57), "graph", False)
    assert set(arrange("wide", Size(200, 57), "graph", True)) == {"graph"}
