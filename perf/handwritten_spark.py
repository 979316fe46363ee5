"""OdibiEats by hand in PySpark: the tables of the reference project, as one would write the job.

Reads the landing zone and writes the same tables as Parquet folders. It leaves out what odibi does beside
the tables: line numbers of bad lines, checks, story, history.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyspark
from by_hand import components, load_zones, zone_of
from handwritten import CALENDAR, EVENT_TYPES, HUB_COOKIES, PRICE_DAY, PRIVATE
from pyspark.sql import SparkSession

CLICKS = """event_id STRING, event_type STRING, ts STRING, received_at STRING, session_id STRING, cookie_id STRING,
  device_id STRING, user_id STRING, restaurant_id BIGINT, item_id BIGINT, platform STRING, app_version STRING,
  geo STRUCT<lat: DOUBLE, lon: DOUBLE>, city STRING,
  props STRUCT<referrer: STRING, ab: STRING, query: STRING, order_id: STRING>, consent BOOLEAN, bad STRING"""
PINGS = """event_id STRING, event_type STRING, ts STRING, received_at STRING, driver_id STRING, order_id STRING,
  lat DOUBLE, lon DOUBLE, speed_kmh DOUBLE, heading BIGINT, accuracy_m DOUBLE, status STRING, bad STRING"""
STEERING = r"[\\p{Cc}\\x{200e}\\x{200f}\\x{202a}-\\x{202e}\\x{2066}-\\x{2069}]"
ISO = "yyyy-MM-dd''T''HH:mm:ss.SSSX"


class Script:
    """A session, where to read and where to write."""

    def __init__(self, data: Path, out: Path, memory: str) -> None:
        self.data, self.out = data, out
        os.environ["PYSPARK_PYTHON"] = sys.executable  # of the same environment as this
        builder = (
            SparkSession.builder.master("local[*]").config("spark.driver.memory", memory)
            .config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "4")
            .config("spark.sql.parquet.compression.codec", "zstd")
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .config("spark.driver.extraJavaOptions", "-XX:+UseParallelGC")
        )  # fmt: skip
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("ERROR")

    def view(self, name: str, query: str) -> None:
        self.spark.sql(query).createOrReplaceTempView(name)

    def write(self, name: str, rows: Any) -> None:
        """Write a query or a frame as `<name>.parquet` and make it the view `layer_table`."""
        frame = self.spark.sql(rows) if isinstance(rows, str) else rows
        path = str(self.out / f"{name}.parquet")
        frame.write.mode("overwrite").parquet(path)
        self.spark.read.parquet(path).createOrReplaceTempView(name.replace("/", "_"))


def bronze_lines(s: Script, name: str, pattern: str, schema: str) -> None:
    """NDJSON to typed Parquet; lines that aren't JSON or hold a wrong type go to quarantine."""
    lines = s.spark.read.schema(schema).json(
        str(s.data / pattern), mode="PERMISSIVE", columnNameOfCorruptRecord="bad"
    )
    lines.createOrReplaceTempView("lines")
    names = [column for column in lines.columns if column != "bad"]
    typed = ", ".join(
        f"try_to_timestamp({c}, '{ISO}') AS {c}" if c in ("ts", "received_at") else c for c in names
    )
    s.view(
        "typed",
        f"SELECT {typed}, bad, ts AS said, received_at AS heard FROM lines".replace("''", "\\'"),
    )
    sound = "(bad IS NULL AND event_id IS NOT NULL AND (ts IS NOT NULL OR said IS NULL) AND (received_at IS NOT NULL OR heard IS NULL))"
    s.write(f"bronze/{name}", f"SELECT {', '.join(names)} FROM typed WHERE {sound}")
    s.write(f"quarantine/{name}_lines", f"SELECT bad AS raw, said FROM typed WHERE NOT {sound}")


