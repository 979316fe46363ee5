"""Lines and the forms of numbers: exact widths, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.safe_text import safe_line
from odibi_tui import paint

TEXT = st.text(max_size=60).map(safe_line)
SPANS = st.lists(st.tuples(TEXT, st.sampled_from(["text", "dim", "ok"])), max_size=6).map(tuple)


@given(TEXT, st.integers(0, 80), st.booleans())
def test_a_fitted_text_takes_exactly_its_cells(text: str, cells: int, right: bool) -> None:
    assert paint.width(((paint.fit(text, cells, right), "text"),)) == cells


@given(SPANS, st.integers(0, 80))
def test_a_clipped_line_is_never_wider(line: paint.Line, cells: int) -> None:
    clipped = paint.clip(line, cells)
    assert paint.width(clipped) == min(paint.width(line), cells)


@given(SPANS, SPANS, st.integers(0, 100))
def test_a_rule_fills_its_row(title: paint.Line, note: paint.Line, cells: int) -> None:
    assert paint.width(paint.rule(title, note, cells)) >= min(cells, 1)
    wide = paint.width(title) + paint.width(note) + 20
    assert paint.width(paint.rule(title, note, wide)) == wide


@given(TEXT, st.integers(8, 60))
def test_wrapped_text_keeps_every_letter(text: str, cells: int) -> None:
    lines = paint.wrap(text, cells)
    assert "".join(paint.plain(line) for line in lines).replace(" ", "") == text.replace(" ", "")
    assert all(paint.width(line) <= cells for line in lines)


@given(st.floats(0, 1), st.integers(0, 40), st.booleans())
def test_a_bar_has_its_length(fraction: float, cells: int, ascii_only: bool) -> None:
    assert sum(map(len, paint.bar(fraction, cells, ascii_only))) == cells


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "—"),
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.6, "1:00"),
        (69, "1:09"),
        (3723, "1:02:03"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert paint.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "—"), (0, "0"), (88120, "88,120"), (1_710_000, "1.71M"), (5_000_000_000, "5.00G")],
)
def test_amounts(count: float | None, shown: str) -> None:
    assert paint.amount(count) == shown


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (100, 100, "="),
        (100, 138, "+38.0%"),
        (100, 62, "-38.0%"),
        (0, 5, ""),
        (None, 5, ""),
        (1, 500, "500x"),
    ],
)
def test_changes(before: float | None, after: float, shown: str) -> None:
    assert paint.percent(before, after) == shown


def test_sizes_and_rates() -> None:
    assert [paint.size(n) for n in (0, 812, 1_300, 1_300_000)] == [
        "0 B",
        "812 B",
        "1.3 KiB",
        "1.2 MiB",
    ]
    assert paint.rate(9_100, 1) == "9.1k/s"
    assert paint.rate(None, 1) == ""


def test_a_sparkline_is_scaled_to_its_largest_value() -> None:
    assert paint.sparkline([0, 1, 2, None, 4], 5) == "▁▂▄ █"
    assert paint.sparkline([1, 2, 3], 2) == "▆█"
    assert paint.sparkline([], 5) == ""
