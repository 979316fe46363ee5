"""What simulated rows cost: through odibi, against plain numpy for the same columns, in CPU seconds.

python perf/simulation.py [--rows 1000000] [--times 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from odibi.config.simulation_options import Simulation
from odibi_engines.simulation import land

_AT_ONCE = [
    {"name": "at", "data_type": "timestamp", "generator": {"type": "timestamp"}},
    {"name": "n", "data_type": "int", "generator": {"type": "sequential"}},
    {"name": "x", "data_type": "float", "generator": {"type": "range", "min": 0, "max": 100}},
    {
        "name": "y",
        "data_type": "float",
        "generator": {"type": "derived", "expression": "x * 1.8 + 32 if x > 50 else 0"},
    },
]
_BY_ROW = [
    {
        "name": "walk",
        "data_type": "float",
        "generator": {"type": "random_walk", "start": 50, "min": 0, "max": 100},
    },
    {
        "name": "level",
        "data_type": "float",
        "generator": {
            "type": "derived",
            "expression": "max(0, min(100, prev('level', 50) + (walk - 50) * 0.1))",
        },
    },
]


def simulation(columns: list[dict[str, Any]], entities: int, rows: int) -> Simulation:
    return Simulation.model_validate(
        {
            "scope": {
                "start_time": "2026-01-01T00:00:00Z",
                "timestep": "1m",
                "row_count": rows // entities,
            },
            "entities": {"count": entities},
            "columns": columns,
        }
    )


def by_hand(rows: int, file: Path) -> None:
    """The columns that are made at once, with numpy and one table."""
    random = np.random.default_rng(42)
    x = random.uniform(0, 100, rows)
    minutes = np.datetime64("2026-01-01", "us") + np.arange(rows) * np.timedelta64(60, "s")
    y = np.where(x > 50, x * 1.8 + 32, 0)
    table = pa.table({"at": minutes.astype("datetime64[us]"), "n": np.arange(rows), "x": x, "y": y})
    pq.write_table(table, file, compression="zstd")


def cpu(work: Callable[[], object], times: int) -> float:
    """Median CPU seconds, after one time that isn't counted."""
    work()
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        hand = cpu(lambda: by_hand(args.rows, file), args.times)
        print(f"{'numpy by hand, 4 columns':42s} {args.rows / hand / 1e6:6.2f} M rows/s")
        for name, columns, entities in (
            ("odibi, 4 columns at once, 10 entities", _AT_ONCE, 10),
            ("odibi, 4 columns at once, 1 entity", _AT_ONCE, 1),
            ("odibi, 2 columns row by row, 10 entities", _BY_ROW, 10),
        ):
            made = simulation(columns, entities, args.rows)
            took = cpu(lambda made=made: land(made, file), args.times)  # type: ignore[misc]
            print(f"{name:42s} {args.rows / took / 1e6:6.2f} M rows/s  {took / hand:5.1f}x by hand")


if __name__ == "__main__":
    main()
