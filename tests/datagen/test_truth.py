"""The planted truth, derived a second time from the raw files in plain Python."""

from __future__ import annotations

import csv
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow.parquet as pq
import pytest
import shapely

from odibi_datagen.clickstream import EVENT_TYPES
from odibi_datagen.visits import HUB_COOKIES

from .landing import Landing


def truth(landing: Landing, name: str) -> list[dict[str, Any]]:
    return pq.read_table(landing.out / "truth" / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def events(landing: Landing) -> list[dict[str, Any]]:
    return [e for e in landing.records("clickstream") if e["event_type"] in EVENT_TYPES]


@pytest.fixture(scope="module")
def groups(events: list[dict[str, Any]]) -> dict[str, str]:
    """Node to the smallest node of its component, by union-find over the linking rules."""
    parent: dict[str, str] = {}

    def find(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def link(a: str, b: str) -> None:
        low, high = sorted((find(a), find(b)))
        parent[high] = low

    cookies = defaultdict(set)
    for e in events:
        cookies[e["device_id"]].add(e["cookie_id"])
    for e in events:
        link(e["session_id"], e["cookie_id"])
        if len(cookies[e["device_id"]]) <= HUB_COOKIES:
            link(e["cookie_id"], e["device_id"])
        if e["user_id"]:
            link(e["session_id"], e["user_id"])
    return {node: find(node) for node in list(parent)}


def test_identities_follow_from_the_observed_links(
    landing: Landing, groups: dict[str, str]
) -> None:
    assert {row["node"]: row["component"] for row in truth(landing, "identities")} == groups


def test_no_component_mixes_persons_and_kiosks_are_really_shared(
    landing: Landing, events: list[dict[str, Any]]
) -> None:
    persons = defaultdict(set)
    person_of = {}
    for row in truth(landing, "identities"):
        persons[row["component"]].add(row["person"])
        person_of[row["node"]] = row["person"]
    assert all(len(p) == 1 for p in persons.values())
    strangers = defaultdict(set)
    for e in events:
        strangers[e["device_id"]].add(person_of[e["session_id"]])
    assert max(map(len, strangers.values())) > HUB_COOKIES


def test_some_persons_are_stitched_from_several_devices_and_some_stay_unknown(
    landing: Landing,
) -> None:
    nodes = defaultdict(list)
    for row in truth(landing, "identities"):
        nodes[row["component"]].append(row["node"][:2])
    assert any(n.count("d_") > 1 and "u_" in n for n in nodes.values())
    assert any("u_" not in n for n in nodes.values())


def test_sessions_follow_from_times_and_persons(
    landing: Landing, events: list[dict[str, Any]], groups: dict[str, str]
) -> None:
    mine = defaultdict(list)
    for e in events:
        mine[groups[e["session_id"]]].append((datetime.fromisoformat(e["ts"][:-1]), e))
    wanted = []
    for person, seen in mine.items():
        seen.sort(key=lambda pair: pair[0])
        session: list[tuple[datetime, dict[str, Any]]] = []
        for ts, e in seen:
            if session and ts - session[-1][0] > timedelta(minutes=30):
                wanted.append(summary(person, session))
                session = []
            session.append((ts, e))
        wanted.append(summary(person, session))
    found = [tuple(row.values()) for row in truth(landing, "sessions")]
    assert sorted(found) == sorted(wanted)
    assert any(s[1].date() != s[2].date() for s in wanted), "some session crosses midnight"
    assert len(found) > len({e["session_id"] for e in events}) * 0.8


def summary(person: str, session: list[tuple[datetime, dict[str, Any]]]) -> tuple[Any, ...]:
    bought = any(e["event_type"] == "purchase" for _, e in session)
    furthest = max(_STEP.get(e["event_type"], 1) for _, e in session)
    ends = (session[0][0], session[-1][0])
    return (person, *ends, len(session), bought, furthest, session[0][1]["city"])


_STEP = {"view_menu": 2, "view_item": 2, "add_to_cart": 3, "begin_checkout": 4, "purchase": 5}


def test_zones_of_pings_follow_from_their_coordinates(landing: Landing) -> None:
    collection = shapely.from_geojson((landing.out / "lookups" / "zones.geojson").read_text())
    shapes = list(shapely.get_parts(collection))
    zone_of = {row["event_id"]: row["zone_id"] for row in truth(landing, "ping_zones")}
    pings = [p for p in landing.records("driver_pings") if p["lat"] is None or abs(p["lat"]) <= 90]
    assert {p["event_id"] for p in pings} == set(zone_of)
    # Several parts of one feature collection are flattened in order: a multipolygon counts as one zone.
    tree = shapely.STRtree(shapes)
    located = [p for p in pings if p["lat"] is not None]
    points = shapely.points([(p["lon"], p["lat"]) for p in located])
    hits = defaultdict(set)
    for point, shape in tree.query(points, predicate="covered_by").T.tolist():
        hits[located[point]["event_id"]].add(shape + 1)
    assert zone_of == {p["event_id"]: min(hits[p["event_id"]], default=None) for p in pings}
    assert any(len(h) > 1 for h in hits.values()), "some pings lie on a border"
    assert None in zone_of.values()


def test_prices_follow_from_the_snapshots(landing: Landing) -> None:
    days: dict[date, dict[int, int]] = {}
    late = 0
    for path in sorted((landing.out / "menus").iterdir()):
        delivered = date.fromisoformat(path.stem[5:])
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                price = usable(row["price"])
                today = days.setdefault(date.fromisoformat(row["snapshot_date"]), {})
                late += row["snapshot_date"] != delivered.isoformat()
                if price is not None:
                    assert today.setdefault(int(row["item_id"]), price) == price
    wanted = []
    for item in sorted(set().union(*days.values())):
        since, last = None, None
        for day, prices in sorted(days.items()):
            price = prices.get(item)
            if price != last:
                wanted += [(item, last, since, day)] if last is not None else []
                since, last = day, price
        wanted += [(item, last, since, None)] if last is not None else []
    found = [tuple(row.values()) for row in truth(landing, "price_intervals")]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert len(wanted) > len({w[0] for w in wanted}), "some price changes"
    assert late > 0, "some menus come after those of a later day"


def usable(text: str | None) -> int | None:
    try:
        cents = Decimal(text or "") * 100
    except InvalidOperation:
        return None
    return int(cents) if cents > 0 else None


def test_customers_are_gone_exactly_where_the_truth_says_so(landing: Landing) -> None:
    with closing(sqlite3.connect(landing.out / "oltp" / "odibieats.db")) as db:
        customers = {row[0] for row in db.execute("SELECT user_id FROM customers")}
        buyers = dict(db.execute("SELECT order_id, user_id FROM orders").fetchall())
    orders = truth(landing, "orders")
    assert {o["order_id"]: o["user_id"] for o in orders} == buyers
    assert {o["order_id"] for o in orders if o["erased"]} == {
        order for order, user in buyers.items() if user not in customers
    }
    assert 0 < sum(o["erased"] for o in orders) < len(orders)


def test_doors_of_orders_follow_from_the_last_located_ping(landing: Landing) -> None:
    zone_of = {row["event_id"]: row["zone_id"] for row in truth(landing, "ping_zones")}
    last: dict[str, tuple[str, str]] = {}
    for ping in landing.records("driver_pings"):
        if ping["lat"] is not None and abs(ping["lat"]) <= 90:
            last[ping["order_id"]] = max(
                last.get(ping["order_id"], ("", "")), (ping["ts"], ping["event_id"])
            )
    for order in truth(landing, "orders"):
        door = last.get(order["order_id"])
        assert order["zone_id"] == (zone_of[door[1]] if door else None)
