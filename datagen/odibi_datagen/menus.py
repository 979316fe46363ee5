"""Restaurants and their menus: one price a day for every item, from which the daily snapshots are cut."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from . import text
from .city import CITIES, Zone, zone_of
from .mess import Mess
from .names import CUISINES, DISHES, HOSTILE, name_pool
from .rng import I64, U8, Bool, Stream, generator

__all__ = [
    "ITEMS",
    "Menu",
    "Restaurants",
    "make_menu",
    "make_restaurants",
    "menu_snapshot",
    "price_intervals",
    "restaurants_csv",
]

ITEMS = 24
"""Items of a restaurant that are on its menu at one time or another; item 0 is always available."""

LATEST = 3
"""Days that a menu comes late at most."""

FIRST_ID = 1000
_CITY_SHARE = (0.45, 0.30, 0.25)
_KINDS = ("Bistro {}", "{}", "Chez {}", "Casa {}", "U {}", "{} & Co.", 'The "{}"', "{}, od 1987")


@dataclass(frozen=True, slots=True)
class Restaurants:
    """n restaurants, in order of their ids `FIRST_ID + i`. Positions in microdegrees."""

    city: I64
    zone: I64
    lat: I64
    lon: I64
    cuisine: I64
    names: tuple[str, ...]
    opened: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.city)


@dataclass(frozen=True, slots=True)
class Menu:
    """Prices in cents and availability, each `(days, restaurants * ITEMS)`; `dish` names by item.

    `typo` marks snapshot rows whose price lost its sense: they carry a minus, so nobody can know the
    price of that day. `arrives`, `(days, restaurants)`, is the day whose file brings the menu: its own,
    or a later one of the period.
    """

    price: I64
    available: Bool
    typo: Bool
    arrives: I64
    dish: I64
    dishes: tuple[str, ...]

    @property
    def known(self) -> Bool:
        """Where a snapshot holds a usable row."""
        return self.available & ~self.typo


def make_restaurants(seed: int, count: int, zones: tuple[Zone, ...]) -> Restaurants:
    """Restaurants at random places inside the zones of the three cities."""
    rng = generator(seed, Stream.RESTAURANTS)
    city = np.sort(rng.choice(len(CITIES), count, p=_CITY_SHARE)).astype(np.int64)
    lat, lon = _places(rng, city, zones)
    years, days = rng.integers(2004, 2025, count), rng.integers(1, 366, count)
    return Restaurants(
        city=city,
        zone=zone_of(zones, lat, lon),
        lat=lat,
        lon=lon,
        cuisine=rng.integers(0, len(CUISINES), count),
        names=_restaurant_names(rng, seed, city),
        opened=tuple(
            str(np.datetime64(f"{y}-01-01") + (d - 1)) for y, d in zip(years, days, strict=True)
        ),
    )


def _places(rng: np.random.Generator, city: I64, zones: tuple[Zone, ...]) -> tuple[I64, I64]:
    """Uniform over the middle of the city, drawn again until every point lies in some zone."""
    middle = np.array([(c.lat, c.lon) for c in CITIES], np.int64)[city]
    lat, lon = middle[:, 0].copy(), middle[:, 1].copy()
    missing = np.arange(len(city))
    while len(missing):
        lat[missing] = middle[missing, 0] + rng.integers(-55_000, 55_001, len(missing))
        lon[missing] = middle[missing, 1] + rng.integers(-75_000, 75_001, len(missing))
        missing = missing[zone_of(zones, lat[missing], lon[missing]) == 0]
    return lat, lon


def _restaurant_names(rng: np.random.Generator, seed: int, city: I64) -> tuple[str, ...]:
    """Names in the city's language; one in forty is nasty, another one spelt with combining accents."""
    surnames = [name_pool(c.locale, seed).surnames for c in CITIES]
    kind = rng.integers(0, len(_KINDS), len(city))
    pick = rng.integers(0, len(surnames[0]), len(city))
    nasty = [text for text in HOSTILE if not any(unicodedata.category(c) == "Cc" for c in text)]
    names = [_KINDS[k].format(surnames[c][p]) for c, k, p in zip(city, kind, pick, strict=True)]
    names[7::40] = [nasty[i % len(nasty)] for i in range(len(names[7::40]))]
    names[23::40] = [unicodedata.normalize("NFD", name) for name in names[23::40]]
    return tuple(names)


