"""How right a finished OdibiEats lake is: its tables scored against the planted truth.

Works at any size in bounded memory: all that is compared is Parquet, and DuckDB compares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["Score", "score", "table"]


@dataclass(frozen=True, slots=True)
class Score:
    """One comparison: what share was right (0 to 1), of how many things, and what it should be.

    Without an aim (None) the figure is for information.
    """

    name: str
    value: float
    of: int
    aim: float | None

    @property
    def reached(self) -> bool:
        """Whether the aim is met; a figure without an aim always is."""
        return self.aim is None or self.value >= self.aim


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Rows of ours and of the truth: the same key names the same thing, `value` is what must agree."""

    name: str
    keys: str
    value: str
    ours: str
    truth: str


_COMPARISONS = (
    _Comparison(
        "sessions",
        "component, started_at",
        "ended_at, events, converted, furthest_step, city",
        """
        SELECT component, started_at::TIMESTAMP AS started_at, ended_at::TIMESTAMP AS ended_at,
          events::BIGINT AS events, converted, furthest_step::BIGINT AS furthest_step, city
        FROM silver_sessions JOIN (
          SELECT person_id, min(component) AS component
          FROM silver_identities JOIN truth_identities USING (node) GROUP BY person_id) USING (person_id)""",
        """
        SELECT component, started_at::TIMESTAMP AS started_at, ended_at::TIMESTAMP AS ended_at,
          events::BIGINT AS events, converted, furthest_step, city FROM truth_sessions""",
    ),
    _Comparison(
        "session conversion",
        "day, city",
        "sessions, converted",
        """
        SELECT day::DATE AS day, city, sum(sessions)::BIGINT AS sessions, sum(converted)::BIGINT AS converted
        FROM gold_session_conversion GROUP BY ALL""",
        """
        SELECT started_at::DATE AS day, city, count(*)::BIGINT AS sessions,
          count(*) FILTER (converted)::BIGINT AS converted
        FROM truth_sessions GROUP BY ALL""",
    ),
    _Comparison(
        "bounce",
        "day, city",
        "sessions, bounced",
        """
        SELECT day::DATE AS day, city, sessions::BIGINT AS sessions, bounced::BIGINT AS bounced
        FROM gold_bounce""",
        """
        SELECT started_at::DATE AS day, city, count(*) AS sessions, count(*) FILTER (events = 1) AS bounced
        FROM truth_sessions GROUP BY ALL""",
    ),
    _Comparison(
        "funnel",
        "day, city, step_number",
        "step, sessions, of_visits",
        """
        SELECT day::DATE AS day, city, step_number::BIGINT AS step_number, step,
          sessions::BIGINT AS sessions, round(of_visits, 9) AS of_visits FROM gold_funnel""",
        """
        SELECT started_at::DATE AS day, city, step_number,
          ['visit', 'menu', 'cart', 'checkout', 'purchase'][step_number] AS step,
          count(*) FILTER (furthest_step >= step_number) AS sessions,
          round(count(*) FILTER (furthest_step >= step_number) / count(*), 9) AS of_visits
        FROM truth_sessions, range(1, 6) AS steps(step_number) GROUP BY ALL""",
    ),
    _Comparison(
        "prices",
        "item_id, valid_from",
        "price_cents, valid_to",
        """
        SELECT item_id::BIGINT AS item_id, valid_from::DATE AS valid_from,
          (price * 100)::BIGINT AS price_cents, valid_to::DATE AS valid_to FROM silver_menu_history""",
        "SELECT item_id, valid_from::DATE AS valid_from, price_cents, valid_to::DATE AS valid_to FROM truth_price_intervals",
    ),
    _Comparison(
        "zones",
        "event_id",
        "zone_id",
        "SELECT event_id, zone_id::BIGINT AS zone_id FROM silver_pings",
        "SELECT event_id, zone_id FROM truth_ping_zones",
    ),
    _Comparison(
        "delivery times",
        "city, neighbourhood, hour",
        "orders, minutes",
        """
        SELECT city, neighbourhood, hour::BIGINT AS hour, orders::BIGINT AS orders, round(avg_minutes, 6) AS minutes
        FROM gold_delivery_time_by_neighbourhood""",
        """
        SELECT t.city, coalesce(z.neighbourhood, 'outside the zones') AS neighbourhood,
          hour(placed_at) AS hour, count(*) AS orders,
          round(avg(epoch_ms(delivered_at) - epoch_ms(placed_at)) / 60000, 6) AS minutes
        FROM truth_orders t LEFT JOIN bronze_zones z USING (zone_id)
        WHERE delivered_at IS NOT NULL GROUP BY ALL""",
    ),
    _Comparison(
        "order values",
        "city",
        "orders, delivered, ordered, captured, refunded",
        """
        SELECT city, orders::BIGINT AS orders, delivered::BIGINT AS delivered, ordered_cents::BIGINT AS ordered,
          captured_cents::BIGINT AS captured, refunded_cents::BIGINT AS refunded FROM gold_order_value_by_city""",
        """
        SELECT city, count(*) AS orders, count(*) FILTER (status = 'delivered') AS delivered,
          sum(total_cents)::BIGINT AS ordered, sum(captured_cents)::BIGINT AS captured,
          sum(refunded_cents)::BIGINT AS refunded FROM truth_orders GROUP BY ALL""",
    ),
    _Comparison(
        "star schema",
        "order_id",
        "day, restaurant_id, customer, status, total_cents",
        """
        SELECT order_id, d.full_date::DATE AS day, r.restaurant_id::BIGINT AS restaurant_id,
          c.user_id AS customer, status, total_cents::BIGINT AS total_cents
        FROM gold_fact_orders JOIN gold_dim_date d USING (date_sk)
          JOIN gold_dim_restaurant r USING (restaurant_sk) JOIN gold_dim_customer c USING (customer_sk)""",
        """
        SELECT order_id, placed_at::DATE AS day, restaurant_id, if(erased, '-1', user_id) AS customer,
          status, total_cents FROM truth_orders""",
    ),
    _Comparison(
        "bad lines",
        "file, line",
        "found",
        """
        SELECT regexp_extract(file, '((?:clickstream|driver_pings)/[^/]+/[^/]+|menus/[^/]+)$', 1) AS file,
          line::BIGINT AS line, true AS found FROM quarantine_lines""",
        "SELECT file, line, true AS found FROM truth_planted_bad",
    ),
)
"""All of them must be right without exception."""

