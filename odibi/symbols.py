"""The signs of states, for whoever shows them; apart, so that a screen starts without the rest."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SYMBOLS"]

SYMBOLS: Mapping[str, str] = {
    "planned": "○",
    "queued": "○",
    "running": "◐",
    "retrying": "↻",
    "succeeded": "✓",
    "failed": "✗",
    "skipped": "–",
    "reused": "=",
    "cancelled": "■",
    "lost": "?",
    "damaged": "!",
}
"""One sign per status, the same wherever people look."""
