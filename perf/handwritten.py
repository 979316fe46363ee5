"""OdibiEats by hand: the whole of the reference project as one DuckDB script, the yardstick for ours.

Reads the landing zone, writes the same Parquet files as `reference_project/odibi.yaml` (bronze, silver,
gold, quarantine) and prints their row counts. It knows nothing of odibi.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import duckdb

PRICE_DAY = "2025-11-05"
CALENDAR = ("2024-01-01", "2026-12-31")

CLICK_COLUMNS = {
    "event_id": "VARCHAR", "event_type": "VARCHAR", "ts": "TIMESTAMP", "received_at": "TIMESTAMP",
    "session_id": "VARCHAR", "cookie_id": "VARCHAR", "device_id": "VARCHAR", "user_id": "VARCHAR",
    "restaurant_id": "BIGINT", "item_id": "BIGINT", "platform": "VARCHAR", "app_version": "VARCHAR",
    "geo": "STRUCT(lat DOUBLE, lon DOUBLE)", "city": "VARCHAR",
    "props": "STRUCT(referrer VARCHAR, ab VARCHAR, query VARCHAR, order_id VARCHAR)", "consent": "BOOLEAN",
}  # fmt: skip
PING_COLUMNS = {
    "event_id": "VARCHAR", "event_type": "VARCHAR", "ts": "TIMESTAMP", "received_at": "TIMESTAMP",
    "driver_id": "VARCHAR", "order_id": "VARCHAR", "lat": "DOUBLE", "lon": "DOUBLE", "speed_kmh": "DOUBLE",
    "heading": "BIGINT", "accuracy_m": "DOUBLE", "status": "VARCHAR",
}  # fmt: skip
MENU_COLUMNS = {
    "snapshot_date": "DATE", "restaurant_id": "BIGINT", "item_id": "BIGINT", "item_name": "VARCHAR",
    "price": "DECIMAL(8,2)",
}  # fmt: skip
EVENT_TYPES = (
    "page_view", "search", "view_menu", "view_item", "add_to_cart", "begin_checkout", "purchase", "login", "signup",
)  # fmt: skip
HUB_COOKIES = 8
PRIVATE = ("name", "email", "street")


CHECKS = {
    "bronze/zones": (
        "count(DISTINCT zone_id) = count(*)",
        "count(*) = count(zone_id) AND count(*) = count(neighbourhood)",
        "count(*) = count(city) AND count(*) = count(geometry)",
    ),
    "bronze/restaurants": (
        "count(DISTINCT restaurant_id) = count(*)",
        "bool_and(regexp_matches(name, '^.*\\S.*'))",
    ),
    "bronze/menu_snapshots": ("count(*) >= 1",),
    "bronze/orders": (
        "count(*) >= 1",
        "count(*) = count(order_id) AND count(*) = count(user_id)",
        "count(*) = count(restaurant_id) AND count(*) = count(placed_at)",
    ),
    "silver/events": (
        "count(*) = count(event_id) AND count(*) = count(ts) AND count(*) = count(session_id)",
        "count(*) = count(cookie_id) AND count(*) = count(device_id)",
        "avg((received_at >= ts - INTERVAL 2 HOUR)::INTEGER) >= 0.99",
    ),
    "silver/pings": ("bool_and(status IN ('to_restaurant', 'waiting', 'delivering'))",),
    "silver/orders": (
        "count(DISTINCT order_id) = count(*)",
        "bool_and(status IN ('placed', 'accepted', 'picked_up', 'delivered', 'cancelled'))",
        "bool_and(total_cents = items_cents + delivery_fee_cents)",
        "bool_and(coalesce(delivered_at > picked_up_at, true))",
    ),
    "silver/customers": ("count(DISTINCT user_id) = count(*)",),
    "silver/payments": ("count(DISTINCT payment_id) = count(*)",),
    "silver/identities": ("count(DISTINCT node) = count(*)",),
    "silver/sessions": (
        "count(DISTINCT session_key) = count(*)",
        "bool_and(ended_at >= started_at)",
        "bool_and(furthest_step BETWEEN 1 AND 5)",
    ),
    "silver/menu_history": (
        "bool_and(valid_to IS NULL OR valid_to > valid_from)",
        "count(DISTINCT (item_id, valid_from)) = count(*)",
    ),
    "gold/session_conversion": ("bool_and(conversion_rate BETWEEN 0 AND 1)",),
    "gold/delivery_time_by_neighbourhood": ("bool_and(avg_minutes BETWEEN 1 AND 240)",),
    "gold/bounce": ("bool_and(bounce_rate BETWEEN 0 AND 1)",),
    "gold/funnel": (
        "count(DISTINCT (day, city, step_number)) = count(*)",
        "bool_and(of_previous BETWEEN 0 AND 1)",
    ),
    "gold/fact_orders": (
        "count(DISTINCT order_id) = count(*)",
        "bool_and(restaurant_sk > 0 AND date_sk > 0)",
    ),
    "gold/item_prices": ("count(DISTINCT item_id) = count(*)",),
    "gold/order_value_by_city": ("count(*) = count(city)",),
}


class Script:
    """A DuckDB connection, where to read and where to write."""

    def __init__(self, data: Path, out: Path, memory: str | None = None) -> None:
        self.data, self.out = data, out
        self.db = duckdb.connect(config={"preserve_insertion_order": "false"})
        if memory:
            self.db.execute("SET memory_limit = $memory", {"memory": memory})
            self.db.execute("SET temp_directory = $spill", {"spill": f"{out}/spill"})
        self.db.execute("SET timezone = 'UTC'")
        self.rows: dict[str, int] = {}

    def write(self, name: str, query: str) -> None:
        """Write a query to `<name>.parquet` and make it the view of that name (`silver.events`)."""
        path = self.out / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        copied = self.db.execute(
            f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        ).fetchall()
        self.rows[name] = copied[0][0]
        layer, table = name.split("/")
        self.db.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
        self.db.execute(f"CREATE VIEW {layer}.{table} AS FROM '{path}'")
        self._check(name)

    def _check(self, name: str) -> None:
        """Stop when the table breaks one of its rules."""
        rules = CHECKS.get(name)
        if rules:
            held = self.db.execute(
                f"SELECT {', '.join(rules)} FROM {name.replace('/', '.')}"
            ).fetchall()[0]
            broken = [rule for rule, holds in zip(rules, held, strict=True) if holds is False]
            if broken:
                raise SystemExit(f"{name}: {broken[0]} doesn't hold")

    def sqlite(self, table: str) -> None:
        """Bring a table of the transactional source over."""
        with closing(
            sqlite3.connect(f"file:{self.data}/oltp/odibieats.db?mode=ro", uri=True)
        ) as source:
            types = {row[1]: row[2] for row in source.execute(f"PRAGMA table_info({table})")}
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
        kinds = {"TEXT": "VARCHAR", "INTEGER": "BIGINT"}
        values = ", ".join(
            f"unnest(CAST(? AS {kinds[k]}[])) AS {name}" for name, k in types.items()
        )
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.db.execute(f"CREATE TABLE incoming AS SELECT {values}", columns)
        hidden = ", ".join(f"sha256('salted-eats' || {c}) AS {c}" for c in PRIVATE if c in types)
        query = f"SELECT * REPLACE ({hidden}) FROM incoming" if hidden else "FROM incoming"
        self.write(f"bronze/{table}", query)
        self.db.execute("DROP TABLE incoming")


def _leaves(columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """Non-text values with their types: (path, type); structs are opened."""
    leaves: list[tuple[str, str]] = []
    for name, kind in columns.items():
        if kind.startswith("STRUCT("):
            parts = [part.strip().split(" ") for part in kind[7:-1].split(",")]
            leaves += [(f"{name}.{part}", type_) for part, type_ in parts]
        else:
            leaves.append((name, kind))
    return [(path, kind) for path, kind in leaves if kind != "VARCHAR"]


def bronze_lines(s: Script, name: str, pattern: str, columns: Mapping[str, str]) -> None:
    """NDJSON to typed Parquet; lines that aren't JSON or hold a wrong type go to quarantine."""
    text = {
        n: k.replace("DOUBLE", "VARCHAR") if k.startswith("STRUCT") else "VARCHAR"
        for n, k in columns.items()
    }
    files = f"{s.data}/{pattern}"
    source = f"read_json('{files}', format='newline_delimited', columns={text}, ignore_errors=true, filename=true)"
    wrong = {
        path: f"({path} IS NOT NULL AND try_cast({path} AS {kind}) IS NULL)"
        for path, kind in _leaves(columns)
    }
    unsound = " OR ".join(["event_id IS NULL", *wrong.values()])
    typed = ", ".join(
        f"CAST({n} AS {k}) AS {n}" if k != "VARCHAR" else n for n, k in columns.items()
    )
    s.write(f"bronze/{name}", f"SELECT {typed} FROM {source} WHERE NOT ({unsound})")
    reasons = " ".join(
        f"WHEN {test} THEN '{path} has the wrong type'" for path, test in wrong.items()
    )
    s.db.execute("SET preserve_insertion_order = true")
    s.write(
        f"quarantine/{name}_lines",
        f"""
        WITH bad AS MATERIALIZED (
          SELECT number, CASE {reasons} ELSE 'not valid JSON' END AS reason
          FROM (SELECT *, row_number() OVER () AS number FROM {source}) WHERE {unsound}),
        lines AS NOT MATERIALIZED (
          SELECT filename AS file, raw, row_number() OVER () AS number
          FROM read_csv('{files}', header=false, columns={{'raw': 'VARCHAR'}}, delim='\x01', quote='', escape='',
                        auto_detect=false, strict_mode=false, filename=true)),
        starts AS (SELECT file, min(number) AS first FROM lines GROUP BY file)
        SELECT file, number - first + 1 AS line, reason, raw
        FROM bad JOIN lines USING (number) JOIN starts USING (file)""",
    )
    s.db.execute("SET preserve_insertion_order = false")