_TABLES = (
    "bronze/zones", "silver/identities", "silver/sessions", "silver/menu_history", "silver/pings",
    "gold/session_conversion", "gold/bounce", "gold/funnel", "gold/fact_orders", "gold/dim_date",
    "gold/dim_restaurant", "gold/dim_customer", "gold/delivery_time_by_neighbourhood", "gold/order_value_by_city",
)  # fmt: skip
_TRUTH = ("identities", "sessions", "price_intervals", "ping_zones", "orders", "planted_bad")

_PRECISION, _RECALL = 0.99, 0.97


def score(lake: Path, landing: Path, memory: str = "1GB") -> list[Score]:
    """Score the tables of `lake` against `landing/truth`, within about `memory` of memory.

    Raises FileNotFoundError when a table is missing, ValueError when one lacks a column.
    """
    import duckdb  # only whoever scores needs it

    with TemporaryDirectory(prefix="odibi-scores-") as spill, duckdb.connect() as db:
        db.execute("SET timezone = 'UTC'")
        db.execute("SET preserve_insertion_order = false")
        db.execute("SET memory_limit = $memory", {"memory": memory})
        db.execute("SET temp_directory = $spill", {"spill": spill})
        _open(db, lake, landing / "truth")
        try:
            return [*_identities(db), *(_compare(db, one) for one in _COMPARISONS)]
        except duckdb.BinderException as error:
            raise ValueError(f"the tables of {lake} aren't OdibiEats': {error}") from None


