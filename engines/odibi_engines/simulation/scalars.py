"""Expressions row by row, for columns that need earlier values: the tree as nested functions.

The rules for null are those of `vectors`; a test holds both to the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from odibi.simulation.language import (
    Binary,
    Call,
    Compare,
    Conditional,
    Constant,
    Logic,
    Member,
    Moment,
    Name,
    Other,
    Tree,
    Unary,
)

__all__ = ["Names", "Row", "compiled"]

Value = Any  # str, int, float, bool or None
Evaluate = Callable[["Row"], Value]


@dataclass(slots=True)
class Row:
    """What an expression sees of one row of one entity.

    `values` are the columns' values by place, `past` earlier values of the columns that are remembered
    (the latest last), `sites` what calls remember, `others` columns of other entities by
    (entity, column) at this row, `draws` the random number of each call by (column, site).
    """

    entity: str
    values: list[Value]
    past: dict[str, list[Value]]
    sites: dict[str, list[float]]
    index: int = 0
    at: int = 0  # the row's place in the batch
    moment: datetime = datetime(1970, 1, 1)
    others: dict[tuple[str, str], Sequence[Value]] = field(default_factory=dict)
    draws: dict[tuple[str, int], Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """What names mean in one expression: the place of each column, those read from the row before, and
    the column that the expression belongs to."""

    places: dict[str, int]
    before: frozenset[str]
    owner: str


def compiled(tree: Tree, names: Names) -> Evaluate:
    """A function from a row to the value of the expression there. It raises TypeError like `vectors`."""
    match tree:
        case Constant(value):
            return lambda _: value
        case Name(name):
            return _named(name, names)
        case Moment(part):
            return _MOMENTS[part]
        case Other(entity, column):
            key = (entity, column)
            return lambda row: row.others[key][row.at]
        case Unary(op, operand):
            inner = compiled(operand, names)
            if op == "not":
                return lambda row: not inner(row)
            sign = -1 if op == "-" else 1
            return lambda row: None if (x := inner(row)) is None else _negated(sign, x)
        case Binary(op, left, right):
            return _binary(op, compiled(left, names), compiled(right, names))
        case Compare(first, rest):
            return _compared(first, rest, names)
        case Member(operand, options, negated):
            inner, choices = compiled(operand, names), [compiled(o, names) for o in options]
            return lambda row: (inner(row) in [choice(row) for choice in choices]) != negated
        case Logic(op, left, right):
            one, other = compiled(left, names), compiled(right, names)
            if op == "and":
                return lambda row: one(row) and other(row)
            return lambda row: one(row) or other(row)
        case Conditional(test, then, otherwise):
            asked, yes, no = (compiled(part, names) for part in (test, then, otherwise))
            return lambda row: yes(row) if asked(row) else no(row)
        case Call():
            return _call(tree, names)


def _named(name: str, names: Names) -> Evaluate:
    if name in names.before:
        return lambda row: past[-1] if (past := row.past[name]) else None
    if name in names.places:
        place = names.places[name]
        return lambda row: row.values[place]
    if name == "entity_id":
        return lambda row: row.entity
    if name == "_row_index":
        return lambda row: row.index
    return lambda row: f"{row.moment:%Y-%m-%dT%H:%M:%SZ}"


_MOMENTS: dict[str, Evaluate] = {
    "year": lambda row: row.moment.year,
    "month": lambda row: row.moment.month,
    "day": lambda row: row.moment.day,
    "hour": lambda row: row.moment.hour,
    "minute": lambda row: row.moment.minute,
    "second": lambda row: row.moment.second,
    "weekday": lambda row: row.moment.weekday(),
    "isoweekday": lambda row: row.moment.isoweekday(),
}


def _negated(sign: int, value: Value) -> Value:
    if isinstance(value, str):
        raise TypeError("'-' needs a number, not text")
    return sign * value


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _binary(op: str, left: Evaluate, right: Evaluate) -> Evaluate:
    compute = _ARITHMETIC[op]

    def found(row: Row) -> Value:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        try:
            return _finite(compute(a, b))
        except (ZeroDivisionError, OverflowError):
            return None

    return found


def _plus(a: Value, b: Value) -> Value:
    if isinstance(a, str) != isinstance(b, str):
        raise TypeError("text and a number can't be added; write str(number)")
    return a + b


def _numbers(op: str, compute: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    def found(a: Value, b: Value) -> Value:
        if isinstance(a, str) or isinstance(b, str):
            raise TypeError(f"'{op}' needs numbers, not text")
        return compute(a, b)

    return found


def _power(a: Value, b: Value) -> Value:
    try:
        found = float(a) ** float(b)
    except (OverflowError, ZeroDivisionError):
        return None
    if isinstance(found, complex):
        return None
    whole = isinstance(a, int) and isinstance(b, int) and b >= 0 and abs(found) < 2.0**53
    return int(found) if whole else found


_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": _plus,
    "-": _numbers("-", lambda a, b: a - b),
    "*": _numbers("*", lambda a, b: a * b),
    "/": _numbers("/", lambda a, b: a / b),
    "//": _numbers("//", lambda a, b: a // b),
    "%": _numbers("%", lambda a, b: a % b),
    "**": _numbers("**", _power),
}


def _compared(first: Tree, rest: tuple[tuple[str, Tree], ...], names: Names) -> Evaluate:
    start = compiled(first, names)
    steps = [(op, compiled(operand, names)) for op, operand in rest]

    def found(row: Row) -> Value:
        left, unknown = start(row), False
        for op, operand in steps:
            right = operand(row)
            holds = _holds(op, left, right)
            if holds is None:
                unknown = True
            elif not holds:
                return False
            left = right
        return None if unknown else True

    return found


def _holds(op: str, a: Value, b: Value) -> bool | None:
    if op == "==":
        return bool(a == b)
    if op == "!=":
        return bool(a != b)
    if a is None or b is None:
        return None
    if isinstance(a, str) != isinstance(b, str):
        raise TypeError(f"'{op}' can't compare text with a number")
    return bool(_ORDER[op](a, b))


_ORDER: dict[str, Callable[[Value, Value], Value]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


# Functions ----------------------------------------------------------------------------------------------


def _call(call: Call, names: Names) -> Evaluate:
    given = [None if part is None else compiled(part, names) for part in call.arguments]
    if call.name in ("prev", "delay"):
        return _earlier(call, given)
    if call.name == "ema":
        return _ema(call, given, names)
    if call.name == "pid":
        return _pid(call, given, names)
    if call.name == "random":
        key = (names.owner, call.site)
        return lambda row: row.draws[key][row.at]
    compute = _FUNCTIONS[call.name]
    parts = [part for part in given if part is not None]
    if call.name in _TAKE_NULL:
        return lambda row: compute(*(part(row) for part in parts))

    def found(row: Row) -> Value:
        values = [part(row) for part in parts]
        return None if None in values else compute(*values)

    return found


def _earlier(call: Call, given: list[Evaluate | None]) -> Evaluate:
    column, *more = call.arguments
    steps = more[0].value if call.name == "delay" and isinstance(more[0], Constant) else 1
    assert isinstance(column, Constant) and isinstance(steps, int)  # as parsed
    name, otherwise = str(column.value), given[-1]

    def found(row: Row) -> Value:
        past = row.past[name]
        if len(past) >= steps:
            return past[-steps]
        return otherwise(row) if otherwise is not None else None

    return found


def _site(call: Call, names: Names) -> str:
    return f"{names.owner}/{call.site}"


def _ema(call: Call, given: list[Evaluate | None], names: Names) -> Evaluate:
    column, site = call.arguments[0], _site(call, names)
    assert isinstance(column, Constant) and given[1] is not None  # as parsed
    value, alpha, otherwise = _named(str(column.value), names), given[1], given[2]

    def found(row: Row) -> Value:
        now, share = value(row), alpha(row)
        known = row.sites.get(site)
        before = known[0] if known else otherwise(row) if otherwise is not None else None
        if now is None or share is None:
            return before
        smooth = now if before is None else share * now + (1 - share) * before
        row.sites[site] = [smooth]
        return smooth

    return found


def _pid(call: Call, given: list[Evaluate | None], names: Names) -> Evaluate:
    site = _site(call, names)

    def number(row: Row, place: int, otherwise: float) -> float:
        part = given[place]
        value = otherwise if part is None else part(row)
        return otherwise if value is None else value

    def found(row: Row) -> Value:
        assert given[0] is not None and given[1] is not None  # as parsed
        measured, wanted = given[0](row), given[1](row)
        total, last = row.sites.get(site, (0.0, None))
        if measured is None or wanted is None:
            return None
        error, seconds = wanted - measured, number(row, 5, 1.0)
        gathered = total + error * seconds
        rate = 0.0 if last is None or not seconds else (error - last) / seconds
        gains = (number(row, 2, 0.0), number(row, 3, 0.0), number(row, 4, 0.0))
        out = gains[0] * error + gains[1] * gathered + gains[2] * rate
        least, most = number(row, 6, 0.0), number(row, 7, 100.0)
        bounded = min(max(out, least), most)
        if bounded != out and number(row, 8, True):
            gathered = total  # what can't act isn't gathered
        row.sites[site] = [gathered, error]
        return bounded

    return found


def _number(name: str, compute: Callable[..., Value]) -> Callable[..., Value]:
    def applied(*values: Value) -> Value:
        if any(isinstance(value, str) for value in values):
            raise TypeError(f"{name}() needs numbers, not text")
        try:
            return _finite(compute(*values))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return applied


def _round(x: Value, digits: Value = None) -> Value:
    if digits is None:
        return round(x)
    scale = 10.0**digits
    return round(x * scale) / scale


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _safe_div(a: Value, b: Value, default: Value = None) -> Value:
    return default if a is None or b is None or b == 0 else _finite(_ARITHMETIC["/"](a, b))


def _safe_mul(a: Value, b: Value, default: Value = None) -> Value:
    return default if a is None or b is None else _finite(_ARITHMETIC["*"](a, b))


_TAKE_NULL = ("coalesce", "safe_div", "safe_mul", "bool")
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": _number("abs", abs),
    "round": _number("round", _round),
    "min": _number("min", lambda *values: min(values)),
    "max": _number("max", lambda *values: max(values)),
    "sqrt": _number("sqrt", math.sqrt),
    "exp": _number("exp", math.exp),
    "log": _number(
        "log", lambda x, base=None: math.log(x) if base is None else math.log(x) / math.log(base)
    ),
    "log10": _number("log10", math.log10),
    "pow": _number("pow", _power),
    "floor": _number("floor", math.floor),
    "ceil": _number("ceil", math.ceil),
    "sin": _number("sin", math.sin),
    "cos": _number("cos", math.cos),
    "tan": _number("tan", math.tan),
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "coalesce": _coalesce,
    "safe_div": _safe_div,
    "safe_mul": _safe_mul,
}
