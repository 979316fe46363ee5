"""Finding what other packages register: engines now; connections and transforms the same way."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from odibi.engine import Engine
from odibi.errors import UsageError

__all__ = ["engine_names", "find_engine", "open_engine"]

_GROUP = "odibi.engines"


def engine_names() -> list[str]:
    """Names of all registered engines."""
    return sorted(point.name for point in entry_points(group=_GROUP))


def find_engine(name: str) -> EntryPoint:
    """Where the engine is registered. Raises UsageError for an unknown name."""
    wanted = "duckdb" if name == "polars" else name
    if found := entry_points(group=_GROUP, name=wanted):
        return next(iter(found))
    near = get_close_matches(wanted, engine_names(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"engines here: {', '.join(engine_names())}"
    raise UsageError(f"engine {name!r} is not available", hint=hint)


def open_engine(name: str, work_dir: Path, performance: Mapping[str, Any]) -> Engine:
    """A new engine. `polars` projects run on DuckDB. Raises UsageError for an unknown name."""
    factory = find_engine(name).load()
    engine: Engine = factory(
        work_dir=work_dir,
        threads=performance.get("threads"),
        memory_limit=performance.get("memory_limit"),
        performance=performance,
    )
    return engine
