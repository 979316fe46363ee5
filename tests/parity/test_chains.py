"""Any table through any chain of steps: every engine gives the same table.

Only a failure may depend on the engine: a cell that can't be converted, in a row that a later step
leaves out, fails an engine that computes step by step, and not DuckDB, which never looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from odibi.engine import Engine, Frame, Schema, Session, UserFunction
from odibi.errors import OdibiError
from odibi.transforms import BuildContext, registry
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from odibi_engines.spark_engine import SparkEngine
from tests.machine import needs_java

from .chains import Step, arrow_table, steps, tables

Outcome = tuple[Schema, list[Any]] | str
FAILS = "fails"


def opened(folder: Path, *makers: type[Any]) -> Iterator[list[Engine]]:
    engines = [make(work_dir=folder / make.name, threads=2, memory_limit="1GB") for make in makers]
    yield engines
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    yield from opened(tmp_path_factory.mktemp("chains"), DuckDBEngine, PandasEngine)


@pytest.fixture(scope="module")
def with_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    needs_java()
    yield from opened(tmp_path_factory.mktemp("chains"), DuckDBEngine, SparkEngine)


def step_on(session: Session, frame: Frame, step: Step) -> Frame:
    """The frame after the step, as the stage `transform` makes it."""
    name, params = step
    if name == "sql":
        return session.sql(params["sql"], {"df": frame})
    context = BuildContext(
        columns=frame.schema, fetch=lambda query: session.fetch(query, {"df": frame})
    )
    return session.sql(registry.parse(name, params).build(context), {"df": frame})


def canonical(value: Any) -> Any:
    """A value that equals its like: NaN too, and floats by their first 13 digits."""
    if isinstance(value, list | tuple):
        return [canonical(part) for part in value]
    if isinstance(value, dict):
        return {key: canonical(part) for key, part in value.items()}
    return f"{value + 0.0:.13g}" if isinstance(value, float) else value


def outcome_of(engine: Engine, work: Callable[[Session], Frame]) -> Outcome:
    """Columns and rows of what the work leaves, or that it fails."""
    session = engine.session("parity")
    try:
        frame = work(session)
        rows = session.fetch("SELECT * FROM df", {"df": frame}).rows
        return frame.schema, sorted((canonical(row) for row in rows), key=repr)
    except OdibiError as error:
        note(f"{engine.name}: {error.message}")
        return FAILS
    finally:
        session.close()


def outcome(engine: Engine, made: Any, chain: Sequence[Step]) -> Outcome:
    """What the chain makes of the rows."""

    def work(session: Session) -> Frame:
        frame = session.call(UserFunction("made", lambda: made, "arrow"), None, {}, {})
        for step in chain:
            frame = step_on(session, frame, step)
        return frame

    return outcome_of(engine, work)


def a_chain(data: st.DataObject, engine: Engine, made: Any) -> list[Step]:
    """One to four steps, each over the columns that the one before leaves."""
    session = engine.session("columns")
    frame = session.call(UserFunction("made", lambda: made.slice(0, 0), "arrow"), None, {}, {})
    chain = []
    for _ in range(data.draw(st.integers(1, 4), label="length")):
        chain.append(data.draw(steps(frame.schema), label="step"))
        try:
            frame = step_on(session, frame, chain[-1])
        except OdibiError:  # a name that is taken, say: all engines refuse it
            break
    session.close()
    return chain


def check(engines: list[Engine], rows: Any, data: st.DataObject) -> None:
    made = arrow_table(rows)
    chain = a_chain(data, engines[0], made)
    first, *others = (outcome(engine, made, chain) for engine in engines)
    for other in others:
        assert other in (first, FAILS)


FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, suppress_health_check=FIXTURES)
@given(rows=tables(), data=st.data())
def test_a_chain_gives_the_same_table(
    engines: list[Engine], rows: Any, data: st.DataObject
) -> None:
    check(engines, rows, data)


@pytest.mark.wide
@settings(max_examples=12, suppress_health_check=FIXTURES)
@given(rows=tables(), data=st.data())
def test_a_chain_gives_the_same_table_on_spark(
    with_spark: list[Engine], rows: Any, data: st.DataObject
) -> None:
    check(with_spark, rows, data)
