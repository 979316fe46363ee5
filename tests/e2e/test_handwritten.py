"""The hand-written script finds the planted truth, and the comparisons notice when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from odibi_datagen import generate
from perf import handwritten

from . import truth


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("landing")
    generate(out, size="5MB", seed=11)
    return out


@pytest.fixture(scope="module")
def lake(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lake")
    rows = handwritten.run(landing, out)
    assert all(rows[name] > 0 for name in rows if not name.startswith("quarantine/"))
    return out


def test_the_tables_agree_with_the_truth(landing: Path, lake: Path) -> None:
    result = truth.compare_all(lake, landing, handwritten.PRICE_DAY)
    assert result == {key: [] for key in result}
    assert len(result) == 12


Compare = Callable[[Path, Path, Path], list[str]]


@pytest.mark.parametrize(
    ("table", "spoil", "compare"),
    [
        ("silver/identities", "SELECT * REPLACE (if(node[1] = 'u', 'x', person_id) AS person_id) FROM t",
         lambda bad, lake, t: truth.compare_identities(bad, t)),
        ("silver/identities", "FROM t WHERE node NOT LIKE 'd!_%' ESCAPE '!'",
         lambda bad, lake, t: truth.compare_identities(bad, t)),
        ("silver/sessions", "SELECT * REPLACE (ended_at + INTERVAL 1 MILLISECOND AS ended_at) FROM t",
         lambda bad, lake, t: truth.compare_sessions(bad, lake / "silver/identities.parquet", t)),
        ("silver/sessions", "FROM t UNION ALL (FROM t LIMIT 1)",
         lambda bad, lake, t: truth.compare_sessions(bad, lake / "silver/identities.parquet", t)),
        ("gold/session_conversion", "SELECT * REPLACE (conversion_rate + 1e-6 AS conversion_rate) FROM t",
         lambda bad, lake, t: truth.compare_conversion(bad, t)),
        ("gold/session_conversion", "FROM t LIMIT 10", lambda bad, lake, t: truth.compare_conversion(bad, t)),
        ("gold/time_on_site", "SELECT * REPLACE (avg_minutes * 1.000001 AS avg_minutes) FROM t",
         lambda bad, lake, t: truth.compare_time_on_site(bad, t)),
        ("silver/sessions", "SELECT * REPLACE (if(furthest_step = 4, 3, furthest_step) AS furthest_step) FROM t",
         lambda bad, lake, t: truth.compare_sessions(bad, lake / "silver/identities.parquet", t)),
        ("gold/bounce", "SELECT * REPLACE (bounced + 1 AS bounced) FROM t", lambda bad, lake, t: truth.compare_bounce(bad, t)),
        ("gold/bounce", "SELECT * REPLACE (bounce_rate / 2 AS bounce_rate) FROM t",
         lambda bad, lake, t: truth.compare_bounce(bad, t)),
        ("gold/funnel", "SELECT * REPLACE (of_visits AS of_previous) FROM t",
         lambda bad, lake, t: truth.compare_funnel(bad, t)),
        ("gold/funnel", "FROM t WHERE sessions > 0 AND step_number < 5", lambda bad, lake, t: truth.compare_funnel(bad, t)),
        ("gold/fact_orders", "SELECT * REPLACE (customer_sk % 2 AS customer_sk) FROM t",
         lambda bad, lake, t: truth.compare_star(bad, lake / "gold", t)),
        ("gold/fact_orders", "FROM t LIMIT 10", lambda bad, lake, t: truth.compare_star(bad, lake / "gold", t)),
        ("silver/pings", "SELECT * REPLACE (if(zone_id = 3, 4, zone_id) AS zone_id) FROM t",
         lambda bad, lake, t: truth.compare_zones(bad, t)),
        ("silver/pings", "FROM t WHERE zone_id IS NOT NULL", lambda bad, lake, t: truth.compare_zones(bad, t)),
        ("gold/delivery_time_by_neighbourhood", "SELECT * REPLACE (avg_minutes + 1e-6 AS avg_minutes) FROM t",
         lambda bad, lake, t: truth.compare_deliveries(bad, lake / "bronze/zones.parquet", t)),
        ("silver/menu_history", "SELECT * REPLACE (if(is_current, NULL, valid_from) AS valid_to) FROM t",
         lambda bad, lake, t: truth.compare_prices(bad, lake / "gold/item_prices.parquet", t, handwritten.PRICE_DAY)),
        ("gold/item_prices", "SELECT * REPLACE (price_then + 0.01 AS price_then) FROM t",
         lambda bad, lake, t: truth.compare_prices(lake / "silver/menu_history.parquet", bad, t, handwritten.PRICE_DAY)),
        ("gold/order_value_by_city", "SELECT * REPLACE (captured_cents + 1 AS captured_cents) FROM t",
         lambda bad, lake, t: truth.compare_order_values(bad, t)),
    ],
)  # fmt: skip
def test_a_spoilt_table_is_noticed(
    lake: Path, landing: Path, tmp_path: Path, table: str, spoil: str, compare: Compare
) -> None:
    bad = tmp_path / "spoilt.parquet"
    with duckdb.connect() as db:
        db.execute(f"CREATE VIEW t AS FROM '{lake / table}.parquet'")
        db.execute(f"COPY ({spoil}) TO '{bad}'")
    assert compare(bad, lake, landing / "truth")


def test_a_forgotten_bad_line_is_noticed(lake: Path, landing: Path, tmp_path: Path) -> None:
    with duckdb.connect() as db:
        db.execute(
            f"COPY (FROM '{lake}/quarantine/*_lines.parquet' OFFSET 1) TO '{tmp_path}/some_lines.parquet'"
        )
    assert truth.compare_bad_lines(tmp_path, landing / "truth")
