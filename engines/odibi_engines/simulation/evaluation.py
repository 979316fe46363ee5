"""Expressions over whole columns, for those that need no value of their own past."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

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

from .vectors import Vector, arithmetic, as_vector, choose, compare, equal, function, truth

__all__ = ["Surroundings", "evaluated"]


class Surroundings(Protocol):
    """What names mean to an expression."""

    def name(self, name: str) -> Vector:
        """A column, or `entity_id`, `_row_index`, `_timestamp`."""
        ...

    def moment(self, part: str) -> Vector:
        """A part of the rows' times."""
        ...

    def other(self, entity: str, column: str) -> Vector:
        """A column of another entity."""
        ...

    def earlier(self, column: str, steps: int, otherwise: Vector) -> Vector:
        """A column so many rows ago, `otherwise` before its first row."""
        ...

    def random(self, site: int) -> Vector:
        """Random floats of one call."""
        ...


def evaluated(tree: Tree, at: Surroundings) -> Vector:
    """The expression's values. Raises TypeError for text where a number is needed."""
    match tree:
        case Constant(value):
            return as_vector(value)
        case Name(name):
            return at.name(name)
        case Moment(part):
            return at.moment(part)
        case Other(entity, column):
            return at.other(entity, column)
        case Unary(op, operand):
            return _unary(op, evaluated(operand, at))
        case Binary(op, left, right):
            return arithmetic(op, evaluated(left, at), evaluated(right, at))
        case Compare(first, rest):
            return _chain(evaluated(first, at), [(op, evaluated(r, at)) for op, r in rest])
        case Member(operand, options, negated):
            return _member(evaluated(operand, at), [evaluated(o, at) for o in options], negated)
        case Logic(op, left, right):
            one, other = evaluated(left, at), evaluated(right, at)
            return choose(truth(one), other, one) if op == "and" else choose(truth(one), one, other)
        case Conditional(test, then, otherwise):
            return choose(truth(evaluated(test, at)), evaluated(then, at), evaluated(otherwise, at))
        case Call():
            return _call(tree, at)


def _unary(op: str, operand: Vector) -> Vector:
    if op == "not":
        return Vector(~truth(operand))
    sign = as_vector(-1 if op == "-" else 1)
    if operand.text:
        raise TypeError("'-' needs a number, not text")
    return arithmetic("*", sign, operand)


def _chain(left: Vector, rest: list[tuple[str, Vector]]) -> Vector:
    """All comparisons hold; null where one is unknown and no other fails."""
    holds: Any = np.array(True)
    unknown: Any = np.array(False)
    for op, right in rest:
        if op in ("==", "!="):
            found = equal(left, right)
            if op == "!=":
                found = Vector(~found.values)
        else:
            found = compare(op, left, right)
        gone = found.mask()
        holds = holds & (found.values | gone)
        unknown = unknown | gone
        left = right
    unknown = unknown & holds
    return Vector(holds, unknown if unknown.any() else None)


def _member(operand: Vector, options: list[Vector], negated: bool) -> Vector:
    found: Any = np.zeros(operand.values.shape, bool)
    for option in options:
        found = found | equal(operand, option).values
    return Vector(~found if negated else found)


def _call(call: Call, at: Surroundings) -> Vector:
    if call.name == "random":
        return at.random(call.site)
    given = [None if part is None else evaluated(part, at) for part in call.arguments]
    if call.name in ("prev", "delay"):
        column, otherwise = call.arguments[0], given[-1]
        steps = call.arguments[1] if call.name == "delay" else Constant(1)
        assert isinstance(column, Constant) and isinstance(steps, Constant)  # as parsed
        return at.earlier(str(column.value), int(steps.value or 1), otherwise or as_vector(None))
    return function(call.name, given)
