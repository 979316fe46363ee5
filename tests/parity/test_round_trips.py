"""Any table, written and read again in every format, is the table that it was, but for what docs/engines.md says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.engine import Engine, Frame, Session, Source, Target, UserFunction
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from odibi_engines.spark_engine import SparkEngine
from tests.machine import needs_java

from .chains import TYPES, arrow_table, tables
from .test_chains import FAILS, FIXTURES, canonical, opened, outcome_of

FLAT = [name for name in TYPES if name not in ("l", "s")]
FORMATS = {"parquet": list(TYPES), "delta": list(TYPES), "json": list(TYPES), "csv": FLAT}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    yield from opened(tmp_path_factory.mktemp("trips"), DuckDBEngine, PandasEngine)


@pytest.fixture(scope="module")
def with_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    needs_java()
    yield from opened(tmp_path_factory.mktemp("trips"), DuckDBEngine, SparkEngine)


def there_and_back(made: Any, format_: str, path: Path) -> Callable[[Session], Frame]:
    """Write the rows, and read what lies there."""

    def work(session: Session) -> Frame:
        frame = session.call(UserFunction("made", lambda: made, "arrow"), None, {}, {})
        staged = session.stage(frame, Target(format_, path, "overwrite", "w"))
        assert staged.rows == made.num_rows
        session.commit(staged)
        declared = {name: TYPES[name][0] for name in FORMATS[format_]}
        return session.read(
            Source(
                format_,
                path,
                () if format_ == "delta" else (path,),
                declared if format_ in ("csv", "json") else None,
                {"lines": True} if format_ == "json" else {},
            )
        )

    return work


def kept(format_: str, value: Any) -> Any:
    """The value as the format brings it back: an empty text of a CSV file is null."""
    return None if format_ == "csv" and value == "" else value


def check(engines: list[Engine], format_: str, rows: list[tuple[Any, ...]], folder: Path) -> None:
    if format_ == "json":  # an object without any value is unreadable: it goes where bad lines go
        rows = [row for row in rows if any(value is not None for value in row)]
    made = arrow_table(rows, FORMATS[format_])
    wanted = [canonical(tuple(kept(format_, value) for value in row)) for row in rows]
    for engine in engines:
        place = folder / engine.name
        place.mkdir()
        found = outcome_of(engine, there_and_back(made, format_, place / f"t.{format_}"))
        assert found != FAILS
        schema, there = found
        assert [(c.name, c.type) for c in schema] == [(n, TYPES[n][0]) for n in FORMATS[format_]]
        assert there == sorted(wanted, key=repr), engine.name


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=20, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_a_written_table_is_read_as_it_was(
    engines: list[Engine],
    format_: str,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = data.draw(tables(FORMATS[format_]), label="rows")
    check(engines, format_, rows, tmp_path_factory.mktemp(format_))


@pytest.mark.wide
@settings(max_examples=8, suppress_health_check=FIXTURES)
@given(format_=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_a_table_written_by_spark_is_read_as_it_was(
    with_spark: list[Engine],
    format_: str,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = data.draw(tables(FORMATS[format_]), label="rows")
    check(with_spark, format_, rows, tmp_path_factory.mktemp(format_))
