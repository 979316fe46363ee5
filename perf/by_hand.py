"""What the pandas and the PySpark script by hand share: zones of points and connected components, in numpy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

__all__ = ["components", "load_zones", "zone_of"]


def load_zones(geojson: Path) -> tuple[list[dict[str, Any]], list[Any]]:
    """The zones' properties and outlines, lowest id first; outlines in whole microdegrees."""
    features = json.loads(geojson.read_text(encoding="utf-8"))["features"]
    features.sort(key=lambda feature: feature["properties"]["zone_id"])
    rows = [{**f["properties"], "geometry": json.dumps(f["geometry"])} for f in features]
    outlines = shapely.from_geojson([row["geometry"] for row in rows])
    whole = [shapely.transform(one, lambda xy: np.round(xy * 1e6)) for one in outlines]
    return rows, whole


def zone_of(lon: Any, lat: Any, ids: Sequence[int], outlines: Sequence[Any]) -> Any:
    """For each point the lowest zone that covers it, border included; NaN outside and without a place."""
    known = np.flatnonzero(~(np.isnan(lon) | np.isnan(lat)))
    places, which = np.unique(
        np.round(np.column_stack([lon[known], lat[known]]) * 1e6), axis=0, return_inverse=True
    )
    tree = shapely.STRtree(shapely.points(places))
    found = np.full(len(places), np.inf)
    for number, outline in zip(ids, outlines, strict=True):
        shapely.prepare(outline)
        inside = tree.query(outline, predicate="covers")
        found[inside] = np.minimum(found[inside], number)
    zones = np.full(len(lon), np.nan)
    zones[known] = np.where(np.isinf(found), np.nan, found)[which.ravel()]
    return zones


def components(a: Any, b: Any, nodes: int) -> Any:
    """For each node the smallest node that the edges (a, b) connect it with."""
    label = np.arange(nodes)
    while True:
        least = label.copy()
        np.minimum.at(least, a, label[b])
        np.minimum.at(least, b, label[a])
        np.minimum.at(least, label, least)  # the whole tree learns what one of its nodes learnt
        least = least[least]
        if np.array_equal(least, label):
            return label
        label = least
