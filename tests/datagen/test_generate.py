"""The generator as a whole: same bytes whatever the processes, the mess that was asked for, sane values."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from odibi_datagen import Mess, generate
from odibi_datagen.block import make_block
from odibi_datagen.cli import main
from odibi_datagen.clickstream import EVENT_TYPES
from odibi_datagen.generate import parse_size
from odibi_datagen.rng import identifiers
from odibi_datagen.world import make_world

from .landing import MESSY, Landing, parse


def digests(out: Path) -> dict[str, str]:
    files = (p for p in out.rglob("*") if p.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    alone = generate(tmp_path / "alone", size="1MB", days=4)
    together = generate(tmp_path / "together", size="1MB", days=4, jobs=2)
    assert digests(tmp_path / "alone") == digests(tmp_path / "together")
    assert alone.bytes == together.bytes and alone.counts == together.counts


def test_blocks_that_share_files_put_their_lines_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("odibi_datagen.generate")
    monkeypatch.setattr(module, "_BLOCK_BYTES", 100_000)
    separate = generate(tmp_path / "separate", size="1MB", days=4, mess=MESSY)
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    shared = generate(tmp_path / "shared", size="1MB", days=4, mess=MESSY)
    packed = generate(tmp_path / "packed", size="1MB", days=4, mess=MESSY, gzip=True)
    assert shared.counts == separate.counts == packed.counts and shared.bytes == separate.bytes
    first, *_ = sorted((tmp_path / "shared" / "clickstream").iterdir())
    assert [path.name[-10:] for path in sorted(first.iterdir())] == [
        "000.ndjson",
        "001.ndjson",
        "002.ndjson",
    ]
    ours, theirs = (Landing(s.out, s).lines("clickstream") for s in (shared, separate))
    assert sorted(line for *_, line in ours) == sorted(line for *_, line in theirs)
    planted = pq.read_table(tmp_path / "shared" / "truth" / "planted_bad.parquet").to_pylist()
    wanted = {(p["file"], p["line"]) for p in planted if p["file"].startswith("clickstream")}
    assert {(file, number) for file, number, line in ours if parse(line) is None} == wanted
    for path in sorted((tmp_path / "shared" / "clickstream").rglob("*.ndjson")):
        other = tmp_path / "packed" / path.relative_to(tmp_path / "shared")
        assert (
            gzip.decompress(other.with_name(f"{other.name}.gz").read_bytes()) == path.read_bytes()
        )


def test_a_second_call_replaces_the_first_and_another_seed_differs(tmp_path: Path) -> None:
    generate(tmp_path, size="1MB", days=4, seed=1)
    first = digests(tmp_path)
    generate(tmp_path, size="1MB", days=3, seed=1)
    assert len(digests(tmp_path)) < len(first)
    generate(tmp_path, size="1MB", days=4, seed=1)
    assert digests(tmp_path) == first
    generate(tmp_path, size="1MB", days=4, seed=2)
    assert digests(tmp_path) != first


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(FileExistsError, match=r"thesis\.doc"):
        generate(tmp_path, size="1MB")
    assert main(["--out", str(tmp_path)]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_packed_feeds_hold_the_same_lines(tmp_path: Path) -> None:
    generate(tmp_path / "plain", size="1MB", days=2)
    generate(tmp_path / "packed", size="1MB", days=2, gzip=True)
    for plain in sorted((tmp_path / "plain").glob("*/*/*.ndjson")):
        packed = tmp_path / "packed" / plain.relative_to(tmp_path / "plain")
        assert gzip.decompress(Path(f"{packed}.gz").read_bytes()) == plain.read_bytes()


def test_size_is_about_what_was_asked_for(tmp_path: Path) -> None:
    summary = generate(tmp_path, size="12MB")
    on_disk = sum(
        p.stat().st_size for p in tmp_path.rglob("*") if p.is_file() and p.parent.name != "truth"
    )
    assert summary.bytes == on_disk
    assert 9e6 < on_disk < 15e6
    assert json.loads((tmp_path / "truth" / "summary.json").read_text())["bytes"] == on_disk


@pytest.mark.parametrize(
    ("text", "size"),
    [("100MB", 10**8), ("1.5 gb", 1_500_000_000), ("4096", 4096), (7, 7), ("2kB", 2000)],
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "ten MB", "-3MB", "5 parsecs", "0", "1e400", 0])
def test_nonsense_is_no_size(text: str | int) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_clean_data_is_clean(tmp_path: Path) -> None:
    clean = Landing(tmp_path, generate(tmp_path, size="1MB", days=4, mess=Mess.none()))
    assert pq.read_table(tmp_path / "truth" / "planted_bad.parquet").num_rows == 0
    for feed in ("clickstream", "driver_pings"):
        lines = clean.lines(feed)
        assert len(clean.records(feed)) == len(lines) > 0
    assert all(r["lat"] is not None for r in clean.records("driver_pings"))
    assert {r["event_type"] for r in clean.records("clickstream")} <= set(EVENT_TYPES)


def test_planted_lines_are_exactly_the_unreadable_ones(landing: Landing) -> None:
    planted = pq.read_table(landing.out / "truth" / "planted_bad.parquet").to_pylist()
    wanted = {(p["file"], p["line"]) for p in planted}
    found = {
        (file, number)
        for feed in ("clickstream", "driver_pings")
        for file, number, line in landing.lines(feed)
        if parse(line) is None
    }
    for path in sorted((landing.out / "menus").iterdir()):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.endswith("TOTAL"):
                found.add((f"menus/{path.name}", number))
    assert found == wanted
    kinds = Counter(p["kind"] for p in planted)
    assert set(kinds) == {
        "truncated", "ts is a number", "restaurant_id is text", "lat is text", "ragged row"
    }  # fmt: skip


@pytest.mark.parametrize("feed", ["clickstream", "driver_pings"])
def test_duplicates_and_damage_have_the_asked_rates(landing: Landing, feed: str) -> None:
    lines = landing.lines(feed)
    repeated = len(lines) - len({line for _, _, line in lines})
    broken = sum(parse(line) is None for _, _, line in lines)
    assert repeated == pytest.approx(MESSY.duplicate * len(lines), rel=0.4)
    assert broken == pytest.approx((MESSY.truncated + MESSY.wrong_type) * len(lines), rel=0.5)


def test_feeds_arrive_in_order_and_late_records_don_t(landing: Landing) -> None:
    for path in sorted((landing.out / "clickstream").glob("*/*.ndjson")):
        arrived = [r["received_at"] for r in map(parse, path.read_text().splitlines()) if r]
        day = path.parent.name.removeprefix("dt=")
        assert all(t[:10] <= day for t in arrived)
        assert sum(t[:10] == day for t in arrived) > 0.95 * len(arrived)
        assert sum(a > b for a, b in pairwise(arrived)) <= 0.1 * len(arrived)
    events = landing.records("clickstream")
    late = sum(e["received_at"][:10] > e["ts"][:10] for e in events)
    assert late > 0


def test_the_new_field_appears_in_the_middle(landing: Landing) -> None:
    with_field = {"consent" in e: 0 for e in landing.records("clickstream")}
    assert set(with_field) == {True, False}
    first = min(e["received_at"] for e in landing.records("clickstream") if "consent" in e)
    assert first >= "2025-11-12"
    assert all(
        ("consent" in e) == (e["received_at"] >= "2025-11-12")
        for e in landing.records("clickstream")
    )


def test_hostile_texts_survive_as_data(landing: Landing) -> None:
    raw = "".join(line for _, _, line in landing.lines("clickstream"))
    assert "\x1b" not in raw
    queries = {e["props"].get("query") for e in landing.records("clickstream")}
    assert {"<script>alert(1)</script>", "[red]sale[/red]", "\x1b[31mred\x1b[0m", "null"} <= queries


def test_positions_times_and_money_are_plausible(landing: Landing) -> None:
    pings = landing.records("driver_pings")
    placed = [p for p in pings if p["lat"] is not None]
    assert sum(abs(p["lat"]) > 90 for p in placed) == pytest.approx(
        MESSY.latitude_out_of_range * len(pings), rel=0.8
    )
    assert all("2025-11-09" <= p["ts"] < "2025-11-15" for p in pings)
    for order in pq.read_table(landing.out / "truth" / "orders.parquet").to_pylist():
        assert 400 < order["total_cents"] < 100_000
        if order["delivered_at"]:
            minutes = (order["delivered_at"] - order["placed_at"]).total_seconds() / 60
            assert 10 < minutes < 90


def test_no_driver_rides_twice_at_a_time(landing: Landing) -> None:
    rides: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for ping in landing.records("driver_pings"):
        rides[ping["driver_id"]][ping["order_id"]].append(ping["ts"])
    assert any(len(orders) > 1 for orders in rides.values())
    for orders in rides.values():
        spans = sorted((min(times), max(times)) for times in orders.values())
        assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_purchases_and_orders_are_the_same_orders(landing: Landing) -> None:
    bought = {
        e["props"]["order_id"]: (e["user_id"], e["restaurant_id"])
        for e in landing.records("clickstream")
        if e["event_type"] == "purchase"
    }
    with closing(sqlite3.connect(landing.out / "oltp" / "odibieats.db")) as db:
        orders = {
            o: (u, r)
            for o, u, r in db.execute("SELECT order_id, user_id, restaurant_id FROM orders")
        }
    assert bought.items() <= orders.items()
    assert len(bought) > 0.9 * len(orders)


def test_the_shop_s_books_balance(landing: Landing) -> None:
    with closing(sqlite3.connect(landing.out / "oltp" / "odibieats.db")) as db:
        one = lambda query: db.execute(query).fetchall()  # noqa: E731
        assert one(
            "SELECT count(*) FROM orders o WHERE items_cents <> (SELECT sum(quantity * unit_price_cents) "
            "FROM order_items i WHERE i.order_id = o.order_id) OR total_cents <> items_cents + delivery_fee_cents"
        ) == [(0,)]
        assert one("SELECT count(*) FROM payments WHERE typeof(amount_cents) <> 'integer'") == [
            (0,)
        ]
        assert one(
            "SELECT count(*) FROM orders o WHERE status = 'delivered' AND total_cents <> "
            "(SELECT sum(amount_cents) FROM payments p WHERE p.order_id = o.order_id AND status = 'captured')"
        ) == [(0,)]
        statuses = dict(one("SELECT status, count(*) FROM payments GROUP BY 1"))
        orphans = one(
            "SELECT count(*) FROM payments WHERE order_id NOT IN (SELECT order_id FROM orders)"
        )[0][0]
        assert set(statuses) == {"captured", "failed", "refunded"} and orphans > 0
        for before, after in (
            ("placed", "accepted"),
            ("accepted", "picked_up"),
            ("picked_up", "delivered"),
        ):
            assert one(f"SELECT count(*) FROM orders WHERE {after}_at <= {before}_at") == [(0,)]


def test_ids_never_collide() -> None:
    ids = identifiers(3, 1, np.arange(200_000))
    assert len(np.unique(ids)) == 200_000
    assert (ids != identifiers(4, 1, np.arange(200_000))).all()


def test_the_command_line_says_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "x"), "--size", "1MB", "--days", "2", "--seed", "3"]) == 0
    assert "click lines" in capsys.readouterr().out
    assert main(["--out", str(tmp_path / "y"), "--size", "lots"]) == 2
    assert "100MB" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "y"), "--days", "1"]) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_handful_of_people_is_enough(tmp_path: Path, seed: int) -> None:
    summary = generate(tmp_path, size="1KB", days=3, seed=seed)
    assert summary.counts["click_lines"] > 0
    for name in (
        "identities",
        "sessions",
        "ping_zones",
        "orders",
        "price_intervals",
        "planted_bad",
    ):
        assert (tmp_path / "truth" / f"{name}.parquet").is_file()


def test_blocks_of_one_person_may_be_empty(tmp_path: Path) -> None:
    world = make_world(seed=1, days=2, restaurants=30, people_per_block=1, mess=Mess(), gzip=False)
    orders = [make_block(world, block, block, {}, tmp_path).counts["orders"] for block in range(40)]
    assert 0 in orders
