"""Columns as arrays, entities × rows, with nulls; and what the operators and functions do to them.

Rules for null: arithmetic and order with a null are null; `==` and `!=` take null for a value; a null is
not true. A division by zero is null, and so is a number that isn't finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vector", "arithmetic", "as_vector", "choose", "compare", "equal", "function", "truth"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Vector:
    """Values, and where they are null (None: nowhere). Texts are arrays of objects."""

    values: Any
    nulls: Any = None

    @property
    def text(self) -> bool:
        """Whether the values may be texts."""
        return bool(self.values.dtype == object)

    def mask(self) -> Any:
        """Where it is null, in the shape of the values."""
        return np.zeros(self.values.shape, bool) if self.nulls is None else self.nulls


def as_vector(value: Any) -> Vector:
    """A constant, of no dimension."""
    if value is None:
        return Vector(np.array(0.0), np.array(True))
    if isinstance(value, str):
        return Vector(np.array(value, dtype=object))
    return Vector(np.array(value))


def _either(*nulls: Any) -> Any:
    known = [mask for mask in nulls if mask is not None]
    if not known:
        return None
    found = known[0]
    for mask in known[1:]:
        found = found | mask
    return found


def _number(vector: Vector) -> Any:
    """The values to compute with; true is 1."""
    return vector.values.astype(np.int64) if vector.values.dtype == bool else vector.values


def _finite(values: Any, nulls: Any) -> Vector:
    """The values, null where they aren't finite."""
    if values.dtype.kind != "f":
        return Vector(values, nulls)
    bad = ~np.isfinite(values)
    return (
        Vector(np.where(bad, 0.0, values), _either(nulls, bad))
        if bad.any()
        else Vector(values, nulls)
    )


def arithmetic(op: str, left: Vector, right: Vector) -> Vector:
    """`+ - * / // % **`. Raises TypeError for texts, but `+` joins two of them."""
    nulls = _either(left.nulls, right.nulls)
    if left.text or right.text:
        return _of_texts(op, left, right, nulls)
    a, b = _number(left), _number(right)
    if op in ("/", "//", "%"):
        zero = b == 0
        if zero.any():
            nulls, b = (
                _either(nulls, np.broadcast_to(zero, np.broadcast(a, b).shape)),
                np.where(zero, 1, b),
            )
    return _finite(_ARITHMETIC[op](a, b), nulls)


def _of_texts(op: str, left: Vector, right: Vector, nulls: Any) -> Vector:
    if op != "+":
        raise TypeError(f"'{op}' needs numbers, not text")
    a, b, gone = np.broadcast_arrays(left.values, right.values, False if nulls is None else nulls)
    found = np.empty(a.shape, dtype=object)
    for place in np.ndindex(a.shape):
        if not gone[place]:
            if not (isinstance(a[place], str) and isinstance(b[place], str)):
                raise TypeError("text and a number can't be added; write str(number)")
            found[place] = a[place] + b[place]
    return Vector(found, nulls)


def _power(a: Any, b: Any) -> Any:
    found = np.power(a.astype(np.float64), b.astype(np.float64))
    whole = a.dtype.kind == "i" and b.dtype.kind == "i" and bool(np.all(b >= 0))
    return found.astype(np.int64) if whole and bool(np.all(abs(found) < 2.0**53)) else found


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": _power,
}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def equal(left: Vector, right: Vector) -> Vector:
    """Where both are the same, null included."""
    same = np.asarray(left.values == right.values, dtype=bool)
    if left.text != right.text:
        same = np.asarray(_mixed(left.values) == _mixed(right.values), dtype=bool)
    if left.nulls is None and right.nulls is None:
        return Vector(same)
    a, b = left.mask(), right.mask()
    return Vector(np.where(a | b, a & b, same))


def _mixed(values: Any) -> Any:
    return values.astype(object)


def compare(op: str, left: Vector, right: Vector) -> Vector:
    """`< <= > >=`, null with a null. Raises TypeError for text against a number."""
    nulls = _either(left.nulls, right.nulls)
    if left.text != right.text:
        some = left if not left.text else right
        if some.nulls is None or not np.all(some.nulls):
            raise TypeError(f"'{op}' can't compare text with a number")
    if not left.text:
        return Vector(_ORDER[op](_number(left), _number(right)), nulls)
    a, b, gone = np.broadcast_arrays(left.values, right.values, False if nulls is None else nulls)
    found = np.zeros(a.shape, bool)
    for place in np.ndindex(a.shape):
        found[place] = not gone[place] and _ORDER[op](a[place], b[place])
    return Vector(found, nulls)


def truth(vector: Vector) -> Any:
    """Where a value counts as true: not null, not zero, not empty."""
    found = np.asarray(vector.values != ("" if vector.text else 0), dtype=bool)
    if vector.text:
        found &= np.asarray(vector.values != 0, dtype=bool)
    return found if vector.nulls is None else found & ~vector.nulls


