"""Profiles: exact where a footer tells, sampled and marked so where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import ColumnProfile, Session, TableProfile, Target

QUERY = """SELECT i AS n, CASE WHEN i % 4 = 0 THEN NULL ELSE 'v' || i % 3 END AS s, i / 2.0::DOUBLE AS x,
    TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS t, (i::DECIMAL(10,2) / 4)::DECIMAL(10,2) AS d, {'a': i} AS nested
    FROM range(3000) r(i)"""


def profiled(
    session: Session, query: str, folder: Path, format_: str = "parquet", full: bool = False
) -> TableProfile:
    frame = session.sql(query, {})
    to = Target(format_, folder / f"t.{format_}", "overwrite", "w")
    written = session.commit(session.stage(frame, to))
    return session.profile(frame, written, sample_rows=5, full=full)


def by_name(profile: TableProfile) -> dict[str, ColumnProfile]:
    return {column.name: column for column in profile.columns}


def test_the_footer_tells_about_all_rows(session: Session, tmp_path: Path) -> None:
    profile = profiled(session, QUERY, tmp_path)
    columns = by_name(profile)
    assert (columns["n"].minimum, columns["n"].maximum, columns["n"].nulls) == ("0", "2999", 0)
    assert (columns["s"].minimum, columns["s"].maximum, columns["s"].nulls) == ("v0", "v2", 750)
    assert (columns["x"].minimum, columns["x"].maximum) == ("0.0", "1499.5")
    assert (columns["t"].minimum, columns["t"].maximum) == (
        "2024-01-01T00:00:00",
        "2024-01-01T00:49:59",
    )
    assert (columns["d"].minimum, columns["d"].maximum) == ("0.00", "749.75")
    assert all(columns[name].exact for name in ("n", "s", "x", "t", "d"))
    assert not columns["nested"].exact
    assert profile.sampled == 1000
    assert not profile.full


def test_the_sample_tells_the_rest(session: Session, tmp_path: Path) -> None:
    profile = profiled(session, QUERY, tmp_path)
    columns = by_name(profile)
    assert columns["s"].distinct == 3
    assert {value for value, _ in columns["s"].top} == {"v0", "v1", "v2"}
    assert sum(count for *_, count in columns["n"].histogram) == 1000
    assert len(profile.sample.rows) == 5
    json.dumps(profile.sample.rows)


def test_odd_values(session: Session, tmp_path: Path) -> None:
    query = """SELECT * FROM (VALUES ('NaN'::DOUBLE, repeat('x', 400), '\\x01'::BLOB, [1, NULL], UUID 'c8e5b6a0-0000-4000-8000-000000000000',
        TIMESTAMPTZ '2024-01-01 00:00:00+00', 9007199254740993::BIGINT), (1.5, NULL, NULL, NULL, NULL, NULL, NULL)) t(f, s, b, l, u, z, big)"""
    profile = profiled(session, query, tmp_path)
    columns = by_name(profile)
    assert (columns["f"].minimum, columns["f"].maximum, columns["f"].nulls) == ("1.5", "1.5", 0)
    assert (columns["s"].maximum or "").endswith("…")
    assert len(columns["s"].maximum or "") <= 201
    first = next(row for row in profile.sample.rows if row[1] is not None)
    assert first[0] == "nan"
    assert len(first[1]) == 200
    assert first[2:] == (
        "01",
        "[1, null]",
        "c8e5b6a0-0000-4000-8000-000000000000",
        "2024-01-01 00:00:00+00",
        "9007199254740993",
    )


def test_a_full_profile_scans(session: Session, tmp_path: Path) -> None:
    profile = profiled(session, QUERY, tmp_path, full=True)
    columns = by_name(profile)
    assert profile.full
    assert columns["nested"].nulls == 0
    assert all(column.exact for column in profile.columns)
    assert 2500 < (columns["n"].distinct or 0) < 3500


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_text_tables_are_sampled(session: Session, tmp_path: Path, format_: str) -> None:
    profile = profiled(session, "SELECT i AS n, 'a' AS s FROM range(10) r(i)", tmp_path, format_)
    assert profile.sampled == 10
    assert by_name(profile)["n"].maximum == "9"
    assert by_name(profile)["n"].exact  # the sample is all there is


def test_no_rows(session: Session, tmp_path: Path) -> None:
    profile = profiled(session, "SELECT 1 AS a, 'x' AS b WHERE false", tmp_path)
    assert (profile.sampled, profile.sample.rows) == (0, [])
    assert by_name(profile)["a"].minimum is None


def test_held_rows_are_sampled(session: Session) -> None:
    held = session.hold(session.sql(QUERY, {}))
    profile: Any = session.profile(held, None, sample_rows=2, full=False)
    assert profile.sampled == 1000
    assert len(profile.sample.rows) == 2
