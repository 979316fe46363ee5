"""Compare the tables of a finished OdibiEats run with the ground truth that the generator planted.

Works for any engine's output and for the hand-written script: all it reads is Parquet. Each comparison
returns what differs, one sentence a difference; nothing means equal.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

__all__ = [
    "compare_all",
    "compare_bad_lines",
    "compare_bounce",
    "compare_conversion",
    "compare_deliveries",
    "compare_funnel",
    "compare_identities",
    "compare_order_values",
    "compare_prices",
    "compare_sessions",
    "compare_star",
    "compare_time_on_site",
    "compare_zones",
]

_TOLERANCE = 1e-9


def compare_all(lake: Path, landing: Path, price_day: str) -> dict[str, list[str]]:
    """All comparisons by name; `lake` holds bronze/, silver/, gold/ and quarantine/, `landing` holds truth/."""
    truth, silver, gold = landing / "truth", lake / "silver", lake / "gold"
    return {
        "identities": compare_identities(silver / "identities.parquet", truth),
        "sessions": compare_sessions(silver / "sessions.parquet", silver / "identities.parquet", truth),
        "conversion": compare_conversion(gold / "session_conversion.parquet", truth),
        "time on site": compare_time_on_site(gold / "time_on_site.parquet", truth),
        "bounce": compare_bounce(gold / "bounce.parquet", truth),
        "funnel": compare_funnel(gold / "funnel.parquet", truth),
        "star": compare_star(gold / "fact_orders.parquet", gold, truth),
        "zones": compare_zones(silver / "pings.parquet", truth),
        "deliveries": compare_deliveries(
            gold / "delivery_time_by_neighbourhood.parquet", lake / "bronze" / "zones.parquet", truth
        ),
        "prices": compare_prices(silver / "menu_history.parquet", gold / "item_prices.parquet", truth, price_day),
        "order values": compare_order_values(gold / "order_value_by_city.parquet", truth),
        "bad lines": compare_bad_lines(lake / "quarantine", truth),
    }  # fmt: skip


def compare_identities(identities: Path, truth: Path) -> list[str]:
    """The same nodes, grouped the same way; what the groups are called doesn't matter."""
    return _differences(
        {
            "nodes that the truth doesn't know or the result lacks": """
                SELECT coalesce(t.node, f.node) FROM truth t FULL JOIN found f USING (node)
                WHERE t.node IS NULL OR f.node IS NULL""",
            "nodes found more than once": "SELECT node FROM found GROUP BY ALL HAVING count(*) > 1",
            "persons torn apart": """
                SELECT t.component FROM truth t JOIN found f USING (node)
                GROUP BY ALL HAVING count(DISTINCT f.person_id) > 1""",
            "strangers merged": """
                SELECT f.person_id FROM truth t JOIN found f USING (node)
                GROUP BY ALL HAVING count(DISTINCT t.component) > 1""",
        },
        truth=truth / "identities.parquet",
        found=identities,
    )


def compare_sessions(sessions: Path, identities: Path, truth: Path) -> list[str]:
    """Boundaries, event counts and conversion of every session of every person, to the millisecond."""
    named = """
        WITH named AS (SELECT DISTINCT f.person_id, t.component FROM identities f JOIN who t USING (node)),
        mine AS (
          SELECT component, CAST(started_at AS TIMESTAMP) AS started_at, CAST(ended_at AS TIMESTAMP) AS ended_at,
            CAST(events AS BIGINT) AS events, converted, CAST(furthest_step AS BIGINT) AS furthest_step, city
          FROM found JOIN named USING (person_id)),
        yours AS (
          SELECT component, CAST(started_at AS TIMESTAMP) AS started_at, CAST(ended_at AS TIMESTAMP) AS ended_at,
            events, converted, furthest_step, city
          FROM truth)
        """
    return _differences(
        {
            "sessions of unknown persons": "SELECT person_id FROM found ANTI JOIN identities USING (person_id)",
            "sessions that are wrong": named + "(FROM mine EXCEPT ALL FROM yours)",
            "sessions that are missing": named + "(FROM yours EXCEPT ALL FROM mine)",
        },
        truth=truth / "sessions.parquet",
        found=sessions,
        identities=identities,
        who=truth / "identities.parquet",
    )


