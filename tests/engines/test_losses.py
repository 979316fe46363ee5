"""What a cast would leave out of a text: SQL and Python tell the same of any text, and of the stated ones what is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odibi_engines.leaf_checks import cast, wrong
from odibi_engines.losses import loss_of

TYPES = [
    "TINYINT", "BIGINT", "UHUGEINT", "DECIMAL(4,0)", "DECIMAL(12,2)", "DECIMAL(18,3)", "DECIMAL(38,20)",
    "DOUBLE", "FLOAT", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
]  # fmt: skip


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def judged(cursor: Any, text: str, name: str) -> tuple[bool, bool]:
    """Whether SQL says that the text isn't of the type, and whether its cast fails."""
    type_ = cursor.type(name)
    query = f"SELECT {wrong('v', type_)}, {cast('v', type_)} IS NULL FROM (SELECT ?::VARCHAR AS v)"
    bad, fails = cursor.execute(query, [text]).fetchall()[0]
    assert isinstance(bad, bool)
    return bad, fails


LOSING = {
    "BIGINT": ["5.7", "5e-1", "1.5e0", " 2.50 ", "-0.1", "12345678901234567.5"],
    "DECIMAL(12,2)": ["1.005", "1e-3", "-0.001", "1.2300001", "1.e-5"],
    "DECIMAL(18,3)": ["1.0005", "1.e-5", "0.0001"],
    "DOUBLE": ["1e400", "-1e309", "9" * 400],
    "FLOAT": ["1e39", "-3.5e38"],
    "DATE": ["2026-01-01 12:34:56", "2026-01-01T00:00:01", "2026-01-01 00:00:00.5"],
    "TIME": ["10:20:30+02", "10:20:30-05:30"],
    "TIMESTAMP": [
        "2026-01-01 00:00:00+02", "2026-01-01T00:00:00-05:30", "2026-01-01 00:00:00 Europe/Berlin",
        "2026-01-01 00:00+02", "1-01-01 00:00:00+02", "1-01-01 00:00+02:00", "2026-01-01 00:00:00.25+01",
        "2026-01-01 12:30:00 NZ",
    ],
}  # fmt: skip
WHOLE = {
    "BIGINT": ["5", "5.0", "5.", "1e2", "-7", " 5 ", "0x1e", "1_000"],
    "DECIMAL(12,2)": ["1", "1.5", "1.50", "1.5000", "1e2", "-0.25", "1.25e1"],
    "DECIMAL(18,3)": ["1.500", "15e-1", "1.5e3"],
    "DOUBLE": ["1e308", "inf", "-Infinity", "nan", "0.1", "1e-400"],
    "FLOAT": ["1e38", "inf", "3.4028235e38"],
    "DATE": ["2026-01-01", "2026-01-01 00:00:00", "2026-1-1", "12026-01-01"],
    "TIME": ["10:20:30", "10:20:30.123", "10:20:30Z"],
    "TIMESTAMP": [
        "2026-01-01 00:00:00", "2026-01-01T12:30:00Z", "2026-01-01 12:30:00+00:00", "2026-01-01 12:30:00 UTC",
        "2026-01-01", "2026-01-01 12:30", "2026-01-01 12:30:00.123456789", "12026-01-01 00:00:00",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in LOSING.items() for t in texts])
def test_a_text_of_which_the_cast_loses_something(cursor: Any, name: str, text: str) -> None:
    loss = loss_of(cursor.type(name))
    assert loss is not None
    assert judged(cursor, text, name) == (True, False)
    assert loss.told(text)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WHOLE.items() for t in texts])
def test_a_text_of_which_the_cast_says_all(cursor: Any, name: str, text: str) -> None:
    loss = loss_of(cursor.type(name))
    assert loss is not None
    assert judged(cursor, text, name) == (False, False)
    assert not loss.told(text)


DIGITS = st.text("0123456789", min_size=0, max_size=25)
NUMBERS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "-", "+", " "]),
    DIGITS,
    st.sampled_from(["", "."]),
    DIGITS,
    st.sampled_from(["", "", "e5", "E-3", "e+310", "e-400", " "]),
)
TIMES = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["2026-03-29", "1-01-01", "12026-01-01", "2026-1-1", "0001-12-31", ""]),
    st.sampled_from([" ", "T", ""]),
    st.sampled_from(["00:00:00", "02:30", "12:34:56.789", "00:00:00.000000001", "24:00:00", ""]),
    st.sampled_from(["", "", " ", "."]),
    st.sampled_from(["", "", "Z", "z", "UTC", "+00", "-00:00", "+02", "-05:30", " NZ", " Europe/Paris", "+00:30"]),
)  # fmt: skip


@given(
    text=NUMBERS | TIMES | st.text("0123456789.eE+-_: TZx", max_size=12),
    name=st.sampled_from(TYPES),
)
@example("2.5e0", "DECIMAL(4,0)")
@example("3.40282356779733661637539395458142568448e38", "FLOAT")
def test_sql_and_python_tell_the_same(cursor: Any, text: str, name: str) -> None:
    loss = loss_of(cursor.type(name))
    assert loss is not None
    bad, fails = judged(cursor, text, name)
    assert bad == (fails or loss.told(text))
