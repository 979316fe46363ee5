"""Three cities and their delivery zones, on a lattice of millionths of a degree.

All positions are integers in microdegrees, so that the six decimals written to the files are exact and
the question "in which zone?" has one answer for every reader.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from .rng import F64, I64, Stream, generator

__all__ = ["CITIES", "City", "Zone", "border_corners", "geojson", "make_zones", "zone_of"]

MICRO = 1_000_000
_STEPS = 24  # segments along each side of a cell
_CELL_LAT, _CELL_LON = 40_000, 53_000
_JITTER, _AMPLITUDE = 5_000, 1_500

Point = tuple[int, int]
"""(longitude, latitude) in microdegrees."""


@dataclass(frozen=True, slots=True)
class City:
    """A city: the middle of its 3 by 3 cells in microdegrees, and which cells make which zone.

    `plan` holds (neighbourhood, cells); `inner` is how the middle cell is pierced: not at all (`""`), by a
    lake that belongs to nobody (`lake`), or by a zone of its own (any other text, its name).
    """

    name: str
    lat: int
    lon: int
    locale: str
    plan: tuple[tuple[str, tuple[int, ...]], ...]
    inner: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A delivery zone; `shape` has its coordinates in microdegrees."""

    zone_id: int
    neighbourhood: str
    city: int
    shape: shapely.Geometry


CITIES: tuple[City, ...] = (
    City(
        "Kraków",
        50_061_400,
        19_936_600,
        "pl_PL",
        (
            ("Stare Miasto", (0,)),
            ("Kazimierz", (1,)),
            ("Podgórze", (2,)),
            ("Zabłocie", (3,)),
            ("Grzegórzki", (4,)),
            ("Krowodrza", (5,)),
            ("Dębniki", (6,)),
            ("Łagiewniki", (7,)),
            ("Nowa Huta", (8,)),
        ),
        "Błonia",
    ),
    City(
        "Lyon",
        45_757_800,
        4_832_000,
        "fr_FR",
        (
            ("Vaise & Gerland", (0, 8)),
            ("Croix-Rousse", (1,)),
            ("Part-Dieu", (2,)),
            ("Bellecour", (3,)),
            ("Presqu’île", (4,)),
            ("Confluence", (5,)),
            ("Montchat", (6,)),
            ("Mermoz", (7,)),
        ),
        "",
    ),
    City(
        "Málaga",
        36_721_300,
        -4_421_400,
        "es_ES",
        (
            ("El Perchel", (0, 1, 3)),
            ("La Malagueta", (2,)),
            ("Teatinos", (4,)),
            ("Huelin", (5,)),
            ("Pedregalejo", (6,)),
            ("El Palo", (7,)),
            ("Soho", (8,)),
        ),
        "lake",
    ),
)


def make_zones(seed: int) -> tuple[Zone, ...]:
    """The zones of all cities, numbered from 1: concave, touching, one holed, one in two parts."""
    zones: list[Zone] = []
    for number, city in enumerate(CITIES):
        for name, shape in _city_shapes(city, generator(seed, Stream.ZONES, number)):
            zones.append(Zone(len(zones) + 1, name, number, shape))
    return tuple(zones)


def _city_shapes(city: City, rng: np.random.Generator) -> list[tuple[str, shapely.Geometry]]:
    rings = _cells(city, rng)
    cells = [shapely.Polygon(ring) for ring in rings]
    extra: list[tuple[str, shapely.Geometry]] = []
    if city.inner:
        island = _pond(city, rng)
        cells[4] = shapely.Polygon(rings[4], [island])
        if city.inner != "lake":
            extra.append((city.inner, shapely.Polygon(island)))
    shapes = [(name, shapely.union_all([cells[c] for c in members])) for name, members in city.plan]
    return shapes + extra


def _cells(city: City, rng: np.random.Generator) -> list[list[Point]]:
    """The outlines of the nine cells; neighbours share the points of the side between them."""
    corner = _corners(city, rng)
    along = {(r, c): _side(corner[r][c], corner[r][c + 1], rng) for r in range(4) for c in range(3)}
    up = {(r, c): _side(corner[r][c], corner[r + 1][c], rng) for r in range(3) for c in range(4)}
    return [
        along[r, c][:-1] + up[r, c + 1][:-1] + along[r + 1, c][:0:-1] + up[r, c][:0:-1]
        for r in range(3)
        for c in range(3)
    ]


