"""assign_zone against shapely, on borders, vertices, holes and multipolygons."""

from __future__ import annotations

import json
from math import atan2
from typing import Any

import duckdb
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, mapping

from odibi.transforms import Table
from tests.transforms.duck import Duck

DUCK = Duck()
PARAMS = {"lat": "lat", "lon": "lon", "zones": "zones"}
# every point of the grid and half-way between, so that vertices, edges and level edges are all met
GRID = [(x / 2, y / 2) for x in range(-1, 18) for y in range(-1, 18)]

corners = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=8, unique=True
)


def simple(points: list[tuple[int, int]]) -> Polygon:
    """A valid polygon over some of the points, often concave: sorted around their middle."""
    middle = shapely.MultiPoint(points).centroid
    ring = sorted(sorted(points), key=lambda p: atan2(p[1] - middle.y, p[0] - middle.x))
    return Polygon(ring)


polygons = corners.map(simple).filter(lambda area: area.is_valid and area.area > 0)


def with_hole(pair: tuple[Polygon, Polygon]) -> Any:
    return pair[0].difference(pair[1])


areas = st.one_of(polygons, st.tuples(polygons, polygons).map(with_hole)).filter(
    lambda area: isinstance(area, Polygon | MultiPolygon) and area.is_valid and not area.is_empty
)


def zones_of(
    zones: dict[int, Any], points: list[tuple[float, float]], scale: float = 1.0
) -> list[int | None]:
    """The zone that SQL finds for each point."""
    rows = [(number, json.dumps(mapping(area))) for number, area in zones.items()]
    df = Table(
        "n BIGINT, lat DOUBLE, lon DOUBLE",
        [(n, y * scale, x * scale) for n, (x, y) in enumerate(points)],
    )
    found = DUCK.run("assign_zone", PARAMS, df, {"zones": Table("zone_id BIGINT, geometry", rows)})
    assert len(found) == len(points)
    return [row["zone_id"] for row in sorted(found, key=lambda row: row["n"])]


def is_integral(area: Any) -> bool:
    """Whether all corners are exact in binary and decimal: then both sides compute exactly."""
    return all(float(value * 16).is_integer() for value in shapely.get_coordinates(area).ravel())


@settings(max_examples=25, deadline=None)
@given(st.lists(areas.filter(is_integral), min_size=1, max_size=3))
def test_every_point_of_a_grid_lies_where_shapely_says(shapes: list[Any]) -> None:
    zones = dict(enumerate(shapes))
    wanted = [
        min((n for n, area in zones.items() if area.covers(Point(point))), default=None)
        for point in GRID
    ]
    assert zones_of(zones, GRID) == wanted


def test_a_hole_a_second_part_and_a_border_in_common() -> None:
    ring = Polygon([(0, 0), (6, 0), (6, 6), (0, 6)], [[(2, 2), (4, 2), (4, 4), (2, 4)]])
    parts = MultiPolygon(
        [Polygon([(6, 0), (8, 0), (8, 2), (6, 2)]), Polygon([(7, 5), (8, 5), (8, 6), (7, 6)])]
    )
    points = [(1, 1), (3, 3), (2, 3), (4, 4), (6, 1), (7, 1), (7.5, 5.5), (7, 4), (0, 0), (-0.1, 3)]
    assert zones_of({2: ring, 1: parts}, points) == [2, None, 2, 2, 1, 1, 1, None, 2, None]


@settings(max_examples=15, deadline=None)
@given(st.lists(areas.filter(is_integral), min_size=2, max_size=3), st.integers(100, 10_000_000))
def test_zones_far_apart_are_found_as_if_they_were_close(shapes: list[Any], apart: int) -> None:
    """The second zone, and its points, move away by up to 100 degrees; the others stay."""
    scale = 1e-5
    far = {1: shapely.transform(shapes[1], lambda xy: np.add(xy, [apart, 0]) * scale)}
    near = {n: shapely.transform(s, lambda xy: xy * scale) for n, s in enumerate(shapes) if n != 1}
    moved = [(x + apart, y) for x, y in GRID]
    wanted = [
        min(
            (n for n, area in enumerate(shapes) if n != 1 and area.covers(Point(point))),
            default=None,
        )
        for point in GRID
    ] + [1 if shapes[1].covers(Point(point)) else None for point in GRID]
    assert zones_of({**near, **far}, [*GRID, *moved], scale) == wanted