def bronze_lookups(s: Script) -> None:
    """Zones, restaurants and menus; the transactional tables."""
    s.write(
        "bronze/zones",
        f"""
        SELECT json_extract_string(f, '$.properties.zone_id')::BIGINT AS zone_id,
          json_extract_string(f, '$.properties.neighbourhood') AS neighbourhood,
          json_extract_string(f, '$.properties.city') AS city, json_extract(f, '$.geometry')::VARCHAR AS geometry
        FROM (SELECT unnest(features) AS f FROM read_json(
          '{s.data}/lookups/zones.geojson', format='unstructured', columns={{features: 'JSON[]'}}))""",
    )
    s.write(
        "bronze/restaurants",
        f"""
        SELECT id AS restaurant_id, regexp_replace(nfc_normalize(name), '[\\p{{Cc}}\\x{{200e}}\\x{{200f}}\\x{{202a}}-\\x{{202e}}\\x{{2066}}-\\x{{2069}}]', '', 'g') AS name,
          cuisine, city, neighbourhood, lat, lon, opened_on
        FROM read_csv('{s.data}/lookups/restaurants.csv', header=true, columns={{
          id: 'BIGINT', name: 'VARCHAR', cuisine: 'VARCHAR', city: 'VARCHAR', neighbourhood: 'VARCHAR',
          lat: 'DOUBLE', lon: 'DOUBLE', opened_on: 'DATE'}})""",
    )
    s.db.execute(
        f"""
        CREATE TABLE menu_rows AS
        FROM read_csv('{s.data}/menus/*.csv', header=true, columns={MENU_COLUMNS}, auto_detect=false,
          store_rejects=true)"""
    )
    s.write("bronze/menu_snapshots", "FROM menu_rows WHERE price > 0")
    s.write("quarantine/menu_snapshots", "FROM menu_rows WHERE NOT price > 0")
    s.write(
        "quarantine/menu_snapshots_lines",
        """
        SELECT file_path AS file, line, any_value(error_message) AS reason, any_value(csv_line) AS raw
        FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY ALL""",
    )
    for table in ("customers", "orders", "payments"):
        s.sqlite(table)


