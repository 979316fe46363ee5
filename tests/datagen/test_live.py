"""Live data: what has landed at a moment is what had happened by then, and in the end it is all there."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from odibi_datagen import generate
from odibi_datagen.live import SOURCE, LiveLanding
from tests.cli.command import odibi

from .landing import MESSY, parse


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveLanding]:
    source = tmp_path / SOURCE
    generate(source, size="2MB", seed=5, days=3, mess=MESSY)
    with LiveLanding(source, tmp_path) as landing:
        yield landing


def lines(landing: Path, feed: str) -> list[bytes]:
    return sorted(
        line for path in (landing / feed).rglob("*.ndjson") for line in path.read_bytes().splitlines()
    )  # fmt: skip


def rows(landing: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(landing / "oltp" / "odibieats.db")) as db:
        return sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def test_in_the_end_everything_has_landed_once(live: LiveLanding) -> None:
    steps = 0
    while not live.done:
        live.advance(timedelta(hours=5))
        steps += 1
    assert steps == 15
    for feed in ("clickstream", "driver_pings"):
        assert lines(live.out, feed) == lines(live.source, feed)
    for table in ("customers", "orders", "order_items", "payments"):
        assert rows(live.out, table) == rows(live.source, table)
        assert rows(live.out, table)
    for folder in ("menus", "lookups", "truth"):
        assert files(live.out / folder) == files(live.source / folder)


def files(folder: Path) -> dict[str, bytes]:
    """All but the bad lines, which land elsewhere."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != "planted_bad.parquet"
    }


def test_bad_lines_are_told_where_they_landed(live: LiveLanding) -> None:
    while not live.done:
        live.advance(timedelta(hours=5))

    def bad(landing: Path) -> list[tuple[bytes, str]]:
        planted = pq.read_table(landing / "truth" / "planted_bad.parquet").to_pylist()
        return sorted(
            ((landing / one["file"]).read_bytes().splitlines()[one["line"] - 1], one["kind"])
            for one in planted
        )

    assert len(bad(live.out)) > 20
    assert bad(live.out) == bad(live.source)


def test_at_a_moment_only_what_had_happened_is_there(live: LiveLanding) -> None:
    live.advance(timedelta(hours=36))
    assert live.now == datetime(2025, 11, 13, 12, tzinfo=UTC)
    for feed in ("clickstream", "driver_pings"):
        told = [parse(line.decode()) for line in lines(live.out, feed)]
        assert told
        assert max(one["received_at"] for one in told if one) < "2025-11-13T12"
    now = "2025-11-13 12:00:00"
    seen = {row[0]: row for row in rows(live.out, "orders")}
    for whole in rows(live.source, "orders"):
        if whole[4] >= now:
            assert whole[0] not in seen
            continue
        stages = [moment if moment and moment < now else None for moment in whole[5:9]]
        assert list(seen[whole[0]][5:9]) == stages
        happened = [name for name, at in zip(("accepted", "picked_up", "delivered", "cancelled"), stages, strict=True) if at]  # fmt: skip
        assert seen[whole[0]][3] == (happened or ["placed"])[-1]
    assert [p.name for p in sorted((live.out / "menus").iterdir())] == [
        "menu_2025-11-12.csv",
        "menu_2025-11-13.csv",
    ]
    assert not (live.out / "truth").exists()


def test_the_steps_taken_don_t_change_what_has_landed(live: LiveLanding, tmp_path: Path) -> None:
    live.advance(timedelta(hours=30))
    with LiveLanding(live.source, tmp_path / "other") as other:
        for _ in range(30):
            other.advance(timedelta(hours=1))
    for feed in ("clickstream", "driver_pings"):
        assert lines(live.out, feed) == lines(other.out, feed)
    assert rows(live.out, "orders") == rows(other.out, "orders")


def test_the_command_lands_everything_and_says_so(tmp_path: Path) -> None:
    outcome = odibi(
        "datagen", "live", "--size", "1MB", "--days", "2", "--speed", "20000", "--every", "0.1", cwd=tmp_path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "everything has landed"
    landing = tmp_path / "data" / "landing"
    assert (landing / "truth" / "summary.json").is_file()
    again = odibi("datagen", "--size", "1MB", "--days", "2", cwd=tmp_path)
    assert again.code == 0 and not (landing / SOURCE).exists()


def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    command = ["datagen", "live", "--size", "1MB", "--days", "2", "--speed", "60", "--every", "0.2"]
    with subprocess.Popen(
        [sys.executable, "-m", "odibi", *command], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "driver pings" not in shown:
            shown = process.stdout.readline()
            assert shown, "it ended by itself"
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    assert len(rows(tmp_path / "data" / "landing", "customers")) > 0
