"""Whether two OdibiEats lakes hold the same tables, whoever wrote them; in bounded memory.

python perf/same.py LAKE OTHER
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

__all__ = ["TABLES", "differences"]

TABLES = (
    "bronze/clickstream", "bronze/driver_pings", "bronze/orders", "bronze/payments", "bronze/customers",
    "bronze/zones", "bronze/restaurants", "bronze/menu_snapshots", "silver/events", "silver/pings",
    "silver/orders", "silver/payments", "silver/customers", "silver/identities", "silver/sessions", "silver/menu_history",
    "gold/session_conversion", "gold/time_on_site", "gold/delivery_time_by_neighbourhood",
    "gold/item_prices", "gold/order_value_by_city", "gold/bounce", "gold/funnel", "gold/dim_date",
    "gold/dim_restaurant", "gold/dim_customer", "gold/fact_orders",
)  # fmt: skip
_OWN = {
    "silver/sessions": {"session_key"},
    "silver/menu_history": {"snapshot_date"},
    "bronze/zones": {"geometry"},
    "bronze/clickstream": {"geo", "props"},
}
"""Columns that each names or spells its own way, or leaves out; geo and props are columns of silver/events."""


def differences(lake: Path, other: Path, memory: str = "2GB") -> list[str]:
    """One sentence for each table that differs: rows as a bag, floats to nine digits, types by value."""
    with (
        tempfile.TemporaryDirectory(prefix="odibi-same-") as spill,
        duckdb.connect(config={"memory_limit": memory, "temp_directory": spill}) as db,
    ):
        db.execute("SET timezone = 'UTC'; SET preserve_insertion_order = false")
        return [found for name in TABLES for found in _table(db, name, lake, other)]


def _table(db: duckdb.DuckDBPyConnection, name: str, lake: Path, other: Path) -> list[str]:
    ours, theirs = (_columns(db, name, root) for root in (lake, other))
    if ours.keys() != theirs.keys():
        return [f"{name} has other columns: {sorted(ours.keys() ^ theirs.keys())}"]
    counts = [_digest(db, name, root) for root in (lake, other)]
    if counts[0] == counts[1]:
        return []
    return [f"{name} differs: {counts[0][0]:,} rows and {counts[1][0]:,}, or other values"]


def _files(path: Path) -> str:
    return str(path / "*.parquet") if path.is_dir() else str(path)


def _columns(db: duckdb.DuckDBPyConnection, name: str, lake: Path) -> dict[str, str]:
    """Types of the columns that count, by name."""
    rows = db.execute(
        f"DESCRIBE FROM read_parquet('{_files(lake / f'{name}.parquet')}')"
    ).fetchall()
    return {row[0]: row[1] for row in sorted(rows) if row[0] not in _OWN.get(name, ())}


def _digest(db: duckdb.DuckDBPyConnection, name: str, lake: Path) -> tuple[int, ...]:
    """Number of rows, and two sums over a hash of each row: equal for the same bag of rows."""
    row = ", ".join(_plain(*column) for column in _columns(db, name, lake).items())
    rows = db.execute(f"""
        SELECT count(*), sum(h & 4294967295), sum(h >> 32)
        FROM (SELECT hash({row}) AS h FROM read_parquet('{_files(lake / f"{name}.parquet")}'))""").fetchall()
    return tuple(rows[0])


def _plain(name: str, kind: str) -> str:
    """The value as text that doesn't depend on who chose the type."""
    if kind in ("DOUBLE", "FLOAT"):
        return f"printf('%.9g', \"{name}\")"
    if kind.startswith("TIMESTAMP"):
        return f'epoch_ms("{name}"::TIMESTAMP)::VARCHAR'
    return f'"{name}"::VARCHAR'


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "the same tables")
    sys.exit(bool(found))