def bronze_lookups(s: Script) -> None:
    """Zones, restaurants and menus; the transactional tables."""
    rows, _ = load_zones(s.data / "lookups" / "zones.geojson")
    s.write("bronze/zones", s.spark.createDataFrame(pd.DataFrame(rows)).select("zone_id", "neighbourhood", "city", "geometry"))  # fmt: skip
    places = s.spark.read.csv(
        str(s.data / "lookups" / "restaurants.csv"), header=True, quote='"', escape='"', multiLine=True,
        schema="id BIGINT, name STRING, cuisine STRING, city STRING, neighbourhood STRING, lat DOUBLE, lon DOUBLE, opened_on DATE",
    )  # fmt: skip
    frame = places.toPandas()
    frame["name"] = frame["name"].str.normalize("NFC")
    s.spark.createDataFrame(frame).createOrReplaceTempView("places")
    s.write("bronze/restaurants", f"SELECT id AS restaurant_id, regexp_replace(name, '{STEERING}', '') AS name, cuisine, city, neighbourhood, lat, lon, opened_on FROM places")  # fmt: skip
    menus = s.spark.read.csv(
        str(s.data / "menus"), header=True, quote='"', escape='"', mode="PERMISSIVE", columnNameOfCorruptRecord="bad", enforceSchema=True,
        schema="snapshot_date DATE, restaurant_id BIGINT, item_id BIGINT, item_name STRING, price DECIMAL(8,2), bad STRING",
    ).cache()  # fmt: skip
    menus.createOrReplaceTempView("menus")
    columns = "snapshot_date, restaurant_id, item_id, item_name, price"
    s.write("bronze/menu_snapshots", f"SELECT {columns} FROM menus WHERE bad IS NULL AND price > 0")
    s.write(
        "quarantine/menu_snapshots",
        f"SELECT {columns} FROM menus WHERE bad IS NULL AND NOT price > 0",
    )
    s.write("quarantine/menu_snapshots_lines", "SELECT bad AS raw FROM menus WHERE bad IS NOT NULL")
    menus.unpersist()
    for table in ("customers", "orders", "payments"):
        _sqlite(s, table)


def _sqlite(s: Script, table: str) -> None:
    with closing(sqlite3.connect(s.data / "oltp" / "odibieats.db")) as source:
        frame = pd.read_sql(f"SELECT * FROM {table}", source)
    s.spark.createDataFrame(frame).createOrReplaceTempView("incoming")
    columns = [f"sha2(concat('salted-eats', {c}), 256) AS {c}" if c in PRIVATE else c for c in frame.columns]  # fmt: skip
    s.write(f"bronze/{table}", f"SELECT {', '.join(columns)} FROM incoming")


def silver_events(s: Script) -> None:
    """Each event once, flat, with a known type."""
    frame = s.spark.sql(
        """
        SELECT event_id, event_type, ts, received_at, session_id, cookie_id, device_id, user_id, restaurant_id, item_id,
          platform, app_version, geo.lat AS lat, geo.lon AS lon, city, props.referrer AS referrer, props.ab AS ab,
          props.query AS search_query, props.order_id AS order_id, consent
        FROM (SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY received_at) AS nth FROM bronze_clickstream)
        WHERE nth = 1"""
    ).cache()
    frame.createOrReplaceTempView("all_events")
    s.write("silver/events", f"SELECT * FROM all_events WHERE event_type IN {EVENT_TYPES}")
    s.write("quarantine/events", f"SELECT * FROM all_events WHERE event_type NOT IN {EVENT_TYPES}")
    frame.unpersist()


def silver_pings(s: Script) -> None:
    """Each ping once, with the zone it lies in."""
    rows, outlines = load_zones(s.data / "lookups" / "zones.geojson")
    ids = [row["zone_id"] for row in rows]

    def located(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for part in parts:
            zones = zone_of(part["lon"].to_numpy(), part["lat"].to_numpy(), ids, outlines)
            yield part.assign(zone_id=pd.array(zones, dtype="Float64").astype("Int64"))

    once = s.spark.sql(
        "SELECT * EXCEPT (nth) FROM (SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY received_at) AS nth FROM bronze_driver_pings) WHERE nth = 1"
    ).cache()
    once.createOrReplaceTempView("all_pings")
    sound = s.spark.sql("SELECT * FROM all_pings WHERE lat IS NULL OR lat BETWEEN -90 AND 90")
    schema = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in sound.schema) + ", zone_id BIGINT"  # fmt: skip
    s.write("silver/pings", sound.mapInPandas(located, schema))
    s.write("quarantine/pings", "SELECT * FROM all_pings WHERE lat NOT BETWEEN -90 AND 90")
    once.unpersist()


