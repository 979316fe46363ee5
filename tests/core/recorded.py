"""A run as a log would hold it, with fixed times: the material of the state, story and ledger tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from odibi import events as ev
from odibi.processes import this_writer

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
RUN_ID = "20260314-092653-k3x9"


def stamped(
    payloads: Iterable[ev.Payload], *, start: datetime = START, step: float = 0.25
) -> list[ev.Event]:
    """The payloads as one writer's events, `step` seconds apart."""
    return [
        ev.Event(seq, _text(start + timedelta(seconds=step * seq)), step * seq, payload)
        for seq, payload in enumerate(payloads, start=1)
    ]


def write_log(run_dir: Path, events: Sequence[ev.Event], name: str = "events.jsonl") -> Path:
    """The events as a log file, as if a process had written it and was gone."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / name
    path.write_text("".join(ev.encode(event) + "\n" for event in events), encoding="utf-8")
    return path


def planned(key: str, *upstream: str, action: str = "run", **facts: object) -> ev.PlannedNode:
    """A node of the plan; its layer is its pipeline's name."""
    given = {"reason": "selected", "layer": key.partition(".")[0], "fingerprint": f"f-{key}"}
    return ev.PlannedNode(key=key, action=action, upstream=upstream, **{**given, **facts})  # type: ignore[arg-type]


def plan(*nodes: ev.PlannedNode, run_id: str = RUN_ID, **facts: object) -> ev.RunPlanned:
    """The plan event of a DuckDB run of OdibiEats."""
    return ev.RunPlanned(run_id=run_id, project="OdibiEats", engine="duckdb", nodes=nodes, **facts)  # type: ignore[arg-type]


GONE = ev.WriterOpened(
    writer=ev.Writer(this_writer().host, 2**22 + 1, 1, this_writer().boot_id), version="0.1.0"
)
"""A writer on this host that lives no more: its number is above the highest a process can have."""

_COLUMNS_IN = (("order_id", "BIGINT"), ("amount", "VARCHAR"), ("note", "VARCHAR"))
_COLUMNS_OUT = (("order_id", "BIGINT"), ("amount", "DECIMAL(10,2)"), ("city", "VARCHAR"))


def good_node(key: str, *, rows: int = 1000, seconds: float = 1.5) -> list[ev.Payload]:
    """A node that reads, transforms, writes and succeeds at its first attempt."""
    write_id = f"{RUN_ID}-{key}"
    path = f"data/{key.replace('.', '/')}"
    return [
        ev.NodeStarted(node=key),
        ev.StageFinished(node=key, stage="read", seconds=0.2, rows=rows),
        ev.SchemaObserved(node=key, side="in", columns=_COLUMNS_IN),
        ev.SqlExecuted(node=key, step="clean", sql="SELECT order_id, amount FROM df"),
        ev.StageFinished(node=key, stage="transform", seconds=0.1),
        ev.SchemaObserved(node=key, side="out", columns=_COLUMNS_OUT),
        ev.WriteIntended(
            node=key, write_id=write_id, path=path, format="parquet", mode="overwrite"
        ),
        ev.RowsCounted(node=key, rows_in=rows, rows_out=rows),
        ev.WriteCommitted(node=key, write_id=write_id, path=path, rows=rows, bytes=rows * 40),
        ev.StageFinished(node=key, stage="write", seconds=seconds - 0.3, rows=rows),
        ev.ProfileObserved(
            node=key,
            columns=(_AMOUNT_PROFILE, _CITY_PROFILE),
            sample_columns=("order_id", "amount", "city"),
            sample=((1, "12.50", "Porto"), (2, "8.00", None)),
            sampled=rows,
        ),
        ev.NodeSucceeded(node=key, seconds=seconds),
    ]


_AMOUNT_PROFILE = {
    "name": "amount",
    "type": "DECIMAL(10,2)",
    "nulls": 0,
    "distinct": 640,
    "minimum": "0.50",
    "maximum": "99.00",
    "top": (),
    "histogram": ((0.0, 25.0, 700), (25.0, 50.0, 200), (50.0, 75.0, 80), (75.0, 100.0, 20)),
    "exact": False,
}
_CITY_PROFILE = {
    "name": "city",
    "type": "VARCHAR",
    "nulls": 12,
    "distinct": 3,
    "minimum": "Braga",
    "maximum": "Porto",
    "top": (("Porto", 700), ("Lisboa", 200), ("Braga", 88)),
    "histogram": (),
    "exact": True,
}


