"""What goes wrong on the way from a simulated source: outliers, rows that come twice, rows that don't."""

from __future__ import annotations

from typing import Any

import numpy as np

from odibi.config.simulation_options import Chaos, Simulation, moment

from .generators import Block
from .vectors import Vector

__all__ = ["disturbed"]


def disturbed(
    simulation: Simulation, block: Block, columns: list[Vector]
) -> tuple[list[Vector], Any]:
    """The columns with outliers, and the rows that arrive: places in entities × rows, in order."""
    everything = np.arange(len(block.names) * block.count)
    chaos = simulation.chaos
    if chaos is None:
        return columns, everything
    if chaos.outlier_rate:
        columns = [
            _with_outliers(chaos, block, column.name, column.data_type, vector)
            for column, vector in zip(simulation.columns, columns, strict=True)
        ]
    times = np.ones((len(block.names), block.count), dtype=np.int64)
    if chaos.duplicate_rate:
        times += block.uniform("chaos", "duplicate") < chaos.duplicate_rate
    times[_down(chaos, block)] = 0
    return columns, np.repeat(everything, times.ravel())


def _with_outliers(chaos: Chaos, block: Block, name: str, kind: str, vector: Vector) -> Vector:
    if kind not in ("int", "float"):
        return vector
    hit = block.uniform(name, "outlier") < chaos.outlier_rate
    values = np.where(hit, vector.values * chaos.outlier_factor, vector.values)
    return Vector(np.rint(values).astype(np.int64) if kind == "int" else values, vector.nulls)


def _down(chaos: Chaos, block: Block) -> Any:
    """Where there are no rows."""
    found = np.zeros((len(block.names), block.count), bool)
    for event in chaos.downtime_events:
        start, end = (
            np.datetime64(moment(text), "us") for text in (event.start_time, event.end_time)
        )
        inside = (block.times >= start) & (block.times < end)
        of = np.array([event.entity in (None, name) for name in block.names])
        found |= of[:, None] & inside[None, :]
    return found
