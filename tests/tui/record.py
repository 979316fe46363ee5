"""Writes tests/tui/recorded anew: eight real runs of a small shop's project, with neutral paths and times.

Call it as `python -m tests.tui.record` in the repository's root when the form of the event log changes.
"""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from odibi.event_log import Tail
from odibi.events import NodeStarted
from odibi.ledger import Ledger

RECORDED = Path(__file__).parent / "recorded"
FIRST = datetime(2026, 11, 22, 23, tzinfo=UTC)
EVERY = timedelta(minutes=15)
ROOT = "/srv/retail"
_GIVE_UP = 60.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: how its data differ, what happens to its process, and the status it must end with."""

    orders: int = 60_000
    unpaid: float = 0.0
    bad_emails: int = 0
    new_method: bool = False
    stop: tuple[str, signal.Signals] | None = None
    status: str = "succeeded"


RECIPES = (
    Recipe(),
    Recipe(orders=61_200, bad_emails=7),
    Recipe(orders=62_750),
    Recipe(orders=63_100, unpaid=0.08, status="failed"),
    Recipe(orders=63_100, unpaid=0.01, new_method=True),
    Recipe(orders=64_800, stop=("gold.orders_enriched", signal.SIGINT), status="cancelled"),
    Recipe(orders=64_900, stop=("gold.fact_sales", signal.SIGKILL), status="lost"),
    Recipe(orders=31_000, bad_emails=3),
)


def make_data(folder: Path, recipe: Recipe) -> None:
    """The four files that the project reads. The same recipe gives the same rows."""
    folder.mkdir(exist_ok=True)
    day = "DATE '2026-08-24' + INTERVAL (i % 90) DAY"
    bad = f"i < {recipe.bad_emails}"
    unpaid = f"hash(i) % 10000 < {recipe.unpaid * 10_000:.0f}"
    method = "CASE WHEN i % 500 = 7 THEN 'voucher' ELSE m END" if recipe.new_method else "m"
    tables = {
        "customers.csv": f"""
            SELECT i AS customer_id, ' Customer ' || i AS name,
                   CASE WHEN {bad} THEN 'nobody' ELSE 'c' || i || '@Example.com' END AS email,
                   ['Oslo', 'Porto', 'Kraków', 'Zürich'][1 + i % 4] AS city
            FROM range(2000) t(i)""",
        "orders.parquet": f"""
            SELECT i % {recipe.orders - 400} AS order_id, hash(i) % 2000 AS customer_id,
                   hash(i + 1) % 120 AS product_id, {day} AS ordered_on,
                   {day} + INTERVAL (i % 1440) MINUTE AS updated_at
            FROM range({recipe.orders}) t(i)""",
        "payments.parquet": f"""
            SELECT i AS payment_id, i AS order_id, {method} AS method, {day} AS paid_at,
                   CASE WHEN {unpaid} THEN 0 ELSE 5 + hash(i) % 9000 / 100 END AS amount
            FROM (SELECT i, ['card', 'cash', 'transfer'][1 + i % 3] AS m
                  FROM range({recipe.orders - 400}) t(i))""",
        "products.parquet": """
            SELECT i AS product_id, 'Product ' || i AS title, 3 + i * 0.5 AS price,
                   i % 40 = 39 AS withdrawn
            FROM range(120) t(i)""",
    }
    for name, query in tables.items():
        duckdb.sql(f"COPY ({query}) TO '{folder / name}'")


def run(project: Path, run_id: str, recipe: Recipe) -> None:
    """Run the project as people do, and stop it where the recipe says."""
    command = [sys.executable, "-m", "odibi", "run", "-p", str(project), "--run-id", run_id]
    if recipe.stop is None:
        subprocess.run([*command, "-j", "4"], check=False, capture_output=True)
        return
    node, how = recipe.stop
    process = subprocess.Popen(
        [*command, "-j", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(Ledger(project).run_dir(run_id), node)
    process.send_signal(how)
    process.wait()


def wait_for(run_dir: Path, node: str) -> None:
    """Return as soon as the node has started."""
    tail, until = Tail(run_dir), time.monotonic() + _GIVE_UP
    while time.monotonic() < until:
        if any(isinstance(e.payload, NodeStarted) and e.payload.node == node for e in tail.poll()):
            return
        time.sleep(0.001)
    raise TimeoutError(f"{node} didn't start")


def neutral(run_dir: Path, project: Path, began: datetime) -> Iterator[dict[str, Any]]:
    """The run's events with other paths, machine and times, and as long apart as they were."""
    lines = (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line.replace(str(project), ROOT)) for line in lines]
    shift = began - datetime.fromisoformat(events[0]["at"])
    mono = events[0]["mono"]
    for event in events:
        at = datetime.fromisoformat(event["at"]) + shift
        event["at"] = f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"
        event["mono"] = round(event["mono"] - mono, 6)
        data = event["data"]
        if event["type"] == "writer_opened":
            data["writer"] = {"host": "recorder", "pid": 1, "started": 1, "boot_id": "recorded"}
        if event["type"] == "run_planned":
            data["environment"] = {"python": "3.12", "platform": "Linux"}
            data["git_sha"], data["command"] = None, ["odibi", "run"]
        yield event


def record(project: Path, place: int, recipe: Recipe) -> None:
    """Run and keep one run; raises RuntimeError when it didn't end as the recipe says."""
    began = FIRST + place * EVERY
    run_id = f"{began:%Y%m%d-%H%M%S}-{place:04d}"
    make_data(project / "landing", recipe)
    run(project, run_id, recipe)
    ledger = Ledger(project)
    state = ledger.state(run_id)
    if state.status != recipe.status:
        raise RuntimeError(f"{run_id} is {state.status}, not {recipe.status}")
    events = neutral(ledger.run_dir(run_id), project, began)
    text = "".join(
        json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in events
    )
    packed = gzip.compress(text.encode(), 9, mtime=0)
    (RECORDED / f"{run_id}.jsonl.gz").write_bytes(packed)


def main() -> None:
    for old in RECORDED.glob("*.jsonl.gz"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "retail"
        project.mkdir()
        shutil.copy(RECORDED / "odibi.yaml", project)
        for place, recipe in enumerate(RECIPES):
            record(project, place, recipe)


if __name__ == "__main__":
    main()
