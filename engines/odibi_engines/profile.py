"""Profiles at next to no cost: the Parquet footer for exact facts, a bounded sample for the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from odibi.engine import Column, ColumnProfile, Schema
from odibi.values import shown

__all__ = ["SAMPLED", "Footer", "column_profile", "displayed", "footer_facts", "plain_row"]

SAMPLED = 1_000
"""Rows behind distinct counts, top values and histograms."""

_TOP = 5
_BINS = 10

Facts = tuple[int | None, str | None, str | None]
"""Nulls, minimum, maximum."""

Footer = dict[str, Facts]
"""Column name → facts over all row groups, as the file's footer tells."""


def plain_row(row: Iterable[Any]) -> tuple[Any, ...]:
    """A row of plain values."""
    return tuple(map(shown, row))


def displayed(value: Any) -> str:
    """A value as text for people."""
    known = shown(value)
    return str(known).lower() if isinstance(known, bool) else str(known)


def column_profile(
    column: Column, values: Sequence[Any], *, whole: bool, footer: Facts | None
) -> ColumnProfile:
    """Profile one column from its sampled values (`whole`: they are all) and the file's footer, if read."""
    present = [value for value in values if value is not None]
    facts = footer or (len(values) - len(present), *_bounds(present))
    counts = _counts(present)
    numbers = _numbers(present)
    top = () if numbers else tuple((displayed(value), n) for value, n in counts.most_common(_TOP))
    return ColumnProfile(
        name=column.name,
        type=column.type,
        nulls=facts[0],
        distinct=len(counts),
        minimum=facts[1],
        maximum=facts[2],
        top=top,
        histogram=_histogram(numbers),
        exact=whole or (footer is not None and footer[0] is not None),
    )


def _counts(values: Sequence[Any]) -> Counter[Any]:
    """How often each value occurs. Nested values count by their text, all NaN as one."""
    if not values:
        return Counter()
    if isinstance(values[0], dict | list | bytearray):
        return Counter(map(displayed, values))
    if isinstance(values[0], float):
        return Counter(value if value == value else "nan" for value in values)
    return Counter(values)


def _bounds(values: Sequence[Any]) -> tuple[str | None, str | None]:
    """Minimum and maximum of a sample; None for values without an order."""
    ordered = [value for value in values if not (isinstance(value, float) and math.isnan(value))]
    try:
        return (displayed(min(ordered)), displayed(max(ordered))) if ordered else (None, None)
    except TypeError:
        return None, None


def _numbers(values: Sequence[Any]) -> list[float]:
    """The values on a number line: empty for values that aren't numbers."""
    if not values or isinstance(values[0], bool):
        return []
    if isinstance(values[0], int | float | Decimal):
        return [number for value in values if math.isfinite(number := float(value))]
    return []


def _histogram(numbers: Sequence[float]) -> tuple[tuple[float, float, int], ...]:
    """Ten bins of equal width between minimum and maximum; one bin when all are equal."""
    if not numbers:
        return ()
    low, high = min(numbers), max(numbers)
    width = (high - low) / _BINS
    if width == 0 or not math.isfinite(width):
        return ((low, high, len(numbers)),)
    counts = Counter(min(int((number - low) / width), _BINS - 1) for number in numbers)
    return tuple((low + i * width, low + (i + 1) * width, counts[i]) for i in range(_BINS))


def footer_facts(rows: Iterable[tuple[Any, ...]], schema: Schema) -> Footer:
    """Facts from `parquet_metadata`: rows of (column path, values, nulls, minimum, maximum, both exact).

    Nested columns have no entry. Bounds are missing when any row group with values lacks them (as
    with NaN); those of long texts are cut by the writer and end in an ellipsis.
    """
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for path, *facts in rows:
        groups.setdefault(path, []).append(tuple(facts))
    types = {column.name: column.type for column in schema}
    return {name: _facts(parts, types[name]) for name, parts in groups.items() if name in types}


def _facts(parts: Sequence[tuple[Any, ...]], type_: str) -> Facts:
    nulls = None if any(part[1] is None for part in parts) else sum(part[1] for part in parts)
    filled = [part for part in parts if part[1] is None or part[0] > part[1]]
    if not filled or any(part[2] is None or part[3] is None for part in filled):
        return nulls, None, None
    order = _order(type_)
    low = min((part[2] for part in filled), key=order)
    high = max((part[3] for part in filled), key=order)
    cut = "" if all(part[4] for part in filled) else "…"
    return nulls, _bound(low, type_) + cut, _bound(high, type_) + cut


_NUMERIC = (
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "BIGINT",
    "INTEGER",
    "SMALLINT",
    "TINYINT",
    "UBIGINT",
    "UINTEGER",
    "USMALLINT",
    "UTINYINT",
)


def _order(type_: str) -> Callable[[str], Any]:
    """How the footer's text of a bound compares: numbers by value, ISO times and texts as text."""
    return Decimal if type_.startswith(_NUMERIC) else str


def _bound(text: str, type_: str) -> str:
    known = displayed(text).removesuffix("…")
    return known.replace(" ", "T", 1) if type_.startswith("TIMESTAMP") else known
