"""Orders, their items and payments: the transactional side of the purchases in the clickstream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import text
from .menus import ITEMS
from .rng import F64, I64, U8, Bool, Stream, generator
from .visits import Visits
from .world import DAY_MS, World

__all__ = [
    "NEVER",
    "STATUSES",
    "Items",
    "Orders",
    "Payments",
    "make_items",
    "make_orders",
    "make_payments",
    "order_texts",
]

NEVER = np.iinfo(np.int64).max
"""The time of what has not happened by the end of the period."""

STATUSES = ("placed", "accepted", "picked_up", "delivered", "cancelled")
METHODS = ("card", "paypal", "cash", "voucher")
PAYMENT_STATUSES = ("captured", "failed", "refunded")
_CAPTURED, _FAILED, _REFUNDED = range(3)
_PER_BLOCK = 10**6
_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Orders:
    """n orders in order of placing. Times in ms at whole seconds, NEVER when not reached; money in cents.

    `leaves` and `arrives` are the true times of the ride even when they lie beyond the end.
    """

    number: I64
    visit: I64
    person: I64
    restaurant: I64
    placed: I64
    accepted: I64
    picked_up: I64
    delivered: I64
    cancelled: I64
    status: I64
    leaves: I64
    arrives: I64
    items_cents: I64
    fee_cents: I64

    @property
    def total_cents(self) -> I64:
        """What the customer pays."""
        return self.items_cents + self.fee_cents

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True, slots=True)
class Items:
    """Order lines: the order's index, line number from 1, item index, quantity, cents a piece."""

    order: I64
    line: I64
    item: I64
    quantity: I64
    unit_cents: I64


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments in order of time: number, the order's number (orphans: one that doesn't exist), …"""

    number: I64
    order_number: I64
    order: I64
    attempt: I64
    method: I64
    status: I64
    cents: I64
    created: I64


def order_texts(number: I64) -> U8:
    """Order ids: `o_0000000042`."""
    return text.prefixed(b"o_", text.digits(number, 10))


def make_orders(
    world: World, block: int, visits: Visits, visit: I64, bought: I64
) -> tuple[Orders, Items]:
    """One order for each purchase that happened before the end (`visit` and `bought` in ms)."""
    rng = generator(world.seed, Stream.ORDERS, block)
    order = np.argsort(bought, kind="stable")
    order = order[bought[order] < world.end]
    visit, placed = visit[order], bought[order] // 1000 * 1000
    person, restaurant = visits.person[visit], visits.restaurant[visit]
    items = make_items(rng, world, restaurant, placed)
    total = np.bincount(items.order, items.quantity * items.unit_cents, len(visit)).astype(np.int64)
    kilometres = _kilometres(world, visits, person, restaurant)
    accepted = placed + _seconds(rng, len(visit), 30, 300)
    picked_up = accepted + _seconds(rng, len(visit), 8 * 60, 25 * 60)
    ride = (
        np.clip((kilometres / 26 * 3600 + rng.gamma(3, 60, len(visit))).astype(np.int64), 150, 3000)
        * 1000
    )
    fate = rng.random(len(visit)) < world.mess.cancelled_order
    cancelled = np.where(fate, placed + _seconds(rng, len(visit), 20, 500), NEVER)
    times = _reached(world, accepted, picked_up, picked_up + ride, cancelled)
    return (
        Orders(
            number=block * _PER_BLOCK + np.arange(len(visit)),
            visit=visit,
            person=person,
            restaurant=restaurant,
            placed=placed,
            **times,
            leaves=picked_up,
            arrives=picked_up + ride,
            items_cents=total,
            fee_cents=np.clip((kilometres * 40).astype(np.int64) // 10 * 10 + 99, 149, 599),
        ),
        items,
    )


def _seconds(rng: np.random.Generator, count: int, low: int, high: int) -> I64:
    return rng.integers(low, high, count) * 1000


def _reached(
    world: World, accepted: I64, picked_up: I64, delivered: I64, cancelled: I64
) -> dict[str, I64]:
    """The timestamps as the database knows them at the end of the period, and the status they imply."""
    stopped = cancelled < world.end
    limit = np.where(stopped, cancelled, world.end)
    accepted = np.where(accepted < limit, accepted, NEVER)
    picked_up = np.where((picked_up < world.end) & ~stopped, picked_up, NEVER)
    delivered = np.where((delivered < world.end) & ~stopped, delivered, NEVER)
    steps = (accepted < NEVER).astype(np.int64) + (picked_up < NEVER) + (delivered < NEVER)
    return {
        "accepted": accepted,
        "picked_up": picked_up,
        "delivered": delivered,
        "cancelled": np.where(stopped, cancelled, NEVER),
        "status": np.where(stopped, 4, steps),
    }


def _kilometres(world: World, visits: Visits, person: I64, restaurant: I64) -> F64:
    """Distance from restaurant to home on a flat earth, good enough within a city."""
    north = (world.restaurants.lat[restaurant] - visits.people.lat[person]) * 111.2e-6
    east = (world.restaurants.lon[restaurant] - visits.people.lon[person]) * 111.2e-6
    shrink = np.cos(np.radians(visits.people.lat[person] / 1e6))
    distance: F64 = np.hypot(north, east * shrink)
    return distance


def make_items(rng: np.random.Generator, world: World, restaurant: I64, placed: I64) -> Items:
    """One to four lines an order, at the menu's prices of that day; what is off the menu becomes item 0."""
    lines = rng.integers(1, 5, len(restaurant))
    order = np.repeat(np.arange(len(restaurant)), lines)
    first = np.cumsum(lines) - lines
    day = np.clip((placed[order] - world.start) // DAY_MS, 0, world.days - 1)
    item = restaurant[order] * ITEMS + rng.integers(0, ITEMS, len(order))
    item = np.where(world.menu.available[day, item], item, restaurant[order] * ITEMS)
    return Items(
        order=order,
        line=1 + np.arange(len(order)) - first[order],
        item=item,
        quantity=rng.choice([1, 2, 3], len(order), p=[0.8, 0.16, 0.04]),
        unit_cents=world.menu.price[day, item],
    )


def make_payments(world: World, block: int, orders: Orders) -> Payments:
    """First attempts, second ones after failures, refunds of cancelled orders, and payments for nothing."""
    rng = generator(world.seed, Stream.ORDERS, (1 << 32) + block)
    count = len(orders)
    method = rng.choice(len(METHODS), count, p=[0.62, 0.22, 0.12, 0.04])
    fails = rng.random(count) < world.mess.failed_payment
    paid = orders.placed + np.where(fails, _seconds(rng, count, 45, 240), 4_000)
    refunded = orders.cancelled < NEVER
    index = np.arange(count)
    orphans = rng.random(count) < world.mess.orphan_payment
    parts = [
        _batch(index[fails], 1, _FAILED, orders.placed[fails] + 4_000),
        _batch(index[~fails], 1, _CAPTURED, paid[~fails]),
        _batch(index[fails], 2, _CAPTURED, paid[fails]),
        _batch(
            index[refunded], 3, _REFUNDED, np.maximum(orders.cancelled, paid)[refunded] + 30_000
        ),
        _batch(index[orphans], 0, _CAPTURED, paid[orphans] + 90_000),
    ]
    order, attempt, status, created = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    kept = np.flatnonzero(created < world.end)
    kept = kept[np.lexsort((attempt[kept], created[kept]))]
    order, attempt, status, created = order[kept], attempt[kept], status[kept], created[kept]
    orphan: Bool = attempt == 0
    return Payments(
        number=block * _PER_BLOCK * 4 + np.arange(len(kept)),
        order_number=orders.number[order] + np.where(orphan, 9_000_000_000, 0),
        order=np.where(orphan, -1, order),
        attempt=np.maximum(attempt, 1),
        method=method[order],
        status=status,
        cents=orders.total_cents[order],
        created=created,
    )


def _batch(order: I64, attempt: int, status: int, created: I64) -> tuple[I64, I64, I64, I64]:
    return order, np.full_like(order, attempt), np.full_like(order, status), created
