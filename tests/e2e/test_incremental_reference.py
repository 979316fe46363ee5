"""OdibiEats day after day: incremental runs while the data land give the tables of one full run."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from odibi_datagen import Mess, generate
from odibi_datagen.live import SOURCE, LiveLanding
from odibi_datagen.scores import score
from tests.machine import needs_java

from .test_run_reference import comparable, lake_tables, odibi

_PROJECT = Path(__file__).parents[2] / "reference_project"
_MARKS = {
    "clickstream": ("column: received_at", "mode: append"),
    "driver_pings": ("column: received_at", "mode: append"),
    "menu_snapshots": (
        "column: snapshot_date, watermark_lag: 4d",
        "mode: append_once\n          merge_keys: [snapshot_date, item_id]",
    ),
}


_BY_ARRIVAL = frozenset({"customer_sk"})
"""Whoever joins later has a later key; that it leads to the right customer is scored."""


def project(folder: Path) -> Path:
    shutil.copytree(
        _PROJECT, folder, ignore=shutil.ignore_patterns("data", ".odibi", "__pycache__")
    )
    return folder


def make_incremental(yaml: Path) -> None:
    """The change that the project's README shows: three nodes read what is new, or late, and add it.

    What is new may be nothing, so the menus needn't have a row.
    """
    text = yaml.read_text(encoding="utf-8")
    for node, (column, mode) in _MARKS.items():
        mark = f"        read:\n          incremental: {{mode: stateful, {column}}}\n"
        begin = text.index(f"- name: {node}\n")
        path = f"          path: bronze/{node}.parquet\n"
        before, after = text[:begin], text[begin:]
        after = after.replace("        read:\n", mark, 1)
        text = before + after.replace(path, path + f"          {mode}\n", 1)
    menus = text.index("- name: menu_snapshots\n")
    text = text[:menus] + text[menus:].replace("            - {type: row_count, min: 1}\n", "", 1)
    yaml.write_text(text, encoding="utf-8")


def run(folder: Path, engine: str) -> None:
    done = odibi(folder, "run", "--engine", engine)
    assert done.returncode == 0, done.stdout + done.stderr


def bronze_rows(folder: Path, node: str) -> int:
    path = folder / "data" / "lake" / "bronze" / f"{node}.parquet"
    return int(duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0])


def waited_for(folder: Path) -> list[int]:
    """Restaurants that have had a menu, and have none now."""
    history = folder / "data" / "lake" / "silver" / "menu_history.parquet"
    query = f"SELECT restaurant_id FROM '{history}' GROUP BY ALL HAVING NOT bool_or(is_current)"
    return [row[0] for row in duckdb.sql(query).fetchall()]


@pytest.mark.parametrize(
    "engine", ["duckdb", "pandas", pytest.param("spark", marks=pytest.mark.wide)]
)
def test_incremental_runs_give_the_tables_of_one_full_run(tmp_path: Path, engine: str) -> None:
    if engine == "spark":
        needs_java()
    daily, whole = project(tmp_path / "daily"), project(tmp_path / "whole")
    make_incremental(daily / "odibi.yaml")
    landing = daily / "data" / "landing"
    generate(landing / SOURCE, size="3MB", seed=13, days=7, mess=Mess(late_menu=0.1))
    grown = []
    with LiveLanding(landing / SOURCE, landing) as live:
        while not live.done:
            live.advance(timedelta(days=2, hours=7))
            run(daily, engine)
            grown.append(bronze_rows(daily, "clickstream"))
            assert not waited_for(daily), "whose menu is late sells what it sold"
    assert len(grown) == 4 and grown == sorted(set(grown))

    shutil.copytree(landing / SOURCE, whole / "data" / "landing")
    run(whole, engine)
    assert bronze_rows(daily, "clickstream") <= bronze_rows(whole, "clickstream")
    ours, theirs = lake_tables(daily), lake_tables(whole)
    assert ours.keys() == theirs.keys()
    names = [name for name in ours if re.match("silver|gold", name)]
    assert len(names) == 19
    differ = [
        n for n in names if comparable(ours[n], _BY_ARRIVAL) != comparable(theirs[n], _BY_ARRIVAL)
    ]
    assert differ == []
    scores = score(daily / "data" / "lake", landing)
    assert [one.name for one in scores if not one.reached] == []
