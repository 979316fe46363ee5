"""Users' functions get what they ask for, and their failures are told with their own line."""

from __future__ import annotations

from typing import Any

import pytest

from odibi.engine import Frame, Session, UserFunction
from odibi.errors import EngineError
from tests.engines import functions_of_a_user as theirs
from tests.engines.probe import values


def call(session: Session, function: Any, wants: str, frame: Frame | None, **params: Any) -> Frame:
    return session.call(UserFunction(function.__name__, function, wants), frame, params, {})


@pytest.fixture
def frame(session: Session) -> Frame:
    return session.sql(
        "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, NULL), (NULL, 'c')) t(x, s)", {}
    )


@pytest.mark.parametrize(
    ("function", "wants", "params"),
    [
        (theirs.with_pandas, "pandas", {}),
        (theirs.with_pandas, "pandas", {"factor": 2}),
        (theirs.with_arrow, "arrow", {}),
        (theirs.with_relation, "relation", {}),
        (theirs.with_context, "context", {"factor": 2}),
        (theirs.changing_context, "context", {}),
    ],
)
def test_each_kind_of_table(
    session: Session, frame: Frame, function: Any, wants: str, params: dict[str, Any]
) -> None:
    result = call(session, function, wants, frame, **params)
    assert [(column.name, column.type) for column in result.schema] == [
        ("x", "BIGINT"), ("s", "VARCHAR"), ("doubled", "BIGINT"),
    ]  # fmt: skip
    assert values(session, result) == [(1, "a", 2), (2, None, 4), (None, "c", None)]
    assert result.rows == 3


def test_other_inputs_go_to_parameters_of_their_names(session: Session, frame: Frame) -> None:
    names = session.sql("SELECT 1::BIGINT AS x, 'one' AS name", {})
    result = session.call(
        UserFunction("joining", theirs.joining, "pandas"), frame, {}, {"names": names}
    )
    assert values(session, result) == [(1, "a", "one")]


def test_a_function_may_make_its_own_rows(session: Session) -> None:
    assert values(session, call(session, theirs.from_nothing, "arrow", None, rows=2)) == [
        (0,),
        (1,),
    ]


def test_the_input_stays_as_it_was(session: Session, frame: Frame) -> None:
    with pytest.raises(EngineError):
        call(session, theirs.returning_nothing, "pandas", frame)
    assert values(session, frame) == [(1, "a"), (2, None), (None, "c")]


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        (
            theirs.failing,
            {},
            f"function failing: KeyError: 'no such key' (functions_of_a_user.py:{theirs.FAILING_LINE})",
        ),
        (theirs.returning_nothing, {}, "function returning_nothing returned NoneType, not a table"),
        (
            theirs.with_pandas,
            {"facter": 3},
            "function with_pandas: got an unexpected keyword argument 'facter'",
        ),
        (theirs.mixing, {}, "function mixing returned a column of mixed types"),
    ],
)
def test_failures_name_the_function(
    session: Session, frame: Frame, function: Any, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError) as raised:
        call(session, function, "pandas", frame, **params)
    assert message in raised.value.message