def silver_orders(s: Script) -> None:
    """Orders with real timestamps and their restaurant's place; payments that belong to an order."""
    stamps = ", ".join(
        f"CAST({name}_at AS TIMESTAMP) AS {name}_at"
        for name in ("placed", "accepted", "picked_up", "delivered", "cancelled")
    )
    s.write(
        "silver/orders",
        f"""
        SELECT o.order_id, o.user_id, o.restaurant_id, r.city, r.neighbourhood AS restaurant_neighbourhood, o.status,
          {stamps}, o.items_cents, o.delivery_fee_cents, o.total_cents
        FROM bronze_orders o LEFT JOIN bronze_restaurants r ON o.restaurant_id = r.restaurant_id""",
    )
    s.write("silver/customers", "SELECT user_id, city, CAST(created_at AS TIMESTAMP) AS customer_since FROM bronze_customers")  # fmt: skip
    s.view(
        "all_payments",
        """
        SELECT p.payment_id, p.order_id, p.attempt, p.method, p.status, p.amount_cents,
          CAST(p.created_at AS TIMESTAMP) AS created_at, o.order_id IS NOT NULL AS order_known
        FROM bronze_payments p LEFT JOIN bronze_orders o ON o.order_id = p.order_id""",
    )
    s.write("silver/payments", "SELECT * FROM all_payments WHERE order_known")
    s.write("quarantine/payments", "SELECT * FROM all_payments WHERE NOT order_known")


def silver_identities(s: Script) -> None:
    """Who is who: the edges are made in Spark, and joined up in the driver."""
    links = s.spark.sql(
        f"""
        WITH seen AS (SELECT DISTINCT session_id, cookie_id, device_id, user_id FROM silver_events),
        hubs AS (SELECT device_id FROM seen GROUP BY device_id HAVING count(DISTINCT cookie_id) > {HUB_COOKIES})
        SELECT DISTINCT session_id AS a, cookie_id AS b FROM seen
        UNION ALL
        SELECT DISTINCT cookie_id, seen.device_id FROM seen LEFT ANTI JOIN hubs ON seen.device_id = hubs.device_id
        UNION ALL
        SELECT DISTINCT session_id, user_id FROM seen WHERE user_id IS NOT NULL"""
    ).toPandas()
    codes, nodes = pd.factorize(pd.concat([links["a"], links["b"]]), sort=True)
    label = components(codes[: len(links)], codes[len(links) :], len(nodes))
    names = np.asarray(nodes, dtype=object)
    found = pd.DataFrame({"node": names, "person_id": names[label]})
    s.write("silver/identities", s.spark.createDataFrame(found))


def silver_sessions(s: Script) -> None:
    """Visits of a person without a pause of more than half an hour."""
    s.write(
        "silver/sessions",
        """
        WITH visits AS (
          SELECT i.person_id, e.ts, e.event_id, e.event_type, e.city, e.platform, e.device_id
          FROM silver_events e JOIN silver_identities i ON i.node = e.session_id),
        marked AS (
          SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY person_id ORDER BY ts) <= INTERVAL 30 MINUTE THEN 0 ELSE 1 END AS starts
          FROM visits),
        numbered AS (SELECT *, sum(starts) OVER (PARTITION BY person_id ORDER BY ts) AS number FROM marked)
        SELECT concat(person_id, '-', number) AS session_key, person_id, min(ts) AS started_at, max(ts) AS ended_at,
          count(*) AS events, count(DISTINCT device_id) AS devices, bool_or(event_type = 'purchase') AS converted,
          CAST(max(CASE event_type WHEN 'purchase' THEN 5 WHEN 'begin_checkout' THEN 4 WHEN 'add_to_cart' THEN 3
            WHEN 'view_item' THEN 2 WHEN 'view_menu' THEN 2 ELSE 1 END) AS BIGINT) AS furthest_step,
          min_by(city, struct(ts, event_id)) AS city, min_by(platform, struct(ts, event_id)) AS platform
        FROM numbered GROUP BY person_id, number""",
    )


