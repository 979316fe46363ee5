"""Visits: one person on one device for a while, with one client-side session id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .people import People, make_people
from .rng import I64, U64, Bool, Stream, generator, identifiers
from .world import DAY_MS, World

__all__ = ["HUB_COOKIES", "Visits", "make_visits"]

HUB_COOKIES = 8
"""A device seen with more cookies than this is public and links nobody."""

_KIOSK_VISITS = 2 * HUB_COOKIES
_DEVICES = 4  # room for devices in a person's key space
_COOKIES = 8  # room for cookies in a device's key space
_PUBLIC = 1 << 40  # keys of public devices and their cookies start here
_MINUTE = 60_000

_DEVICE_ID, _COOKIE_ID, _SESSION_ID = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Visits:
    """n visits in order of (person, start). `person` and `device` are indexes within the block.

    `device` is dense over the block's private devices, -1 on a public one. `login_at` is the position of
    the event from which the user is known (`events` when never); `announced` says whether that event
    is a login or signup (else the device remembered the user). `skew_ms` is the device clock's error.
    """

    people: People
    person: I64
    start: I64
    events: I64
    device: I64
    kiosk: Bool
    session_id: U64
    cookie_id: U64
    device_id: U64
    login_at: I64
    announced: Bool
    signup: Bool
    converts: Bool
    restaurant: I64
    platform: I64
    version: I64
    referrer: I64
    skew_ms: I64

    def __len__(self) -> int:
        return len(self.person)


def make_visits(world: World, block: int) -> Visits:
    """All visits of the block's people over the whole period."""
    people = make_people(world, block)
    rng = generator(world.seed, Stream.VISITS, block)
    person, start, follows = _schedule(rng, world, people)
    count = len(person)
    own = (
        (rng.random(count) ** 1.5 * people.devices[person]).astype(np.int64) + follows
    ) % people.devices[person]
    public = _public_devices(rng, count, world.mess.kiosk)
    converts, login_at, announced, signup, events = _logins(rng, people, person, public >= 0)
    device_key, cookie_key = _keys(world, block, people, person, own, start, public)
    first, size = np.array(world.restaurants_by_city, np.int64).T[:, people.city[person]]
    late_clock = rng.random(count) < world.mess.clock_skew
    return Visits(
        people=people,
        person=person,
        start=start,
        events=events,
        device=np.where(public >= 0, -1, person * _DEVICES + own),
        kiosk=public >= 0,
        session_id=identifiers(world.seed, _SESSION_ID, (block << 32) + np.arange(count)),
        cookie_id=identifiers(world.seed, _COOKIE_ID, cookie_key),
        device_id=identifiers(world.seed, _DEVICE_ID, device_key),
        login_at=login_at,
        announced=announced,
        signup=signup,
        converts=converts,
        restaurant=first + (rng.random(count) ** 2.0 * size).astype(np.int64),
        platform=(own + people.number[person]) % 4,
        version=(np.sqrt(rng.random(count)) * 6).astype(np.int64),
        referrer=(rng.random(count) ** 2 * 7).astype(np.int64),
        skew_ms=np.where(late_clock, rng.normal(0, 900_000, count), 0).astype(np.int64),
    )


def _schedule(rng: np.random.Generator, world: World, people: People) -> tuple[I64, I64, I64]:
    """Who comes when, and which visits follow another one within the hour on the next device."""
    person = np.repeat(np.arange(len(people)), rng.poisson(people.appetite * world.days))
    day = rng.integers(0, world.days, len(person))
    start = world.start + day * DAY_MS + _time_of_day(rng, len(person))
    again = np.flatnonzero(rng.random(len(person)) < 0.1)
    pause = rng.integers(4 * _MINUTE, 55 * _MINUTE, len(again))
    person = np.concatenate([person, person[again]])
    follows = np.concatenate([np.zeros(len(start), np.int64), np.ones(len(again), np.int64)])
    start = np.concatenate([start, start[again] + pause])
    order = np.lexsort((start, person))
    return person[order], start[order], follows[order]


def _time_of_day(rng: np.random.Generator, count: int) -> I64:
    """Milliseconds after midnight: lunch, dinner, and a few around midnight that cross into the next day."""
    meal = rng.choice(3, count, p=[0.38, 0.54, 0.08])
    hour = np.array([12.4, 19.4, 23.6])[meal] + np.array([1.3, 1.7, 0.5])[
        meal
    ] * rng.standard_normal(count)
    return (np.clip(hour, 0.0, 24.5) * 3_600_000).astype(np.int64)


def _public_devices(rng: np.random.Generator, visits: int, rate: float) -> I64:
    """The public device of each visit, -1 for most. Each gets at least `_KIOSK_VISITS` visits, or there is none."""
    chosen = np.flatnonzero(rng.random(visits) < rate)
    devices = len(chosen) // _KIOSK_VISITS
    public = np.full(visits, -1, np.int64)
    if devices:
        public[rng.permutation(chosen)] = np.arange(len(chosen)) % devices
    return public


def _logins(
    rng: np.random.Generator, people: People, person: I64, public: Bool
) -> tuple[Bool, I64, Bool, Bool, I64]:
    """When the user becomes known in each visit: (converts, login_at, announced, signup, events).

    Private devices often remember the user, public ones never.
    """
    count = len(person)
    converts = people.account[person] & (rng.random(count) < 0.26)
    known = converts | (people.account[person] & (rng.random(count) < 0.4))
    events = np.minimum(1 + rng.geometric(0.11, count), 80)
    events = np.where(converts, np.maximum(events, 6), events)
    position = np.minimum(rng.integers(0, 8, count), np.maximum(events - 3, 0))
    first = known & ~_seen_before(person, known)
    signup = first & people.newcomer[person]
    announced = known & (signup | public | (rng.random(count) < 0.6))
    login_at = np.where(announced, position, np.where(known, 0, events))
    return converts, login_at, announced, signup, events


def _seen_before(person: I64, flag: Bool) -> Bool:
    """Whether an earlier visit of the same person has the flag (visits are sorted by person)."""
    total: I64 = np.cumsum(flag) - flag
    first = np.searchsorted(person, person)
    seen: Bool = total > total[first]
    return seen


def _keys(
    world: World, block: int, people: People, person: I64, own: I64, start: I64, public: I64
) -> tuple[I64, I64]:
    """Integer keys of device and cookie; on a public device every visit gets a fresh cookie."""
    device = people.number[person] * _DEVICES + own
    cookie = device * _COOKIES + (start - world.start) // DAY_MS // people.cookie_days[person]
    shared = _PUBLIC + (block << 20) + public
    fresh = _PUBLIC + (block << 20) + np.arange(len(person))
    return np.where(public >= 0, shared, device), np.where(public >= 0, fresh, cookie)
