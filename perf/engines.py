"""One node of each kind through odibi on each engine, against the engine used by hand for the same rows.

In this process, so that start-up (perf/startup.py) doesn't count: reading the YAML, planning, running,
publishing, story and history do. CPU seconds of all threads (Spark's are in its JVM and count too), in
turn, median of several. "By hand" is what one would write in a script, without checks or a story.

    python perf/engines.py [--rows 1_000_000] [--times 5] [--engines duckdb pandas spark] [--only merge]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from odibi import config
from odibi.runner import RunRequest, launch

_HEAD = """\
project: perf
connections: {{data: {{type: local, base_path: .}}}}
story: {{connection: data, path: stories}}
pipelines:
  - pipeline: p
    nodes:
{others}      - name: n
        read: {{connection: data, format: {format}, path: {path}{options}}}
{body}
        write: {{connection: data, format: parquet, path: out.parquet{write}}}
"""
_COLUMNS = "id: BIGINT, who: BIGINT, ts: TIMESTAMP, amount: DOUBLE, word: VARCHAR"
_EVENTS = """
SELECT range AS id, (hash(range) % ({n} // 20))::BIGINT AS who,
  TIMESTAMP '2025-01-01' + INTERVAL (hash(range + 7) % 1209600) SECOND AS ts,
  round((hash(range + 11) % 100000) / 100.0, 2)::DOUBLE AS amount, 'w' || hash(range + 13) % 1000 AS word
FROM range({n})"""
_AGGREGATE = "SELECT word, count(*) AS n, sum(amount) AS total, max(ts) AS last FROM {t} WHERE amount > 10 GROUP BY word"
_SESSIONS = """
SELECT * EXCLUDE (new), who || '-' || sum(new) OVER (PARTITION BY who ORDER BY ts RANGE UNBOUNDED PRECEDING) AS session_id
FROM (SELECT *, (ts - lag(ts) OVER (PARTITION BY who ORDER BY ts) > INTERVAL 30 MINUTE IS DISTINCT FROM FALSE)::INT AS new
  FROM read_parquet('events.parquet'))"""
_MERGED = "SELECT * FROM read_parquet('changes.parquet') UNION ALL BY NAME SELECT * FROM read_parquet('stored.parquet') s WHERE NOT EXISTS (FROM read_parquet('changes.parquet') c WHERE c.id = s.id)"
_HISTORY = """
WITH told AS (SELECT id, word, ts FROM read_parquet('changes.parquet')
    UNION ALL SELECT id, word, valid_from FROM read_parquet('history.parquet')),
  changed AS (SELECT * FROM told QUALIFY lag(word) OVER (PARTITION BY id ORDER BY ts) IS DISTINCT FROM word)
SELECT id, word, ts AS valid_from, lead(ts) OVER w AS valid_to, lead(ts) OVER w IS NULL AS is_current
FROM changed WINDOW w AS (PARTITION BY id ORDER BY ts)"""

_LINKS = "SELECT 's' || range AS a, 'c' || hash(range) % ({n} // 2) AS b FROM range({n})"
_POINTS = """
SELECT range AS id, hash(range) % 20000000 / 1e6 AS lon, hash(range + 1) % 10000000 / 1e6 AS lat FROM range({n})"""
_LABELS = """
WITH RECURSIVE links AS MATERIALIZED (
    SELECT a, b FROM read_parquet('links.parquet') UNION SELECT b, a FROM read_parquet('links.parquet')),
  labels(node, label) USING KEY (node) AS (
    SELECT DISTINCT a, a FROM links
    UNION
    SELECT b, min(labels.label) FROM labels JOIN links ON a = labels.node JOIN recurring.labels AS known ON known.node = b
    GROUP BY b, known.label HAVING min(labels.label) < known.label)
SELECT node, label AS component FROM labels"""
_STARS = """
SELECT zone_id, json_object('type', 'Polygon', 'coordinates', [list_append(ring, ring[1])]) AS geometry FROM (
  SELECT 'z' || zone AS zone_id, list([
      zone % 20 + 0.5 + (0.3 + 0.19 * (corner % 2)) * cos(corner * pi() / 50), zone // 20 + 0.5 + (0.3 + 0.19 * (corner % 2)) * sin(corner * pi() / 50)
    ] ORDER BY corner) AS ring
  FROM range(200) AS z(zone), range(100) AS c(corner) GROUP BY zone)"""
_ZONES = """\
      - name: zones
        read: {connection: data, format: parquet, path: zones.parquet}
"""


@dataclass(frozen=True)
class Job:
    """A node's YAML beside `read` and `write`, what it reads, and the same by hand on each engine."""

    body: str
    by_hand: Mapping[str, Callable[[], object]]
    format: str = "parquet"
    path: str = "events.parquet"
    options: str = ""
    write: str = ""
    fresh: str | None = None  # what the table holds before each run
    others: str = ""  # nodes before it


def _copy(query: str) -> Callable[[], object]:
    return lambda: duckdb.connect().execute(
        f"COPY ({query}) TO 'hand.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )


def _pandas(work: Callable[[Any], Any]) -> Callable[[], object]:
    def run() -> None:
        import pandas as pd

        work(pd).to_parquet("hand.parquet", compression="zstd", index=False)

    return run


def _spark(query: str) -> Callable[[], object]:
    """A SELECT over views of the same files, in the session that odibi uses."""

    def run() -> None:
        from pyspark.sql import SparkSession

        spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        for name in ("events", "stored", "changes", "history"):
            spark.read.parquet(f"{name}.parquet").createOrReplaceTempView(name)
        spark.sql(query).write.mode("overwrite").parquet("hand_spark")

    return run


def _read_csv(pd: Any) -> Any:
    return pd.read_csv("events.csv", dtype_backend="pyarrow", parse_dates=["ts"], engine="pyarrow")


def _frame(pd: Any, name: str = "events") -> Any:
    return pd.read_parquet(f"{name}.parquet", dtype_backend="pyarrow")


def _grouped(pd: Any) -> Any:
    found = _frame(pd)
    groups = found[found.amount > 10].groupby("word")
    return groups.agg(n=("id", "size"), total=("amount", "sum"), last=("ts", "max")).reset_index()


def _merged(pd: Any) -> Any:
    stored, changes = _frame(pd, "stored"), _frame(pd, "changes")
    return pd.concat([stored[~stored.id.isin(changes.id)], changes])


def _sessions(pd: Any) -> Any:
    found = _frame(pd).sort_values(["who", "ts"])
    gap = found.groupby("who")["ts"].diff() > pd.Timedelta(minutes=30)
    first = ~found["who"].duplicated()
    number = (gap.fillna(False) | first).astype("int64").groupby(found["who"]).cumsum()
    found["session_id"] = found["who"].astype("string") + "-" + number.astype("string")
    return found


def _stitched(pd: Any) -> Any:
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while (up := parent.setdefault(node, node)) != node:
            parent[node] = node = parent[up]
        return node

    links = pd.read_parquet("links.parquet")
    for a, b in zip(links.a, links.b, strict=True):
        one, other = sorted((root(a), root(b)))
        parent[other] = one
    return pd.DataFrame({"node": list(parent), "component": [root(node) for node in parent]})


def _located(points: Any) -> Any:
    """The zone of each point, by shapely's tree over the polygons."""
    import numpy as np
    import shapely

    zones = duckdb.sql("FROM 'zones.parquet' ORDER BY zone_id").fetchnumpy()
    shapes = shapely.from_geojson(zones["geometry"].astype(str))
    tree = shapely.STRtree(shapes)
    place, zone = tree.query(shapely.points(points["lon"], points["lat"]), predicate="intersects")
    found = np.full(len(points["lon"]), None, dtype=object)
    found[place[::-1]] = zones["zone_id"][zone[::-1]]
    return found


def _zones_in_duckdb() -> None:
    points = duckdb.sql("FROM 'points.parquet'").arrow().read_all()
    zone = _located({name: points[name].to_numpy() for name in ("lon", "lat")})
    found = points.append_column("zone_id", [zone])  # noqa: F841  # DuckDB finds it by its name
    duckdb.sql("FROM found").write_parquet("hand.parquet", compression="zstd")


def _zones_in_pandas(pd: Any) -> Any:
    points = _frame(pd, "points")
    return points.assign(zone_id=_located(points))


_STEP = '        transform: {{steps: [{{sql: "{sql}"}}]}}'
JOBS = {
    "read CSV": Job(
        "",
        {
            "duckdb": _copy("FROM read_csv('events.csv', columns={id: 'BIGINT', who: 'BIGINT', ts: 'TIMESTAMP', amount: 'DOUBLE', word: 'VARCHAR'})"),
            "pandas": _pandas(_read_csv),
        },
        format="csv", path="events.csv", options=f", options: {{columns: {{{_COLUMNS}}}}}",
    ),
    "SQL": Job(
        _STEP.format(sql=_AGGREGATE.format(t="df")),
        {
            "duckdb": _copy(_AGGREGATE.format(t="read_parquet('events.parquet')")),
            "pandas": _pandas(_grouped),
            "spark": _spark(_AGGREGATE.format(t="events")),
        },
    ),
    "write": Job(
        "",
        {
            "duckdb": _copy("FROM read_parquet('events.parquet')"),
            "pandas": _pandas(_frame),
            "spark": _spark("SELECT * FROM events"),
        },
    ),
    "merge": Job(
        "",
        {
            "duckdb": _copy(_MERGED),
            "pandas": _pandas(_merged),
            "spark": _spark("SELECT * FROM changes UNION ALL SELECT s.* FROM stored s LEFT ANTI JOIN changes c ON c.id = s.id"),
        },
        path="changes.parquet", write=", mode: upsert, merge_keys: [id]", fresh="stored.parquet",
    ),
    "SCD2": Job(
        "        pattern: {type: scd2, params: {keys: [id], track_cols: [word], effective_time_col: ts}}",
        {"duckdb": _copy(_HISTORY)},
        path="slim.parquet", fresh="history.parquet",
    ),
    "sessionize": Job(
        "        transformer: sessionize\n        params: {timestamp_col: ts, user_col: who}",
        {"duckdb": _copy(_SESSIONS), "pandas": _pandas(_sessions)},
    ),
    "stitch": Job(
        "        transformer: stitch_identities\n        params: {left: a, right: b}",
        {"duckdb": _copy(_LABELS), "pandas": _pandas(_stitched)},
        path="links.parquet",
    ),
    "zones": Job(
        "        transformer: assign_zone\n        params: {lat: lat, lon: lon, zones: zones}\n        depends_on: [zones]",
        {"duckdb": _zones_in_duckdb, "pandas": _pandas(_zones_in_pandas)},
        path="points.parquet", others=_ZONES,
    ),
}  # fmt: skip


def _data(rows: int) -> None:
    """The files of all jobs, in the current folder."""
    db = duckdb.connect()
    db.execute(f"CREATE TABLE events AS {_EVENTS.format(n=rows)}")
    db.execute("COPY events TO 'events.parquet' (COMPRESSION zstd)")
    db.execute("COPY events TO 'events.csv' (HEADER)")
    db.execute("COPY events TO 'stored.parquet' (COMPRESSION zstd)")
    tenth = f"SELECT * REPLACE (amount + 1 AS amount, 'x' || word AS word, ts + INTERVAL 30 DAY AS ts) FROM events WHERE id % 10 = 0 AND id < {rows}"
    db.execute(f"COPY ({tenth}) TO 'changes.parquet' (COMPRESSION zstd)")
    db.execute("COPY (SELECT id, word, ts FROM read_parquet('changes.parquet')) TO 'slim.parquet'")
    db.execute(f"COPY ({_LINKS.format(n=rows)}) TO 'links.parquet' (COMPRESSION zstd)")
    db.execute(f"COPY ({_STARS}) TO 'zones.parquet'")
    db.execute(f"COPY ({_POINTS.format(n=rows)}) TO 'points.parquet' (COMPRESSION zstd)")
    db.execute(
        "COPY (SELECT id, word, ts AS valid_from, NULL::TIMESTAMP AS valid_to, TRUE AS is_current FROM events) "
        "TO 'history.parquet' (COMPRESSION zstd)"
    )


def _cpu() -> float:
    """CPU seconds of this process's threads, and of processes below it (a JVM)."""
    ours = os.times()
    return ours.user + ours.system + sum(_of(pid) for pid in _below(os.getpid()))


def _below(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_below(int(child))]
    return found


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _spent(work: Callable[[], object]) -> float:
    before = _cpu()
    work()
    return _cpu() - before


def _through_odibi(job: Job, engine: str) -> Callable[[], object]:
    yaml = Path("odibi.yaml")

    def run() -> None:
        result = launch(config.load(yaml), RunRequest(engine=engine))
        if result.exit_code:
            failed = [node.error for node in result.state.nodes.values() if node.error]
            raise SystemExit(f"{engine}: {failed}")

    yaml.write_text(
        _HEAD.format(
            format=job.format,
            path=job.path,
            options=job.options,
            body=job.body,
            write=job.write,
            others=job.others,
        )
    )
    return run


def _measured(job: Job, engine: str, times: int) -> tuple[float, float]:
    """Medians of CPU seconds: through odibi, and by hand; one pair isn't counted."""
    ours, theirs = _through_odibi(job, engine), job.by_hand[engine]
    pairs = []
    for _ in range(times + 1):
        Path("out.parquet").unlink(missing_ok=True)
        if job.fresh:
            Path("out.parquet").hardlink_to(job.fresh)
        pairs.append((_spent(ours), _spent(theirs)))
    return statistics.median(a for a, _ in pairs[1:]), statistics.median(b for _, b in pairs[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(text.replace("_", "")), default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=["duckdb", "pandas"])
    parser.add_argument("--only", nargs="+", default=list(JOBS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        _data(args.rows)
        print(f"{args.rows:,} rows; CPU seconds, median of {args.times}, in turn; aim: 1.1 times")
        print(f"{'':12}{'engine':8}{'odibi':>8}{'by hand':>9}{'ratio':>7}")
        for name in args.only:
            for engine in args.engines:
                if engine in JOBS[name].by_hand:
                    ours, theirs = _measured(JOBS[name], engine, args.times)
                    print(
                        f"{name:12}{engine:8}{ours:8.2f}{theirs:9.2f}{ours / theirs:7.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
