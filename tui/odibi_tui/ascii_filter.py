"""`--ascii`: every sign that odibi or Textual draws, as one of ASCII with as many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.filter import LineFilter

if TYPE_CHECKING:
    from textual.color import Color

__all__ = ["AsciiFilter"]

_OURS = dict(zip("─│·→←↑↓…›⏎≥≤Δ×▏–—±▁▂▃▄▅▆▇█»↳", "-|-><^v~><><dx|--~__..==##>+", strict=True))
# What Textual's borders, scroll bars, toasts and palette are drawn with, beside our own signs.
_BORDERS = dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝┏┓┗┛", "+")
_LINES = dict(zip("━═║┃╌╎▔", "-=||-|-", strict=True))
_PARTS_OF_CELLS = dict.fromkeys("▀▌▐▎▍▊▋▉▕▖▗▘▙▚▛▜▝▞▟🮇🮈🮉🮊", " ")
_WORDS = {
    "🔎": "? ",
    "●": "*",
    "○": "o",
    "▶": ">",
    "▼": "v",
    "▲": "^",
    "✓": "+",
    "✗": "x",
    "⭘": "o",
}
_TABLE = str.maketrans(_BORDERS | _LINES | _PARTS_OF_CELLS | _WORDS | _OURS)


class AsciiFilter(LineFilter):
    """Translates what all widgets draw, dialogs and toasts too; text of the data stays as it is."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_TABLE), segment.style, segment.control)
            for segment in segments
        ]
