"""Points and areas on the map."""

from __future__ import annotations

from typing import Literal

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, Cardinality, builtin, param
from odibi.transforms.sql import ident, project, table, text
from odibi.transforms.types import struct_fields

__all__ = ["AssignZone"]

_SQUARE = '{"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}'
_BESIDE = '{"type": "Polygon", "coordinates": [[[2, 0], [4, 0], [4, 2], [2, 2], [2, 0]]]}'

# Everything below runs on integers: coordinates times 10⁹ (a tenth of a millimetre on the ground).
# Their products fit HUGEINT, so that which side of an edge a point lies on is decided exactly.
_UNITS = "1e9"
_RESERVED = ("_x", "_y", "_x0", "_y0", "_width", "_height", "_column", "_row", "_whole", "_parts")

_SIDE = "(e.x2 - e.x1)::HUGEINT * (_y - e.y1) - (_x - e.x1)::HUGEINT * (e.y2 - e.y1)"
_ON_EDGE = f"_x BETWEEN least(e.x1, e.x2) AND greatest(e.x1, e.x2) AND {_SIDE} = 0"
# The even-odd rule and the border in one sum: a crossing counts 1, an edge under the point so little
# that no even number can come out.
_INSIDE = (
    "list_sum(list_transform(list_filter(p.edges, lambda e: _y BETWEEN e.y1 AND e.y2), "
    f"lambda e: CASE WHEN {_ON_EDGE} THEN 1e-6 WHEN _y < e.y2 AND {_SIDE} > 0 THEN 1.0 ELSE 0.0 END)) % 2 <> 0"
)


