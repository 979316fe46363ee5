"""What a cast of a text would leave out without a word, as SQL and as Python: both tell the same.

DuckDB rounds 5.7 to the integer 6 and 1.005 to the DECIMAL(4,2) 1.01, makes infinity of the double 1e400,
a date of `2026-01-01 12:30`, and drops the offset of a time that is to be a TIMESTAMP. Digits that the type
has no room for behind a second (or in a double) are its precision, not a loss.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from .sql_text import literal

__all__ = ["Loss", "is_floating", "is_number", "loss_of"]

_INTEGERS = {
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint",
}  # fmt: skip
_INSTANTS = {"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"}


@dataclass(frozen=True, slots=True)
class Loss:
    """How to tell that the cast of a text, which succeeds, says less than the text.

    `harmless` and `sql` take the text's SQL and that of its cast; where `harmless` is true, which is quick
    to find out, nothing is lost. `told` takes the text.
    """

    harmless: Callable[[str, str], str]
    sql: Callable[[str, str], str]
    told: Callable[[str], bool]


def is_floating(type_: Any) -> bool:
    """Whether values are binary floating numbers."""
    return type_.id in ("double", "float")


def is_number(type_: Any) -> bool:
    """Whether values are numbers of any kind."""
    return type_.id in _INTEGERS or type_.id == "decimal" or is_floating(type_)


def loss_of(type_: Any) -> Loss | None:
    """The rule for a type of DuckDB; None where a cast says all or fails."""
    if type_.id in _INTEGERS:
        return _number(0, lambda value, cast: f"{cast}::VARCHAR = {value}")
    if type_.id == "decimal":
        scale = int(dict(type_.children)["scale"])
        return _number(scale, lambda value, _: _ends_as(value, scale))
    if is_floating(type_):
        return _SINGLE if type_.id == "float" else _DOUBLE
    if type_.id in _INSTANTS:
        return _INSTANT
    return {"date": _DATE, "time": _TIME}.get(type_.id)


def _number(scale: int, harmless: Callable[[str, str], str]) -> Loss:
    """More places than the scale, zeros aside; with an exponent, another number as a double."""
    longer = rf"\.[0-9_]{{{scale}}}[0-9_]*[1-9]" if scale else r"\.[0-9_]*[1-9]"
    places = re.compile(longer, re.ASCII)

    def sql(value: str, cast: str) -> str:
        moved = f"coalesce(try_cast({value} AS DOUBLE) <> {cast}::DOUBLE, false)"
        return (
            f"CASE WHEN contains(lower({value}), 'e') THEN {moved} "
            f"ELSE regexp_matches({value}, {literal(longer)}) END"
        )

    def told(text: str) -> bool:
        if "e" not in text.lower():
            return places.search(text) is not None
        return _moves(text, scale)

    return Loss(harmless, sql, told)


def _moves(text: str, scale: int) -> bool:
    try:
        with localcontext(prec=400):
            rounded = round(Decimal(text.strip()), scale)
            return float(text) != float(rounded)
    except (InvalidOperation, ValueError, OverflowError):
        return False


def _ends_as(value: str, scale: int) -> str:
    """As many places as the scale. From three on, the last characters could be an exponent."""
    point = f"{value}[{-scale - 1}] = '.'"
    return point if scale < 3 else f"({point} AND NOT contains(lower({value}), 'e'))"


def _infinite(most: float) -> Loss:
    def told(text: str) -> bool:
        try:
            return abs(float(text)) >= most and re.search("[0-9]", text) is not None
        except ValueError:
            return False

    return Loss(
        harmless=lambda _, cast: f"NOT isinf({cast})",
        sql=lambda value, _: f"regexp_matches({value}, '[0-9]')",
        told=told,
    )


_DOUBLE = _infinite(math.inf)
_SINGLE = _infinite(2.0**128 - 2.0**103)
"""From half a step above the largest FLOAT on, numbers become infinity."""

_ZONE = r":[0-9][0-9](?:\.[0-9]*)?\s*(?:[+-][0-9:]+|[A-Za-z][^\s]*)\s*$"
_UTC = r"(?:[^A-Za-z][zZ]|[uU][tT][cC]|[+-]00(?::?00)*)\s*$"
_CLOCK = r"^\s*[^\sT]+[\sT].*[1-9]"
_zone, _utc, _clock = (re.compile(one, re.ASCII | re.DOTALL) for one in (_ZONE, _UTC, _CLOCK))


def _zoned(value: str, _cast: str) -> str:
    return f"(regexp_matches({value}, {literal(_ZONE)}) AND NOT regexp_matches({value}, {literal(_UTC)}))"


def _told_zone(text: str) -> bool:
    return _zone.search(text) is not None and _utc.search(text) is None


_INSTANT = Loss(
    harmless=lambda value, _: (
        f"((ends_with({value}, 'Z') AND {value}[-2] <= '9') "
        f"OR (strlen({value}) = 19 AND {value}[14] = ':' AND {value}[17] = ':'))"
    ),
    sql=_zoned,
    told=_told_zone,
)
"""The offset or the zone's name, unless it is UTC's. Quick: `2026-01-01 12:30:00` and nothing or Z behind it."""
_TIME = Loss(lambda value, _: f"(strlen({value}) = 8 AND {value}[6] = ':')", _zoned, _told_zone)
_DATE = Loss(
    harmless=lambda value, _: f"strlen({value}) <= 10",
    sql=lambda value, _: f"regexp_matches({value}, {literal(_CLOCK)}, 's')",
    told=lambda text: _clock.search(text) is not None,
)
"""A time of day other than midnight."""
