"""The seam for questions in words: what answers them, when something is configured that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Assistant", "Reply", "configured", "looks_like_sql"]

_FIRST_WORDS = frozenset(
    [
        "select",
        "from",
        "with",
        "describe",
        "summarize",
        "show",
        "values",
        "pivot",
        "unpivot",
        "table",
        "explain",
    ]
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an assistant says: SQL to run (read-only, shown before its result), words, and its sources."""

    sql: str | None
    text: str
    sources: tuple[str, ...] = ()


class Assistant(Protocol):
    """Turns a question in words into SQL or an answer."""

    async def reply(self, question: str) -> Reply: ...


def configured() -> Assistant | None:
    """The assistant of this installation. There is none before the release that brings local models."""
    return None


def looks_like_sql(text: str) -> bool:
    """Whether the text begins as statements do that only read."""
    words = text.lstrip("( \t\n").split(None, 1)
    return bool(words) and words[0].lower() in _FIRST_WORDS
