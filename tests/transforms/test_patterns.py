"""Dimension, fact, merge, aggregation and calendar, run on DuckDB against plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.errors import NodeError, UsageError
from odibi.transforms import Table, registry
from tests.transforms.duck import Duck, dicts

DUCK = Duck()
EARLY = datetime(2025, 1, 1, tzinfo=UTC)
LATE = datetime(2025, 2, 1, tzinfo=UTC)

Rows = list[dict[str, Any]]


def by(rows: Rows, *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def keep() -> None:
    """Store a result as the table that the next run continues."""
    DUCK.con.execute("CREATE OR REPLACE TABLE _target AS SELECT * FROM _result")


def dimension(
    batch: list[tuple[Any, ...]], stored: bool, run_at: datetime = EARLY, **params: Any
) -> Rows:
    """Run the pattern and keep what it made as `_target`."""
    built = registry.parse("dimension", {"natural_key": "id", "surrogate_key": "sk", **params})
    DUCK.table("df", Table("id VARCHAR, name VARCHAR, size BIGINT", batch))
    sql = built.build(DUCK.context(["_target"] if stored else [], run_at))
    DUCK.con.execute(f"CREATE OR REPLACE TABLE _result AS {sql}")
    keep()
    return dicts(DUCK.fetch("SELECT * FROM _target"))


members = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(["x", "y", None]), st.integers(0, 2)),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(members, min_size=1, max_size=3), st.sampled_from([0, 1, 2]), st.booleans())
def test_surrogate_keys_are_dense_and_stay_with_their_row(
    batches: list[dict[str, Any]], kind: int, unknown: bool
) -> None:
    seen: dict[Any, int] = {}
    for number, batch in enumerate(batches):
        rows = dimension(
            [(k, *v) for k, v in batch.items()], number > 0, scd_type=kind, unknown_member=unknown,
            run_at=EARLY.replace(day=number + 1),
        )  # fmt: skip
        keys = sorted(row["sk"] for row in rows)
        assert keys == list(range(0 if unknown else 1, len(rows) + (0 if unknown else 1)))
        now = {(row["id"], row.get("valid_from")): row["sk"] for row in rows}
        assert seen.items() <= now.items()
        seen = now
        current = {r["id"] for r in rows if r.get("is_current", True) and r["sk"] > 0}
        assert current == set().union(*batches[: number + 1])


@settings(max_examples=25, deadline=None)
@given(members, members, st.sampled_from([0, 1, 2]))
def test_the_same_rows_again_change_nothing(
    first: dict[str, Any], second: dict[str, Any], kind: int
) -> None:
    dimension([(k, *v) for k, v in first.items()], False, scd_type=kind, unknown_member=True)
    batch = [(k, *v) for k, v in second.items()]
    once = dimension(batch, True, LATE, scd_type=kind, unknown_member=True)
    again = dimension(batch, True, LATE.replace(month=3), scd_type=kind, unknown_member=True)
    assert by(again, *once[0]) == by(once, *once[0])


def test_type_1_takes_over_new_values_only_when_a_tracked_column_changes() -> None:
    dimension([("a", "x", 1), ("b", "y", 1)], False, track_cols=["name"])
    rows = dimension([("a", "x", 9), ("b", "z", 9)], True, LATE, track_cols=["name"])
    assert by(rows, "id", "name", "size", "load_timestamp") == [
        ("a", "x", 1, datetime(2025, 1, 1)),
        ("b", "z", 9, datetime(2025, 2, 1)),
    ]


def test_type_0_keeps_rows_as_they_were() -> None:
    dimension([("a", "x", 1)], False, scd_type=0)
    assert by(dimension([("a", "z", 9), ("b", "y", 1)], True, scd_type=0), "sk", "id", "name") == [
        (1, "a", "x"),
        (2, "b", "y"),
    ]


def test_type_2_opens_a_version_at_the_time_of_the_run() -> None:
    dimension([("a", "x", 1), ("b", "y", 1)], False, scd_type=2)
    rows = dimension([("a", "z", 1)], True, LATE, scd_type=2)
    first, second = datetime(2025, 1, 1), datetime(2025, 2, 1)
    assert by(
        rows, "sk", "id", "name", "valid_from", "valid_to", "is_current", "load_timestamp"
    ) == [
        (1, "a", "x", first, second, False, first),
        (2, "b", "y", first, None, True, first),
        (3, "a", "z", second, None, True, second),
    ]


def test_the_unknown_member_has_the_values_the_language_promises() -> None:
    rows = dimension(
        [("a", "x", 1)], False, scd_type=2, unknown_member=True, audit={"source_system": "pos"}
    )
    unknown = next(row for row in rows if row["sk"] == 0)
    always = datetime(1900, 1, 1)
    assert unknown == {
        "sk": 0, "id": "-1", "name": "Unknown", "size": 0, "valid_from": always, "valid_to": None,
        "is_current": True, "load_timestamp": always, "source_system": "pos",
    }  # fmt: skip


def test_a_natural_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(duckdb.Error, match="natural key a occurs twice"):
        dimension([("a", "x", 1), ("a", "y", 2)], False)


SALES = Table(
    "id BIGINT, shop VARCHAR, day VARCHAR",
    [(1, "a", "2025-01-01"), (2, "?", "2025-01-02"), (3, None, None)],
)
SHOPS = Table("sk BIGINT, id VARCHAR, is_current BOOLEAN", [(7, "a", True), (6, "a", False)])
LOOKUP = {
    "source_column": "shop",
    "dimension_table": "shops",
    "dimension_key": "id",
    "surrogate_key": "sk",
    "scd2": True,
}


def test_orphans_get_key_0() -> None:
    rows = DUCK.run("fact", {"dimensions": [LOOKUP]}, SALES, {"shops": SHOPS})
    assert by(rows, "id", "sk") == [(1, 7), (2, 0), (3, 0)]


def test_orphans_can_fail_the_node() -> None:
    with pytest.raises(duckdb.Error, match=r"shop \? is not in shops|shop null is not in shops"):
        DUCK.run(
            "fact", {"dimensions": [LOOKUP], "orphan_handling": "reject"}, SALES, {"shops": SHOPS}
        )


def test_orphans_can_be_set_aside_with_a_reason() -> None:
    params = {
        "dimensions": [LOOKUP],
        "orphan_handling": "quarantine",
        "quarantine": {"connection": "c", "path": "p"},
    }
    built = registry.parse("fact", params)
    assert by(dicts(DUCK.fetch(DUCK.sql(built, SALES, {"shops": SHOPS}))), "id", "sk") == [(1, 7)]
    rejected = built.rejected(DUCK.context(["shops"]))
    assert rejected is not None
    assert by(dicts(DUCK.fetch(rejected)), "id", "_rejection_reason") == [
        (2, "shop ? is not in shops"),
        (3, "shop null is not in shops"),
    ]
    assert built.cardinality == "fewer"


def test_a_dimension_with_several_rows_for_a_key_is_refused_not_multiplied() -> None:
    with pytest.raises(duckdb.Error, match="id a has several rows in shops"):
        DUCK.run("fact", {"dimensions": [{**LOOKUP, "scd2": False}]}, SALES, {"shops": SHOPS})


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("2025-01-02", "VARCHAR"),
        ("2025-01-02", "DATE"),
        ("2025-01-02 17:30:00", "TIMESTAMP"),
        ("2025-01-02 17:30:00", "VARCHAR"),
        ("2025-01-02 17:30:00+00", "TIMESTAMPTZ"),
    ],
)
def test_dates_are_found_however_they_are_spelled(spelled: str, kind: str) -> None:
    calendar = registry.parse(
        "date_dimension", {"start_date": "2025-01-01", "end_date": "2025-01-31"}
    )
    lookup = {
        "source_column": "day",
        "dimension_table": "dates",
        "dimension_key": "full_date",
        "surrogate_key": "date_sk",
    }
    facts = Table(f"day {kind}", [(spelled,)])
    rows = DUCK.run(
        "fact", {"dimensions": [lookup]}, facts, {"dates": calendar.build(DUCK.context())}
    )
    assert [row["date_sk"] for row in rows] == [20250102]


def test_a_broken_grain_is_refused() -> None:
    with pytest.raises(duckdb.Error, match="several rows have the grain 1"):
        DUCK.run("fact", {"grain": ["id"]}, Table("id BIGINT", [(1,), (1,)]))
    rows = DUCK.run(
        "fact",
        {"grain": ["id"], "deduplicate": True, "keys": ["id"]},
        Table("id BIGINT", [(1,), (1,)]),
    )
    assert rows == [{"id": 1}]


def test_measures_rename_compute_and_must_exist() -> None:
    measures = ["q", {"amount": "a"}, {"double": "q * 2"}]
    rows = DUCK.run("fact", {"measures": measures}, Table("q BIGINT, a BIGINT", [(3, 5)]))
    assert rows == [{"q": 3, "amount": 5, "double": 6}]
    with pytest.raises(NodeError, match="no column 'qty'"):
        DUCK.run("fact", {"measures": ["qty"]}, Table("q BIGINT", [(3,)]))


stock = st.dictionaries(st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 3), max_size=6)


@settings(max_examples=30, deadline=None)
@given(stock, stock, st.sampled_from(["upsert", "append_only", "delete_match"]))
def test_merge_does_what_a_dict_does(
    batch: dict[Any, int], stored: dict[Any, int], strategy: str
) -> None:
    spec = "id BIGINT, qty BIGINT"
    wanted = {
        "upsert": stored | batch,
        "append_only": batch | stored,
        "delete_match": {key: value for key, value in stored.items() if key not in batch},
    }[strategy]
    rows = DUCK.run(
        "merge", {"keys": ["id"], "strategy": strategy},
        Table(spec, list(batch.items())), {"_target": Table(spec, list(stored.items()))},
    )  # fmt: skip
    assert by(rows, "id", "qty") == sorted(wanted.items(), key=repr)


def test_merge_obeys_conditions_and_notes_times() -> None:
    params = {
        "keys": ["id"],
        "update_condition": "source.v > target.v",
        "insert_condition": "source.v < 9",
        "delete_condition": "source.v = 0",
        "audit_cols": {"created_col": "made", "updated_col": "changed"},
    }
    old = "2024-01-01 00:00:00"
    stored = Table(
        "id BIGINT, v BIGINT, made TIMESTAMP, changed TIMESTAMP",
        [(n, 5, old, old) for n in (1, 2, 3, 4)],
    )
    df = Table(
        "id BIGINT, v BIGINT, source BIGINT",
        [(1, 6, 1), (2, 4, 1), (3, 0, 1), (5, 8, 1), (6, 9, 1)],
    )
    rows = DUCK.run("merge", params, df, {"_target": stored}, EARLY)
    then, now = datetime(2024, 1, 1), datetime(2025, 1, 1)
    assert by(rows, "id", "v", "source", "made", "changed") == [
        (1, 6, 1, then, now),
        (2, 5, None, then, then),
        (4, 5, None, then, then),
        (5, 8, 1, now, now),
    ]


def test_merge_into_nothing_inserts_and_a_double_key_is_refused() -> None:
    assert DUCK.run("merge", {"keys": ["id"]}, Table("id BIGINT", [(1,), (2,)])) == [
        {"id": 1},
        {"id": 2},
    ]
    with pytest.raises(duckdb.Error, match="key 1 occurs twice"):
        DUCK.run("merge", {"keys": ["id"]}, Table("id BIGINT", [(1,), (1,)]))


def test_what_merge_cannot_do_is_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match=r"`zorder_by` is not supported: set it on the write"):
        registry.parse("merge", {"keys": ["id"], "zorder_by": ["id"]})


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [("replace", [("a", 3), ("b", 4), ("c", 9)]), ("sum", [("a", 8), ("b", 4), ("c", 9)]),
     ("min", [("a", 3), ("b", 4), ("c", 9)]), ("max", [("a", 5), ("b", 4), ("c", 9)])],
)  # fmt: skip
def test_groups_meet_those_that_are_stored(strategy: str, wanted: list[Any]) -> None:
    params = {
        "grain": ["g"],
        "measures": [{"name": "m", "expr": "max(v)"}],
        "incremental": {"timestamp_column": "t", "merge_strategy": strategy},
    }
    df = Table("g, v BIGINT, t BIGINT", [("a", 3, 1), ("a", 1, 1), ("b", 4, 1)])
    rows = DUCK.run(
        "aggregation", params, df, {"_target": Table("g, m BIGINT", [("a", 5), ("c", 9)])}
    )
    assert by(rows, "g", "m") == wanted


def test_having_and_one_group_in_all() -> None:
    params = {
        "grain": [],
        "measures": [{"name": "n", "expr": "count(*)"}],
        "having": "count(*) > 5",
    }
    assert DUCK.run("aggregation", params, Table("v BIGINT", [(1,)])) == []


def test_the_calendar_agrees_with_pythons() -> None:
    params = {"start_date": "2023-12-25", "end_date": "2025-03-05", "fiscal_year_start_month": 4}
    for row in DUCK.run("date_dimension", params):
        day: date = row["full_date"]
        assert row["date_sk"] == int(day.strftime("%Y%m%d"))
        assert (row["day_of_week_num"], row["week_of_year"]) == (
            day.isoweekday(),
            day.isocalendar()[1],
        )
        assert (row["day_of_week"], row["month_name"]) == (day.strftime("%A"), day.strftime("%B"))
        assert row["fiscal_year"] == day.year + (day.month >= 4)
        assert row["fiscal_quarter"] == (day.month - 4) % 12 // 3 + 1
        assert row["quarter_name"] == f"Q{(day.month - 1) // 3 + 1}"


def test_a_calendar_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UsageError, match="start_date 2025-01-02 is after end_date 2025-01-01"):
        registry.parse("date_dimension", {"start_date": "2025-01-02", "end_date": "2025-01-01"})
