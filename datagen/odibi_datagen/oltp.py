"""The transactional source: customers, orders, order lines and payments in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import text
from .city import CITIES
from .clickstream import user_texts
from .menus import FIRST_ID, item_id
from .orders import METHODS, NEVER, PAYMENT_STATUSES, STATUSES, Items, Orders, Payments, order_texts
from .rng import I64, Bool
from .visits import Visits
from .world import World

__all__ = ["SCHEMA", "Rows", "SqliteFile", "transaction_rows"]

SCHEMA = """
CREATE TABLE customers (
  user_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT, city TEXT NOT NULL, street TEXT,
  created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, restaurant_id INTEGER NOT NULL, status TEXT NOT NULL,
  placed_at TEXT NOT NULL, accepted_at TEXT, picked_up_at TEXT, delivered_at TEXT, cancelled_at TEXT,
  items_cents INTEGER NOT NULL, delivery_fee_cents INTEGER NOT NULL, total_cents INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE order_items (
  order_id TEXT NOT NULL, line INTEGER NOT NULL, item_id INTEGER NOT NULL, quantity INTEGER NOT NULL,
  unit_price_cents INTEGER NOT NULL, PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE TABLE payments (
  payment_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, attempt INTEGER NOT NULL, method TEXT NOT NULL,
  status TEXT NOT NULL, amount_cents INTEGER NOT NULL, created_at TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one block as Arrow tables, in the column order of the schema."""

    customers: pa.Table
    orders: pa.Table
    order_items: pa.Table
    payments: pa.Table


class SqliteFile:
    """A new database that is filled block by block, in order; the same rows give the same file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path = path
        self._db = sqlite3.connect(path)
        self._db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)

    def add(self, rows: Rows) -> None:
        """Insert the rows of one block."""
        for name in Rows.__slots__:
            self._insert(name, getattr(rows, name))

    def _insert(self, table: str, rows: pa.Table) -> None:
        columns: Iterable[Any] = (column.to_pylist() for column in rows.columns)
        marks = ", ".join("?" * rows.num_columns)
        self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", zip(*columns, strict=True))

    def close(self) -> int:
        """Finish the file; returns its size in bytes."""
        with closing(self._db) as db:
            db.commit()
        return self._path.stat().st_size


def transaction_rows(
    world: World,
    visits: Visits,
    joined: tuple[I64, I64],
    orders: Orders,
    items: Items,
    payments: Payments,
) -> Rows:
    """What the shop's database holds at the end of the period; `joined` are (visit, time) of signups."""
    return Rows(
        customers=_customers(world, visits, joined),
        orders=_orders(visits, orders),
        order_items=_items(orders, items),
        payments=_payments(payments),
    )


def _customers(world: World, visits: Visits, joined: tuple[I64, I64]) -> pa.Table:
    people = visits.people
    created = np.full(len(people), NEVER)
    created[visits.person[joined[0]]] = joined[1]
    earlier = people.account & ~people.newcomer
    age = 86_400_000 + people.name * 60  # up to two years; `name` is as good a number as any
    created = np.where(earlier, world.start - age, created)
    who = np.flatnonzero((created < world.end) & ~people.erased)
    number, city = people.number[who], people.city[who]
    names = _picked([p.people for p in world.names], city, people.name[who])
    streets = _picked([p.streets for p in world.names], city, people.street[who])
    return pa.table(
        {
            "user_id": text.arrow_text(user_texts(number)),
            "name": names,
            "email": [f"user{n}@example.com" for n in number],
            "city": [CITIES[c].name for c in city],
            "street": [f"{s} {1 + n % 120}" for s, n in zip(streets, number, strict=True)],
            "created_at": _clock(created[who], np.ones(len(who), np.bool_)),
        }
    )


def _picked(texts: list[tuple[str, ...]], city: I64, draw: I64) -> list[str]:
    return [texts[c][d % len(texts[c])] for c, d in zip(city, draw, strict=True)]


def _orders(visits: Visits, orders: Orders) -> pa.Table:
    stages = ("accepted", "picked_up", "delivered", "cancelled")
    times = {f"{name}_at": getattr(orders, name) for name in stages}
    return pa.table(
        {
            "order_id": text.arrow_text(order_texts(orders.number)),
            "user_id": text.arrow_text(user_texts(visits.people.number[orders.person])),
            "restaurant_id": FIRST_ID + orders.restaurant,
            "status": pa.array(STATUSES).take(pa.array(orders.status)),
            "placed_at": _clock(orders.placed, orders.placed < NEVER),
            **{name: _clock(time, time < NEVER) for name, time in times.items()},
            "items_cents": orders.items_cents,
            "delivery_fee_cents": orders.fee_cents,
            "total_cents": orders.total_cents,
        }
    )


def _items(orders: Orders, items: Items) -> pa.Table:
    return pa.table(
        {
            "order_id": text.arrow_text(order_texts(orders.number[items.order])),
            "line": items.line,
            "item_id": item_id(items.item),
            "quantity": items.quantity,
            "unit_price_cents": items.unit_cents,
        }
    )


def _payments(payments: Payments) -> pa.Table:
    return pa.table(
        {
            "payment_id": text.arrow_text(text.prefixed(b"pay_", text.digits(payments.number, 10))),
            "order_id": text.arrow_text(order_texts(payments.order_number)),
            "attempt": payments.attempt,
            "method": pa.array(METHODS).take(pa.array(payments.method)),
            "status": pa.array(PAYMENT_STATUSES).take(pa.array(payments.status)),
            "amount_cents": payments.cents,
            "created_at": _clock(payments.created, np.ones(len(payments.created), np.bool_)),
        }
    )


def _clock(times: I64, present: Bool) -> pa.Array:
    """ISO 8601 in UTC without zone, `2025-11-03 12:34:56`; null where not present."""
    known = times[present]
    field = text.iso_ms(np.where(present, times, known.min() if len(known) else 0))[:, :19].copy()
    field[:, 10] = 32
    texts = text.arrow_text(field)
    return pa.compute.if_else(pa.array(present), texts, pa.scalar(None, pa.string()))