def silver_menus(s: Script) -> None:
    """One row for every time an item had one price; an item that leaves the menu closes its row."""
    s.write(
        "silver/menu_history",
        """
        WITH days AS (SELECT day, lead(day) OVER (ORDER BY day) AS next_day
                      FROM (SELECT DISTINCT snapshot_date AS day FROM bronze_menu_snapshots)),
        rows AS (
          SELECT m.*, d.next_day, lag(snapshot_date) OVER w AS last_seen, lag(price) OVER w AS last_price,
            lag(item_name) OVER w AS last_name
          FROM bronze_menu_snapshots m JOIN days d ON d.day = m.snapshot_date
          WINDOW w AS (PARTITION BY item_id ORDER BY snapshot_date)),
        runs AS (
          SELECT r.*, sum(CASE WHEN p.next_day = r.snapshot_date AND last_price = price AND last_name = item_name
                               THEN 0 ELSE 1 END) OVER (PARTITION BY item_id ORDER BY snapshot_date) AS run
          FROM rows r LEFT JOIN days p ON p.day = r.last_seen)
        SELECT item_id, any_value(restaurant_id) AS restaurant_id, any_value(item_name) AS item_name,
          any_value(price) AS price, min(snapshot_date) AS valid_from, max_by(next_day, snapshot_date) AS valid_to,
          max_by(next_day, snapshot_date) IS NULL AS is_current
        FROM runs GROUP BY item_id, run""",
    )


def gold(s: Script) -> None:
    """Answers as tables."""
    s.write(
        "gold/session_conversion",
        """
        SELECT CAST(started_at AS DATE) AS day, city, platform, count(*) AS sessions,
          count(*) FILTER (WHERE converted) AS converted, count(*) FILTER (WHERE converted) / count(*) AS conversion_rate
        FROM silver_sessions GROUP BY 1, 2, 3""",
    )
    s.write(
        "gold/time_on_site",
        """
        SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions,
          avg(unix_millis(ended_at) - unix_millis(started_at)) / 60000 AS avg_minutes,
          max(unix_millis(ended_at) - unix_millis(started_at)) / 60000 AS longest_minutes, avg(events) AS avg_events
        FROM silver_sessions GROUP BY 1, 2""",
    )
    s.write(
        "gold/delivery_time_by_neighbourhood",
        """
        WITH last_ping AS (
          SELECT order_id, max_by(zone_id, ts) AS zone_id FROM silver_pings
          WHERE lat IS NOT NULL AND lon IS NOT NULL GROUP BY order_id)
        SELECT o.city, coalesce(z.neighbourhood, 'outside the zones') AS neighbourhood, hour(o.placed_at) AS hour,
          count(*) AS orders, avg(unix_seconds(o.delivered_at) - unix_seconds(o.placed_at)) / 60 AS avg_minutes
        FROM silver_orders o LEFT JOIN last_ping p ON p.order_id = o.order_id LEFT JOIN bronze_zones z ON z.zone_id = p.zone_id
        WHERE o.delivered_at IS NOT NULL GROUP BY 1, 2, 3""",
    )
    s.write(
        "gold/item_prices",
        f"""
        SELECT past.item_id, past.item_name, past.restaurant_id, r.name AS restaurant, r.city,
          DATE '{PRICE_DAY}' AS price_day, past.price AS price_then, present.price AS price_today,
          present.price - past.price AS change
        FROM silver_menu_history past
        LEFT JOIN silver_menu_history present ON present.item_id = past.item_id AND present.is_current
        JOIN bronze_restaurants r ON r.restaurant_id = past.restaurant_id
        WHERE past.valid_from <= DATE '{PRICE_DAY}' AND (past.valid_to IS NULL OR past.valid_to > DATE '{PRICE_DAY}')""",
    )
    s.write(
        "gold/order_value_by_city",
        """
        WITH paid AS (
          SELECT order_id, sum(amount_cents) FILTER (WHERE status = 'captured') AS captured,
            sum(amount_cents) FILTER (WHERE status = 'refunded') AS refunded
          FROM silver_payments GROUP BY order_id)
        SELECT o.city, count(*) AS orders, count(*) FILTER (WHERE o.status = 'delivered') AS delivered,
          sum(o.total_cents) AS ordered_cents, coalesce(sum(p.captured), 0) AS captured_cents,
          coalesce(sum(p.refunded), 0) AS refunded_cents, avg(o.total_cents) AS avg_order_cents
        FROM silver_orders o LEFT JOIN paid p ON p.order_id = o.order_id GROUP BY o.city""",
    )


