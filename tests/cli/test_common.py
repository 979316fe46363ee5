"""Tables and JSON that commands print: aligned, cut where they must be, harmless always."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from odibi.cli.common import json_text, plural, table

CELLS = st.text(max_size=40)


def test_a_table_is_aligned() -> None:
    assert table(["name", "rows"], [("a", 1), ("longer", 1000)], right=["rows"]) == [
        "name    rows",
        "a          1",
        "longer  1000",
    ]


def test_wide_characters_count_twice() -> None:
    lines = table(["name", "x"], [("日本", 1), ("abcd", 2)])
    assert [cell_len(line) for line in lines] == [7, 7, 7]


def test_the_widest_column_is_cut_first_and_kept_ones_last() -> None:
    rows = [("n" * 20, "p" * 30)]
    assert table(["name", "path"], rows, width=40)[1] == "n" * 18 + "…  " + "p" * 18 + "…"
    assert (
        table(["name", "path"], rows, width=40, keep=["name"])[1]
        == "n" * 20 + "  " + "p" * 17 + "…"
    )


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.integers(30, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = table(["a", "b", "c"], rows, right=["b"], width=width)
    assert len(lines) == len(rows) + 1
    assert all(cell_len(line) <= width for line in lines)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_no_cell_steers_the_terminal(rows: list[tuple[str, str]]) -> None:
    for line in table(["a", "b"], rows):
        assert not any(unicodedata.category(character) == "Cc" for character in line)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_json_keeps_the_value_and_holds_no_control_character(value: object) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert not any(
        unicodedata.category(character) == "Cc" for character in text if character != "\n"
    )


def test_plural() -> None:
    assert [plural(n, "row") for n in (0, 1, 2, 1000)] == [
        "0 rows",
        "1 row",
        "2 rows",
        "1,000 rows",
    ]
