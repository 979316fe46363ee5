"""Spark beside DuckDB: equal values for everything that is rewritten, and DuckDB for what isn't known to be equal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.engine import Session, Target
from odibi.errors import EngineError
from odibi_engines import spark_start
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.spark_engine import SparkEngine
from tests.machine import needs_java

from .probe import source, values


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Session]]:
    needs_java()
    folder = tmp_path_factory.mktemp("spark")
    engines = [
        make(work_dir=folder / make.name, threads=2, memory_limit="1GB")
        for make in (DuckDBEngine, SparkEngine)
    ]
    yield [engine.session("n") for engine in engines]
    for engine in engines:
        engine.close()


DATA = """SELECT * FROM (VALUES
  (1, 2.5::DOUBLE, 1.25::DECIMAL(10,2), 'a', '7', '2024-01-31 10:00:00', DATE '2024-01-31', TIMESTAMP '2024-01-01 23:00:00'),
  (2, -0.5, -1.50, 'b c', '1.7', '2024-02-29', DATE '2024-03-01', TIMESTAMP '2024-01-02 01:30:00'),
  (0, 1.005, NULL, NULL, NULL, NULL, NULL, NULL)) t(n, x, d, t, w, s, day, ts)"""

SQL = [
    "(n + 1) / 0 AS v", "x / n AS v", "d / 3 AS v", "avg(d) OVER () AS v", "round(x, 2) AS v", "round(d, 1) AS v", "floor(x) AS v",
    "ceil(x) AS v", "x::INTEGER AS v", "d::BIGINT AS v", "w::INTEGER AS v", "try_cast(t AS INTEGER) AS v",
    "day - DATE '2024-01-01' AS v", "date_diff('day', ts, TIMESTAMP '2024-01-03 00:30:00') AS v",
    "date_diff('hour', ts, TIMESTAMP '2024-01-01 00:30:00') AS v", "n || '-' || t AS v", "concat(t, n) AS v",
    "regexp_matches(t, '^b\\s.$') AS v", "unnest(range(n)) AS v", "n & 1 AS v",
    "sum(n) OVER (ORDER BY x DESC) AS v", "first_value(t) OVER (ORDER BY t) AS v", "greatest(n, NULL, 1) AS v",
    "ts - TIMESTAMP '2024-01-01 23:30:00' <= to_seconds(1800) AS v", "sha256(t) AS v", "n % 2 AS v", "-n // 2 AS v",
    "CAST(NULL AS TIMESTAMP) AS v", "s::TIMESTAMP AS v", "try_cast(s AS DATE) AS v", "w::DOUBLE AS v", "w::DECIMAL(9,1) AS v",
    "day::VARCHAR::DATE AS v", "ts::VARCHAR::TIMESTAMP AS v",
]  # fmt: skip


@pytest.mark.parametrize("expression", SQL)
def test_expressions_are_equal(sessions: list[Session], expression: str) -> None:
    found = []
    for session in sessions:
        frame = session.sql(f"SELECT n, {expression} FROM df", {"df": session.sql(DATA, {})})
        found.append((frame.schema, values(session, frame)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("upper(t)", "function upper"),
        ("try_cast(w AS BOOLEAN)", "reads texts by other rules"),
        ("x::VARCHAR", "spells such values otherwise"),
        ("round(x, n)", "number of places"),
        ("regexp_matches(t, '(?i)a')", "such a pattern"),
        ("date_diff('month', ts, ts)", "counts months otherwise"),
        ("list_sum([n])", "function list_sum"),
    ],
)
def test_what_may_differ_is_computed_by_duckdb_and_said(
    sessions: list[Session], expression: str, named: str
) -> None:
    query = f"SELECT n, {expression} AS v FROM df"
    duck, spark = (values(s, s.sql(query, {"df": s.sql(DATA, {})})) for s in sessions)
    assert duck == spark
    said = sessions[1].notes()[-1]
    assert said.startswith("computed by DuckDB on this machine, not by Spark: ") and named in said
    assert sessions[0].notes() == ()


@pytest.mark.parametrize("format_", ["parquet", "csv", "json", "delta"])
def test_writes_are_read_back(sessions: list[Session], tmp_path: Path, format_: str) -> None:
    spark = sessions[1]
    to = Target(format_, tmp_path / f"t.{format_}", "overwrite", "w")
    rows = spark.sql("SELECT n, t FROM df", {"df": spark.sql(DATA, {})})
    assert spark.commit(spark.stage(rows, to)).rows == 3
    if format_ == "parquet":
        assert values(spark, spark.read(source(to.path))) == [(0, None), (1, "a"), (2, "b c")]


def test_a_machine_without_java_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="needs Java, and there is none on PATH") as raised:
        spark_start.check_java({"PATH": str(tmp_path)})
    assert "default-jre-headless" in (raised.value.hint or "")


def test_settings_that_results_depend_on_stay(tmp_path: Path) -> None:
    asked = {"spark_config": {"spark.sql.ansi.enabled": "false"}}
    with pytest.raises(EngineError, match=r"spark\.sql\.ansi\.enabled is always true"):
        spark_start.settings(asked, {}, threads=1, memory_limit=None)
    chosen = spark_start.settings(
        {}, {"SPARK_MASTER": "spark://h:1"}, threads=1, memory_limit="1GB"
    )
    assert (chosen["spark.master"], chosen["spark.driver.memory"]) == ("spark://h:1", "1024m")
