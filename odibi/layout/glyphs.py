"""Box-drawing characters by the weight of a cell's four sides, for screens and for plain ASCII.

A cell is one byte: two bits a side, none, light or heavy. `KNOT` marks a cell in which a line
that goes on both ways is connected to the line it meets; without it such lines only cross.
"""

from __future__ import annotations

from functools import cache
from typing import Final

__all__ = [
    "ACROSS",
    "ARROW",
    "DOWN",
    "HEAVY",
    "HEAVY_ACROSS",
    "KNOT",
    "LEFT",
    "RIGHT",
    "UP",
    "table",
]

UP: Final = 1
DOWN: Final = 4
LEFT: Final = 16
RIGHT: Final = 64
ACROSS: Final = LEFT | RIGHT
HEAVY: Final = 2
"""A side times this is that side drawn heavy."""
HEAVY_ACROSS: Final = HEAVY * ACROSS
KNOT: Final = 255
ARROW: Final = 254
"""The cell before a target."""

# the sides up, down, left, right of each character: 1 light, 2 heavy
_SIDES = {
    "0011": "─", "0022": "━", "1100": "│", "2200": "┃",
    "0101": "╭", "0110": "╮", "1001": "╰", "1010": "╯",
    "0102": "┍", "0120": "┑", "1002": "┕", "1020": "┙",
    "0201": "┎", "0210": "┒", "2001": "┖", "2010": "┚",
    "0202": "┏", "0220": "┓", "2002": "┗", "2020": "┛",
    "1101": "├", "1102": "┝", "2101": "┞", "1201": "┟",
    "2201": "┠", "2102": "┡", "1202": "┢", "2202": "┣",
    "1110": "┤", "1120": "┥", "2110": "┦", "1210": "┧",
    "2210": "┨", "2120": "┩", "1220": "┪", "2220": "┫",
    "0111": "┬", "0121": "┭", "0112": "┮", "0122": "┯",
    "0211": "┰", "0221": "┱", "0212": "┲", "0222": "┳",
    "1011": "┴", "1021": "┵", "1012": "┶", "1022": "┷",
    "2011": "┸", "2021": "┹", "2012": "┺", "2022": "┻",
    "1111": "┼", "1121": "┽", "1112": "┾", "1122": "┿",
    "2111": "╀", "1211": "╁", "2211": "╂", "1212": "╆",
}  # fmt: skip


@cache
def table(ascii_only: bool, transposed: bool) -> str:
    """The character of each of the 256 cell values, for `str.translate` of latin-1 text.

    `transposed`: the cell was computed for a drawing that is turned, so rows are columns.
    """
    pick = _plain if ascii_only else _boxed
    return "".join(pick(code, transposed) for code in range(256))


def _boxed(code: int, transposed: bool) -> str:
    if code == KNOT:
        return "╋"
    if code == ARROW:
        return "▾" if transposed else "▸"
    up, down, left, right = _weights(code)
    sides = (left, right, up, down) if transposed else (up, down, left, right)
    return _SIDES.get("".join(map(str, sides)), " ")


def _plain(code: int, transposed: bool) -> str:
    """`+` where lines are connected; where they only cross, the trunk is on top."""
    up, down, left, right = _weights(code)
    run, heavy, trunk = ("|", "H", "-") if transposed else ("-", "=", "|")
    if code == 0:
        return " "
    if code == ARROW:
        return "v" if transposed else ">"
    if not up and not down and left == right:
        return heavy if right == HEAVY else run
    if up and down and left == right and code != KNOT:
        return trunk
    return "+"


def _weights(code: int) -> tuple[int, int, int, int]:
    return code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3