@builtin("assign_zone", cardinality="same", summary="The area that each point lies in.")
class AssignZone(Builtin):
    """Point in polygon: add the zone whose area contains the point, null where none does.

    A border belongs to its area; where several areas contain a point (as on a common border) the
    lowest zone id wins. Holes and multipolygons count as they are drawn, edges are straight in
    longitude and latitude, and coordinates are compared at nine decimals. A point with a missing or
    infinite coordinate has no zone.

    Method: areas are laid over a grid; most cells lie wholly inside or outside, for the others the
    even-odd rule decides over the edges in the point's row of cells. The areas' own size sets that
    of the cells, not the distance between them, so zones in far cities cost no more.
    """

    lat: str = param("Column with the latitude (y).")
    lon: str = param("Column with the longitude (x).")
    zones: str = param("Input with the areas: a node or input name.")
    zone_id_col: str = param("Its column with the zone's id.", "zone_id")
    geometry_col: str = param(
        "Its column with a GeoJSON Polygon or MultiPolygon (text or struct).", "geometry"
    )
    zone_col: str = param("Name of the result.", "zone_id")
    keep: Literal["left", "inner"] = param("`inner` removes points without a zone.", "left")

    EXAMPLE = Example(
        params={"lat": "lat", "lon": "lon", "zones": "zones"},
        df=Table(
            "id BIGINT, lat DOUBLE, lon DOUBLE", [(1, 1, 1), (2, 1, 2), (3, 9, 9), (4, None, 1)]
        ),
        tables={"zones": Table("zone_id, geometry", [("b", _BESIDE), ("a", _SQUARE)])},
        result=Table(
            "id BIGINT, lat DOUBLE, lon DOUBLE, zone_id",
            [(1, 1.0, 1.0, "a"), (2, 1.0, 2.0, "a"), (3, 9.0, 9.0, None), (4, None, 1.0, None)],
        ),
    )

    @property
    def cardinality(self) -> Cardinality:
        return "same" if self.keep == "left" else "fewer"

    def build(self, ctx: BuildContext) -> str:
        ctx.reserve(*_RESERVED)
        kept = [
            (ident(name), name) for name in ctx.names if name.casefold() != self.zone_col.casefold()
        ]
        zone = (
            "list_min(list_append(list_transform("
            f"list_filter(_parts, lambda p: {_INSIDE}), lambda p: p.zone), _whole))"
        )
        found = f"SELECT {project([*kept, (zone, self.zone_col)])} FROM {self._points(ctx)}"
        if self.keep == "inner":
            found = f"SELECT * FROM ({found}) WHERE {ident(self.zone_col)} IS NOT NULL"
        return f"WITH {self._grid(ctx)}\n{found}"

    def _points(self, ctx: BuildContext) -> str:
        """The rows of df, each with its cell's areas."""
        x, y = (
            f"TRY_CAST(round(CAST({ctx.col(name)} AS DOUBLE) * {_UNITS}) AS BIGINT)"
            for name in (self.lon, self.lat)
        )
        return f"""(
  SELECT *, CASE WHEN _x >= _x0 THEN (_x - _x0) // _width END AS _column,
    CASE WHEN _y >= _y0 THEN (_y - _y0) // _height END AS _row
  FROM (SELECT *, {x} AS _x, {y} AS _y FROM df) CROSS JOIN _frame
) AS _points LEFT JOIN _cells USING (_column, _row)"""

    def _grid(self, ctx: BuildContext) -> str:
        """CTEs from GeoJSON to `_cells`: per cell the lowest zone that covers it, and lower ones that cross it.

        Of those, only the edges in the cell's row that aren't wholly to its left: a point looks right.
        """
        zone = ctx.col(self.zone_id_col, self.zones)
        column = ctx.column(self.geometry_col, self.zones)
        as_text = (
            f"to_json({ident(column.name)})"
            if struct_fields(column.type)
            else text(ident(column.name))
        )
        wrong = (
            f"error('assign_zone: zone ' || {text('zone')} || ' is a ' || COALESCE(kind, 'thing without type')"
            " || ', not a Polygon or MultiPolygon')"
        )
        return f"""_shapes AS (
  SELECT zone, json_extract_string(geojson, '$.type') AS kind, json_extract(geojson, '$.coordinates') AS points
  FROM (SELECT {zone} AS zone, CAST({as_text} AS JSON) AS geojson FROM {table(self.zones)})
  WHERE geojson IS NOT NULL AND zone IS NOT NULL
), _polygons AS MATERIALIZED (
  SELECT zone, rings, row_number() OVER () AS part FROM (
    SELECT zone, unnest(CASE kind WHEN 'Polygon' THEN [CAST(points AS DOUBLE[][][])]
      WHEN 'MultiPolygon' THEN CAST(points AS DOUBLE[][][][]) ELSE {wrong} END) AS rings FROM _shapes)
), _corners AS (
  SELECT zone, part, ring, unnest(range(1, len(ring) + 1)) AS place
  FROM (SELECT zone, part, unnest(rings) AS ring FROM _polygons)
), _edges AS MATERIALIZED (
  SELECT zone, part, if(y1 <= y2, x1, x2) AS x1, least(y1, y2) AS y1, if(y1 <= y2, x2, x1) AS x2, greatest(y1, y2) AS y2
  FROM (
    SELECT zone, part, {_unit("ring[place][1]")} AS x1, {_unit("ring[place][2]")} AS y1,
      {_unit("ring[place % len(ring) + 1][1]")} AS x2, {_unit("ring[place % len(ring) + 1][2]")} AS y2
    FROM _corners) WHERE x1 <> x2 OR y1 <> y2
), _frame AS MATERIALIZED (
  SELECT min(x_low) AS _x0, min(y_low) AS _y0, {_side("dx", "dy")} AS _width, {_side("dy", "dx")} AS _height
  FROM (SELECT least(min(x1), min(x2)) AS x_low, min(y1) AS y_low, sum(abs(x2 - x1)::DOUBLE) AS dx, sum((y2 - y1)::DOUBLE) AS dy,
    (greatest(max(x1), max(x2)) - x_low)::DOUBLE * (max(y2) - y_low) AS area,
    least(262144, greatest(4096, 8 * sum(count(*)) OVER ())) AS cells FROM _edges GROUP BY part)
), _slabs AS MATERIALIZED (
  SELECT *, unnest(range((y1 - _y0) // _height, (y2 - _y0) // _height + 1)) AS _row
  FROM _edges CROSS JOIN _frame
), _spans AS (
  SELECT zone, part, _row, _x0, _width,
    greatest(least(x1, x2), least(at_low, at_high) - 2) AS low, least(greatest(x1, x2), greatest(at_low, at_high) + 2) AS high
  FROM (SELECT *, {_x_at("greatest(y1, _y0 + _row * _height)")} AS at_low,
    {_x_at("least(y2, _y0 + (_row + 1) * _height)", level="x2")} AS at_high FROM _slabs)
), _crossed AS MATERIALIZED (
  SELECT DISTINCT zone, part, _row, unnest(range(CAST(floor((low - _x0) / _width) AS BIGINT),
    CAST(floor((high - _x0) / _width) AS BIGINT) + 1)) AS _column FROM _spans
), _scans AS (
  SELECT zone, part, _row, any_value(_x0) AS _x0, any_value(_width) AS _width, list_sort(list(x)) AS xs
  FROM (SELECT *, _y0 + _row * _height + _height // 2 + 0.5::DOUBLE AS y FROM _slabs), LATERAL (SELECT {_x_at("y")} AS x)
  WHERE y1 < y AND y < y2 GROUP BY ALL
), _insides AS (
  SELECT zone, part, _row, unnest(range(CAST(floor((xs[i] - _x0) / _width) AS BIGINT),
    CAST(floor((xs[i + 1] - _x0) / _width) AS BIGINT) + 1)) AS _column
  FROM (SELECT *, unnest(range(1, len(xs), 2)) AS i FROM _scans)
), _wholes AS MATERIALIZED (
  SELECT _column, _row, min(zone) AS _whole FROM _insides ANTI JOIN _crossed USING (part, _column, _row) GROUP BY ALL
), _pieces AS (
  SELECT _column, _row, zone, list({{x1: x1, y1: y1, x2: x2, y2: y2}}) AS edges
  FROM _crossed JOIN _slabs USING (zone, part, _row) LEFT JOIN _wholes USING (_column, _row)
  WHERE greatest(x1, x2) >= _x0 + _column * _width AND (_whole IS NULL OR zone < _whole) GROUP BY _column, _row, zone, part
), _partly AS (
  SELECT _column, _row, list({{zone: zone, edges: edges}}) AS _parts FROM _pieces GROUP BY ALL
), _cells AS MATERIALIZED (
  SELECT * FROM _wholes FULL JOIN _partly USING (_column, _row)
)"""


def _unit(degrees: str) -> str:
    return f"CAST(round({degrees} * {_UNITS}) AS BIGINT)"


def _side(along: str, across: str) -> str:
    """A cell's side, such that the areas' bounding boxes together hold about `cells` cells.

    Cells are as long as edges run in that direction, so that edges cross few; the bound in the
    middle keeps areas that are almost lines from being cut into any number.
    """
    ideal = f"sqrt(sum(area) * sum({along}) / nullif(sum({across}), 0) / any_value(cells))"
    return f"CAST(ceil(greatest(1, sum({along}) / any_value(cells), {ideal})) AS BIGINT)"


def _x_at(y: str, level: str = "x1") -> str:
    """Where an edge is at height y, in floating point: good to a unit or two, enough to choose cells.

    A level edge is at one of its ends.
    """
    return (
        f"CASE WHEN y1 = y2 THEN {level} ELSE x1 + (x2 - x1)::DOUBLE * ({y} - y1) / (y2 - y1) END"
    )
