"""How many terminal cells a text takes, and texts cut to a number of cells."""

from __future__ import annotations

import unicodedata

__all__ = ["cell_width", "clip"]

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_NO_WIDTH = {"Mn", "Me", "Cf"}


def cell_width(text: str) -> int:
    """Cells that a terminal gives the text: wide characters count 2, marks on a letter 0.

    A joined emoji counts as its first part, as terminals that know grapheme clusters draw it
    and as the screens' own measure has it.
    """
    if text.isascii():
        return len(text)
    return sum(width for _, width in _pieces(text))


def clip(text: str, cells: int, mark: str = "…") -> str:
    """The text, cut with `mark` at its end when it is wider than `cells` (never below one cell)."""
    if cell_width(text) <= cells:
        return text
    kept, used = [], 0
    for piece, width in _pieces(text):
        if used + width > cells - 1:
            break
        kept.append(piece)
        used += width
    return "".join(kept) + mark


def _pieces(text: str) -> list[tuple[str, int]]:
    """What stands in one place on the screen, with its cells."""
    pieces: list[tuple[str, int]] = []
    joined = False
    for character in text:
        width = _character_width(character)
        if pieces and (width == 0 or joined):
            before, cells = pieces[-1]
            pieces[-1] = (before + character, 2 if character == _EMOJI_STYLE else cells)
        else:
            pieces.append((character, width))
        joined = character == _JOINER
    return pieces


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
