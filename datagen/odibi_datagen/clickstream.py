"""The clickstream: what happens in a visit, event by event, and how it is written as JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from . import text
from .city import CITIES
from .feeds import TRUNCATED, truncate
from .menus import FIRST_ID, ITEMS, item_id
from .names import HOSTILE, SEARCHES
from .orders import Orders, order_texts
from .rng import I8, I64, U8, U64, Bool, Stream, generator, identifiers
from .visits import Visits
from .world import DAY_MS, World

__all__ = [
    "EVENT_TYPES",
    "KINDS",
    "Events",
    "Steps",
    "make_events",
    "make_steps",
    "purchases",
    "render_events",
    "signups",
    "user_texts",
]

EVENT_TYPES = (
    "page_view", "search", "view_menu", "view_item", "add_to_cart", "begin_checkout", "purchase", "login", "signup",
)  # fmt: skip
_MISSPELT = ("purchse", "view-item", "PAGE_VIEW", "")
_SEARCH, _MENU, _ITEM, _CART, _CHECKOUT, _PURCHASE, _LOGIN, _SIGNUP = range(1, 9)

KINDS = ("", "truncated", "ts is a number", "restaurant_id is text")
"""Damage of a click line by number."""
_TS_NUMBER, _RESTAURANT_TEXT = 2, 3

_PLATFORMS = (b"ios", b"android", b"web", b"mweb")
_VERSIONS = (b"5.12.3", b"5.12.4", b"5.13.0", b"5.13.1", b"5.14.0", b"6.0.0")
_REFERRERS = (b"google", b"direct", b"instagram", b"email", b"push", b"partner", b"affiliate_042")
_EVENT_ID = 4


def _json_texts(texts: tuple[str, ...]) -> list[bytes]:
    return [json.dumps(t, ensure_ascii=False).encode() for t in texts]


_TYPE_TEXTS = [t.encode() for t in EVENT_TYPES + _MISSPELT]
_QUERY_TEXTS = [b""] + [b',"query":' + t for t in _json_texts(SEARCHES + HOSTILE)]
_CITY_TEXTS = [t.encode() for t in (c.name for c in CITIES)]


@dataclass(frozen=True, slots=True)
class Events:
    """n events that happened before the end, in order of visit. Times in ms; `ts` is the device's clock.

    `type` indexes EVENT_TYPES, beyond which it is misspelt. `restaurant` is an index or -1, `item` an index
    or -1, `query` an index into the search texts (0: none), `order` an index into Orders or -1.
    """

    visit: I64
    event_id: U64
    true_ts: I64
    ts: I64
    received: I64
    type: I64
    known: Bool
    restaurant: I64
    item: I64
    query: I64
    order: I64
    lat: I64
    lon: I64
    located: Bool

    @property
    def valid(self) -> Bool:
        """Whether the event type is one of the agreed ones."""
        return self.type < len(EVENT_TYPES)


@dataclass(frozen=True, slots=True)
class Steps:
    """The skeleton of the events: for each the visit, its position in it, and its true time in ms."""

    visit: I64
    position: I64
    last: Bool
    ts: I64


def make_steps(world: World, block: int, visits: Visits) -> Steps:
    """When something happens in each visit; also after the end of the period."""
    rng = generator(world.seed, Stream.STEPS, block)
    visit = np.repeat(np.arange(len(visits)), visits.events)
    first = np.cumsum(visits.events) - visits.events
    position = np.arange(len(visit)) - first[visit]
    gap = rng.exponential(38_000, len(visit)).astype(np.int64) + 200
    idle = rng.random(len(visit)) < world.mess.idle_gap
    gap += np.where(idle, 1_800_000 + rng.integers(0, 3_600_000, len(visit)), 0)
    passed = np.cumsum(gap)
    ts = visits.start[visit] + passed - passed[first[visit]]
    return Steps(visit, position, position == visits.events[visit] - 1, ts)


def purchases(visits: Visits, steps: Steps) -> tuple[I64, I64]:
    """The visits that end in a purchase and when: (visit, true time in ms)."""
    bought = steps.last & visits.converts[steps.visit]
    return steps.visit[bought], steps.ts[bought]


def signups(visits: Visits, steps: Steps) -> tuple[I64, I64]:
    """The visits in which an account is created and when: (visit, true time in ms)."""
    created = visits.signup[steps.visit] & (steps.position == visits.login_at[steps.visit])
    return steps.visit[created], steps.ts[created]


def make_events(world: World, block: int, visits: Visits, steps: Steps, orders: Orders) -> Events:
    """All events of the visits up to the end of the period."""
    rng = generator(world.seed, Stream.CLICKS, block)
    count = len(steps.visit)
    kind = _types(rng, steps, visits, world)
    late = np.where(rng.random(count) < world.mess.late, rng.exponential(6 * 3_600_000, count), 0)
    person = visits.person[steps.visit]
    menu_item = visits.restaurant[steps.visit] * ITEMS + (rng.random(count) ** 1.5 * ITEMS).astype(
        np.int64
    )
    # The device reports its place to four decimals.
    place = rng.normal(0, 4_000, (2, count)).astype(np.int64) // 100 * 100
    people = visits.people
    order_of_visit = np.full(len(visits), -1, np.int64)
    order_of_visit[orders.visit] = np.arange(len(orders))
    events = Events(
        visit=steps.visit,
        event_id=identifiers(world.seed, _EVENT_ID, (block << 32) + np.arange(count)),
        true_ts=steps.ts,
        ts=steps.ts + visits.skew_ms[steps.visit],
        received=steps.ts + (rng.exponential(1_200, count) + late).astype(np.int64),
        type=kind,
        known=steps.position >= visits.login_at[steps.visit],
        restaurant=np.where(
            (kind >= _MENU) & (kind <= _PURCHASE), visits.restaurant[steps.visit], -1
        ),
        item=np.where((kind == _ITEM) | (kind == _CART), menu_item, -1),
        query=np.where(kind == _SEARCH, _queries(rng, count, world.mess.hostile_text), 0),
        order=np.where(steps.last & visits.converts[steps.visit], order_of_visit[steps.visit], -1),
        lat=people.lat[person] // 100 * 100 + place[0],
        lon=people.lon[person] // 100 * 100 + place[1],
        located=rng.random(count) >= world.mess.null_coordinates,
    )
    return _keep(events, steps.ts < world.end)


def _keep(events: Events, rows: Bool) -> Events:
    return Events(*(getattr(events, name)[rows] for name in Events.__slots__))


def _types(rng: np.random.Generator, steps: Steps, visits: Visits, world: World) -> I64:
    """A funnel: the further into the visit, the nearer to the checkout."""
    count = len(steps.visit)
    depth = (steps.position * 0.55 + rng.random(count) * 1.6).astype(np.int64)
    kind = np.where(depth > _CART, _ITEM + (rng.random(count) < 0.5), depth)
    buys = visits.converts[steps.visit]
    before_last = np.append(steps.last[1:], False)
    kind = np.where(before_last & (buys | (rng.random(count) < 0.08)), _CHECKOUT, kind)
    kind = np.where(steps.last & buys, _PURCHASE, kind)
    announces = visits.announced[steps.visit] & (steps.position == visits.login_at[steps.visit])
    kind = np.where(announces, np.where(visits.signup[steps.visit], _SIGNUP, _LOGIN), kind)
    misspelt = rng.random(count) < world.mess.unknown_event
    wrong = len(EVENT_TYPES) + rng.integers(0, len(_MISSPELT), count)
    return np.where(misspelt, wrong, kind)


def _queries(rng: np.random.Generator, count: int, hostile: float) -> I64:
    plain = 1 + rng.integers(0, len(SEARCHES), count)
    nasty = 1 + len(SEARCHES) + rng.integers(0, len(HOSTILE), count)
    return np.where(rng.random(count) < hostile, nasty, plain)


def render_events(
    world: World, visits: Visits, events: Events, orders: Orders, record: I64, damage: I8
) -> U8:
    """The JSON lines of some records, damaged as asked."""
    visit = events.visit[record]
    rows = len(record)
    head: list[bytes | U8] = [
        b'{"event_id":"e_', text.hexadecimal(events.event_id[record]),
        b'","event_type":"', text.pool(events.type[record], _TYPE_TEXTS),
        b'","ts":', text.either(damage != _TS_NUMBER, text.quoted(text.iso_ms(events.ts[record])), b"17"),
        b',"received_at":', text.quoted(text.iso_ms(events.received[record])),
        b',"session_id":"s_', text.hexadecimal(visits.session_id[visit]),
        b'","cookie_id":"c_', text.hexadecimal(visits.cookie_id[visit]),
        b'","device_id":"d_', text.hexadecimal(visits.device_id[visit]),
        b'","user_id":', _user(visits, visit, events.known[record]),
        b',"restaurant_id":', _restaurant(events.restaurant[record], damage),
        b',"item_id":', text.either(events.item[record] >= 0, _number(item_id(events.item[record])), b"null"),
        b',"platform":"', text.pool(visits.platform[visit], _PLATFORMS),
        b'","app_version":"', text.pool(visits.version[visit], _VERSIONS),
        b'","geo":', _place(events, record),
    ]  # fmt: skip
    tail: list[bytes | U8] = [
        b',"city":"', text.pool(visits.people.city[visits.person[visit]], _CITY_TEXTS),
        b'","props":{"referrer":"', text.pool(visits.referrer[visit], _REFERRERS),
        b'","ab":"', text.pool(visits.person[visit] & 1, (b"A", b"B")), b'"',
        text.pool(events.query[record], _QUERY_TEXTS),
        text.either(events.order[record] >= 0, _order(orders, events.order[record]), b""),
        b"}", _consent(world, events, record), b"}\n",
    ]  # fmt: skip
    lines = text.join(rows, [*head, *tail])
    _cut(lines, events, record, damage)
    return lines


def _cut(lines: U8, events: Events, record: I64, damage: I8) -> None:
    """Cut inside the ASCII part of the line, so that no character is torn in two."""
    broken = np.flatnonzero(damage == TRUNCATED)
    if len(broken):
        truncate(
            lines, 30 + (events.event_id[record[broken]] % np.uint64(220)).astype(np.int64), broken
        )


def _number(values: I64) -> U8:
    return text.digits(np.maximum(values, 0), 8, padded=False)


def user_texts(number: I64) -> U8:
    """User ids by number of the person: `u_00000042`."""
    return text.prefixed(b"u_", text.digits(number, 8))


def _user(visits: Visits, visit: I64, known: Bool) -> U8:
    number = visits.people.number[visits.person[visit]]
    return text.either(known, text.quoted(user_texts(number)), b"null")


def _restaurant(restaurant: I64, damage: I8) -> U8:
    field = text.either(restaurant >= 0, _number(FIRST_ID + restaurant), b"null")
    return text.either(damage != _RESTAURANT_TEXT, field, b'"soon"')


def _place(events: Events, record: I64) -> U8:
    lat, lon = events.lat[record] // 100, events.lon[record] // 100
    parts: list[bytes | U8] = [
        b'{"lat":',
        text.decimal(lat, 4),
        b',"lon":',
        text.decimal(lon, 4),
        b"}",
    ]
    return text.either(
        events.located[record], text.join(len(record), parts), b'{"lat":null,"lon":null}'
    )


def _order(orders: Orders, order: I64) -> U8:
    field = text.quoted(order_texts(orders.number[np.maximum(order, 0)])) if len(orders) else None
    return (
        text.prefixed(b',"order_id":', field)
        if field is not None
        else np.zeros((len(order), 1), np.uint8)
    )


def _consent(world: World, events: Events, record: I64) -> U8:
    """From the middle day on, the app sends one more field."""
    since = world.start + world.days // 2 * DAY_MS
    asked = events.received[record] >= since
    given = events.event_id[record] % np.uint64(10) < np.uint64(7)
    return text.pool(np.where(asked, 1 + given, 0), (b"", b',"consent":false', b',"consent":true'))