def compare_conversion(conversion: Path, truth: Path) -> list[str]:
    """Sessions and conversions of each day and city (platforms added up), and each row's rate."""
    return _differences(
        {
            "days and cities that differ": """
                WITH mine AS (
                  SELECT CAST(day AS DATE) AS day, city, CAST(sum(sessions) AS BIGINT) AS sessions,
                    CAST(sum(converted) AS BIGINT) AS converted FROM found GROUP BY ALL),
                yours AS (
                  SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions,
                    count(*) FILTER (converted) AS converted FROM truth GROUP BY ALL)
                (FROM mine EXCEPT ALL FROM yours) UNION ALL (FROM yours EXCEPT ALL FROM mine)""",
            "rates that don't follow from their counts": f"""
                SELECT day, city, conversion_rate FROM found
                WHERE abs(conversion_rate - converted / sessions) > {_TOLERANCE} OR conversion_rate IS NULL""",
        },
        truth=truth / "sessions.parquet",
        found=conversion,
    )


def compare_time_on_site(time_on_site: Path, truth: Path) -> list[str]:
    """Average minutes and events of each day and city."""
    return _differences(
        {
            "days and cities that differ": f"""
                WITH yours AS (
                  SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions, avg(events) AS events,
                    avg(epoch_ms(ended_at) - epoch_ms(started_at)) / 60000 AS minutes
                  FROM truth GROUP BY ALL),
                mine AS (SELECT * REPLACE (CAST(day AS DATE) AS day) FROM found)
                SELECT m.*, y.* FROM mine m FULL JOIN yours y USING (day, city)
                WHERE m.sessions IS DISTINCT FROM y.sessions
                  OR coalesce(abs(m.avg_minutes - y.minutes) > {_TOLERANCE}, true)
                  OR coalesce(abs(m.avg_events - y.events) > {_TOLERANCE}, true)""",
        },
        truth=truth / "sessions.parquet",
        found=time_on_site,
    )


def compare_bounce(bounce: Path, truth: Path) -> list[str]:
    """Sessions of one event of each day and city, and each row's rate."""
    return _differences(
        {
            "days and cities that differ": f"""
                WITH yours AS (
                  SELECT CAST(started_at AS DATE) AS day, city, count(*) AS sessions,
                    count(*) FILTER (events = 1) AS bounced FROM truth GROUP BY ALL),
                mine AS (SELECT * REPLACE (CAST(day AS DATE) AS day) FROM found)
                SELECT m.*, y.* FROM mine m FULL JOIN yours y USING (day, city)
                WHERE (m.sessions, m.bounced) IS DISTINCT FROM (y.sessions, y.bounced)
                  OR coalesce(abs(m.bounce_rate - y.bounced / y.sessions) > {_TOLERANCE}, true)""",
            "nobody who bounces": "SELECT 0 FROM found HAVING sum(bounced) = 0",
        },
        truth=truth / "sessions.parquet",
        found=bounce,
    )


def compare_funnel(funnel: Path, truth: Path) -> list[str]:
    """Sessions that came to each step on each day in each city, and the shares that follow."""
    return _differences(
        {
            "steps that differ": f"""
                WITH ends AS (
                  SELECT CAST(started_at AS DATE) AS day, city, list(furthest_step) AS ends
                  FROM truth GROUP BY ALL),
                yours AS (
                  SELECT day, city, n AS step_number,
                    ['visit', 'menu', 'cart', 'checkout', 'purchase'][n] AS step, len(ends) AS visits,
                    len(list_filter(ends, lambda e: e >= n)) AS sessions,
                    len(list_filter(ends, lambda e: e >= n - 1)) AS before
                  FROM ends, range(1, 6) AS steps(n)),
                mine AS (SELECT * REPLACE (CAST(day AS DATE) AS day) FROM found)
                SELECT m.*, y.* FROM mine m FULL JOIN yours y USING (day, city, step_number)
                WHERE (m.step, m.sessions) IS DISTINCT FROM (y.step, y.sessions)
                  OR coalesce(abs(m.of_visits - y.sessions / y.visits) > {_TOLERANCE}, true)
                  OR (m.of_previous IS NULL) <> (step_number = 1 OR y.before = 0)
                  OR abs(m.of_previous - y.sessions / nullif(y.before, 0)) > {_TOLERANCE}""",
        },
        truth=truth / "sessions.parquet",
        found=funnel,
    )


