"""Driver pings: the ride to the restaurant, the wait, and the way to the customer, a position at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import text
from .city import border_corners, zone_of
from .feeds import TRUNCATED, truncate
from .orders import NEVER, Orders, order_texts
from .rng import F64, I8, I64, U8, U64, Bool, Stream, generator, identifiers
from .visits import Visits
from .world import World

__all__ = ["KINDS", "Pings", "make_pings", "render_pings"]

KINDS = ("", "truncated", "lat is text", "ts is a number")
"""Damage of a ping line by number."""
_LAT_TEXT, _TS_NUMBER = 2, 3

_PHASES = (b"to_restaurant", b"waiting", b"delivering")
_PING_ID = 5
_LONGEST_RIDE = 100 * 60_000  # ms; bounds how long one driver can be busy with an order
_INTERVAL = 12_500  # ms between pings, give or take two seconds


@dataclass(frozen=True, slots=True)
class Pings:
    """n pings in order of (order, time). Times in ms, positions in microdegrees as they are emitted.

    `zone` is that of the emitted position, 0 outside all zones and where there is no position.
    """

    event_id: U64
    order: I64
    driver: I64
    ts: I64
    received: I64
    lat: I64
    lon: I64
    located: Bool
    beyond_pole: Bool
    zone: I64
    phase: I64
    speed: I64
    heading: I64
    accuracy: I64


def make_pings(world: World, block: int, visits: Visits, orders: Orders) -> Pings:
    """Pings of all orders that were picked up, as far as they lie before the end."""
    rng = generator(world.seed, Stream.PINGS, block)
    rides = np.flatnonzero(orders.picked_up < NEVER)
    dispatched = orders.leaves[rides] - rng.integers(180_000, 480_000, len(rides))
    ride, ts = _ticks(rng, dispatched, orders.arrives[rides])
    order = rides[ride]
    phase, *place = _positions(rng, world, visits, orders, order, ts, dispatched[ride])
    lat, lon = _disturb(rng, world, orders, order, *place)
    count = len(ts)
    kept = ts < world.end
    beyond = rng.random(count) < world.mess.latitude_out_of_range
    located = rng.random(count) >= world.mess.null_coordinates
    zone = np.where(located & ~beyond, zone_of(world.zones, lat, lon), 0)
    late = np.where(rng.random(count) < world.mess.late, rng.exponential(1_800_000, count), 0)
    pings = Pings(
        event_id=identifiers(world.seed, _PING_ID, (block << 32) + np.arange(count)),
        order=order,
        driver=(block << 12) + _drivers(dispatched)[ride],
        ts=ts,
        received=ts + (rng.exponential(800, count) + late).astype(np.int64),
        lat=np.where(beyond, lat + 100_000_000, lat),
        lon=lon,
        located=located,
        beyond_pole=beyond & located,
        zone=zone,
        phase=phase,
        speed=np.where(phase == 1, 0, np.abs(rng.normal(180, 70, count))).astype(np.int64),
        heading=rng.integers(0, 360, count),
        accuracy=np.minimum(rng.gamma(2, 40, count), 990).astype(np.int64),
    )
    return Pings(*(getattr(pings, name)[kept] for name in Pings.__slots__))


def _ticks(rng: np.random.Generator, start: I64, end: I64) -> tuple[I64, I64]:
    """A ping every dozen seconds from start to end: (index of the ride, time)."""
    steps = np.maximum((end - start) // _INTERVAL, 3)
    ride = np.repeat(np.arange(len(start)), steps)
    first = np.cumsum(steps) - steps
    tick = np.arange(len(ride)) - first[ride]
    return ride, start[ride] + tick * _INTERVAL + rng.integers(0, 2_000, len(ride))


def _positions(
    rng: np.random.Generator,
    world: World,
    visits: Visits,
    orders: Orders,
    order: I64,
    ts: I64,
    dispatched: I64,
) -> tuple[I64, F64, F64]:
    """Where the driver really is: phase, latitude and longitude in microdegrees."""
    leaves, arrives = orders.leaves[order], orders.arrives[order]
    at_door = dispatched + (leaves - dispatched) * 2 // 3
    phase = (ts >= at_door).astype(np.int64) + (ts >= leaves)
    restaurant, person = orders.restaurant[order], orders.person[order]
    approach = np.clip((ts - dispatched) / (at_door - dispatched), 0, 1)
    departure = np.clip((ts - leaves) / (arrives - leaves), 0, 1)
    base = rng.normal(0, 9_000, (2, len(orders)))[:, order]
    kitchen = np.stack([world.restaurants.lat[restaurant], world.restaurants.lon[restaurant]])
    home = np.stack([visits.people.lat[person], visits.people.lon[person]])
    place = kitchen + base * (1 - approach) + (home - kitchen) * departure
    return phase, place[0], place[1]


def _disturb(
    rng: np.random.Generator, world: World, orders: Orders, order: I64, lat: F64, lon: F64
) -> tuple[I64, I64]:
    """What the receiver reports: noise with heavy tails, leaps, and some points exactly on a border."""
    noise = rng.standard_t(3, (2, len(lat))) * 110
    noise[:, rng.random(len(lat)) < world.mess.gps_jump] *= 400
    noise = np.clip(noise, -900_000, 900_000)
    at = np.rint(np.stack([lat, lon]) + noise).astype(np.int64)
    city = world.restaurants.city[orders.restaurant[order]]
    border = rng.random(len(lat)) < world.mess.on_border
    for number in range(len(world.restaurants_by_city)):
        corners = border_corners(world.zones, number)
        chosen = np.flatnonzero(border & (city == number))
        at[:, chosen] = corners[rng.integers(0, len(corners), len(chosen))].T
    return at[0], at[1]


def _drivers(dispatched: I64) -> I64:
    """A driver for each ride, such that nobody rides twice at a time: as many as ever overlap, in turn."""
    order = np.argsort(dispatched, kind="stable")
    begin = dispatched[order]
    crowd = np.searchsorted(begin, begin + _LONGEST_RIDE) - np.arange(len(begin))
    driver = np.empty(len(begin), np.int64)
    driver[order] = np.arange(len(begin)) % max(1, int(crowd.max(initial=1)))
    return driver


def render_pings(orders: Orders, pings: Pings, record: I64, damage: I8) -> U8:
    """The JSON lines of some pings, damaged as asked."""
    located = pings.located[record]
    lat = text.either(located, text.decimal(pings.lat[record], 6), b"null")
    parts: list[bytes | U8] = [
        b'{"event_id":"p_', text.hexadecimal(pings.event_id[record]),
        b'","event_type":"driver_ping","ts":',
        text.either(damage != _TS_NUMBER, text.quoted(text.iso_ms(pings.ts[record])), b"17"),
        b',"received_at":', text.quoted(text.iso_ms(pings.received[record])),
        b',"driver_id":"drv_', text.digits(pings.driver[record], 8),
        b'","order_id":"', order_texts(orders.number[pings.order[record]]),
        b'","lat":', text.either(damage != _LAT_TEXT, lat, b'"n/a"'),
        b',"lon":', text.either(located, text.decimal(pings.lon[record], 6), b"null"),
        b',"speed_kmh":', text.decimal(pings.speed[record], 1),
        b',"heading":', text.digits(pings.heading[record], 4, padded=False),
        b',"accuracy_m":', text.decimal(pings.accuracy[record], 1),
        b',"status":"', text.pool(pings.phase[record], _PHASES), b'"}\n',
    ]  # fmt: skip
    lines = text.join(len(record), parts)
    broken = np.flatnonzero(damage == TRUNCATED)
    if len(broken):
        cut = 30 + (pings.event_id[record[broken]] % np.uint64(200)).astype(np.int64)
        truncate(lines, cut, broken)
    return lines
