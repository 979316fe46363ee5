"""The language of simulated columns: what it takes, what it means, and that both evaluators agree."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.simulation.language import Call, ExpressionError, parse, walk
from odibi_engines.simulation import scalars
from odibi_engines.simulation.evaluation import evaluated
from odibi_engines.simulation.vectors import Vector, as_vector

COLUMNS = ("a", "b", "c")
NOTHING: Any = None


class Rows:
    """Columns a and b (numbers), c (text) with nulls, one row each."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))

    def name(self, name: str) -> Vector:
        values = self.columns[name]
        nulls = np.array([[value is None for value in values]])
        kind: Any = object if name == "c" else np.float64
        filled = [[("" if name == "c" else 0) if v is None else v for v in values]]
        return Vector(np.array(filled, dtype=kind), nulls)

    def moment(self, part: str) -> Vector:
        raise NotImplementedError

    def other(self, entity: str, column: str) -> Vector:
        raise NotImplementedError

    def earlier(self, column: str, steps: int, otherwise: Vector) -> Vector:
        raise NotImplementedError

    def random(self, site: int) -> Vector:
        raise NotImplementedError


def by_vector(text: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    with np.errstate(all="ignore"):
        found = evaluated(parse(text), Rows(rows))
    values = np.broadcast_to(found.values, (1, len(rows)))[0].tolist()
    nulls = np.broadcast_to(found.mask(), (1, len(rows)))[0].tolist()
    return [None if gone else value for value, gone in zip(values, nulls, strict=True)]


def by_row(text: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    names = scalars.Names({name: place for place, name in enumerate(COLUMNS)}, frozenset(), "x")
    evaluate = scalars.compiled(parse(text), names)
    return [evaluate(scalars.Row("e", list(row), {}, {})) for row in rows]


def value(text: str, a: Any = 3.0, b: Any = 4.0, c: Any = "ok") -> Any:
    """The expression's value, from both evaluators."""
    one, other = by_vector(text, [(a, b, c)])[0], by_row(text, [(a, b, c)])[0]
    assert one == other, (one, other)
    return one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("7 // 2 + 7 % 3", 4),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("(1 + 2) * 3", 9),
        ("a if a > b else b", 4.0),
        ("'hot' if a > 95 else ('warm' if a > 2 else 'cold')", "warm"),
        ("1 < a <= 3 < b", True),
        ("1 < a <= 2 < b", False),
        ("not a > b and c == 'ok'", True),
        ("a or 7", 3.0),
        ("0 or 7", 7),
        ("0 and 7", 0),
        ("c in ('ok', 'fine')", True),
        ("a not in [1, 2]", True),
        ("None is None", True),
        ("a is not None", True),
        ("round(2.5)", 2),
        ("round(3.14159, 2)", 3.14),
        ("max(0, min(100, 250))", 100),
        ("min(3, 1, 2)", 1),
        ("abs(-3) + int(2.9) + int(-2.9)", 3),
        ("str(5) + '-' + c", "5-ok"),
        ("float('2.5') * 2", 5.0),
        ("bool('')", False),
        ("sqrt(16) + floor(2.7) + ceil(2.1)", 9.0),
        ("log(8, 2)", 3.0),
        ("True + True", 2),
        ("1_000 + .5e1", 1005.0),
        ("'it''s'[0]" if False else "'a\\'b'", "a'b"),
    ],
)
def test_values(text: str, expected: Any) -> None:
    found = value(text)
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 1", None),
        ("a > 1", None),
        ("a == None", True),
        ("a != 3", True),
        ("'yes' if a > 1 else 'no'", "no"),
        ("not a", True),
        ("coalesce(a, b, 25.0)", 4.0),
        ("coalesce(a, None)", None),
        ("safe_mul(a, b, 9)", 9),
        ("max(a, b)", None),
        ("a > 1 and b > 1", None),
        ("1 / 0", None),
        ("1 // 0", None),
        ("1 % 0", None),
        ("safe_div(b, 0, -1)", -1),
        ("safe_div(b, 2)", 2.0),
        ("sqrt(-1)", None),
        ("log(0)", None),
        ("1e308 * 10", None),
        ("(-8) ** 0.5", None),
    ],
)
def test_what_is_unknown_is_null(text: str, expected: Any) -> None:
    assert value(text, a=None) == expected


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("1 +", "expected a value, found the end", 3),
        ("a b", "expected the end, found 'b'", 2),
        ("(1", "expected ')', found the end", 2),
        ("a $ b", "'$' means nothing here", 2),
        ("sqroot(2)", "unknown function 'sqroot' (did you mean 'sqrt'?)", 0),
        ("open('x')", "unknown function 'open'", 0),
        ("().__class__", "expected a value, found ')'", 1),
        ("a.__class__.__base__", "expected the end, found '.'", 11),
        ("lambda: 1", "':' means nothing here", 6),
        ("[x for x in a]", "expected a value, found '['", 0),
        ("prev(a, 0)", "write prev('a', …): without quotes its value would be meant", 0),
        ("prev('a', 0, 1)", "prev() takes 2 values at most, found 3", 0),
        ("ema('a')", "ema() needs 'alpha'", 0),
        ("pid(pv=a, sp=1, kp=2)", "pid() has no parameter 'kp' (did you mean 'Kp'?)", 0),
        ("pid(pv=a, pv=1)", "'pv' is given twice", 10),
        ("delay('a', 0)", "delay() needs a whole number of rows, 1 to 100000", 0),
        ("_timestamp.our", "_timestamp has no 'our' (did you mean 'hour'?)", 11),
        ("a is 3", "'is' only goes with None, found '3'", 5),
        ("a in b", "'in' needs a list: x in ('a', 'b')", 5),
        ("1 if a", "expected 'else', found the end", 6),
        ("(" * 300 + "1" + ")" * 300, "the expression is nested too deeply", 40),
        ("1" + " + 1" * 300, "the expression is too long; split it into columns", 0),
        ("2" + " ** 2" * 300, "the expression is nested too deeply", 200),
        ("", "expected a value, found the end", 0),
    ],
)
def test_mistakes_and_their_places(text: str, said: str, at: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.message.startswith(said)
    assert caught.value.at == at


@pytest.mark.parametrize("text", ["'a' + 1", "-c", "c * 2", "abs(c)", "c < 3"])
def test_text_is_no_number(text: str) -> None:
    for evaluate in (by_vector, by_row):
        with pytest.raises(TypeError):
            evaluate(text, [(1.0, 2.0, "ok")])


def test_calls_are_counted_so_that_each_remembers_for_itself() -> None:
    calls = [n for n in walk(parse("random() + max(random(), 1)")) if isinstance(n, Call)]
    assert sorted(call.site for call in calls) == [0, 1, 2]


numbers = st.sampled_from(["a", "b", "0", "1", "2", "3.5", "-4"])
conditions = st.deferred(
    lambda: st.one_of(
        st.builds("{} {} {}".format, terms, st.sampled_from(["<", "<=", "==", "!=", ">"]), terms),
        st.builds("({} and {})".format, conditions, conditions),
        st.builds("({} or {})".format, conditions, conditions),
        st.builds("(not {})".format, conditions),
        st.builds("{} < {} <= {}".format, terms, terms, terms),
        st.builds("{} in ({}, 2)".format, terms, numbers),
    )
)
terms = st.deferred(
    lambda: st.one_of(
        numbers,
        st.builds("({} {} {})".format, terms, st.sampled_from("+-*"), terms),
        st.builds("({} if {} else {})".format, terms, conditions, terms),
        st.builds("(-{})".format, terms),
        st.builds("max({}, {})".format, terms, terms),
        st.builds("min({}, {})".format, terms, terms),
        st.builds("abs({})".format, terms),
    )
)
floats = st.floats(-100, 100).map(lambda x: round(x, 3))


@settings(max_examples=150, deadline=None)
@given(terms, floats, floats)
def test_without_nulls_it_means_what_python_means(text: str, a: float, b: float) -> None:
    expected = eval(
        text, {"__builtins__": {}, "abs": abs, "max": max, "min": min}, {"a": a, "b": b}
    )
    for found in (by_vector(text, [(a, b, "")])[0], by_row(text, [(a, b, "")])[0]):
        assert math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)