def silver_events(s: Script) -> None:
    """Each event once, flat, with a known type."""
    flat = """event_id, event_type, ts, received_at, session_id, cookie_id, device_id, user_id, restaurant_id,
      item_id, platform, app_version, geo.lat AS lat, geo.lon AS lon, city, props.referrer AS referrer,
      props.ab AS ab, props.query AS search_query, props.order_id AS order_id, consent"""
    s.db.execute(
        f"""
        CREATE TABLE all_events AS
        WITH twice AS (SELECT event_id FROM bronze.clickstream GROUP BY ALL HAVING count(*) > 1)
        SELECT {flat} FROM bronze.clickstream ANTI JOIN twice USING (event_id)
        UNION ALL BY NAME
        SELECT {flat} FROM bronze.clickstream SEMI JOIN twice USING (event_id)
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at) = 1"""
    )
    s.write("silver/events", f"FROM all_events WHERE event_type IN {EVENT_TYPES}")
    s.write("quarantine/events", f"FROM all_events WHERE event_type NOT IN {EVENT_TYPES}")


def silver_pings(s: Script) -> None:
    """Each ping once, with the zone it lies in."""
    s.db.execute(
        """
        CREATE TABLE all_pings AS
        WITH twice AS (SELECT event_id FROM bronze.driver_pings GROUP BY ALL HAVING count(*) > 1)
        FROM bronze.driver_pings ANTI JOIN twice USING (event_id)
        UNION ALL BY NAME
        SELECT * FROM bronze.driver_pings SEMI JOIN twice USING (event_id)
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at) = 1"""
    )
    _zone_tables(s)
    s.write(
        "silver/pings",
        """
        SELECT q.* EXCLUDE (px, py), coalesce(c.zone_id, b.zone_id) AS zone_id
        FROM (SELECT *, round(lon * 1e6)::BIGINT + 180000000 AS px, round(lat * 1e6)::BIGINT + 90000000 AS py FROM all_pings
              WHERE lat IS NULL OR lat BETWEEN -90 AND 90) q
        LEFT JOIN inner_cells c ON c.ix = q.px // 2000 AND c.iy = q.py // 2000
        LEFT JOIN border_points b ON b.x = q.px AND b.y = q.py""",
    )
    s.write("quarantine/pings", "FROM all_pings WHERE lat NOT BETWEEN -90 AND 90")


