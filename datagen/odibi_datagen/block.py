"""One block: a number of people over the whole period, with all they click, order and have delivered.

Blocks share nothing but the world, so they may be made in any order and by any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from . import clickstream, drivers
from .city import CITIES
from .feeds import deliver, write_feed
from .names import name_pool
from .oltp import Rows, transaction_rows
from .orders import make_orders, make_payments
from .rng import Stream, generator
from .truth import click_truth, order_truth, ping_truth
from .visits import make_visits
from .world import World

__all__ = ["BlockResult", "make_block"]


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block leaves to be put together: database rows, truth tables, and counts."""

    rows: Rows
    truth: dict[str, pa.Table]
    counts: dict[str, int]


def make_block(world: World, block: int, out: Path) -> BlockResult:
    """Write the block's feed files below `out` and return the rest."""
    visits = make_visits(world, block)
    steps = clickstream.make_steps(world, block, visits)
    orders, items = make_orders(world, block, visits, *clickstream.purchases(visits, steps))
    payments = make_payments(world, block, orders)
    events = clickstream.make_events(world, block, visits, steps, orders)
    pings = drivers.make_pings(world, block, visits, orders)

    click_feed = deliver(
        generator(world.seed, Stream.CLICK_FEED, block),
        world,
        events.received,
        len(clickstream.KINDS) - 2,
    )
    clicks = write_feed(
        world, out, f"clickstream/dt={{date}}/events-{block:03d}.ndjson", click_feed, clickstream.KINDS,
        lambda record, damage: clickstream.render_events(world, visits, events, orders, record, damage),
    )  # fmt: skip
    ping_feed = deliver(
        generator(world.seed, Stream.PING_FEED, block),
        world,
        pings.received,
        len(drivers.KINDS) - 2,
    )
    located = write_feed(
        world, out, f"driver_pings/dt={{date}}/pings-{block:03d}.ndjson", ping_feed, drivers.KINDS,
        lambda record, damage: drivers.render_pings(orders, pings, record, damage),
    )  # fmt: skip

    who = click_truth(visits, events, click_feed)
    pools = tuple(name_pool(city.locale, world.seed) for city in CITIES)
    joined = clickstream.signups(visits, steps)
    return BlockResult(
        rows=transaction_rows(world, visits, joined, orders, items, payments, pools),
        truth={
            "identities": who.identities,
            "sessions": who.sessions,
            "ping_zones": ping_truth(pings, ping_feed),
            "orders": order_truth(world, orders, payments, pings, ping_feed),
            "planted_bad": pa.concat_tables([clicks.planted, located.planted]),
        },
        counts={
            "bytes": clicks.bytes + located.bytes,
            "click_lines": clicks.lines,
            "click_duplicates": clicks.duplicates,
            "ping_lines": located.lines,
            "ping_duplicates": located.duplicates,
            "orders": len(orders),
            "payments": len(payments.number),
        },
    )