maybe = st.one_of(st.none(), floats)
divisions = st.builds("safe_div({}, {}, {})".format, terms, terms, numbers)
texts = st.builds("('x' if {} else coalesce(c, 'y'))".format, conditions)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(terms, conditions, divisions, texts, st.builds("({}) / ({})".format, terms, terms)),
    st.lists(st.tuples(maybe, maybe, st.sampled_from([None, "", "p"])), min_size=1, max_size=5),
)
def test_at_once_and_row_by_row_are_the_same(text: str, rows: list[tuple[Any, ...]]) -> None:
    for one, other in zip(by_vector(text, rows), by_row(text, rows), strict=True):
        if isinstance(one, float) and other is not None:
            assert math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
        else:
            assert one == other


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1.()+*-<='\" ,not inifelse_[]", max_size=30))
def test_any_text_is_an_expression_or_a_mistake_in_it(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        place = error.at
    else:
        place = 0
    assert 0 <= place <= len(text)


def test_times_and_names_row_by_row() -> None:
    names = scalars.Names({}, frozenset(), "x")
    row = scalars.Row("pump_1", [], {}, {}, index=7, moment=datetime(2026, 1, 3, 6, 30))
    said = {
        text: scalars.compiled(parse(text), names)(row)
        for text in (
            "entity_id",
            "_row_index",
            "_timestamp",
            "_timestamp.weekday()",
            "_timestamp.hour",
        )
    }
    assert list(said.values()) == ["pump_1", 7, "2026-01-03T06:30:00Z", 5, 6]


def test_constants_have_no_nulls_but_none() -> None:
    assert as_vector(None).mask().all() and not as_vector(0).mask().any()