def choose(where: Any, then: Vector, otherwise: Vector) -> Vector:
    """Values of `then` where the mask says so, else of `otherwise`."""
    nulls = None
    if then.nulls is not None or otherwise.nulls is not None:
        nulls = np.where(where, then.mask(), otherwise.mask())
    kinds = {
        v.values.dtype.kind for v in (then, otherwise) if v.nulls is None or not np.all(v.nulls)
    }
    a, b = then.values, otherwise.values
    if len(kinds) > 1 and kinds != {"i", "f"}:
        a, b = _mixed(a), _mixed(b)
    elif "O" in kinds or "b" in kinds:  # what is null all over takes the type of the rest
        a, b = (
            x if x.dtype.kind in kinds else np.zeros((), a.dtype if "O" not in kinds else object)
            for x in (a, b)
        )
    return Vector(np.where(where, a, b), nulls)


# Functions ----------------------------------------------------------------------------------------------


def function(name: str, arguments: Sequence[Vector | None]) -> Vector:
    """A function that remembers nothing. Raises TypeError for texts where numbers are needed."""
    return _FUNCTIONS[name](*arguments)


def _numeric(name: str, compute: Callable[..., Any]) -> Callable[..., Vector]:
    """A function of numbers, null for any null."""

    def applied(*given: Vector | None) -> Vector:
        values = [vector for vector in given if vector is not None]
        for vector in values:
            if vector.text:
                raise TypeError(f"{name}() needs numbers, not text")
        nulls = _either(*(vector.nulls for vector in values))
        return _finite(np.asarray(compute(*map(_number, values))), nulls)

    return applied


def _round(x: Any, digits: Any = None) -> Any:
    if digits is None:
        return np.rint(x).astype(np.int64)
    scale = 10.0**digits
    return np.rint(x * scale) / scale


def _extreme(pick: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def found(*values: Any) -> Any:
        best = values[0]
        for other in values[1:]:
            best = pick(best, other)
        return best

    return found


def _log(x: Any, base: Any = None) -> Any:
    x = np.where(x > 0, x, np.nan)
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _coalesce(*given: Vector) -> Vector:
    found = given[-1]
    for vector in reversed(given[:-1]):
        found = choose(~vector.mask(), vector, found)
    return found


def _safe_div(a: Vector, b: Vector, default: Vector | None = None) -> Vector:
    return _or_default(arithmetic("/", a, b), default)


def _safe_mul(a: Vector, b: Vector, default: Vector | None = None) -> Vector:
    return _or_default(arithmetic("*", a, b), default)


def _or_default(found: Vector, default: Vector | None) -> Vector:
    if default is None or found.nulls is None:
        return found
    return choose(~found.nulls, found, default)


def _each(convert: Callable[[Any], Any], kind: Any) -> Callable[[Vector], Vector]:
    """A conversion value by value, for texts."""

    def applied(vector: Vector) -> Vector:
        gone = vector.mask()
        found = np.zeros(vector.values.shape, dtype=kind)
        flat = vector.values.astype(object)
        for place in np.ndindex(flat.shape):
            if not gone[place]:
                found[place] = convert(flat[place])
        return Vector(found, vector.nulls)

    return applied


def _int(vector: Vector) -> Vector:
    if vector.text:
        return _each(int, np.int64)(vector)
    return Vector(np.trunc(vector.values).astype(np.int64), vector.nulls)


def _float(vector: Vector) -> Vector:
    if vector.text:
        return _each(float, np.float64)(vector)
    return Vector(vector.values.astype(np.float64), vector.nulls)


_FUNCTIONS: dict[str, Callable[..., Vector]] = {
    "abs": _numeric("abs", np.abs),
    "round": _numeric("round", _round),
    "min": _numeric("min", _extreme(np.minimum)),
    "max": _numeric("max", _extreme(np.maximum)),
    "sqrt": _numeric("sqrt", lambda x: np.sqrt(np.where(x < 0, np.nan, x))),
    "exp": _numeric("exp", np.exp),
    "log": _numeric("log", _log),
    "log10": _numeric("log10", lambda x: np.log10(np.where(x > 0, x, np.nan))),
    "pow": _numeric("pow", _power),
    "floor": _numeric("floor", lambda x: np.floor(x).astype(np.int64)),
    "ceil": _numeric("ceil", lambda x: np.ceil(x).astype(np.int64)),
    "sin": _numeric("sin", np.sin),
    "cos": _numeric("cos", np.cos),
    "tan": _numeric("tan", np.tan),
    "int": _int,
    "float": _float,
    "str": lambda vector: _each(str, object)(vector),
    "bool": lambda vector: Vector(truth(vector)),
    "coalesce": _coalesce,
    "safe_div": _safe_div,
    "safe_mul": _safe_mul,
}
