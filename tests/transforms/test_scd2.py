"""The laws of versioned rows, on generated batches."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.transforms import Table
from tests.transforms.duck import Duck

PARAMS = {"keys": ["k"], "track_cols": ["v"], "effective_time_col": "t"}
COLUMNS = "k VARCHAR, v BIGINT, note VARCHAR, t BIGINT"
DUCK = Duck()

Row = tuple[Any, ...]

observations = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(0, 2)),
        st.sampled_from(["x", "y"]),
        st.integers(0, 6),
    ),
    max_size=14,
)


def history(batch: list[Row], stored: list[Row] | None, **params: Any) -> list[Row]:
    tables = {}
    if stored is not None:
        spec = "k VARCHAR, v BIGINT, note VARCHAR, t BIGINT, valid_from BIGINT, valid_to BIGINT, is_current BOOLEAN"
        tables = {"_target": Table(spec, stored)}
    columns = COLUMNS + (", gone BOOLEAN" if "delete_col" in params else "")
    rows = DUCK.run("scd2", {**PARAMS, **params}, Table(columns, batch), tables)
    return sorted((tuple(row.values()) for row in rows), key=repr)


def by_key(rows: list[Row]) -> dict[Any, list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return {key: sorted(versions, key=lambda row: row[4]) for key, versions in found.items()}


@settings(max_examples=40, deadline=None)
@given(observations)
def test_versions_of_a_key_touch_and_the_last_one_is_current(batch: list[Row]) -> None:
    for versions in by_key(history(batch, None)).values():
        for one, after in pairwise(versions):
            assert one[5] == after[4]
            assert one[1] != after[1]
        assert [row[6] for row in versions] == [False] * (len(versions) - 1) + [True]
        assert versions[-1][5] is None


@settings(max_examples=40, deadline=None)
@given(observations)
def test_every_observed_value_is_the_one_valid_at_its_time(batch: list[Row]) -> None:
    result = by_key(history(batch, None))
    assert set(result) == {row[0] for row in batch}
    seen: dict[Any, set[Any]] = defaultdict(set)
    for k, v, _, t in batch:
        seen[k, t].add(v)
    for (k, t), values in seen.items():
        valid = [row for row in result[k] if row[4] <= t and (row[5] is None or t < row[5])]
        assert len(valid) == 1
        assert valid[0][1] in values


@settings(max_examples=40, deadline=None)
@given(observations)
def test_the_same_batch_again_changes_nothing(batch: list[Row]) -> None:
    once = history(batch, None)
    assert history(batch, once) == once


@settings(max_examples=40, deadline=None)
@given(observations, st.integers(0, 6))
def test_in_batches_or_all_at_once_is_the_same(batch: list[Row], cut: int) -> None:
    early = [row for row in batch if row[3] < cut]
    late = [row for row in batch if row[3] >= cut]
    assert history(late, history(early, None)) == history(batch, None)


@settings(max_examples=40, deadline=None)
@given(observations, st.sets(st.integers(0, 13)))
def test_deletions_end_versions_in_batches_as_at_once(batch: list[Row], ends: set[int]) -> None:
    marked = [(*row, place in ends) for place, row in enumerate(batch)]
    whole = history(marked, None, delete_col="gone")
    early = [row for row in marked if row[3] < 3]
    late = [row for row in marked if row[3] >= 3]
    assert history(late, history(early, None, delete_col="gone"), delete_col="gone") == whole
    assert history(marked, whole, delete_col="gone") == whole
    for k, versions in by_key(whole).items():
        last = max(row[3] for row in batch if row[0] == k)
        ended = all(row[4] for row in marked if row[0] == k and row[3] == last)
        assert versions[-1][6] != ended


snapshots = st.dictionaries(
    st.integers(0, 6),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), min_size=1),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(snapshots, st.integers(0, 6))
def test_snapshots_say_at_each_time_what_there_is(
    days: dict[int, dict[str, int]], cut: int
) -> None:
    batch = [(k, v, "x", t) for t, items in days.items() for k, v in items.items()]
    whole = history(batch, None, deletes=True)
    for t, items in days.items():
        valid = {row[0]: row[1] for row in whole if row[4] <= t and (row[5] is None or t < row[5])}
        assert valid == items
    early, late = ([r for r in batch if (r[3] < cut) == side] for side in (True, False))
    assert history(late, history(early, None, deletes=True), deletes=True) == whole
    assert history(batch, whole, deletes=True) == whole


def test_late_news_fits_into_the_history() -> None:
    stored = history([("a", 1, "x", 0), ("a", 2, "x", 5)], None)
    assert [row[1:6] for row in history([("a", 7, "late", 3)], stored)] == [
        (1, "x", 0, 0, 3),
        (2, "x", 5, 5, None),
        (7, "late", 3, 3, 5),
    ]


def test_columns_that_come_or_go_are_null_where_they_are_missing() -> None:
    stored = Table(
        "k, v BIGINT, old, t BIGINT, valid_from BIGINT, valid_to BIGINT, is_current BOOLEAN",
        [("a", 1, "o", 0, 0, None, True)],
    )
    rows = DUCK.run(
        "scd2", PARAMS, Table("k, v BIGINT, t BIGINT, new", [("a", 2, 4, "n")]), {"_target": stored}
    )
    assert [
        (row["v"], row["old"], row["new"]) for row in sorted(rows, key=lambda row: row["v"])
    ] == [
        (1, "o", None),
        (2, None, "n"),
    ]