def eventful_run(run_id: str = RUN_ID) -> list[ev.Payload]:
    """One run with everything in it: good, reused, quarantining, retried, failed and skipped nodes."""
    return [
        GONE,
        plan(
            planned("bronze.menus", action="reuse", reason="unchanged since the run before"),
            planned("bronze.orders", description="Orders as the shops sent them"),
            planned("silver.orders", "bronze.orders", tags=("daily",), expected_seconds=2.0),
            planned("gold.by_city", "silver.orders"),
            planned("gold.report", "gold.by_city"),
            run_id=run_id,
            command=("odibi", "run"),
            environment={"odibi": "0.1.0", "duckdb": "2.0"},
            git_sha="0123456789abcdef",
        ),
        ev.RunStarted(jobs=4),
        *good_node("bronze.orders"),
        ev.NodeStarted(node="silver.orders"),
        ev.NodeRetried(
            node="silver.orders",
            attempt=1,
            delay=0.5,
            error=ev.ErrorInfo(kind="EngineError", message="the file is busy"),
        ),
        *_quarantining_node("silver.orders"),
        ev.NodeStarted(node="gold.by_city"),
        ev.SqlExecuted(node="gold.by_city", step="sum", sql="SELECT citty FROM silver_orders"),
        ev.NodeFailed(node="gold.by_city", seconds=0.05, error=_ERROR),
        ev.NodeSkipped(node="gold.report", reason="gold.by_city failed", because="gold.by_city"),
        ev.Heartbeat(rss=180_000_000, cpu_seconds=2.5),
        ev.RunFinished(outcome="failed", exit_code=1, seconds=5.25),
    ]


_ERROR = ev.ErrorInfo(
    kind="EngineError",
    message='Binder Error: column "citty" not found',
    hint="did you mean 'city'?",
    file="odibi.yaml",
    line=41,
    column=9,
    sql="SELECT citty FROM silver_orders",
)


def _quarantining_node(key: str) -> list[ev.Payload]:
    return [
        ev.NodeStarted(node=key, attempt=2),
        ev.StageFinished(node=key, stage="read", seconds=0.4, rows=980),
        ev.SchemaObserved(node=key, side="in", columns=_COLUMNS_IN),
        ev.SchemaObserved(node=key, side="out", columns=_COLUMNS_OUT),
        ev.CheckEvaluated(
            node=key,
            check="amount is positive",
            kind="range",
            phase="test",
            on_fail="quarantine",
            passed=False,
            message="20 rows outside",
            failed_rows=20,
            total_rows=980,
            sample_columns=("order_id", "amount"),
            sample=((7, "-1.00"),),
        ),
        ev.CheckEvaluated(
            node=key,
            check="order_id is unique",
            kind="unique",
            phase="test",
            on_fail="fail",
            passed=True,
            failed_rows=0,
            total_rows=980,
        ),
        ev.LogLine(level="WARNING", message="20 rows went to quarantine", node=key),
        ev.RowsQuarantined(
            node=key,
            kind="validation",
            rows=20,
            path="data/quarantine/orders",
            reasons={"amount is positive": 20},
        ),
        ev.WriteIntended(
            node=key,
            write_id=f"{RUN_ID}-{key}",
            path="data/silver/orders",
            format="delta",
            mode="append",
        ),
        ev.RowsCounted(
            node=key,
            read=1000,
            unreadable=20,
            rows_in=980,
            rows_out=950,
            quarantined=20,
            deduplicated=10,
        ),
        ev.WriteCommitted(
            node=key,
            write_id=f"{RUN_ID}-{key}",
            path="data/silver/orders",
            rows=950,
            bytes=38_000,
            version=3,
        ),
        ev.StageFinished(node=key, stage="write", seconds=1.4, rows=950),
        ev.NodeSucceeded(node=key, seconds=2.0, attempt=2),
    ]


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
