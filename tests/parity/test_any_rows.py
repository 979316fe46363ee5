"""Every built-in as its example uses it, but over any rows: the same table from every engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.engine import Engine, Frame, Session
from odibi.transforms import BuildContext, Table, registry
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from odibi_engines.spark_engine import SparkEngine
from tests.machine import needs_java

from .chains import TYPES
from .test_chains import FAILS, FIXTURES, Outcome, opened, outcome_of

_BY_TYPE = {type_: (arrow, cells) for type_, arrow, cells in TYPES.values()}
_BY_PLACE = {"limit"}  # which rows it takes is up to the order, which no table has


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    yield from opened(tmp_path_factory.mktemp("any"), DuckDBEngine, PandasEngine)


@pytest.fixture(scope="module")
def with_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    needs_java()
    yield from opened(tmp_path_factory.mktemp("any"), DuckDBEngine, SparkEngine)


def cells(type_: str, known: list[Any]) -> st.SearchStrategy[Any]:
    """A cell of a column: null, a value of the example, or anything of the type."""
    anything = _BY_TYPE[type_][1] if type_ in _BY_TYPE else st.nothing()
    return st.one_of(st.none(), st.sampled_from(known) if known else st.none(), anything)


@st.composite
def rows_like(draw: st.DrawFn, table: Table) -> Table:
    """A table of the example's columns with other rows."""
    known = [
        [row[place] for row in table.rows if row[place] is not None]
        for place in range(len(table.schema))
    ]
    drawn = [cells(c.type, values) for c, values in zip(table.schema, known, strict=True)]
    return Table(table.columns, draw(st.lists(st.tuples(*drawn), max_size=7)))


def result(engine: Engine, name: str, tables: Mapping[str, Table]) -> Outcome:
    """What the built-in of the name makes of the tables."""

    def work(session: Session) -> Frame:
        frames = {other: session.sql(table.select(), {}) for other, table in tables.items()}
        context = BuildContext(
            columns=frames["df"].schema,
            tables={other: frame.schema for other, frame in frames.items() if other != "df"},
            fetch=lambda query: session.fetch(query, frames),
        )
        built = registry.parse(name, registry.get(name).EXAMPLE.params)
        return session.sql(built.build(context), frames)

    return outcome_of(engine, work)


def check(engines: list[Engine], name: str, data: st.DataObject) -> None:
    example = registry.get(name).EXAMPLE
    tables = {
        other: data.draw(rows_like(table), label=other)
        for other, table in {"df": example.df, **example.tables}.items()
    }
    first, *others = (result(engine, name, tables) for engine in engines)
    for other in others:
        assert other in (first, FAILS)


NAMES = [name for name in registry.names() if name not in _BY_PLACE]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_any_rows_give_the_same_table(
    engines: list[Engine], name: str, data: st.DataObject
) -> None:
    check(engines, name, data)


@pytest.mark.wide
@settings(max_examples=60, suppress_health_check=FIXTURES)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_any_rows_give_the_same_table_on_spark(
    with_spark: list[Engine], name: str, data: st.DataObject
) -> None:
    check(with_spark, name, data)
