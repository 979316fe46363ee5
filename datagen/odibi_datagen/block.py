"""One block: a number of people over the whole period, with all they click, order and have delivered.

Blocks share nothing but the world, so they may be made in any order and by any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from . import clickstream, drivers
from .feeds import deliver, write_feed
from .oltp import Rows, transaction_rows
from .orders import make_orders, make_payments
from .rng import Stream, generator
from .truth import click_truth, order_truth, ping_truth
from .visits import make_visits
from .world import World

__all__ = ["BlockResult", "Lines", "make_block"]

Lines = dict[str, int]
"""Lines of files, by their names."""


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block leaves to be put together: database rows, truth tables, counts, lines of its files."""

    rows: Rows
    truth: dict[str, pa.Table]
    counts: dict[str, int]
    lines: Lines


def make_block(world: World, block: int, file: int, lines: Lines, out: Path) -> BlockResult:
    """Add the block's lines to the feed files of number `file` below `out`, and return the rest.

    `lines` says how many lines those files have so far: none of them when the block begins them.
    """
    lines = dict(lines)
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
        world, out, f"clickstream/dt={{date}}/events-{file:03d}.ndjson", click_feed, clickstream.KINDS,
        lambda record, damage: clickstream.render_events(world, visits, events, orders, record, damage),
        lines,
    )  # fmt: skip
    ping_feed = deliver(
        generator(world.seed, Stream.PING_FEED, block),
        world,
        pings.received,
        len(drivers.KINDS) - 2,
    )
    located = write_feed(
        world, out, f"driver_pings/dt={{date}}/pings-{file:03d}.ndjson", ping_feed, drivers.KINDS,
        lambda record, damage: drivers.render_pings(orders, pings, record, damage),
        lines,
    )  # fmt: skip

    who = click_truth(visits, events, click_feed)
    joined = clickstream.signups(visits, steps)
    return BlockResult(
        rows=transaction_rows(world, visits, joined, orders, items, payments),
        truth={
            "identities": who.identities,
            "sessions": who.sessions,
            "ping_zones": ping_truth(pings, ping_feed),
            "orders": order_truth(world, visits.people, orders, payments, pings, ping_feed),
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
        lines=lines,
    )
