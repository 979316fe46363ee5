"""OdibiEats by hand in pandas: the tables of the reference project with whole frames in memory.

Reads the landing zone and writes the same tables. It leaves out what odibi does beside the tables: checks,
story, history, and staying within a memory limit.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from by_hand import components, load_zones, zone_of
from handwritten import (
    CALENDAR,
    CLICK_COLUMNS,
    EVENT_TYPES,
    HUB_COOKIES,
    PING_COLUMNS,
    PRICE_DAY,
    PRIVATE,
)

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PYTHON = {"VARCHAR": str, "BIGINT": int, "DOUBLE": (int, float), "BOOLEAN": bool, "TIMESTAMP": str}
PANDAS = {"VARCHAR": "str", "BIGINT": "Int64", "DOUBLE": "float64", "BOOLEAN": "boolean"}
STEPS = {"view_menu": 2, "view_item": 2, "add_to_cart": 3, "begin_checkout": 4, "purchase": 5}
PRICE = pa.decimal128(8, 2)


class Script:
    """Where to read and where to write."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = data, out

    def write(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Write `<name>.parquet`; returns the frame."""
        path = self.out / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, path, compression="zstd", compression_level=1)
        return frame


def _leaves(columns: Mapping[str, str]) -> dict[str, tuple[str, str | None, str]]:
    """Flat name → (key, key within it, type)."""
    leaves: dict[str, tuple[str, str | None, str]] = {}
    for name, kind in columns.items():
        if kind.startswith("STRUCT("):
            for part in kind[7:-1].split(", "):
                inner, type_ = part.split(" ")
                leaves[f"{name}.{inner}"] = (name, inner, type_)
        else:
            leaves[name] = (name, None, kind)
    return leaves


def read_lines(s: Script, name: str, pattern: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """The lines of all files as one frame, structs flat; bad lines go to quarantine with their numbers."""
    leaves = _leaves(columns)
    frames: list[pd.DataFrame] = []
    bad: list[tuple[str, int, str]] = []
    for file in sorted(s.data.glob(pattern)):
        rows = []
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                row = _record(line, leaves)
                if row is None:
                    bad.append((str(file), number, line.decode(errors="replace")))
                else:
                    rows.append(row)
        frames.append(_typed(pd.DataFrame(rows, columns=list(leaves)), leaves))
    s.write(f"quarantine/{name}_lines", pd.DataFrame(bad, columns=["file", "line", "raw"]))
    return pd.concat(frames, ignore_index=True)


def _record(line: bytes, leaves: Mapping[str, tuple[str, str | None, str]]) -> list[Any] | None:
    """A line's values in the order of `leaves`; None when it is broken or holds a wrong type."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    row = []
    for key, inner, kind in leaves.values():
        value = record.get(key)
        if inner is not None and value is not None:
            value = value.get(inner)
        if value is not None and not isinstance(value, PYTHON[kind]):  # type: ignore[arg-type]
            return None
        row.append(value)
    return row if record.get("event_id") is not None else None


def _typed(frame: pd.DataFrame, leaves: Mapping[str, tuple[str, str | None, str]]) -> pd.DataFrame:
    for name, (_, _, kind) in leaves.items():
        if kind == "TIMESTAMP":
            stamps = pd.to_datetime(frame[name], format="ISO8601", utc=True)
            frame[name] = stamps.dt.tz_localize(None).astype("datetime64[us]")
        else:
            frame[name] = frame[name].astype(PANDAS[kind])
    return frame


def _nested(frame: pd.DataFrame, columns: Mapping[str, str]) -> pa.Table:
    """The flat frame as an Arrow table with its structs."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    arrays = []
    for name in columns:
        inner = [column for column in table.column_names if column.startswith(f"{name}.")]
        if inner:
            parts = [table[column].combine_chunks() for column in inner]
            arrays.append(pa.StructArray.from_arrays(parts, [c.split(".")[1] for c in inner]))
        else:
            arrays.append(table[name])
    return pa.table(dict(zip(columns, arrays, strict=True)))


def bronze_lines(s: Script, name: str, pattern: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """NDJSON to typed Parquet; the flat frame goes on."""
    frame = read_lines(s, name, pattern, columns)
    path = s.out / "bronze" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(_nested(frame, columns), path, compression="zstd", compression_level=1)
    return frame


def bronze_lookups(s: Script) -> dict[str, pd.DataFrame]:
    """Restaurants, menus and the transactional tables; zones."""
    rows, _ = load_zones(s.data / "lookups" / "zones.geojson")
    zones = s.write("bronze/zones", pd.DataFrame(rows)[["zone_id", "neighbourhood", "city", "geometry"]])  # fmt: skip
    places = pd.read_csv(
        s.data / "lookups" / "restaurants.csv", parse_dates=["opened_on"], keep_default_na=False
    )
    places["opened_on"] = places["opened_on"].dt.date
    places["name"] = places["name"].str.normalize("NFC").str.replace(STEERING, "", regex=True)
    tables = {
        "zones": zones,
        "restaurants": s.write(
            "bronze/restaurants", places.rename(columns={"id": "restaurant_id"})
        ),
        "menus": _menus(s),
    }
    with closing(sqlite3.connect(s.data / "oltp" / "odibieats.db")) as source:
        for name in ("customers", "orders", "payments"):
            frame = pd.read_sql(f"SELECT * FROM {name}", source)
            for column in PRIVATE:
                if column in frame:
                    frame[column] = [None if pd.isna(v) else sha256(f"salted-eats{v}".encode()).hexdigest() for v in frame[column]]  # fmt: skip
            tables[name] = s.write(f"bronze/{name}", frame)
    return tables


def _menus(s: Script) -> pd.DataFrame:
    """Snapshots with positive prices; the others and ragged lines go to quarantine."""
    rows, bad = [], []
    for file in sorted((s.data / "menus").glob("*.csv")):
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.reader(lines)
            next(reader)
            for row in reader:
                if len(row) == 5:
                    rows.append(row)
                else:
                    bad.append((str(file), reader.line_num, ",".join(row)))
    s.write("quarantine/menu_snapshots_lines", pd.DataFrame(bad, columns=["file", "line", "raw"]))
    frame = pd.DataFrame(rows, columns=["snapshot_date", "restaurant_id", "item_id", "item_name", "price"])  # fmt: skip
    frame = frame.astype({"restaurant_id": "int64", "item_id": "int64"})
    frame["snapshot_date"] = pd.to_datetime(frame["snapshot_date"]).astype(pd.ArrowDtype(pa.date32()))  # fmt: skip
    frame["price"] = pd.Series(pa.array([Decimal(price) for price in frame["price"]], PRICE), dtype=pd.ArrowDtype(PRICE))  # fmt: skip
    sound = frame["price"] > 0
    s.write("quarantine/menu_snapshots", frame[~sound])
    return s.write("bronze/menu_snapshots", frame[sound].reset_index(drop=True))


def _once(frame: pd.DataFrame) -> pd.DataFrame:
    """The first arrival of each event."""
    return frame.sort_values("received_at", kind="stable").drop_duplicates("event_id")


def silver_events(s: Script, clicks: pd.DataFrame) -> pd.DataFrame:
    """Each event once, flat, with a known type."""
    names = {c: c.split(".")[1] for c in clicks.columns if "." in c} | {"props.query": "search_query"}  # fmt: skip
    once = _once(clicks).rename(columns=names)
    known = once["event_type"].isin(EVENT_TYPES)
    s.write("quarantine/events", once[~known])
    return s.write("silver/events", once[known])


def silver_pings(s: Script, pings: pd.DataFrame) -> pd.DataFrame:
    """Each ping once, with the zone it lies in."""
    rows, outlines = load_zones(s.data / "lookups" / "zones.geojson")
    once = _once(pings)
    sound = once["lat"].isna() | once["lat"].between(-90, 90)
    s.write("quarantine/pings", once[~sound])
    once = once[sound]
    ids = [row["zone_id"] for row in rows]
    zones = zone_of(once["lon"].to_numpy(), once["lat"].to_numpy(), ids, outlines)
    return s.write("silver/pings", once.assign(zone_id=pd.array(zones, dtype="Float64").astype("Int64")))  # fmt: skip


def silver_orders(s: Script, tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders with real timestamps and their restaurant's place; payments that belong to an order."""
    places = tables["restaurants"][["restaurant_id", "city", "neighbourhood"]]
    orders = tables["orders"].merge(places, on="restaurant_id", how="left")
    orders = orders.rename(columns={"neighbourhood": "restaurant_neighbourhood"})
    for name in ("placed_at", "accepted_at", "picked_up_at", "delivered_at", "cancelled_at"):
        orders[name] = pd.to_datetime(orders[name]).astype("datetime64[us]")
    payments = tables["payments"].copy()
    payments["created_at"] = pd.to_datetime(payments["created_at"]).astype("datetime64[us]")
    payments["order_known"] = payments["order_id"].isin(tables["orders"]["order_id"])
    s.write("quarantine/payments", payments[~payments["order_known"]])
    return s.write("silver/orders", orders), s.write("silver/payments", payments[payments["order_known"]])  # fmt: skip


def silver_identities(s: Script, events: pd.DataFrame) -> pd.DataFrame:
    """Who is who: connected components over session, cookie, device and user."""
    seen = events[["session_id", "cookie_id", "device_id", "user_id"]].drop_duplicates()
    cookies = seen.groupby("device_id")["cookie_id"].nunique()
    private = seen[seen["device_id"].isin(cookies.index[cookies <= HUB_COOKIES])]
    known = seen[seen["user_id"].notna()]
    a = pd.concat([seen["session_id"], private["cookie_id"], known["session_id"]])
    b = pd.concat([seen["cookie_id"], private["device_id"], known["user_id"]])
    codes, nodes = pd.factorize(pd.concat([a, b]), sort=True)
    label = components(codes[: len(a)], codes[len(a) :], len(nodes))
    found = pd.DataFrame({"node": nodes, "person_id": nodes.take(label)})
    return s.write("silver/identities", found)


def silver_sessions(s: Script, events: pd.DataFrame, identities: pd.DataFrame) -> pd.DataFrame:
    """Visits of a person without a pause of more than half an hour."""
    person = identities.set_index("node")["person_id"]
    columns = ["ts", "event_id", "event_type", "city", "platform", "device_id"]
    visits = events[columns].assign(person_id=events["session_id"].map(person))
    visits = visits.sort_values(["person_id", "ts", "event_id"])
    starts = (visits["person_id"] != visits["person_id"].shift()) | (visits["ts"].diff() > pd.Timedelta(minutes=30))  # fmt: skip
    visits["number"] = starts.cumsum()
    visits["converted"] = visits["event_type"] == "purchase"
    visits["step"] = visits["event_type"].map(STEPS).fillna(1).astype("int64")
    sessions = visits.groupby("number", sort=False).agg(
        person_id=("person_id", "first"), started_at=("ts", "first"), ended_at=("ts", "last"),
        events=("ts", "size"), devices=("device_id", "nunique"), converted=("converted", "any"),
        furthest_step=("step", "max"), city=("city", "first"), platform=("platform", "first"),
    ).reset_index()  # fmt: skip
    nth = sessions.groupby("person_id").cumcount() + 1
    sessions.insert(0, "session_key", sessions["person_id"] + "-" + nth.astype("str"))
    return s.write("silver/sessions", sessions.drop(columns="number"))


def silver_menus(s: Script, menus: pd.DataFrame) -> pd.DataFrame:
    """One row for every time an item had one price; an item that leaves the menu closes its row."""
    days = sorted(menus["snapshot_date"].unique())
    following = dict(zip(days, [*days[1:], None], strict=True))
    rows = menus.sort_values(["item_id", "snapshot_date"], kind="stable")
    next_day = rows["snapshot_date"].map(following).astype(pd.ArrowDtype(pa.date32()))
    before = rows.shift()
    same = (
        (rows["item_id"] == before["item_id"]) & (rows["price"] == before["price"])
        & (rows["item_name"] == before["item_name"]) & (rows["snapshot_date"] == next_day.shift())
    ).fillna(False).astype(bool)  # fmt: skip
    rows = rows.assign(run=(~same).cumsum(), next_day=next_day)
    first = rows.drop_duplicates("run")
    last = rows.drop_duplicates("run", keep="last")
    history = first[["item_id", "restaurant_id", "item_name", "price"]].assign(
        valid_from=first["snapshot_date"], valid_to=last["next_day"].array, is_current=last["next_day"].isna().to_numpy()
    )  # fmt: skip
    return s.write("silver/menu_history", history)


def gold_sessions(s: Script, sessions: pd.DataFrame) -> None:
    """Conversion, and time on site."""
    told = sessions.assign(
        day=sessions["started_at"].astype(pd.ArrowDtype(pa.date32())),
        length=(sessions["ended_at"] - sessions["started_at"]) / pd.Timedelta(milliseconds=1),
    )
    conversion = told.groupby(["day", "city", "platform"]).agg(
        sessions=("converted", "size"), converted=("converted", "sum")
    ).reset_index()  # fmt: skip
    conversion["conversion_rate"] = conversion["converted"] / conversion["sessions"]
    s.write("gold/session_conversion", conversion)
    time = told.groupby(["day", "city"]).agg(
        sessions=("length", "size"), avg_minutes=("length", "mean"), longest_minutes=("length", "max"),
        avg_events=("events", "mean"),
    ).reset_index()  # fmt: skip
    time[["avg_minutes", "longest_minutes"]] /= 60_000
    s.write("gold/time_on_site", time)


def gold_funnel(s: Script, sessions: pd.DataFrame) -> None:
    """Bounce and funnel."""
    told = sessions.assign(
        day=sessions["started_at"].astype(pd.ArrowDtype(pa.date32())),
        bounced=sessions["events"] == 1,
    )
    bounce = told.groupby(["day", "city"]).agg(
        sessions=("bounced", "size"), bounced=("bounced", "sum")
    ).reset_index()  # fmt: skip
    bounce["bounce_rate"] = bounce["bounced"] / bounce["sessions"]
    s.write("gold/bounce", bounce)
    steps = []
    for number, step in enumerate(("visit", "menu", "cart", "checkout", "purchase"), start=1):
        came = told.assign(came=told["furthest_step"] >= number).groupby(["day", "city"])["came"]
        steps.append(
            came.sum().rename("sessions").reset_index().assign(step_number=number, step=step)
        )
    funnel = pd.concat(steps, ignore_index=True)
    within = funnel.groupby(["day", "city"])["sessions"]
    funnel["of_visits"] = funnel["sessions"] / within.transform("max")
    funnel["of_previous"] = funnel["sessions"] / within.shift().replace(0, np.nan)
    s.write("gold/funnel", funnel)


def gold_star(s: Script, tables: dict[str, pd.DataFrame], orders: pd.DataFrame) -> None:
    """Orders as facts with the keys of their days, restaurants and customers; key 0 is the unknown."""
    customers = tables["customers"][["user_id", "city"]].copy()
    customers["customer_since"] = pd.to_datetime(tables["customers"]["created_at"]).astype("datetime64[us]")  # fmt: skip
    s.write("silver/customers", customers)
    places = _dimension(tables["restaurants"], "restaurant_id", "restaurant_sk")
    people = _dimension(customers, "user_id", "customer_sk")
    s.write(
        "gold/dim_restaurant",
        _with_unknown(places, restaurant_id=-1, lat=0.0, lon=0.0, opened_on=None),
    )
    s.write("gold/dim_customer", _with_unknown(people, user_id="-1", customer_since=None))
    calendar = _calendar()
    s.write("gold/dim_date", calendar)
    facts = orders[["order_id", "placed_at", "status", "items_cents", "delivery_fee_cents", "total_cents"]].copy()  # fmt: skip
    days = calendar.set_index("full_date")["date_sk"]
    facts["date_sk"] = orders["placed_at"].dt.date.map(days).fillna(0).astype("int64")
    for name, key, table in (("restaurant_sk", "restaurant_id", places), ("customer_sk", "user_id", people)):  # fmt: skip
        facts[name] = orders[key].map(table.set_index(key)[name]).fillna(0).astype("int64")
    seconds = (orders["delivered_at"] - orders["placed_at"]).dt.total_seconds()
    s.write("gold/fact_orders", facts.assign(minutes_to_door=seconds / 60))


def _dimension(rows: pd.DataFrame, natural: str, surrogate: str) -> pd.DataFrame:
    rows = rows.sort_values(natural, ignore_index=True)
    rows.insert(0, surrogate, np.arange(1, len(rows) + 1))
    return rows


def _with_unknown(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The dimension, and the row that stands for anything unknown."""
    unknown = {name: values.get(name, "Unknown") for name in rows.columns[1:]}
    first = pd.DataFrame([{rows.columns[0]: 0, **unknown}])
    return pd.concat([first.astype(rows.dtypes), rows], ignore_index=True)


def _calendar() -> pd.DataFrame:
    day = pd.Series(pd.date_range(*CALENDAR))
    parts = day.dt
    ends = (parts.month == 12) & (parts.day == 31)
    rows = pd.DataFrame({
        "date_sk": parts.strftime("%Y%m%d").astype("int64"), "full_date": parts.date,
        "day_of_week": parts.day_name(), "day_of_week_num": parts.day_of_week + 1, "day_of_month": parts.day,
        "day_of_year": parts.day_of_year, "is_weekend": parts.day_of_week >= 5,
        "week_of_year": parts.isocalendar()["week"].astype("int64"), "month": parts.month,
        "month_name": parts.month_name(), "quarter": parts.quarter,
        "quarter_name": "Q" + parts.quarter.astype("str"), "year": parts.year, "fiscal_year": parts.year,
        "fiscal_quarter": parts.quarter, "is_month_start": parts.is_month_start, "is_month_end": parts.is_month_end,
        "is_year_start": parts.is_year_start, "is_year_end": ends,
    })  # fmt: skip
    unknown = {name: "Unknown" if pd.api.types.is_string_dtype(kind) else kind.type(0) for name, kind in rows.dtypes.items() if name != "full_date"}  # fmt: skip
    unknown["full_date"] = pd.Timestamp("1900-01-01").date()
    return pd.concat([rows, pd.DataFrame([unknown])], ignore_index=True)


def gold_deliveries(
    s: Script, orders: pd.DataFrame, pings: pd.DataFrame, zones: pd.DataFrame
) -> None:
    """Minutes from order to door."""
    located = pings[pings["lat"].notna() & pings["lon"].notna()].sort_values("ts", kind="stable")
    doors = located.drop_duplicates("order_id", keep="last")[["order_id", "zone_id"]]
    told = orders[orders["delivered_at"].notna()].merge(doors, on="order_id", how="left")
    told = told.merge(zones[["zone_id", "neighbourhood"]].astype({"zone_id": "Int64"}), on="zone_id", how="left")  # fmt: skip
    told["neighbourhood"] = told["neighbourhood"].fillna("outside the zones")
    told["hour"] = told["placed_at"].dt.hour
    told["seconds"] = (told["delivered_at"] - told["placed_at"]).dt.total_seconds()
    table = told.groupby(["city", "neighbourhood", "hour"], dropna=False).agg(
        orders=("seconds", "size"), avg_minutes=("seconds", "mean")
    ).reset_index()  # fmt: skip
    table["avg_minutes"] /= 60
    s.write("gold/delivery_time_by_neighbourhood", table)


def gold_prices(s: Script, history: pd.DataFrame, places: pd.DataFrame) -> None:
    """What an item cost then and costs today."""
    day = pd.Timestamp(PRICE_DAY).date()
    past = history[(history["valid_from"] <= day) & (history["valid_to"].isna() | (history["valid_to"] > day))]  # fmt: skip
    present = history.loc[history["is_current"], ["item_id", "price"]]
    table = past[["item_id", "item_name", "restaurant_id", "price"]].rename(columns={"price": "price_then"})  # fmt: skip
    table = table.merge(present.rename(columns={"price": "price_today"}), on="item_id", how="left")
    table = table.merge(places[["restaurant_id", "name", "city"]].rename(columns={"name": "restaurant"}), on="restaurant_id")  # fmt: skip
    table["price_day"] = pd.Series([day] * len(table), dtype=pd.ArrowDtype(pa.date32()))
    table["change"] = table["price_today"] - table["price_then"]
    s.write("gold/item_prices", table)


def gold_order_values(s: Script, orders: pd.DataFrame, payments: pd.DataFrame) -> None:
    """Orders and money per city."""
    told = orders[["order_id", "city", "total_cents"]].copy()
    told["delivered"] = orders["status"] == "delivered"
    for name in ("captured", "refunded"):
        paid = payments[payments["status"] == name].groupby("order_id")["amount_cents"].sum()
        told[f"{name}_cents"] = told["order_id"].map(paid).fillna(0).astype("int64")
    table = told.groupby("city").agg(
        orders=("total_cents", "size"), delivered=("delivered", "sum"), ordered_cents=("total_cents", "sum"),
        captured_cents=("captured_cents", "sum"), refunded_cents=("refunded_cents", "sum"),
        avg_order_cents=("total_cents", "mean"),
    ).reset_index()  # fmt: skip
    s.write("gold/order_value_by_city", table)


def run(data: Path, out: Path) -> None:
    """The whole job; frames that nobody needs any more are let go of."""
    s = Script(data, out)
    clicks = bronze_lines(s, "clickstream", "clickstream/*/*.ndjson", CLICK_COLUMNS)
    events = silver_events(s, clicks)
    del clicks
    identities = silver_identities(s, events)
    sessions = silver_sessions(s, events, identities)
    del events, identities
    gold_sessions(s, sessions)
    gold_funnel(s, sessions)
    del sessions
    pings = bronze_lines(s, "driver_pings", "driver_pings/*/*.ndjson", PING_COLUMNS)
    pings = silver_pings(s, pings)
    tables = bronze_lookups(s)
    orders, payments = silver_orders(s, tables)
    gold_deliveries(s, orders, pings, tables["zones"])
    gold_order_values(s, orders, payments)
    gold_star(s, tables, orders)
    gold_prices(s, silver_menus(s, tables["menus"]), tables["restaurants"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the landing zone")
    parser.add_argument("--out", type=Path, required=True, help="where the Parquet files go")
    options = parser.parse_args()
    run(options.data, options.out)
    print(f"pandas {pd.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
