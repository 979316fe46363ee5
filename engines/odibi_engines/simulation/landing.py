"""From a description to a Parquet file: the rows of a simulated source, block after block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from odibi.config.simulation_options import Simulation, moment, span
from odibi.errors import Cancelled, EngineError
from odibi.simulation.plan import cohorts, entity_names, expanded, needed_of_others

from .chaos import disturbed
from .generators import Block
from .kinds import ARROW, to_arrow
from .rows import CohortRows, Memory, Others
from .vectors import Vector

__all__ = ["Landed", "land"]

_ROWS = 200_000  # of a block, so that memory stays bounded


@dataclass(frozen=True, slots=True)
class Landed:
    """What came of it: the rows written, and what the next run needs to go on from there: `next` is the
    time of each entity's next row, `memory` what `CohortRows` keeps. Plain JSON."""

    rows: int
    next: str
    memory: Memory


def land(
    simulation: Simulation,
    file: Path,
    *,
    since: str | None = None,
    memory: Memory | None = None,
    goes_on: bool = False,
    enough: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Landed:
    """Write the rows of every entity, from the time `since` on when it is given, to a Parquet file.

    `goes_on` tells that later runs add rows; `enough` is a number of rows that will do. Raises
    EngineError for values that an expression or a column can't take, Cancelled when `stopped`.
    """
    simulation = expanded(simulation)
    made = _Rows(simulation, memory or {}, goes_on)
    start = 0 if since is None else made.row_at(since)
    count = made.count(start)
    if enough is not None:
        count = min(count, max(-(-enough // len(made.names)), 1))
    written = 0
    schema = pa.schema([(c.name, ARROW[c.data_type]) for c in simulation.columns])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for first, size in made.blocks(start, count):
            if stopped():
                raise Cancelled("the simulation was cancelled")
            table = made.table(schema, first, size)
            written += table.num_rows
            writer.write_table(table)
    return Landed(written, made.time_of(start + count), made.memory)


class _Rows:
    """All rows of a simulation, in parts."""

    def __init__(self, simulation: Simulation, memory: Memory, goes_on: bool) -> None:
        self.simulation = simulation
        self.memory = memory
        self.names = entity_names(simulation)
        self.cohorts = [CohortRows(simulation, c, memory) for c in cohorts(simulation)]
        scope = simulation.scope
        self.start = moment(scope.start_time)
        self.step = span(scope.timestep)
        self.all = None if goes_on else self.count(0)
        self.asked = needed_of_others(simulation)

    def count(self, start: int) -> int:
        """How many rows of each entity there are from row `start` on, in one run."""
        scope = self.simulation.scope
        if scope.row_count is not None:
            return scope.row_count
        whole = -((moment(scope.end_time or "") - self.start) // -self.step)
        return max(whole - start, 0)

    def row_at(self, text: str) -> int:
        """The number of the first row that is not before a time."""
        return max(-((self.start - moment(text)) // self.step), 0)

    def time_of(self, row: int) -> str:
        """The time of a row, as text."""
        return f"{self.start + row * self.step:%Y-%m-%dT%H:%M:%SZ}"

    def blocks(self, start: int, count: int) -> Iterator[tuple[int, int]]:
        """(first row, rows) of each part."""
        size = max(_ROWS // len(self.names), 1)
        for first in range(start, start + count, size):
            yield first, min(size, start + count - first)

    def table(self, schema: pa.Schema, first: int, size: int) -> pa.Table:
        """Rows of all entities, one entity after the other."""
        step = np.timedelta64(int(self.step.total_seconds()), "s")
        times = (np.datetime64(self.start, "us") + (first + np.arange(size)) * step).astype(
            "datetime64[us]"
        )
        parts = self._parts(first, times)
        whole = self._block(first, times, range(len(self.names)))
        columns = [self._joined(parts, place) for place in range(len(self.simulation.columns))]
        columns, kept = disturbed(self.simulation, whole, columns)
        arrays = []
        for column, vector in zip(self.simulation.columns, columns, strict=True):
            values, nulls = vector.values.ravel()[kept], vector.mask().ravel()[kept]
            try:
                arrays.append(to_arrow(column.data_type, values, nulls))
            except (TypeError, OverflowError, pa.ArrowInvalid) as error:
                raise EngineError(f"simulated column '{column.name}': {error}") from None
        return pa.Table.from_arrays(arrays, schema=schema)

    def _block(self, first: int, times: Any, places: Any) -> Block:
        names = tuple(self.names[place] for place in places)
        seed = self.simulation.scope.seed
        return Block(seed, names, tuple(places), len(self.names), self.all, first, times)

    def _parts(self, first: int, times: Any) -> list[tuple[tuple[int, ...], list[Vector]]]:
        """The columns of each cohort, with the places of its entities."""
        others: Others = {}
        found = []
        for rows in self.cohorts:
            places = rows.cohort.entities
            block = self._block(first, times, places)
            columns = rows.make(block, others)
            found.append((places, columns))
            self._offer(others, block, columns)
        return found

    def _offer(self, others: Others, block: Block, columns: list[Vector]) -> None:
        """Let later cohorts read the columns that they ask for."""
        places = {column.name: place for place, column in enumerate(self.simulation.columns)}
        for entity, column in self.asked:
            if entity in block.names:
                line, vector = block.names.index(entity), columns[places[column]]
                nulls = None if vector.nulls is None else vector.nulls[line : line + 1]
                others[entity, column] = Vector(vector.values[line : line + 1], nulls)

    def _joined(self, parts: list[tuple[tuple[int, ...], list[Vector]]], place: int) -> Vector:
        """One column of all entities in their order."""
        if len(parts) == 1:
            return parts[0][1][place]
        order = np.argsort([entity for places, _ in parts for entity in places])
        values = np.concatenate([columns[place].values for _, columns in parts])[order]
        nulls = np.concatenate([columns[place].mask() for _, columns in parts])[order]
        return Vector(values, nulls if nulls.any() else None)
