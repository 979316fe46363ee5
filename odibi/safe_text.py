"""Text from data, made harmless for a terminal: nothing in it can move the cursor or mislead the eye.

Use it with `rich.text.Text`, never in markup strings.
"""

from __future__ import annotations

__all__ = ["safe", "safe_line"]

_KEPT = "\n\t"
_HIDDEN = [
    *range(0x00, 0x20),  # C0, with ESC
    *range(0x7F, 0xA0),  # DEL and C1, with CSI
    0x061C,
    0x200D,  # joins emoji: terminals disagree on how many cells that leaves
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),  # bidirectional embeddings and overrides
    *range(0x2066, 0x206A),  # bidirectional isolates
    *range(0xE0000, 0xE1000),  # invisible tags and selectors
]
_TABLE: dict[int, str | None] = {
    **dict.fromkeys((code for code in _HIDDEN if chr(code) not in _KEPT), None),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),  # half a character can't be printed
    0x2028: "\n",
    0x2029: "\n",
}


def safe(text: object) -> str:
    """The text without control, direction and joining characters; line ends and tabs stay."""
    shown = str(text)
    return shown if shown.isprintable() else shown.translate(_TABLE)


def safe_line(text: object, limit: int | None = None) -> str:
    """The same in one line: runs of white space become one space; cut to `limit` characters with `…`."""
    line = " ".join(safe(text).split())
    if limit is not None and len(line) > limit:
        return line[: max(limit - 1, 0)] + "…"
    return line
