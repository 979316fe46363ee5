"""Every built-in's example on every engine: the same names, types and values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.engine import Engine, Rows, Schema
from odibi.transforms import BuildContext, registry
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine
from tests.transforms.duck import RUN_AT, canonical


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    folder: Path = tmp_path_factory.mktemp("engines")
    opened: list[Engine] = [
        DuckDBEngine(work_dir=folder / "duckdb"),
        PandasEngine(work_dir=folder / "pandas"),
    ]
    yield opened
    for engine in opened:
        engine.close()


def run(engine: Engine, name: str) -> tuple[Schema, Rows]:
    """The example as the engine runs it: schema and rows."""
    example = registry.get(name).EXAMPLE
    session = engine.session(name)
    tables = {other: session.sql(table.select(), {}) for other, table in example.tables.items()}
    frames = {**tables, "df": session.sql(example.df.select(), {})}
    context = BuildContext(
        columns=frames["df"].schema,
        tables={other: frame.schema for other, frame in tables.items()},
        fetch=lambda query: session.fetch(query, frames),
        run_at=RUN_AT,
    )
    frame = session.sql(registry.parse(name, example.params).build(context), frames)
    rows = session.fetch("SELECT * FROM df", {"df": frame})
    session.close()
    return frame.schema, rows


@pytest.mark.parametrize("name", registry.names())
def test_engines_agree_on_every_built_in(name: str, engines: list[Engine]) -> None:
    example = registry.get(name).EXAMPLE
    (schema, rows), *others = (run(engine, name) for engine in engines)
    assert schema == example.result.schema
    assert canonical(rows.rows) == sorted((list(row) for row in example.result.rows), key=repr)
    for other_schema, other_rows in others:
        assert other_schema == schema
        assert canonical(other_rows.rows) == canonical(rows.rows)


@pytest.mark.parametrize("name", registry.names())
def test_results_have_types_that_files_can_keep(name: str, engines: list[Engine]) -> None:
    schema, _ = run(engines[0], name)
    assert not [
        column
        for column in schema
        if "HUGEINT" in column.type or column.type.startswith("INTERVAL")
    ]
