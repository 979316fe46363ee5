"""The ground truth: what a perfect pipeline would find out from the data that arrived.

"Knowable" is the measure: a line that never arrived, or arrived broken, has no part in the truth, and
devices of one person that nothing links stay strangers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from . import text
from .city import CITIES
from .clickstream import EVENT_TYPES, Events, user_texts
from .drivers import Pings
from .feeds import SOUND, Feed
from .menus import FIRST_ID
from .orders import NEVER, STATUSES, Orders, Payments, order_texts
from .people import People
from .rng import I64, U64, Bool
from .visits import Visits
from .world import World

__all__ = ["SESSION_GAP_MS", "Truth", "click_truth", "order_truth", "ping_truth"]

SESSION_GAP_MS = 30 * 60_000
"""A longer silence than this ends a person's session."""

_PURCHASE = EVENT_TYPES.index("purchase")
_STEPS = {"view_menu": 2, "view_item": 2, "add_to_cart": 3, "begin_checkout": 4, "purchase": 5}
_STEP_OF_TYPE = np.array([_STEPS.get(name, 1) for name in EVENT_TYPES])


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth about the clicks of one block."""

    identities: pa.Table
    sessions: pa.Table


def arrived(feed: Feed, records: int) -> Bool:
    """Which records have at least one readable line."""
    seen = np.zeros(records, np.bool_)
    seen[feed.record[feed.damage == SOUND]] = True
    return seen


def click_truth(visits: Visits, events: Events, feed: Feed) -> Truth:
    """Who is who, and the sessions of each person, from the events that arrived."""
    usable = np.flatnonzero(arrived(feed, len(events.visit)) & events.valid)
    component = _components(visits, events, usable)
    label = _labels(visits, component, np.unique(events.visit[usable]))
    return Truth(
        identities=_identities(visits, events, usable, label),
        sessions=_sessions(visits, events, usable, component, label),
    )


def _components(visits: Visits, events: Events, usable: I64) -> I64:
    """A number for each visit, equal for visits that evidence links.

    Evidence: a private device links its visits; a visit in which the user is known belongs to the user,
    and so does everything else on that device unless it is public.
    """
    known = np.zeros(len(visits), np.bool_)
    known[events.visit[usable[events.known[usable]]]] = True
    space = 1 + int(visits.device.max(initial=0))
    linked = np.zeros(space, np.bool_)
    linked[visits.device[known & ~visits.kiosk]] = True
    on_user = np.where(visits.kiosk, known, linked[visits.device])
    alone = np.where(visits.kiosk, 2 * space + np.arange(len(visits)), space + visits.device)
    return np.where(on_user, visits.person, alone)


def _labels(visits: Visits, component: I64, alive: I64) -> U64:
    """For each visit the smallest cookie of its component: the smallest of all its node names, too."""
    distinct, inverse = np.unique(component, return_inverse=True)
    smallest = np.full(len(distinct), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, inverse[alive], visits.cookie_id[alive])
    return smallest[inverse]


def _identities(visits: Visits, events: Events, usable: I64, label: U64) -> pa.Table:
    """One row a node: session, cookie, private device or user; its component, and the true person."""
    alive = np.unique(events.visit[usable])
    private = alive[~visits.kiosk[alive]]
    users = np.unique(events.visit[usable[events.known[usable]]])
    _, one = np.unique(visits.person[users], return_index=True)
    users = users[one]
    cookies = alive[np.unique(visits.cookie_id[alive], return_index=True)[1]]
    devices = private[np.unique(visits.device_id[private], return_index=True)[1]]
    nodes = [
        (alive, text.prefixed(b"s_", text.hexadecimal(visits.session_id[alive]))),
        (cookies, text.prefixed(b"c_", text.hexadecimal(visits.cookie_id[cookies]))),
        (devices, text.prefixed(b"d_", text.hexadecimal(visits.device_id[devices]))),
        (users, user_texts(visits.people.number[visits.person[users]])),
    ]
    return pa.concat_tables([_nodes(visits, visit, name, label) for visit, name in nodes])


def _nodes(visits: Visits, visit: I64, name: np.ndarray, label: U64) -> pa.Table:
    return pa.table(
        {
            "node": text.arrow_text(name),
            "component": _component_text(label[visit]),
            "person": visits.people.number[visits.person[visit]],
        }
    )


def _component_text(label: U64) -> pa.Array:
    return text.arrow_text(text.prefixed(b"c_", text.hexadecimal(label)))


def _sessions(visits: Visits, events: Events, usable: I64, component: I64, label: U64) -> pa.Table:
    """Sessions of each component: started_at, ended_at, events, converted, furthest_step, city."""
    who = component[events.visit[usable]]
    order = np.lexsort((events.ts[usable], who))
    rows, who = usable[order], who[order]
    ts = events.ts[rows]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (who[1:] != who[:-1]) | (np.diff(ts) > SESSION_GAP_MS)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(rows))[: len(first)] - 1
    visit = events.visit[rows[first]]
    step = _STEP_OF_TYPE[events.type[rows]]
    furthest = np.maximum.reduceat(step, first) if len(first) else first
    return pa.table(
        {
            "component": _component_text(label[visit]),
            "started_at": pa.array(ts[first], pa.timestamp("ms")),
            "ended_at": pa.array(ts[last], pa.timestamp("ms")),
            "events": last - first + 1,
            "converted": furthest == _STEP_OF_TYPE[_PURCHASE],
            "furthest_step": furthest,
            "city": pa.array([c.name for c in CITIES]).take(
                pa.array(visits.people.city[visits.person[visit]])
            ),
        }
    )


def ping_truth(pings: Pings, feed: Feed) -> pa.Table:
    """The zone of every usable ping that arrived: event_id, zone_id (null outside or without a position)."""
    rows = np.flatnonzero(arrived(feed, len(pings.ts)) & ~pings.beyond_pole)
    zone = pings.zone[rows]
    return pa.table(
        {
            "event_id": text.arrow_text(
                text.prefixed(b"p_", text.hexadecimal(pings.event_id[rows]))
            ),
            "zone_id": pa.array(zone, pa.int64(), mask=zone == 0),
        }
    )


def order_truth(
    world: World, people: People, orders: Orders, payments: Payments, pings: Pings, feed: Feed
) -> pa.Table:
    """One row an order: money, times, and the zone of its last located ping (null: none, or outside).

    `erased` says that the customer isn't in the database any more.
    """
    located = np.flatnonzero(arrived(feed, len(pings.ts)) & pings.located & ~pings.beyond_pole)
    zone = np.zeros(len(orders), np.int64)
    zone[pings.order[located]] = pings.zone[located]  # in time order: the last one stays
    paid = [
        np.bincount(payments.order[rows], payments.cents[rows], len(orders)).astype(np.int64)
        for status in (0, 2)
        for rows in [np.flatnonzero((payments.order >= 0) & (payments.status == status))]
    ]
    city = world.restaurants.city[orders.restaurant]
    delivered = orders.delivered < NEVER
    return pa.table(
        {
            "order_id": text.arrow_text(order_texts(orders.number)),
            "city": pa.array([c.name for c in CITIES]).take(pa.array(city)),
            "restaurant_id": FIRST_ID + orders.restaurant,
            "user_id": text.arrow_text(user_texts(people.number[orders.person])),
            "erased": people.erased[orders.person],
            "status": pa.array(STATUSES).take(pa.array(orders.status)),
            "total_cents": orders.total_cents,
            "captured_cents": paid[0],
            "refunded_cents": paid[1],
            "placed_at": pa.array(orders.placed, pa.timestamp("ms")),
            "delivered_at": pa.array(orders.delivered, pa.timestamp("ms"), mask=~delivered),
            "zone_id": pa.array(zone, pa.int64(), mask=zone == 0),
        }
    )