def _zone_tables(s: Script) -> None:
    """`inner_cells` and `border_points`: zones of cells that no border crosses, and of points in the others.

    All in integer microdegrees from 180° W and 90° S (`//` truncates, so nothing may be negative), so that "on the border" is exact. Cells are 2000 microdegrees square;
    edges are found by the rows of cells they cross.
    """
    s.db.execute(
        """
        CREATE TABLE edges AS
        WITH polygons AS (
          SELECT zone_id, unnest(CASE geometry->>'type'
            WHEN 'Polygon' THEN [(geometry->'coordinates')::DOUBLE[][][]]
            ELSE (geometry->'coordinates')::DOUBLE[][][][] END) AS polygon
          FROM bronze.zones),
        rings AS (SELECT zone_id, unnest(polygon) AS ring FROM polygons),
        sides AS (SELECT zone_id, unnest(list_zip(ring[:-2], ring[2:])) AS side FROM rings)
        SELECT zone_id, round(side[1][1] * 1e6)::BIGINT + 180000000 AS x1, round(side[1][2] * 1e6)::BIGINT + 90000000 AS y1,
          round(side[2][1] * 1e6)::BIGINT + 180000000 AS x2, round(side[2][2] * 1e6)::BIGINT + 90000000 AS y2
        FROM sides;

        CREATE TABLE edge_rows AS
        SELECT *, unnest(range(least(y1, y2) // 2000, greatest(y1, y2) // 2000 + 1)) AS iy FROM edges;

        CREATE TABLE border_cells AS
        SELECT DISTINCT iy, unnest(range(least(x1, x2) // 2000, greatest(x1, x2) // 2000 + 1)) AS ix FROM edge_rows;

        CREATE TABLE points AS
        SELECT DISTINCT round(lon * 1e6)::BIGINT + 180000000 AS x, round(lat * 1e6)::BIGINT + 90000000 AS y, x // 2000 AS ix, y // 2000 AS iy
        FROM all_pings WHERE lat BETWEEN -90 AND 90 AND lon IS NOT NULL;

        CREATE TABLE probes AS
        SELECT x, y, iy, false AS whole FROM points SEMI JOIN border_cells USING (ix, iy)
        UNION ALL
        SELECT DISTINCT ix * 2000 + 1000, iy * 2000 + 1000, iy, true FROM points ANTI JOIN border_cells USING (ix, iy);

        CREATE TABLE hits AS
        WITH sides AS (
          SELECT p.x, p.y, p.whole, e.zone_id, (e.y1 > p.y) <> (e.y2 > p.y) AS spans, e.y2 > e.y1 AS rises,
            (e.x2 - e.x1) * (p.y - e.y1) - (p.x - e.x1) * (e.y2 - e.y1) AS turn,
            p.x BETWEEN least(e.x1, e.x2) AND greatest(e.x1, e.x2)
              AND p.y BETWEEN least(e.y1, e.y2) AND greatest(e.y1, e.y2) AS within
          FROM probes p JOIN edge_rows e USING (iy)),
        zones AS (
          SELECT x, y, whole, zone_id FROM sides GROUP BY ALL
          HAVING bool_or(within AND turn = 0) OR count(*) FILTER (spans AND (turn > 0) = rises AND turn <> 0) % 2 = 1)
        SELECT x, y, whole, min(zone_id) AS zone_id FROM zones GROUP BY ALL;

        CREATE TABLE inner_cells AS SELECT x // 2000 AS ix, y // 2000 AS iy, zone_id FROM hits WHERE whole;
        CREATE TABLE border_points AS SELECT x, y, zone_id FROM hits WHERE NOT whole;"""
    )


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
        FROM bronze.orders o LEFT JOIN bronze.restaurants r USING (restaurant_id)""",
    )
    s.write("silver/customers", "SELECT user_id, city, CAST(created_at AS TIMESTAMP) AS customer_since FROM bronze.customers")  # fmt: skip
    s.db.execute(
        """
        CREATE TABLE all_payments AS
        SELECT p.payment_id, p.order_id, p.attempt, p.method, p.status, p.amount_cents,
          CAST(p.created_at AS TIMESTAMP) AS created_at, o.order_id IS NOT NULL AS order_known
        FROM bronze.payments p LEFT JOIN bronze.orders o USING (order_id)"""
    )
    s.write("silver/payments", "FROM all_payments WHERE order_known")
    s.write("quarantine/payments", "FROM all_payments WHERE NOT order_known")


def silver_identities(s: Script) -> None:
    """Who is who: connected components over session, cookie, device and user."""
    s.db.execute(
        f"""
        CREATE TABLE links AS
        WITH seen AS (SELECT DISTINCT session_id, cookie_id, device_id, user_id FROM silver.events),
        hubs AS (SELECT device_id FROM seen GROUP BY ALL HAVING count(DISTINCT cookie_id) > {HUB_COOKIES})
        SELECT DISTINCT session_id AS a, cookie_id AS b FROM seen
        UNION ALL
        SELECT DISTINCT cookie_id, device_id FROM seen ANTI JOIN hubs USING (device_id)
        UNION ALL
        SELECT DISTINCT session_id, user_id FROM seen WHERE user_id IS NOT NULL;

        CREATE TABLE nodes AS
        SELECT node, row_number() OVER (ORDER BY node)::INTEGER AS id FROM (SELECT a AS node FROM links UNION SELECT b FROM links);

        CREATE TABLE both_ways AS
        WITH numbered AS (
          SELECT x.id AS a, y.id AS b FROM links JOIN nodes x ON x.node = links.a JOIN nodes y ON y.node = links.b)
        FROM numbered UNION ALL SELECT b, a FROM numbered;

        CREATE TABLE labels AS
        WITH RECURSIVE label(id, least) USING KEY (id) AS (
          SELECT id, id FROM nodes
          UNION
          SELECT e.b, min(label.least) FROM label JOIN both_ways e ON e.a = label.id
            JOIN recurring.label AS held ON held.id = e.b
          GROUP BY e.b HAVING min(label.least) < min(held.least))
        SELECT * FROM label;"""
    )
    s.write(
        "silver/identities",
        """
        SELECT n.node, c.node AS person_id FROM labels l JOIN nodes n ON n.id = l.id JOIN nodes c ON c.id = l.least""",
    )


def silver_sessions(s: Script) -> None:
    """Visits of a person without a pause of more than half an hour."""
    s.write(
        "silver/sessions",
        """
        WITH visits AS (
          SELECT i.person_id, e.ts, e.event_id, e.event_type, e.city, e.platform, e.device_id
          FROM silver.events e JOIN silver.identities i ON i.node = e.session_id),
        marked AS (
          SELECT *, CASE WHEN ts - lag(ts) OVER w <= INTERVAL 30 MINUTE THEN 0 ELSE 1 END AS starts
          FROM visits WINDOW w AS (PARTITION BY person_id ORDER BY ts)),
        numbered AS (SELECT *, sum(starts) OVER (PARTITION BY person_id ORDER BY ts) AS number FROM marked)
        SELECT person_id || '-' || CAST(number AS BIGINT) AS session_key, person_id, min(ts) AS started_at,
          max(ts) AS ended_at, count(*) AS events, count(DISTINCT device_id) AS devices,
          bool_or(event_type = 'purchase') AS converted,
          CAST(max(CASE event_type WHEN 'purchase' THEN 5 WHEN 'begin_checkout' THEN 4 WHEN 'add_to_cart' THEN 3
            WHEN 'view_item' THEN 2 WHEN 'view_menu' THEN 2 ELSE 1 END) AS BIGINT) AS furthest_step, arg_min(city, (ts, event_id)) AS city,
          arg_min(platform, (ts, event_id)) AS platform
        FROM numbered GROUP BY person_id, number""",
    )


def silver_menus(s: Script) -> None:
    """One row for every time an item had one price; an item that leaves the menu closes its row."""
    s.write(
        "silver/menu_history",
        """
        WITH days AS (SELECT snapshot_date AS day, lead(day) OVER (ORDER BY day) AS next_day
                      FROM (SELECT DISTINCT snapshot_date FROM bronze.menu_snapshots)),
        rows AS (
          SELECT m.*, d.next_day, lag(snapshot_date) OVER w AS last_seen, lag(price) OVER w AS last_price,
            lag(item_name) OVER w AS last_name
          FROM bronze.menu_snapshots m JOIN days d ON d.day = m.snapshot_date
          WINDOW w AS (PARTITION BY item_id ORDER BY snapshot_date)),
        runs AS (
          SELECT r.*, sum(CASE WHEN p.next_day = r.snapshot_date AND last_price = price AND last_name = item_name
                               THEN 0 ELSE 1 END) OVER (PARTITION BY item_id ORDER BY snapshot_date) AS run
          FROM rows r LEFT JOIN days p ON p.day = r.last_seen)
        SELECT item_id, any_value(restaurant_id) AS restaurant_id, any_value(item_name) AS item_name,
          any_value(price) AS price, min(snapshot_date) AS valid_from,
          arg_max_null(next_day, snapshot_date) AS valid_to, valid_to IS NULL AS is_current
        FROM runs GROUP BY item_id, run""",
    )


def gold(s: Script) -> None:
    """Answers as tables."""
    s.write(
        "gold/session_conversion",
        """
        SELECT CAST(started_at AS DATE) AS day, city, platform, count(*) AS sessions,
          count(*) FILTER (converted) AS converted, count(*) FILTER (converted) / count(*) AS conversion_rate
        FROM silver.sessions GROUP BY ALL""",
    )
    s.write(
        "gold/time_on_site",
        """
        SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions,
          avg(date_diff('millisecond', started_at, ended_at)) / 60000 AS avg_minutes,
          max(date_diff('millisecond', started_at, ended_at)) / 60000 AS longest_minutes,
          avg(events) AS avg_events
        FROM silver.sessions GROUP BY ALL""",
    )
    s.write(
        "gold/delivery_time_by_neighbourhood",
        """
        WITH last_ping AS (
          SELECT order_id, arg_max_null(zone_id, ts) AS zone_id FROM silver.pings
          WHERE lat IS NOT NULL AND lon IS NOT NULL GROUP BY order_id)
        SELECT o.city, coalesce(z.neighbourhood, 'outside the zones') AS neighbourhood, hour(o.placed_at) AS hour,
          count(*) AS orders, avg(date_diff('second', o.placed_at, o.delivered_at)) / 60 AS avg_minutes
        FROM silver.orders o LEFT JOIN last_ping p USING (order_id) LEFT JOIN bronze.zones z USING (zone_id)
        WHERE o.delivered_at IS NOT NULL GROUP BY ALL""",
    )
    s.write(
        "gold/item_prices",
        f"""
        SELECT past.item_id, past.item_name, past.restaurant_id, r.name AS restaurant, r.city,
          DATE '{PRICE_DAY}' AS price_day, past.price AS price_then, present.price AS price_today,
          present.price - past.price AS change
        FROM silver.menu_history past
        LEFT JOIN silver.menu_history present ON present.item_id = past.item_id AND present.is_current
        JOIN bronze.restaurants r ON r.restaurant_id = past.restaurant_id
        WHERE past.valid_from <= DATE '{PRICE_DAY}' AND (past.valid_to IS NULL OR past.valid_to > DATE '{PRICE_DAY}')""",
    )
    s.write(
        "gold/order_value_by_city",
        """
        WITH paid AS (
          SELECT order_id, sum(amount_cents) FILTER (status = 'captured') AS captured,
            sum(amount_cents) FILTER (status = 'refunded') AS refunded
          FROM silver.payments GROUP BY order_id)
        SELECT o.city, count(*) AS orders, count(*) FILTER (o.status = 'delivered') AS delivered,
          CAST(sum(o.total_cents) AS BIGINT) AS ordered_cents,
          CAST(coalesce(sum(p.captured), 0) AS BIGINT) AS captured_cents,
          CAST(coalesce(sum(p.refunded), 0) AS BIGINT) AS refunded_cents, avg(o.total_cents) AS avg_order_cents
        FROM silver.orders o LEFT JOIN paid p USING (order_id) GROUP BY o.city""",
    )


def gold_sessions(s: Script) -> None:
    """Bounce and funnel."""
    s.write(
        "gold/bounce",
        """
        SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions, count(*) FILTER (events = 1) AS bounced,
          count(*) FILTER (events = 1) / count(*) AS bounce_rate
        FROM silver.sessions GROUP BY ALL""",
    )
    s.write(
        "gold/funnel",
        """
        WITH ends AS (
          SELECT CAST(started_at AS DATE) AS day, city, furthest_step, count(*) AS n
          FROM silver.sessions GROUP BY ALL),
        reached AS (
          SELECT day, city, CAST(step_number AS BIGINT) AS step_number,
            ['visit', 'menu', 'cart', 'checkout', 'purchase'][step_number] AS step,
            CAST(coalesce(sum(n) FILTER (furthest_step >= step_number), 0) AS BIGINT) AS sessions
          FROM ends CROSS JOIN range(1, 6) AS s(step_number) GROUP BY ALL)
        SELECT *, sessions / max(sessions) OVER (PARTITION BY day, city) AS of_visits,
          sessions / nullif(lag(sessions) OVER (PARTITION BY day, city ORDER BY step_number), 0) AS of_previous
        FROM reached""",
    )


def gold_star(s: Script) -> None:
    """Orders as facts with the keys of their days, restaurants and customers; key 0 is the unknown."""
    s.write(
        "gold/dim_date",
        f"""
        SELECT CAST(strftime(d, '%Y%m%d') AS BIGINT) AS date_sk, CAST(d AS DATE) AS full_date, dayname(d) AS day_of_week,
          isodow(d) AS day_of_week_num, day(d) AS day_of_month, dayofyear(d) AS day_of_year, isodow(d) >= 6 AS is_weekend,
          week(d) AS week_of_year, month(d) AS month, monthname(d) AS month_name, quarter(d) AS quarter,
          'Q' || quarter(d) AS quarter_name, year(d) AS year, year(d) AS fiscal_year, quarter(d) AS fiscal_quarter,
          day(d) = 1 AS is_month_start, d = last_day(d) AS is_month_end, dayofyear(d) = 1 AS is_year_start,
          month(d) = 12 AND day(d) = 31 AS is_year_end
        FROM range(DATE '{CALENDAR[0]}', DATE '{CALENDAR[1]}' + INTERVAL 1 DAY, INTERVAL 1 DAY) AS days(d)
        UNION ALL
        SELECT 0, DATE '1900-01-01', 'Unknown', 0, 0, 0, false, 0, 0, 'Unknown', 0, 'Unknown', 0, 0, 0, false, false, false, false""",
    )
    s.write(
        "gold/dim_restaurant",
        """
        SELECT row_number() OVER (ORDER BY restaurant_id) AS restaurant_sk, * FROM bronze.restaurants r
        UNION ALL SELECT 0, -1, 'Unknown', 'Unknown', 'Unknown', 'Unknown', 0, 0, NULL""",
    )
    s.write(
        "gold/dim_customer",
        """
        SELECT row_number() OVER (ORDER BY user_id) AS customer_sk, * FROM silver.customers c
        UNION ALL SELECT 0, '-1', 'Unknown', NULL""",
    )
    s.write(
        "gold/fact_orders",
        """
        SELECT o.order_id, coalesce(d.date_sk, 0) AS date_sk, coalesce(r.restaurant_sk, 0) AS restaurant_sk,
          coalesce(c.customer_sk, 0) AS customer_sk, o.placed_at, o.status, o.items_cents, o.delivery_fee_cents,
          o.total_cents, date_diff('second', o.placed_at, o.delivered_at) / 60 AS minutes_to_door
        FROM silver.orders o LEFT JOIN gold.dim_date d ON d.full_date = CAST(o.placed_at AS DATE)
          LEFT JOIN gold.dim_restaurant r ON r.restaurant_id = o.restaurant_id
          LEFT JOIN gold.dim_customer c ON c.user_id = o.user_id""",
    )


def run(data: Path, out: Path, memory: str | None = None) -> dict[str, int]:
    """The whole job; returns the rows of each table written."""
    s = Script(data, out, memory)
    bronze_lines(s, "clickstream", "clickstream/*/*.ndjson", CLICK_COLUMNS)
    bronze_lines(s, "driver_pings", "driver_pings/*/*.ndjson", PING_COLUMNS)
    steps: list[Callable[[Script], None]] = [
        bronze_lookups, silver_events, silver_pings, silver_orders, silver_identities, silver_sessions, silver_menus, gold,
        gold_sessions, gold_star,
    ]  # fmt: skip
    for step in steps:
        step(s)
    s.db.close()
    return s.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the landing zone")
    parser.add_argument("--out", type=Path, required=True, help="where the Parquet files go")
    parser.add_argument("--memory", help="DuckDB's limit, such as 2GB; it spills above")
    options = parser.parse_args()
    for name, rows in run(options.data, options.out, options.memory).items():
        print(f"{rows:>10,}  {name}")


if __name__ == "__main__":
    main()