def compare_star(fact: Path, gold: Path, truth: Path) -> list[str]:
    """Each order once, its keys leading to its day, restaurant and customer; erased customers are unknown."""
    return _differences(
        {
            "orders that differ": """
                WITH mine AS (
                  SELECT f.order_id, CAST(d.full_date AS DATE) AS day, r.restaurant_id, c.user_id, f.status,
                    f.total_cents, CAST(f.items_cents + f.delivery_fee_cents AS BIGINT) AS parts,
                    round(f.minutes_to_door * 60) AS seconds
                  FROM found f LEFT JOIN dim_date d USING (date_sk)
                    LEFT JOIN dim_restaurant r USING (restaurant_sk) LEFT JOIN dim_customer c USING (customer_sk)),
                yours AS (
                  SELECT order_id, CAST(placed_at AS DATE), restaurant_id, if(erased, '-1', user_id), status,
                    total_cents, total_cents, epoch(delivered_at) - epoch(placed_at) FROM truth)
                (FROM mine EXCEPT ALL FROM yours) UNION ALL (FROM yours EXCEPT ALL FROM mine)""",
            "keys that aren't 0, 1, 2 …": """
                FROM (SELECT count(*) AS n, max(customer_sk) AS top, min(customer_sk) AS least FROM dim_customer
                  UNION ALL SELECT count(*), max(restaurant_sk), min(restaurant_sk) FROM dim_restaurant)
                WHERE (n, least) <> (top + 1, 0)""",
            "orders of a customer that isn't known, though he hasn't been erased": """
                SELECT order_id FROM found JOIN truth USING (order_id) WHERE (customer_sk = 0) <> erased""",
        },
        truth=truth / "orders.parquet",
        found=fact,
        **{
            name: gold / f"{name}.parquet"
            for name in ("dim_date", "dim_restaurant", "dim_customer")
        },
    )


def compare_zones(pings: Path, truth: Path) -> list[str]:
    """Each ping once, with exactly its zone (borders belong to the lowest zone id)."""
    return _differences(
        {
            "pings found more than once": "SELECT event_id FROM found GROUP BY ALL HAVING count(*) > 1",
            "pings that are missing, unknown or in another zone": """
                SELECT coalesce(t.event_id, f.event_id), t.zone_id, f.zone_id FROM truth t FULL JOIN found f USING (event_id)
                WHERE t.event_id IS NULL OR f.event_id IS NULL OR t.zone_id IS DISTINCT FROM f.zone_id""",
        },
        truth=truth / "ping_zones.parquet",
        found=pings,
    )


def compare_deliveries(deliveries: Path, zones: Path, truth: Path) -> list[str]:
    """Delivered orders and average minutes of each city, neighbourhood and hour of the day."""
    return _differences(
        {
            "neighbourhoods and hours that differ": f"""
                WITH yours AS (
                  SELECT t.city, coalesce(z.neighbourhood, 'outside the zones') AS neighbourhood,
                    hour(placed_at) AS hour, count(*) AS orders,
                    avg(epoch_ms(delivered_at) - epoch_ms(placed_at)) / 60000 AS minutes
                  FROM truth t LEFT JOIN zones z USING (zone_id) WHERE delivered_at IS NOT NULL GROUP BY ALL)
                SELECT m.*, y.* FROM found m FULL JOIN yours y USING (city, neighbourhood, hour)
                WHERE m.orders IS DISTINCT FROM y.orders
                  OR coalesce(abs(m.avg_minutes - y.minutes) > {_TOLERANCE}, true)""",
        },
        truth=truth / "orders.parquet",
        found=deliveries,
        zones=zones,
    )


