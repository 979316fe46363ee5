"""The node's lines in the YAML as they are on disk now."""

from __future__ import annotations

import re

from odibi.safe_text import safe, safe_line
from odibi_tui.paint import Line
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page, heading

__all__ = ["page", "yaml_line"]

_KEY = re.compile(r"(\s*(?:- )*)([\w.${}-]+)(:)(?=\s|$)(.*)")


def page(facts: Facts, _look: Look) -> Page:
    """The lines with their numbers; the one that the error names stands out."""
    config = facts.behind.config
    if config is None:
        said = " reading …" if not facts.behind.loaded else " The project no longer has this node."
        return Page((((said, "dim"),),))
    error = facts.node.error
    place = safe_line(error.file) if error is not None and error.file else ""
    wrong = error.line if error is not None and place.endswith(config.file) else None
    lines = [
        _numbered(config.first + place, text, wrong) for place, text in enumerate(config.lines)
    ]
    edited = f"{safe_line(config.file)}:{config.first}"
    return Page((heading(edited, "as on disk now"), *lines))


def _numbered(number: int, text: str, wrong: int | None) -> Line:
    mark = "failed" if number == wrong else "dim"
    sign = "▸" if number == wrong else " "
    return ((f"{sign}{number:>4}  ", mark), *yaml_line(safe(text).expandtabs(4)))


def yaml_line(text: str) -> Line:
    """A line of YAML: its key and its comment in their own colours."""
    if text.lstrip().startswith("#"):
        return ((text, "sql.comment"),)
    if (match := _KEY.fullmatch(text)) is None:
        return ((text, "text"),)
    before, key, colon, rest = match.groups()
    value, hash_, comment = rest.partition(" #")
    spans: list[tuple[str, str]] = [(before, "text"), (key, "accent"), (colon, "dim")]
    spans.append((value, "text"))
    if hash_:
        spans.append((hash_ + comment, "sql.comment"))
    return tuple(span for span in spans if span[0])
