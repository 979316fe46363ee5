"""Tables of values on the screen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odibi.safe_text import safe_line
from odibi_tui.grid import Table, record
from odibi_tui.paint import plain, width

SMALL = Table(
    (("city", "VARCHAR"), ("n", "BIGINT"), ("at", "TIMESTAMP")),
    [("Lisbon", "12", None), ("São Paulo", "3", "2026-11-22 23:00:00"), ("", "-1", None)],
    frozenset({1}),
)


def lines(table: Table) -> list[str]:
    return [plain(line).rstrip() for line in (*table.head(), *map(table.line, range(3)))]


def test_columns_are_as_wide_as_they_need_and_numbers_sit_at_the_right() -> None:
    assert lines(SMALL) == [
        " city            n  at",
        " VARCHAR    BIGINT  TIMESTAMP",
        " Lisbon         12  NULL",
        " São Paulo       3  2026-11-22 23:00:00",
        " ''             -1  NULL",
    ]


def test_null_and_its_text_differ() -> None:
    table = Table((("a", "VARCHAR"),), [(None,), ("NULL",)])
    assert plain(table.line(0)) == plain(table.line(1))
    assert table.line(0) != table.line(1)


def test_a_long_value_is_cut_in_its_row_and_whole_in_its_record() -> None:
    long = "x" * 100
    table = Table((("a", "VARCHAR"), ("b", "VARCHAR")), [(long, "one\ntwo")])
    assert plain(table.line(0)).split() == ["x" * 39 + "…", "one", "two"]
    assert record(table, 0) == f"a  {long}\nb  one\n   two"


values = st.none() | st.text(max_size=60)


@given(st.data())
def test_every_line_is_as_wide_as_every_other(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(max_size=50), min_size=1, max_size=5))
    rows = data.draw(st.lists(st.tuples(*[values] * len(names)), max_size=5))
    table = Table(tuple((name, "VARCHAR") for name in names), rows, frozenset({0}))
    shown = [*table.head(), *map(table.line, range(len(rows)))]
    assert {width(line) for line in shown} == {table.cells + 1}
    assert all(safe_line(text) == text for line in shown for text in plain(line).split())