def restaurants_csv(restaurants: Restaurants, zones: tuple[Zone, ...]) -> str:
    """Columns id, name, cuisine, city, neighbourhood, lat, lon, opened_on."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "name", "cuisine", "city", "neighbourhood", "lat", "lon", "opened_on"])
    for i in range(len(restaurants)):
        zone = zones[int(restaurants.zone[i]) - 1]
        place = (f"{restaurants.lat[i] / 1e6:.6f}", f"{restaurants.lon[i] / 1e6:.6f}")
        writer.writerow(
            [FIRST_ID + i, restaurants.names[i], CUISINES[restaurants.cuisine[i]], CITIES[zone.city].name,
             zone.neighbourhood, *place, restaurants.opened[i]]
        )  # fmt: skip
    return out.getvalue()


def make_menu(seed: int, restaurants: Restaurants, days: int, mess: Mess) -> Menu:
    """Prices that change now and then, items that come, go and sometimes come back."""
    rng = generator(seed, Stream.MENUS)
    items = len(restaurants) * ITEMS
    available = _availability(rng, items, days)
    typo = available & (rng.random((days, items)) < mess.negative_price)
    typo[:, ::ITEMS] = False
    dishes = tuple(dish for cuisine in CUISINES for dish in DISHES[cuisine])
    per_cuisine = len(dishes) // len(CUISINES)
    within = rng.permuted(np.tile(np.arange(ITEMS) % per_cuisine, (len(restaurants), 1)), axis=1)
    return Menu(
        price=_prices(rng, items, days),
        available=available,
        typo=typo,
        arrives=_arrivals(seed, len(restaurants), days, mess),
        dish=(restaurants.cuisine[:, None] * per_cuisine + within).reshape(-1),
        dishes=dishes,
    )


def _arrivals(seed: int, restaurants: int, days: int, mess: Mess) -> I64:
    """Most menus come on their day, the late ones by the last day at the latest."""
    rng = generator(seed, Stream.LATE_MENUS)
    late = rng.random((days, restaurants)) < mess.late_menu
    delay = np.where(late, rng.integers(1, LATEST + 1, (days, restaurants)), 0)
    arrives: I64 = np.minimum(np.arange(days)[:, None] + delay, days - 1)
    return arrives


def _prices(rng: np.random.Generator, items: int, days: int) -> I64:
    """Cents, in steps of ten; about one price in 70 changes on any day."""
    first = 300 + rng.gamma(4.0, 230.0, items)
    factor = np.where(rng.random((days, items)) < 0.015, rng.normal(1.03, 0.08, (days, items)), 1.0)
    factor[0] = 1.0
    prices: I64 = np.maximum(50, np.rint(first * np.cumprod(factor, axis=0) / 10) * 10).astype(
        np.int64
    )
    return prices


def _availability(rng: np.random.Generator, items: int, days: int) -> Bool:
    """A few items start late, a few vanish; a third of those return after some days."""
    day = np.arange(days)[:, None]
    start = np.where(rng.random(items) < 0.05, rng.integers(0, days, items), 0)
    gone = np.where(rng.random(items) < 0.06, rng.integers(1, days + 1, items), days)
    back = np.where(rng.random(items) < 0.33, gone + rng.integers(1, 5, items), days)
    available: Bool = (day >= start) & ((day < gone) | (day >= back))
    available[:, ::ITEMS] = True
    return available


def menu_snapshot(
    menu: Menu, day: int, dates: Sequence[str], mess: Mess, seed: int
) -> tuple[bytes, I64]:
    """The CSV that arrives on one day, late menus last, and the 1-based numbers of the junk lines in it.

    `dates` are the ISO dates of all days.
    """
    days, items = _arriving(menu, day)
    junk = _junk_positions(generator(seed, Stream.MENUS, day + 1), len(items), mess)
    order, of_day = np.insert(items, junk, -1), np.insert(days, junk, day)
    texts = [date.encode() for date in dates]
    chunks = [b"snapshot_date,restaurant_id,item_id,item_name,price\n"]
    text.render_blocks(
        len(order), lambda part: _menu_rows(menu, texts, of_day[part], order[part]), chunks.append
    )
    return b"".join(chunks), np.flatnonzero(order < 0) + 2


def _arriving(menu: Menu, day: int) -> tuple[I64, I64]:
    """Day and item of each row of the file of `day`."""
    days = np.arange(day, max(day - LATEST, 0) - 1, -1)
    here = menu.available[days] & np.repeat(menu.arrives[days] == day, ITEMS, axis=1)
    nth, items = np.nonzero(here)
    return days[nth], items


def _junk_positions(rng: np.random.Generator, rows: int, mess: Mess) -> I64:
    count = int(np.ceil(rows * mess.ragged_row))
    return np.sort(rng.integers(0, rows + 1, count))


def _menu_rows(menu: Menu, dates: Sequence[bytes], days: I64, items: I64) -> U8:
    sign = np.where(menu.typo[days, items], np.uint8(45), np.uint8(0))[:, None]
    fields: list[bytes | U8] = [
        text.pool(days, dates),
        b",",
        text.digits(FIRST_ID + items // ITEMS, 8, padded=False),
        b",",
        text.digits(item_id(items), 8, padded=False),
        b",",
        text.pool(menu.dish[items], _csv_texts(menu.dishes)),
        b",",
        sign,
        text.decimal(menu.price[days, items], 2, whole=4),
        b"\n",
    ]
    rows = text.join(len(items), fields)
    rows[items < 0, 10:] = 0
    rows[items < 0, 10:17] = np.frombuffer(b",TOTAL\n", np.uint8)
    return rows


def item_id(items: I64) -> I64:
    """Item numbers as they appear in the files: the restaurant's id and two digits."""
    return (FIRST_ID + items // ITEMS) * 100 + items % ITEMS


def _csv_texts(texts: Sequence[str]) -> list[bytes]:
    return [
        ('"' + t.replace('"', '""') + '"' if set(t) & set('",\n') else t).encode() for t in texts
    ]


def price_intervals(menu: Menu, first_day: str) -> pa.Table:
    """What a reader of the snapshots can know: item_id, price_cents, valid_from, valid_to (null: still valid).

    `valid_to` is the first day on which the price no longer held.
    """
    value = np.where(menu.known, menu.price, -1)
    change = np.ones_like(menu.known)
    change[1:] = value[1:] != value[:-1]
    item, day = np.nonzero(change.T)
    last = np.append(item[1:] != item[:-1], True)
    until = np.where(last, -1, np.append(day[1:], 0))
    price = value[day, item]
    kept = price >= 0
    base = np.datetime64(first_day, "D")
    ends = pa.array(base + until[kept], pa.date32(), mask=until[kept] < 0)
    return pa.table(
        {
            "item_id": item_id(item[kept]),
            "price_cents": price[kept],
            "valid_from": pa.array(base + day[kept], pa.date32()),
            "valid_to": ends,
        }
    )


def write_lookups(
    out: Path, restaurants: Restaurants, zones: tuple[Zone, ...], zones_text: str
) -> int:
    """Write restaurants.csv and zones.geojson; returns the bytes written."""
    out.mkdir(parents=True, exist_ok=True)
    files = {"restaurants.csv": restaurants_csv(restaurants, zones), "zones.geojson": zones_text}
    for name, content in files.items():
        (out / name).write_bytes(content.encode())
    return sum((out / name).stat().st_size for name in files)
