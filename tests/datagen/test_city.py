"""Zones have the shapes that make point-in-polygon hard, and one answer for every point."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely

from odibi_datagen.city import CITIES, border_corners, geojson, make_zones, zone_of


@pytest.fixture(scope="module", params=[0, 42])
def zones(request: pytest.FixtureRequest) -> tuple:
    return make_zones(request.param)


def test_zones_are_valid_and_share_only_borders(zones: tuple) -> None:
    assert len(zones) == 25
    assert [z.zone_id for z in zones] == list(range(1, 26))
    assert all(shapely.is_valid(z.shape) for z in zones)
    pairs = [(a, b) for a in zones for b in zones if a.zone_id < b.zone_id]
    assert all(a.shape.intersection(b.shape).area == 0 for a, b in pairs)
    assert sum(a.shape.intersection(b.shape).length > 0 for a, b in pairs) > 20


def test_there_are_holes_parts_and_concave_shapes(zones: tuple) -> None:
    assert sum(z.shape.geom_type == "MultiPolygon" for z in zones) == 1
    assert sum(len(p.interiors) for z in zones for p in shapely.get_parts(z.shape)) == 2
    assert all(z.shape.area < z.shape.convex_hull.area for z in zones)


def test_no_border_passes_through_a_lattice_point_between_corners(zones: tuple) -> None:
    for zone in zones:
        for part in shapely.get_parts(zone.shape):
            for ring in (part.exterior, *part.interiors):
                steps = np.diff(shapely.get_coordinates(ring).astype(int), axis=0)
                assert all(math.gcd(int(dx), int(dy)) == 1 for dx, dy in steps)


def test_zone_of_agrees_with_a_slow_search(zones: tuple) -> None:
    rng = np.random.default_rng(1)
    city = CITIES[0]
    lat = city.lat + rng.integers(-70_000, 70_001, 400)
    lon = city.lon + rng.integers(-90_000, 90_001, 400)
    wanted = [
        min((z.zone_id for z in zones if z.shape.covers(shapely.Point(x, y))), default=0)
        for x, y in zip(lon, lat, strict=True)
    ]
    assert zone_of(zones, lat, lon).tolist() == wanted
    assert 0 < wanted.count(0) < 400


def test_a_corner_belongs_to_the_lowest_zone_that_has_it(zones: tuple) -> None:
    corners = border_corners(zones, 0)
    found = zone_of(zones, corners[:, 0], corners[:, 1])
    of_corner: dict[tuple[int, int], int] = {}
    for zone in zones:
        for x, y in shapely.get_coordinates(zone.shape).astype(int):
            of_corner.setdefault((int(y), int(x)), zone.zone_id)
    assert found.tolist() == [of_corner[int(a), int(b)] for a, b in corners]


def test_geojson_holds_the_same_shapes_in_degrees(zones: tuple) -> None:
    collection = json.loads(geojson(zones))
    assert collection["type"] == "FeatureCollection"
    for zone, feature in zip(zones, collection["features"], strict=True):
        assert feature["properties"]["zone_id"] == zone.zone_id
        read = shapely.from_geojson(json.dumps(feature["geometry"]))
        micro = np.rint(shapely.get_coordinates(read) * 1e6)
        assert (micro == shapely.get_coordinates(zone.shape)).all()