def test_areas_that_are_lines_or_points_hold_their_border_only() -> None:
    level = Polygon([(0, 1), (4, 1), (9, 1)])
    upright = Polygon([(2, 0), (2, 5), (2, 3)])
    dot = Polygon([(7, 7), (7, 7), (7, 7)])
    points = [(0, 1), (2, 1), (5, 1), (9.5, 1), (2, 4), (2, 5.5), (2.1, 4), (7, 7)]
    found = zones_of({3: level, 2: upright, 1: dot}, points)
    assert found == [3, 2, 3, None, 2, None, None, None]


def test_real_coordinates_on_a_slanted_border_belong_to_the_lower_zone() -> None:
    """The points lie on the border in decimals, which binary floating point can't say."""
    a, b = (-77.03, -12.12), (-77.0, -12.11)
    left = Polygon([a, b, (-77.0, -12.0), (-77.03, -12.0)])
    right = Polygon([a, (-77.03, -12.2), (-77.0, -12.2), b])
    points = [(-77.027, -12.119), (-77.015, -12.115), (-77.003, -12.111)]
    assert zones_of({5: left, 4: right}, points) == [4, 4, 4]
    above = [(x, y + 1e-9) for x, y in points]
    assert zones_of({5: left, 4: right}, above) == [5, 5, 5]


def test_points_without_a_place_have_no_zone_and_stay() -> None:
    square = json.dumps(mapping(Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])))
    df = Table(
        "lat DOUBLE, lon DOUBLE",
        [(None, 0.5), (0.5, None), (float("nan"), 0.5), (float("inf"), 0.5), (0.5, 0.5)],
    )
    zones = {"zones": Table("zone_id VARCHAR, geometry", [("z", square), ("none", None)])}
    assert sorted(str(row["zone_id"]) for row in DUCK.run("assign_zone", PARAMS, df, zones)) == [
        "None"
    ] * 4 + ["z"]
    inner = DUCK.run("assign_zone", {**PARAMS, "keep": "inner"}, df, zones)
    assert inner == [{"lat": 0.5, "lon": 0.5, "zone_id": "z"}]


def test_no_zones_no_points() -> None:
    empty = Table("zone_id BIGINT, geometry", [])
    assert DUCK.run(
        "assign_zone", PARAMS, Table("lat DOUBLE, lon DOUBLE", [(1, 1)]), {"zones": empty}
    ) == [{"lat": 1.0, "lon": 1.0, "zone_id": None}]
    assert (
        DUCK.run("assign_zone", PARAMS, Table("lat DOUBLE, lon DOUBLE", []), {"zones": empty}) == []
    )


def test_a_zone_that_is_no_area_is_refused() -> None:
    line = Table(
        "zone_id BIGINT, geometry", [(7, json.dumps(mapping(shapely.LineString([(0, 0), (1, 1)]))))]
    )
    with pytest.raises(duckdb.Error, match="zone 7 is a LineString, not a Polygon or MultiPolygon"):
        DUCK.run("assign_zone", PARAMS, Table("lat DOUBLE, lon DOUBLE", [(1, 1)]), {"zones": line})


def test_geometry_may_be_a_struct_as_json_readers_make_it() -> None:
    zones = "SELECT 1 AS zone_id, {type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]} AS geometry"
    rows = DUCK.run(
        "assign_zone", PARAMS, Table("lat DOUBLE, lon DOUBLE", [(1, 1)]), {"zones": zones}
    )
    assert [row["zone_id"] for row in rows] == [1]
