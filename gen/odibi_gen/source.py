"""Python source from plain values, laid out as `ruff format` and `black` leave it.

What comes from a project becomes a literal, always; only `Code`, which generators write, is code.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["WIDTH", "Call", "Chain", "Code", "Lines", "assigned", "layout", "quoted", "statement"]

WIDTH = 88
"""Columns of a line: the formatters' own default."""

_INDENT = 4


@dataclass(frozen=True, slots=True)
class Code:
    """An expression as it stands; never text of a project."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `function` with positional arguments and, in this order, named ones."""

    function: str
    arguments: tuple[object, ...] = ()
    named: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """Expressions with an operator between each and the next; they are themselves never opened."""

    operator: str
    parts: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """A text in pieces, each in a line of its own."""

    pieces: tuple[str, ...]


def quoted(text: str) -> str:
    """The text as a literal in double quotes, or in single ones where that needs fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(char, quote) for char in text) + quote


def _escaped(char: str, quote: str) -> str:
    if char in "'\"":
        return f"\\{char}" if char == quote else char
    return repr(char)[1:-1]


def _columns(text: str) -> int:
    """Columns as the formatters count them: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _opened(value: object) -> tuple[str, list[tuple[str, object]], str] | None:
    """Bracket, parts with what stands before each, bracket; None for what has no parts."""
    match value:
        case Call():
            parts = [("", each) for each in value.arguments]
            parts += [(f"{name}=", each) for name, each in value.named.items()]
            return f"{value.function}(", parts, ")"
        case Mapping():
            return "{", [(f"{_flat(key)}: ", each) for key, each in value.items()], "}"
        case list():
            return "[", [("", each) for each in value], "]"
        case tuple():
            return "(", [("", each) for each in value], ")"
    return None


def _flat(value: object) -> str:
    """The value in one line."""
    match value:
        case Code():
            return value.text
        case str():
            return quoted(value)
        case Lines():
            return quoted("".join(value.pieces))
        case Chain():
            return f" {value.operator} ".join(map(_flat, value.parts))
        case None | bool() | int() | float():
            return repr(value)
    opened = _opened(value)
    if opened is None:
        raise TypeError(f"no literal: {type(value).__name__}")
    before, parts, after = opened
    inner = ", ".join(f"{head}{_flat(each)}" for head, each in parts)
    single = "," if isinstance(value, tuple) and len(value) == 1 else ""
    return f"{before}{inner}{single}{after}"


def layout(value: object, indent: int = 0, used: int = 0, after: int = 0) -> str:
    """The value as an expression: in one line when it fits, else one part a line.

    `used` columns stand before it in its line and `after` follow it; its own lines are indented by
    `indent` columns.
    """
    flat = _flat(value)
    if isinstance(value, Lines) and used + _columns(flat) + after > WIDTH and value.pieces[1:]:
        pieces = "".join(f"{' ' * (indent + _INDENT)}{quoted(piece)}\n" for piece in value.pieces)
        return f"(\n{pieces}{' ' * indent})"
    if isinstance(value, Chain) and used + _columns(flat) + after > WIDTH:
        return f"\n{' ' * indent}{value.operator} ".join(map(_flat, value.parts))
    opened = _opened(value)
    if opened is None or not opened[1] or used + _columns(flat) + after <= WIDTH:
        return flat
    begin, parts, end = opened
    inner = indent + _INDENT
    lines = [
        " " * inner + head + layout(each, inner, inner + _columns(head), 1) + ",\n"
        for head, each in parts
    ]
    return f"{begin}\n{''.join(lines)}{' ' * indent}{end}"


def assigned(name: str, value: object, indent: int = 0) -> str:
    """`name = value`, a line or several."""
    head = " " * indent + f"{name} = "
    return head + layout(value, indent, len(head)) + "\n"


def statement(value: object, indent: int = 0, before: str = "", after: str = "") -> str:
    """The value as a statement, with words before and after it (`with … as dag:`)."""
    head = " " * indent + before
    return head + layout(value, indent, len(head), len(after)) + after + "\n"
