"""Nothing from data can steer the terminal."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from odibi.safe_text import safe, safe_line


@given(st.text(alphabet=st.characters()))
def test_only_printable_text_line_ends_and_tabs_are_left(text: str) -> None:
    left = safe(text)
    for character in left:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in (
            "RLO",
            "LRO",
            "RLE",
            "LRE",
            "RLI",
            "LRI",
        )
    assert safe(left) == left
    left.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["C"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert (
        safe(text).splitlines() == text.replace("\u2028", "\n").replace("\u2029", "\n").splitlines()
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[2Jgone", "[2Jgone"),
        ("\x9b31mred", "31mred"),
        ("\x1b]0;title\x07", "]0;title"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("a\r\nb", "a\nb"),
        ("half \ud83d", "half \ufffd"),
        (None, "None"),
        ("naïve 😀 👩\u200d👩\u200d👧", "naïve 😀 👩👩👧"),
    ],
)
def test_examples(text: object, left: str) -> None:
    assert safe(text) == left


def test_rich_prints_it_as_it_is() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=False).print(Text(safe("\x1b[2J[/foo] [red]x[/red]")))
    assert out.getvalue() == "[2J[/foo] [red]x[/red]\n"


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [("a\n\tb  c", None, "a b c"), ("abcdef", 4, "abc…"), ("abcd", 4, "abcd"), ("", 3, "")],
)
def test_one_line(text: str, limit: int | None, line: str) -> None:
    assert safe_line(text, limit) == line
