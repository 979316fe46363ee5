"""How the graph looks: the drawing that fits, lit edges, rows of exactly the drawing's width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi_tui import picture
from odibi_tui.paint import plain, width
from odibi_tui.picture import Look, NodeLook

SHOP = Look(
    ("b.raw", "b.more", "s.clean", "g.sales"),
    (("b.raw", "s.clean"), ("b.more", "s.clean"), ("s.clean", "g.sales")),
    (("b.raw", "bronze"), ("b.more", "bronze"), ("s.clean", "silver"), ("g.sales", "gold")),
    (("b.raw", "raw"), ("b.more", "more"), ("s.clean", "clean"), ("g.sales", "sales")),
)


def plain_look(_: str) -> NodeLook:
    return NodeLook("✓", "ok", "text", "12 rows")


def text(look: Look, form: picture.Form) -> list[str]:
    drawing = picture.drawn(look, form)
    return [
        plain(picture.row_line(drawing, y, {}, plain_look)).rstrip() for y in range(drawing.height)
    ]


def test_one_row_a_node() -> None:
    assert text(SHOP, ("lines", 1)) == [
        "✓ raw ─┮━▸✓ clean──▸✓ sales",
        "✓ more─╯",
    ]


def test_boxes_have_a_second_line() -> None:
    assert "│ 12 rows │" in "\n".join(text(SHOP, ("boxes", 1)))


@pytest.mark.parametrize(
    ("size", "larger", "style"),
    [
        ((200, 60), 0, "boxes"),
        ((34, 6), 0, "lines"),
        ((10, 2), 0, "lines"),
        ((200, 60), -3, "dots"),
        ((10, 2), 2, "boxes"),
    ],
)
def test_the_largest_form_that_fits_is_chosen(
    size: tuple[int, int], larger: int, style: str
) -> None:
    assert picture.chosen_form(SHOP, *size, larger)[0] == style


def test_very_many_nodes_are_dots() -> None:
    nodes = tuple(f"n{i}" for i in range(500))
    assert picture.chosen_form(Look(nodes, ()), 80, 24, 0) == ("dots", 1)


def test_lit_edges_take_their_style_and_the_rest_stays() -> None:
    drawing = picture.drawn(SHOP, ("lines", 1))
    lit = picture.light(drawing, [(("s.clean", "g.sales"), "lit"), (("no", "such"), "lit")])
    line = picture.row_line(drawing, 0, lit, plain_look)
    assert [(t, s) for t, s in line if s == "lit"] == [("──▸", "lit")]
    assert ("─┮━▸", "dim") in [(t.lstrip(), s) for t, s in line]


names = st.sampled_from("abcdefghij")


@given(
    st.sets(st.tuples(names, names).filter(lambda e: e[0] < e[1]), max_size=14),
    st.sampled_from(picture.FORMS),
    st.sampled_from(["right", "down"]),
    st.booleans(),
)
def test_every_row_is_as_wide_as_the_drawing(
    edges: set[tuple[str, str]], form: picture.Form, direction: str, ascii_only: bool
) -> None:
    labels = tuple((key, f"{key} 表 node") for key in "abcdefghij")
    look = Look(tuple("abcdefghij"), tuple(sorted(edges)), (), labels, direction, ascii_only)  # type: ignore[arg-type]
    drawing = picture.drawn(look, form)
    lit = picture.light(drawing, [(edge, "lit") for edge in edges])
    for y in range(drawing.height):
        assert width(picture.row_line(drawing, y, lit, plain_look)) == drawing.width


def test_groups_that_are_open_keep_their_nodes() -> None:
    layer = {"b.raw": "bronze", "s.clean": "silver", "x": ""}.get
    found = picture.groups_of(["b.raw", "s.clean", "x"], lambda key: layer(key) or "", {"silver"})
    assert found == {"b.raw": "bronze"}
