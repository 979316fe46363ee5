"""What all chunks share: the clock, the zones, the restaurants and their menus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .city import CITIES, Zone, make_zones
from .menus import Menu, Restaurants, make_menu, make_restaurants
from .mess import Mess
from .names import NamePool, name_pool

__all__ = ["DAY_MS", "LAST_DAY", "World", "make_world"]

LAST_DAY = "2025-11-14"
"""The data always end with this day (UTC), whatever today is."""

DAY_MS = 86_400_000


@dataclass(frozen=True)
class World:
    """Everything a chunk needs besides its own number. Times are milliseconds since 1970, UTC."""

    seed: int
    days: int
    mess: Mess
    people_per_block: int
    zones: tuple[Zone, ...]
    restaurants: Restaurants
    menu: Menu
    names: tuple[NamePool, ...]
    gzip: bool

    @property
    def end(self) -> int:
        """The moment of the extract: nothing at or after it is in the data."""
        return (int(np.datetime64(LAST_DAY, "D").astype(np.int64)) + 1) * DAY_MS

    @property
    def start(self) -> int:
        """Midnight before the first day."""
        return self.end - self.days * DAY_MS

    def date(self, day: int) -> str:
        """The ISO date of day 0, 1, …"""
        return str(np.datetime64((self.start // DAY_MS) + day, "D"))

    @cached_property
    def restaurants_by_city(self) -> tuple[tuple[int, int], ...]:
        """For each city the first restaurant's index and their number (they are sorted by city)."""
        first = np.searchsorted(self.restaurants.city, np.arange(len(CITIES) + 1))
        return tuple((int(a), int(b - a)) for a, b in pairwise(first))


def make_world(
    *, seed: int, days: int, restaurants: int, people_per_block: int, mess: Mess, gzip: bool
) -> World:
    """Build the shared part; the same arguments give the same world."""
    zones = make_zones(seed)
    places = make_restaurants(seed, restaurants, zones)
    return World(
        seed=seed,
        days=days,
        mess=mess,
        people_per_block=people_per_block,
        zones=zones,
        restaurants=places,
        menu=make_menu(seed, places, days, mess),
        names=tuple(name_pool(city.locale, seed) for city in CITIES),
        gzip=gzip,
    )
