"""Rows of a simulation in a test, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from odibi.config.simulation_options import Simulation
from odibi.simulation.plan import mistakes
from odibi_engines.simulation.landing import land

SCOPE = '{start_time: "2026-01-01T00:00:00Z", timestep: 5m, row_count: 288, seed: 42}'


_OF_ENTITIES = ("names", "count", "id_prefix", "id_format")


def described(text: str, **changes: Any) -> Simulation:
    """A simulation from YAML of columns (and events, chaos); `scope` and `entities` may be given."""
    found = yaml.safe_load(text)
    found = {"columns": found} if isinstance(found, list) else found
    found.setdefault("scope", yaml.safe_load(SCOPE))
    found.setdefault("entities", {"names": ["a", "b"]})
    for key, value in changes.items():
        found["entities" if key in _OF_ENTITIES else "scope"] |= {key: value}
    if "count" in changes:
        found["entities"].pop("names")
    return Simulation.model_validate(found)


def rows(simulation: Simulation, folder: Path, **how: Any) -> dict[str, list[Any]]:
    """The columns of all rows."""
    assert mistakes(simulation) == []
    file = folder / "rows.parquet"
    land(simulation, file, **how)
    return dict(pq.read_table(file).to_pydict())


def column(text: str, kind: str = "float", name: str = "x") -> str:
    """YAML of one column: its generator as a flow map."""
    return f"- {{name: {name}, data_type: {kind}, generator: {text}}}\n"


ID = column('{type: constant, value: "{entity_id}"}', "string", "id")
TIME = column("{type: timestamp}", "timestamp", "at")
