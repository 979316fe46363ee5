"""The types of simulated columns: what a value becomes in one, and what it is in Arrow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from .vectors import Vector, truth

__all__ = ["ARROW", "as_texts", "scalar_as", "to_arrow", "vector_as"]

ARROW = {
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "categorical": pa.string(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
_FALSE = ("", "false", "False", "0")


def scalar_as(kind: str, value: Any) -> Any:
    """The value in a column of this type; times stay text. Raises TypeError when it can't be."""
    if value is None:
        return None
    if kind == "float" or kind == "int":
        if isinstance(value, str):
            raise TypeError(f"{value!r} is no number; the column's data_type is {kind}")
        return float(value) if kind == "float" else int(value)
    if kind == "boolean":
        return value not in _FALSE if isinstance(value, str) else bool(value)
    if kind == "timestamp" and not isinstance(value, str):
        raise TypeError(f"{value!r} is no time; the column's data_type is timestamp")
    return value if isinstance(value, str) else str(value)


def vector_as(kind: str, vector: Vector) -> Vector:
    """The same for many values."""
    values, nulls = vector.values, vector.nulls
    if values.dtype.kind == "M":
        return vector if kind == "timestamp" else Vector(as_texts(values), nulls)
    if values.dtype == object:
        return _each(kind, vector)
    if kind == "int":
        return Vector(np.trunc(values).astype(np.int64), nulls)
    if kind == "float":
        return Vector(values.astype(np.float64), nulls)
    if kind == "boolean":
        return Vector(truth(Vector(values)), nulls)
    return _each(kind, Vector(values.astype(object), nulls))


def _each(kind: str, vector: Vector) -> Vector:
    gone = vector.mask()
    blank = {"int": np.int64, "float": np.float64, "boolean": np.bool_}.get(kind, object)
    found = np.zeros(vector.values.shape, dtype=blank)
    seen: dict[Any, Any] = {}
    for place in np.ndindex(found.shape):
        if not gone[place]:
            value = vector.values[place]
            key = (type(value), value)
            if key not in seen:
                seen[key] = scalar_as(kind, value)
            found[place] = seen[key]
    return Vector(found, vector.nulls)


def as_texts(times: Any) -> Any:
    """Times as `2026-01-01T00:00:00Z`."""
    texts = np.datetime_as_string(times.astype("datetime64[s]"))
    return np.char.add(texts, "Z").astype(object)


def to_arrow(kind: str, values: Any, nulls: Any) -> pa.Array:
    """Values in a row as an array of Arrow. Raises TypeError for a text that is no time."""
    if kind == "timestamp" and values.dtype == object:
        values = [None if text is None else _time(text) for text in values]
    return pa.array(values, type=ARROW[kind], mask=nulls)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise TypeError(f"{text!r} is no time; the column's data_type is timestamp") from None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