def compare_prices(history: Path, item_prices: Path, truth: Path, price_day: str) -> list[str]:
    """The whole price history, and the price on one day beside today's."""
    day = f"DATE '{price_day}'"
    return _differences(
        {
            "price intervals that differ": """
                WITH mine AS (
                  SELECT CAST(item_id AS BIGINT) AS item_id, CAST(price * 100 AS BIGINT) AS price_cents,
                    CAST(valid_from AS DATE) AS valid_from, CAST(valid_to AS DATE) AS valid_to FROM found),
                yours AS (SELECT item_id, price_cents, valid_from, valid_to FROM truth)
                (FROM mine EXCEPT ALL FROM yours) UNION ALL (FROM yours EXCEPT ALL FROM mine)""",
            "current rows that have ended, or the reverse": """
                SELECT item_id, valid_to, is_current FROM found WHERE is_current <> (valid_to IS NULL)""",
            f"prices of {price_day} that differ": f"""
                WITH yours AS (
                  SELECT past.item_id, past.price_cents AS price_then, present.price_cents AS price_today FROM truth past
                  LEFT JOIN truth present ON present.item_id = past.item_id AND present.valid_to IS NULL
                  WHERE past.valid_from <= {day} AND (past.valid_to IS NULL OR past.valid_to > {day})),
                mine AS (
                  SELECT CAST(item_id AS BIGINT) AS item_id, CAST(price_then * 100 AS BIGINT) AS price_then,
                    CAST(price_today * 100 AS BIGINT) AS price_today FROM items)
                (FROM mine EXCEPT ALL FROM yours) UNION ALL (FROM yours EXCEPT ALL FROM mine)""",
        },
        truth=truth / "price_intervals.parquet",
        found=history,
        items=item_prices,
    )


def compare_order_values(order_values: Path, truth: Path) -> list[str]:
    """Orders and money of each city, to the cent."""
    return _differences(
        {
            "cities that differ": f"""
                WITH yours AS (
                  SELECT city, count(*) AS orders, count(*) FILTER (status = 'delivered') AS delivered,
                    sum(total_cents) AS ordered, sum(captured_cents) AS captured, sum(refunded_cents) AS refunded,
                    avg(total_cents) AS average
                  FROM truth GROUP BY ALL)
                SELECT m.*, y.* FROM found m FULL JOIN yours y USING (city)
                WHERE (m.orders, m.delivered, m.ordered_cents, m.captured_cents, m.refunded_cents)
                    IS DISTINCT FROM (y.orders, y.delivered, y.ordered, y.captured, y.refunded)
                  OR coalesce(abs(m.avg_order_cents - y.average) > {_TOLERANCE} * y.average, true)""",
        },
        truth=truth / "orders.parquet",
        found=order_values,
    )


def compare_bad_lines(quarantine: Path, truth: Path) -> list[str]:
    """Every planted bad line is in quarantine with its file and line number, and no other line is."""
    return _differences(
        {
            "lines that are missing or unjustly there": """
                WITH mine AS (
                  SELECT regexp_extract(file, '((?:clickstream|driver_pings)/[^/]+/[^/]+|menus/[^/]+)$', 1) AS file, line
                  FROM found)
                SELECT coalesce(t.file, m.file), coalesce(t.line, m.line), t.kind FROM truth t
                FULL JOIN mine m ON m.file = t.file AND m.line = t.line
                WHERE t.file IS NULL OR m.file IS NULL""",
        },
        truth=truth / "planted_bad.parquet",
        found=quarantine / "*_lines.parquet",
    )


def _differences(questions: dict[str, str], **tables: Path) -> list[str]:
    """Ask each question over the named tables; one that has an answer is a difference."""
    with duckdb.connect() as db:
        db.execute("SET timezone = 'UTC'")
        for name, path in tables.items():
            db.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}', union_by_name=true)")
        found = []
        for what, query in questions.items():
            rows = db.execute(query).fetchall()
            if rows:
                found.append(f"{len(rows)} {what}, such as {rows[0]}")
        return found
