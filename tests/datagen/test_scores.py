"""Scores: 100 % for right tables, and the share that is right for others, on real runs' tables."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from odibi_datagen import generate
from odibi_datagen.scores import Score, score, table
from tests.cli.command import odibi

_PROJECT = Path(__file__).parents[2] / "reference_project"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a finished run."""
    project = tmp_path_factory.mktemp("scores") / "project"
    shutil.copytree(
        _PROJECT, project, ignore=shutil.ignore_patterns("data", ".odibi", "__pycache__")
    )
    generate(project / "data" / "landing", size="2MB", seed=3)
    subprocess.run(
        [sys.executable, "-m", "odibi", "run", "-p", str(project)], check=True, capture_output=True
    )
    return project / "data"


@pytest.fixture
def data(run: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    shutil.copytree(run, tmp_path / "data")
    return tmp_path / "data"


def scores(data: Path) -> dict[str, Score]:
    return {one.name: one for one in score(data / "lake", data / "landing")}


def rewrite(path: Path, query: str) -> None:
    """Replace a table by a query over it, `{t}`."""
    fresh = path.with_suffix(".fresh")
    duckdb.sql(query.format(t=f"read_parquet('{path}')")).write_parquet(str(fresh))
    fresh.replace(path)


def test_right_tables_score_a_hundred_percent(run: Path) -> None:
    found = scores(run)
    assert {name for name, one in found.items() if one.value == 1} == {
        "identities, by the evidence: precision",
        "identities, by the evidence: recall",
        "identities, by the people: precision",
        "sessions",
        "session conversion",
        "bounce",
        "funnel",
        "star schema",
        "prices",
        "zones",
        "delivery times",
        "order values",
        "bad lines",
    }
    assert 0.5 < found["identities, by the people: recall"].value < 1
    outcome = odibi("datagen", "check", cwd=run.parent)
    assert outcome.code == 0
    assert outcome.out.count("100 %  of") == 13


def test_the_number_of_things_is_the_truth_s(run: Path) -> None:
    def rows(name: str) -> int:
        path = run / "landing" / "truth" / f"{name}.parquet"
        return int(duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0])

    found = scores(run)
    assert found["sessions"].of == rows("sessions")
    assert found["zones"].of == rows("ping_zones")
    assert found["prices"].of == rows("price_intervals")
    assert found["bad lines"].of == rows("planted_bad")


def test_a_ping_in_the_wrong_zone_and_one_that_is_missing_cost_their_share(data: Path) -> None:
    pings = data / "lake" / "silver" / "pings.parquet"
    rewrite(
        pings,
        """SELECT * REPLACE (CASE nth WHEN 1 THEN -1 ELSE zone_id END AS zone_id)
           FROM (SELECT *, row_number() OVER (ORDER BY event_id) AS nth FROM {t}) WHERE nth <> 2""",
    )
    found = scores(data)["zones"]
    assert found.value == 1 - 2 / found.of
    assert not found.reached


def test_strangers_in_one_person_cost_precision_and_persons_torn_apart_recall(data: Path) -> None:
    identities = data / "lake" / "silver" / "identities.parquet"
    rewrite(identities, "SELECT * REPLACE ('everybody' AS person_id) FROM {t}")
    merged = scores(data)
    nodes = int(duckdb.sql(f"SELECT count(*) FROM '{identities}'").fetchall()[0][0])
    precision = merged["identities, by the evidence: precision"]
    assert precision.of == nodes * (nodes - 1) // 2
    assert precision.value < 0.1 and not precision.reached
    assert merged["identities, by the evidence: recall"].value == 1

    rewrite(identities, "SELECT * REPLACE (node AS person_id) FROM {t}")
    torn = scores(data)
    assert torn["identities, by the evidence: precision"] == Score(
        "identities, by the evidence: precision", 1.0, 0, 0.99
    )
    assert torn["identities, by the evidence: recall"].value == 0


def test_a_fact_with_the_wrong_key_costs_its_share(data: Path) -> None:
    rewrite(
        data / "lake" / "gold" / "fact_orders.parquet",
        """SELECT * REPLACE (if(row_number() OVER (ORDER BY order_id) = 1, date_sk + 1, date_sk) AS date_sk)
           FROM {t}""",
    )
    found = scores(data)["star schema"]
    assert found.value == 1 - 1 / found.of
    assert not found.reached


def test_below_the_aims_the_exit_code_is_one(data: Path) -> None:
    rewrite(
        data / "lake" / "silver" / "menu_history.parquet", "SELECT * REPLACE (1 AS price) FROM {t}"
    )
    outcome = odibi("datagen", "check", cwd=data.parent)
    assert outcome.code == 1
    marked = [line for line in outcome.out.splitlines() if line.startswith("✗")]
    assert [line.split()[1] for line in marked] == ["prices"]


def test_what_cant_be_compared_is_named(data: Path) -> None:
    pings = data / "lake" / "silver" / "pings.parquet"
    rewrite(pings, "SELECT * EXCLUDE (zone_id) FROM {t}")
    outcome = odibi("datagen", "check", cwd=data.parent)
    assert outcome.code == 2
    assert "OdibiEats" in outcome.err and '"zone_id"' in outcome.err
    pings.unlink()
    outcome = odibi("datagen", "check", cwd=data.parent)
    assert outcome.code == 2
    assert "data/lake/silver/pings.parquet is missing: run the project" in outcome.err


def test_before_all_has_landed_there_is_no_truth(data: Path) -> None:
    (data / "landing" / "truth" / "sessions.parquet").unlink()
    outcome = odibi("datagen", "check", cwd=data.parent)
    assert outcome.code == 2
    assert "truth/sessions.parquet is missing: generate the data" in outcome.err
    assert "when all has landed" in outcome.err


def test_what_isnt_whole_never_shows_as_a_hundred_percent() -> None:
    assert table([Score("zones", 1 - 1e-12, 30_000_000, 1.0)]) == [
        "✗ zones  99.9999 %  of    30,000,000  aim 100 %"
    ]
