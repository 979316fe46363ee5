"""The seam for questions in words: what answers them, when something is configured that can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Assistant", "Reply", "configured"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an assistant says: SQL to run (read-only, shown above its result), words, and its sources."""

    sql: str | None
    text: str
    sources: tuple[str, ...] = ()


class Assistant(Protocol):
    """Turns a question in words into SQL or an answer."""

    @property
    def name(self) -> str:
        """What people call it, with where it runs."""
        ...

    async def ask(self, question: str, tables: Sequence[str]) -> Reply:
        """Answer a question about the tables that SQL knows by these names."""
        ...


def configured() -> Assistant | None:
    """The assistant of this installation. There is none before the release that brings local models."""
    return None
