"""`$today` and its like: dates in parameters, bodies and added fields, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

__all__ = ["dated"]

_DAYS_AGO = re.compile(r"(\d+)_days_ago")


def dated(value: Any, now: datetime) -> Any:
    """The value with every text that is the name of a date replaced, wherever it stands.

    `$now` is a moment, the others are days (`2026-03-09`; with `_compact`, `20260309`).
    """
    if isinstance(value, dict):
        return {name: dated(item, now) for name, item in value.items()}
    if isinstance(value, list):
        return [dated(item, now) for item in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value == "$now":
        return now.isoformat(timespec="seconds")
    name = value[1:].removesuffix("_compact")
    day = _day(name, now)
    compact = value.endswith("_compact")
    return value if day is None else f"{day:%Y%m%d}" if compact else f"{day:%Y-%m-%d}"


def _day(name: str, now: datetime) -> datetime | None:
    if found := _DAYS_AGO.fullmatch(name):
        return now - timedelta(days=int(found[1]))
    return {
        "today": now,
        "yesterday": now - timedelta(days=1),
        "start_of_week": now - timedelta(days=now.weekday()),
        "start_of_month": now.replace(day=1),
        "start_of_year": now.replace(month=1, day=1),
    }.get(name)
