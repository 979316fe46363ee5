"""Values of any table in a form that JSON, stories and screens can show."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from typing import Any

__all__ = ["shown"]

_LONGEST = 200


def shown(value: Any) -> Any:
    """The value as null, boolean, number or text: exact where JSON can, cut after 200 characters.

    Integers that a double can't hold are digits, as are decimals; times are ISO 8601, bytes hex.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return _cut(bytes(value).hex())
    if isinstance(value, dict | list | tuple):
        return _cut(json.dumps(value, default=_inner, ensure_ascii=False))
    return _cut(str(value))


def _inner(value: Any) -> Any:
    return str(value) if isinstance(value, timedelta) else shown(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