def _open(db: duckdb.DuckDBPyConnection, lake: Path, truth: Path) -> None:
    run = "run the project to its end first"
    told = "generate the data there first; `odibi datagen live` adds it when all has landed"
    for name in _TABLES:
        _view(db, name.replace("/", "_"), lake / f"{name}.parquet", run)
    for name in _TRUTH:
        _view(db, f"truth_{name}", truth / f"{name}.parquet", told)
    _view(db, "quarantine_lines", lake / "quarantine" / "*_lines.parquet", run)


def _view(db: duckdb.DuckDBPyConnection, name: str, path: Path, otherwise: str) -> None:
    """A view of a table, which is a file or a folder of parts; `otherwise` is what to do without it."""
    place = path / "**" / "*.parquet" if path.is_dir() else path
    if not (path.exists() or any(path.parent.glob(path.name))):
        raise FileNotFoundError(f"{path} is missing: {otherwise}")
    quoted = str(place).replace("'", "''")
    db.execute(f"CREATE VIEW {name} AS FROM read_parquet('{quoted}', union_by_name = true)")


def _identities(db: duckdb.DuckDBPyConnection) -> list[Score]:
    """Pairs of nodes: how many of ours are true, and how many of the true ones are ours."""
    scores = []
    for column, what, aims in (
        ("component", "identities, by the evidence", (_PRECISION, _RECALL)),
        ("person", "identities, by the people", (_PRECISION, None)),
    ):
        right, ours, true = _pairs(db, column)
        for name, pairs, aim in zip(("precision", "recall"), (ours, true), aims, strict=True):
            scores.append(Score(f"{what}: {name}", right / pairs if pairs else 1.0, pairs, aim))
    return scores


def _pairs(db: duckdb.DuckDBPyConnection, column: str) -> tuple[int, int, int]:
    """Pairs of nodes that are together in both, in ours, and in the truth's `column`.

    A node that one side lacks is alone there.
    """
    rows = db.execute(f"""
        WITH cells AS MATERIALIZED (
          SELECT coalesce(t.{column}::VARCHAR, 'lacks ' || f.node) AS theirs,
            coalesce(f.person_id, 'lacks ' || t.node) AS ours, count(*) AS n
          FROM truth_identities t FULL JOIN silver_identities f USING (node) GROUP BY ALL)
        SELECT
          (SELECT sum(n * (n - 1) // 2) FROM cells),
          (SELECT sum(n * (n - 1) // 2) FROM (SELECT sum(n) AS n FROM cells GROUP BY ours)),
          (SELECT sum(n * (n - 1) // 2) FROM (SELECT sum(n) AS n FROM cells GROUP BY theirs))
        """).fetchall()
    both, ours, theirs = (int(number or 0) for number in rows[0])
    return both, ours, theirs


def _compare(db: duckdb.DuckDBPyConnection, what: _Comparison) -> Score:
    """Things that both sides have and agree on, of all that either side has."""
    keys, value = what.keys.split(", "), what.value.split(", ")
    same = " AND ".join(f"o.{key} IS NOT DISTINCT FROM t.{key}" for key in keys)
    agree = " AND ".join(f"o.{name} IS NOT DISTINCT FROM t.{name}" for name in value)
    rows = db.execute(f"""
        SELECT count(*) FILTER (o.is_there AND t.is_there AND {agree}), count(*)
        FROM (SELECT *, true AS is_there FROM ({what.ours})) o
        FULL JOIN (SELECT *, true AS is_there FROM ({what.truth})) t ON {same}
        """).fetchall()
    right, of = rows[0]
    return Score(what.name, right / of if of else 1.0, of, 1.0)


def table(scores: Sequence[Score]) -> list[str]:
    """The scores as lines of text, with a mark at those below their aim."""
    width = max(len(one.name) for one in scores)
    return [
        f"{'✓' if one.reached else '✗'} {one.name:<{width}}  {_percent(one.value):>9}  of {one.of:>13,}"
        + (f"  aim {one.aim * 100:g} %" if one.aim is not None else "")
        for one in scores
    ]


def _percent(share: float) -> str:
    """Four digits after the point, and never 100 % for what isn't whole."""
    return "100 %" if share == 1 else f"{min(share, 0.999999) * 100:.4f} %"