def gold_sessions(s: Script) -> None:
    """Bounce and funnel."""
    s.write(
        "gold/bounce",
        """
        SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions, count(*) FILTER (WHERE events = 1) AS bounced,
          count(*) FILTER (WHERE events = 1) / count(*) AS bounce_rate
        FROM silver_sessions GROUP BY 1, 2""",
    )
    s.write(
        "gold/funnel",
        """
        WITH ends AS (
          SELECT CAST(started_at AS DATE) AS day, city, furthest_step, count(*) AS n
          FROM silver_sessions GROUP BY 1, 2, 3),
        reached AS (
          SELECT day, city, CAST(step_number AS BIGINT) AS step_number,
            element_at(array('visit', 'menu', 'cart', 'checkout', 'purchase'), step_number) AS step,
            CAST(coalesce(sum(n) FILTER (WHERE furthest_step >= step_number), 0) AS BIGINT) AS sessions
          FROM ends CROSS JOIN (SELECT explode(sequence(1, 5)) AS step_number) GROUP BY day, city, step_number)
        SELECT *, sessions / max(sessions) OVER (PARTITION BY day, city) AS of_visits,
          sessions / nullif(lag(sessions) OVER (PARTITION BY day, city ORDER BY step_number), 0) AS of_previous
        FROM reached""",
    )


def gold_star(s: Script) -> None:
    """Orders as facts with the keys of their days, restaurants and customers; key 0 is the unknown."""
    s.write(
        "gold/dim_date",
        f"""
        SELECT CAST(date_format(d, 'yyyyMMdd') AS BIGINT) AS date_sk, d AS full_date, date_format(d, 'EEEE') AS day_of_week,
          weekday(d) + 1 AS day_of_week_num, day(d) AS day_of_month, dayofyear(d) AS day_of_year, weekday(d) >= 5 AS is_weekend,
          weekofyear(d) AS week_of_year, month(d) AS month, date_format(d, 'MMMM') AS month_name, quarter(d) AS quarter,
          concat('Q', quarter(d)) AS quarter_name, year(d) AS year, year(d) AS fiscal_year, quarter(d) AS fiscal_quarter,
          day(d) = 1 AS is_month_start, d = last_day(d) AS is_month_end, dayofyear(d) = 1 AS is_year_start,
          month(d) = 12 AND day(d) = 31 AS is_year_end
        FROM (SELECT explode(sequence(DATE '{CALENDAR[0]}', DATE '{CALENDAR[1]}')) AS d)
        UNION ALL
        SELECT 0, DATE '1900-01-01', 'Unknown', 0, 0, 0, false, 0, 0, 'Unknown', 0, 'Unknown', 0, 0, 0, false, false, false, false""",
    )
    s.write(
        "gold/dim_restaurant",
        """
        SELECT row_number() OVER (ORDER BY restaurant_id) AS restaurant_sk, r.* FROM bronze_restaurants r
        UNION ALL SELECT 0, -1, 'Unknown', 'Unknown', 'Unknown', 'Unknown', 0, 0, NULL""",
    )
    s.write(
        "gold/dim_customer",
        """
        SELECT row_number() OVER (ORDER BY user_id) AS customer_sk, c.* FROM silver_customers c
        UNION ALL SELECT 0, '-1', 'Unknown', NULL""",
    )
    s.write(
        "gold/fact_orders",
        """
        SELECT o.order_id, coalesce(d.date_sk, 0) AS date_sk, coalesce(r.restaurant_sk, 0) AS restaurant_sk,
          coalesce(c.customer_sk, 0) AS customer_sk, o.placed_at, o.status, o.items_cents, o.delivery_fee_cents,
          o.total_cents, (unix_seconds(o.delivered_at) - unix_seconds(o.placed_at)) / 60 AS minutes_to_door
        FROM silver_orders o LEFT JOIN gold_dim_date d ON d.full_date = CAST(o.placed_at AS DATE)
          LEFT JOIN gold_dim_restaurant r ON r.restaurant_id = o.restaurant_id
          LEFT JOIN gold_dim_customer c ON c.user_id = o.user_id""",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the landing zone")
    parser.add_argument("--out", type=Path, required=True, help="where the Parquet folders go")
    parser.add_argument("--memory", default="2g", help="the JVM's heap")
    options = parser.parse_args()
    s = Script(options.data, options.out, options.memory)
    s.spark.sparkContext.addPyFile(str(Path(__file__).with_name("by_hand.py")))
    bronze_lines(s, "clickstream", "clickstream/*/*.ndjson", CLICKS)
    bronze_lines(s, "driver_pings", "driver_pings/*/*.ndjson", PINGS)
    for step in (bronze_lookups, silver_events, silver_pings, silver_orders, silver_identities, silver_sessions, silver_menus, gold, gold_sessions, gold_star):  # fmt: skip
        step(s)
    print(f"PySpark {pyspark.__version__}")
    s.spark.stop()


if __name__ == "__main__":
    main()