def _corners(city: City, rng: np.random.Generator) -> list[list[Point]]:
    shift = rng.integers(-_JITTER, _JITTER + 1, (4, 4, 2))
    return [
        [
            (
                city.lon + round((c - 1.5) * _CELL_LON) + int(shift[r, c, 0]),
                city.lat + round((r - 1.5) * _CELL_LAT) + int(shift[r, c, 1]),
            )
            for c in range(4)
        ]
        for r in range(4)
    ]


def _side(start: Point, end: Point, rng: np.random.Generator) -> list[Point]:
    """A crooked line of `_STEPS` segments that never crosses itself: it only leans off its chord."""
    t = np.linspace(0.0, 1.0, _STEPS + 1)
    lean = np.sin(np.pi * t) * rng.uniform(-_AMPLITUDE, _AMPLITUDE, _STEPS + 1)
    chord = np.array(end, np.float64) - np.array(start, np.float64)
    normal = np.array([-chord[1], chord[0]]) / np.hypot(*chord)
    points: F64 = np.array(start) + t[:, None] * chord + lean[:, None] * normal
    return _off_lattice([start, *_rounded(points[1:-1]), end])


def _pond(city: City, rng: np.random.Generator) -> list[Point]:
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    radius = 9_000 + rng.uniform(-1_500, 1_500, 32)
    points: F64 = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    ring = _rounded(points + np.array([city.lon, city.lat]))
    return _off_lattice([*ring, ring[0]])[:-1]


def _rounded(points: F64) -> list[Point]:
    return [(int(x), int(y)) for x, y in np.rint(points).astype(np.int64)]


def _off_lattice(line: list[Point]) -> list[Point]:
    """Nudge inner points until no segment passes through a lattice point between its ends.

    Positions are written with six decimals. Were one of them to lie on a slanted border, exact and
    floating-point arithmetic could disagree about it; on a corner they can't.
    """
    out = [line[0]]
    for index, (x, y) in enumerate(line[1:-1], start=1):
        following = line[index + 1] if index == len(line) - 2 else None
        moved = ((x + right, y + up) for up in range(8) for right in range(8))
        out.append(next(point for point in moved if _clear(out[-1], point, following)))
    return [*out, line[-1]]


def _clear(before: Point, here: Point, after: Point | None) -> bool:
    pairs = [(before, here)] + ([(here, after)] if after else [])
    return all(math.gcd(a[0] - b[0], a[1] - b[1]) == 1 for a, b in pairs)


def zone_of(zones: tuple[Zone, ...], lat: I64, lon: I64) -> I64:
    """The zone of each point (microdegrees), 0 outside all; a border belongs to the lowest zone id."""
    found = np.zeros(len(lat), np.int64)
    for zone in reversed(zones):
        west, south, east, north = zone.shape.bounds
        near = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        shapely.prepare(zone.shape)
        inside = shapely.intersects_xy(
            zone.shape, lon[near].astype(np.float64), lat[near].astype(np.float64)
        )
        found[near[inside]] = zone.zone_id
    return found


def border_corners(zones: tuple[Zone, ...], city: int) -> I64:
    """The corner points of a city's zones, an (n, 2) array of (lat, lon) in microdegrees."""
    xy = np.concatenate([shapely.get_coordinates(z.shape) for z in zones if z.city == city])
    return xy[:, ::-1].astype(np.int64)


def geojson(zones: tuple[Zone, ...]) -> str:
    """A FeatureCollection with properties zone_id, neighbourhood and city; longitude comes first."""
    features = [
        {
            "type": "Feature",
            "properties": {
                "zone_id": zone.zone_id,
                "neighbourhood": zone.neighbourhood,
                "city": CITIES[zone.city].name,
            },
            "geometry": _degrees(json.loads(shapely.to_geojson(zone.shape))),
        }
        for zone in zones
    ]
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, ensure_ascii=False, separators=(",", ":")) + "\n"


def _degrees(geometry: dict[str, Any]) -> dict[str, Any]:
    def scale(value: Any) -> Any:
        return [scale(v) for v in value] if isinstance(value, list) else round(value) / MICRO

    return {"type": geometry["type"], "coordinates": scale(geometry["coordinates"])}
