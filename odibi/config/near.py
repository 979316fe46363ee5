"""The nearest right name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name most like `name`, when one is at least as like it as `cutoff` (0 to 1)."""
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, to follow a message, or nothing."""
    near = nearest(name, known)
    return "" if near is None else f" (did you mean '{near}'?)"
