"""Turning an exception into what the event log says about it, and deciding what is worth a retry."""

from __future__ import annotations

import random
import re
import traceback
from typing import TYPE_CHECKING

from odibi.errors import EngineError, OdibiError
from odibi.events import ErrorInfo
from odibi.redact import MASK

if TYPE_CHECKING:
    from odibi.config import Position

__all__ = ["backoff", "describe", "is_transient"]

_TRANSIENT = (ConnectionError, TimeoutError, InterruptedError)
_MAX_DELAY = 60.0
# quoted text; what follows `key` or `value`; numbers
_VALUE = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|(?<=\bkey ).+?(?= occurs|$)|(?<=\bvalue )\S+|(?<![\w.'\"])-?\d[\d.,:\-]*\d|\b\d\b"
)


def is_transient(error: BaseException) -> bool:
    """Whether the same attempt may succeed later; a wrong query or a failed test never does."""
    if isinstance(error, EngineError):  # a user's function speaks through the exception behind it
        return error.transient or isinstance(error.__cause__, _TRANSIENT)
    return isinstance(error, _TRANSIENT)


def backoff(kind: str, attempt: int, rng: random.Random) -> float:
    """Seconds to wait after failed attempt `attempt` (from 1): exponential, linear or constant.

    Full jitter on the upper half, so that nodes that failed together don't come back together.
    """
    delay = {"exponential": 2.0 ** (attempt - 1), "linear": float(attempt)}.get(kind, 1.0)
    return min(delay, _MAX_DELAY) * rng.uniform(0.5, 1.0)


def describe(
    error: BaseException, position: Position | None, written: str | None = None
) -> ErrorInfo:
    """The error for people: our own errors without a traceback, anything else with it.

    `written` is what the author wrote about a node that handles sensitive data: of the values in
    the error only those that stand there are shown.
    """
    ours = isinstance(error, OdibiError)
    message = str(error) if ours else f"{type(error).__name__}: {error}"
    trace = None if ours else "".join(traceback.format_exception(error))
    if written is not None:
        message = _masked(message, written) if ours else f"{type(error).__name__}: {MASK}"
        trace = None if trace is None else _places_of(error)
    return ErrorInfo(
        kind=type(error).__name__,
        message=message or type(error).__name__,
        hint=error.hint if isinstance(error, OdibiError) else None,
        file=str(position.file) if position else None,
        line=position.line if position else None,
        column=position.column if position else None,
        sql=error.sql if isinstance(error, EngineError) else None,
        traceback=trace,
    )


def _masked(message: str, written: str) -> str:
    """The message with stars for values that may come from the data: what is quoted, keys and numbers."""

    def stars(found: re.Match[str]) -> str:
        inner = found[0].strip("'\"")
        word = rf"(?<!\w){re.escape(inner)}(?!\w)"
        known = not inner or re.search(word, written) is not None
        return found[0] if known else found[0].replace(inner, MASK)

    return _VALUE.sub(stars, message)


def _places_of(error: BaseException) -> str:
    """Where the error came from, without what it and its causes say."""
    frames = traceback.extract_tb(error.__traceback__)
    return "".join(traceback.format_list(frames)) + f"{type(error).__name__}: {MASK}\n"
