"""Both engines, opened for a test and closed after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Frame, Session, Target
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine

ENGINES: dict[str, type[Any]] = {"duckdb": DuckDBEngine, "pandas": PandasEngine}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    opened = ENGINES[request.param](work_dir=tmp_path / "work", threads=2, memory_limit="1GB")
    yield opened
    opened.close()


@pytest.fixture
def session(engine: Any) -> Iterator[Session]:
    opened = engine.session("bronze.node")
    yield opened
    opened.close()


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(work_dir=tmp_path / "work", threads=2, memory_limit="1GB")
    yield opened
    opened.close()


Write = Callable[..., Any]


@pytest.fixture
def write(session: Session) -> Write:
    """Stage and commit a query's rows."""

    def run(query: str, target: Target, tables: dict[str, Frame] | None = None) -> Any:
        return session.commit(session.stage(session.sql(query, tables or {}), target))

    return run
