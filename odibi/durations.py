"""Durations as people write them in YAML: `30`, `90s`, `5m`, `2h`, `7d`."""

from __future__ import annotations

import re

from odibi.errors import UsageError

__all__ = ["seconds_of"]

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def seconds_of(duration: str | float) -> float:
    """The duration in seconds; a bare number is seconds. Raises UsageError for anything else."""
    match = _FORM.fullmatch(str(duration))
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise UsageError(
            f"{duration!r} is not a duration",
            hint="write seconds, or a number with s, m, h, d or w",
        )
    return float(match[1]) * unit
