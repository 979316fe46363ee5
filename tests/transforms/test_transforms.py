"""What the built-ins do at the edges: odd names, nulls, types, order, wrong params."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.errors import NodeError, UsageError
from odibi.transforms import Table, registry
from odibi.transforms.sql import ident, literal
from odibi.transforms.types import columns_of, struct_fields
from tests.transforms.duck import Duck

DUCK = Duck()
ODD = ["select", "größe; -- no", "a b.c 'd' \"e\" 5%"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    ("builtin", "params"),
    [
        ("select_columns", {"columns": ["$"]}),
        ("drop_columns", {"columns": ["k"]}),
        ("rename_columns", {"mapping": {"$": "x $"}}),
        ("add_prefix", {"prefix": "$"}),
        ("cast_columns", {"casts": {"$": "string"}}),
        ("coalesce_columns", {"columns": ["$"], "output_col": "o $"}),
        ("concat_columns", {"columns": ["$", "k"], "output_col": "$"}),
        ("sort", {"by": "$"}),
        ("distinct", {"columns": ["$"]}),
        ("deduplicate", {"keys": ["$"]}),
        ("sample", {"fraction": 0.5, "seed": 1}),
        ("clean_text", {"columns": ["$"], "case": "upper"}),
        ("regex_replace", {"column": "$", "pattern": "'", "replacement": "$"}),
        ("split_part", {"col": "$", "delimiter": "'", "index": 1}),
        ("fill_nulls", {"values": {"$": "it's"}}),
        ("replace_values", {"columns": ["$"], "mapping": {"it's": "$"}}),
        ("dict_based_mapping", {"column": "$", "mapping": {"a": "'"}}),
        ("apply_mapping", {"column": "$", "mapping_source": "o$", "source_key": "$", "source_value": "$"}),
        ("hash_columns", {"columns": ["$"]}),
        ("generate_surrogate_key", {"columns": ["$"], "output_col": "$"}),
        ("generate_numeric_key", {"columns": ["$"], "output_col": "n$"}),
        ("aggregate", {"group_by": ["$"], "aggregations": {"k": "first"}}),
        ("join", {"right_dataset": "o$", "on": "$", "how": "full"}),
        ("union", {"datasets": ["o$"]}),
        ("pivot", {"group_by": ["k"], "pivot_col": "$", "agg_col": "$", "agg_func": "max"}),
        ("unpivot", {"id_cols": ["k"], "value_vars": ["$"], "var_name": "v$"}),
        ("row_number", {"partition_by": ["$"], "output": "r$"}),
        ("sessionize", {"timestamp_col": "k", "user_col": "$", "session_col": "s$"}),
        ("as_of_join", {"right_dataset": "o$", "by": ["$"], "left_time": "k"}),
        ("normalize_schema", {"rename": {"$": "z$"}, "select_order": ["z$"]}),
        ("scd2", {"keys": ["$"], "track_cols": ["$"], "effective_time_col": "k", "start_time_col": "from $"}),
        ("dimension", {"natural_key": "$", "surrogate_key": "sk $", "scd_type": 2, "unknown_member": True}),
        ("merge", {"keys": ["$"]}),
        ("drop_duplicates", {"subset": "$"}),
        ("fillna", {"value": {"$": "'"}}),
    ],
)  # fmt: skip
def test_names_may_be_anything(builtin: str, params: Any, name: str) -> None:
    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {named(key): named(part) for key, part in value.items()}
        if isinstance(value, list):
            return [named(part) for part in value]
        return value.replace("$", name) if isinstance(value, str) else value

    columns = f"{ident(name)} VARCHAR, k TIMESTAMP"
    table = Table(columns, [("it's", "2025-01-01 00:00:00")])
    DUCK.run(builtin, named(params), table, {named("o$"): table})


@pytest.mark.parametrize(
    "value", ["", "it's", 'a"b', "\\n", "x\0y", "--", "é", "';DROP TABLE df;--"]
)
def test_texts_survive_as_literals(value: str) -> None:
    assert DUCK.fetch(f"SELECT {literal(value)}").rows == [(value,)]


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.text(),
        st.dates(),
        st.floats(allow_nan=False),
    )
)
@settings(max_examples=60, deadline=None)
def test_values_survive_as_literals(value: Any) -> None:
    [(found,)] = DUCK.fetch(f"SELECT {literal(value)}").rows
    assert float(found) == value if isinstance(value, float) else found == value


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.one_of(st.none(), st.integers(0, 3)), st.sampled_from("ab")
        ),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_deduplicate_keeps_the_first_of_each_key_however_rows_come(rows: list[Any]) -> None:
    spec, params = "k BIGINT, v BIGINT, t", {"keys": ["k"], "order_by": "v DESC"}
    wanted = {}
    for row in sorted(rows, key=lambda row: (row[1] is None, -(row[1] or 0), row[2])):
        wanted.setdefault(row[0], row)
    for order in (rows, rows[::-1]):
        found = [tuple(row.values()) for row in DUCK.run("deduplicate", params, Table(spec, order))]
        assert sorted(found, key=repr) == sorted(wanted.values(), key=repr)


def test_deduplicate_treats_null_keys_as_one_key() -> None:
    rows = DUCK.run(
        "deduplicate", {"keys": ["k"]}, Table("k BIGINT, v BIGINT", [(None, 2), (None, 1), (1, 1)])
    )
    assert sorted((row["v"], row["k"]) for row in rows if row["k"] is None) == [(1, None)]
    assert len(rows) == 2


def test_sessions_need_a_gap_longer_than_the_threshold_and_ignore_input_order() -> None:
    times = [
        "2025-01-01 00:00:00",
        "2025-01-01 00:30:00",
        "2025-01-01 01:00:01",
        "2025-01-01 01:00:01",
    ]
    df = Table(
        "who BIGINT, at TIMESTAMP",
        [(7, time) for time in reversed(times)] + [(7, None), (8, times[0])],
    )
    rows = DUCK.run("sessionize", {"timestamp_col": "at", "user_col": "who"}, df)
    found = sorted((str(row["at"]), row["session_id"]) for row in rows if row["who"] == 7)
    assert found == [
        (times[0], "7-1"),
        (times[1], "7-1"),
        (times[2], "7-2"),
        (times[3], "7-2"),
        ("None", None),
    ]


def test_sums_of_integers_stay_integers() -> None:
    DUCK.table("df", Table("g, v BIGINT", [("a", 2**62), ("a", 1)]))
    sql = registry.parse("aggregate", {"group_by": ["g"], "aggregations": {"v": "sum"}}).build(
        DUCK.context()
    )
    assert [column.type for column in DUCK.schema(sql)] == ["VARCHAR", "BIGINT"]


@pytest.mark.parametrize(("how", "ids"), [("inner", [1]), ("left", [1, 2]), ("right", [1, 3]), ("full", [1, 2, 3]), ("semi", [1]), ("anti", [2])])  # fmt: skip
def test_joins_carry_their_keys_from_either_side(how: str, ids: list[int]) -> None:
    left, right = (
        Table("id BIGINT, a", [(1, "x"), (2, "y")]),
        Table("id BIGINT, b", [(1, "p"), (3, "q")]),
    )
    rows = DUCK.run("join", {"right_dataset": "r", "on": ["id"], "how": how}, left, {"r": right})
    assert sorted(row["id"] for row in rows) == ids


def test_a_cross_join_has_no_keys() -> None:
    two = Table("a BIGINT", [(1,), (2,)])
    assert len(DUCK.run("join", {"right_dataset": "r", "how": "cross"}, two, {"r": two})) == 4
    with pytest.raises(UsageError, match="a left join needs `on`"):
        registry.parse("join", {"right_dataset": "r"})


def test_pivot_finds_its_values_and_names_null() -> None:
    df = Table("g, p, v BIGINT", [("a", "x", 1), ("a", None, 2), ("b", "y", 3)])
    rows = DUCK.run("pivot", {"group_by": ["g"], "pivot_col": "p", "agg_col": "v"}, df)
    assert sorted(tuple(row.items()) for row in rows) == [
        (("g", "a"), ("x", 1), ("y", None), ("null", 2)),
        (("g", "b"), ("x", None), ("y", 3), ("null", None)),
    ]


def test_pivot_understands_the_words_of_old_operations() -> None:
    params = {"group_by": ["g"], "pivot_column": "p", "value_column": "v"}
    assert registry.parse("pivot", params).agg_func == "first"  # type: ignore[attr-defined]


def test_a_lookup_with_two_answers_is_refused() -> None:
    params = {"column": "c", "mapping_source": "m", "source_key": "k", "source_value": "v"}
    tables = {"m": Table("k, v", [("a", "1"), ("a", "2")])}
    with pytest.raises(duckdb.Error, match="a has more than one value in m"):
        DUCK.run("apply_mapping", params, Table("c", [("a",)]), tables)


def test_overlapping_versions_are_refused() -> None:
    params = {"history": "h", "keys": ["k"], "time": "t", "columns": ["p"]}
    overlap = Table(
        "k, p BIGINT, valid_from BIGINT, valid_to BIGINT", [("a", 1, 0, 5), ("a", 2, 3, None)]
    )
    with pytest.raises(duckdb.Error, match="two versions of a are valid at 3"):
        DUCK.run("lookup_as_of", params, Table("k, t BIGINT", [("a", 4)]), {"h": overlap})


def test_shifts_over_midnight() -> None:
    params = {
        "start_col": "a", "end_col": "b", "period": "shift", "duration_col": "min",
        "shifts": [{"name": "night", "start": "22:00", "end": "06:00"}, {"name": "day", "start": "06:00", "end": "14:00"}],
    }  # fmt: skip
    df = Table("a TIMESTAMP, b TIMESTAMP", [("2025-01-02 05:00:00", "2025-01-02 15:00:00")])
    rows = DUCK.run("split_events_by_period", params, df)
    assert sorted((row["shift_name"], row["min"]) for row in rows) == [
        ("day", 480.0),
        ("night", 60.0),
    ]


@given(st.integers(0, 60 * 30), st.integers(0, 60 * 60), st.sampled_from(["hour", "day"]))
@settings(max_examples=30, deadline=None)
def test_pieces_of_an_event_add_up(start: int, length: int, period: str) -> None:
    df = f"SELECT TIMESTAMP '2025-03-01' + to_minutes({start}) AS a, TIMESTAMP '2025-03-01' + to_minutes({start + length}) AS b"
    rows = DUCK.run(
        "split_events_by_period",
        {"start_col": "a", "end_col": "b", "period": period, "duration_col": "m"},
        df,
    )
    assert sum(row["m"] for row in rows) == length
    ordered = sorted(rows, key=lambda row: row["a"])
    assert all(one["b"] == after["a"] for one, after in pairwise(ordered))


def test_times_keep_their_zone_rules() -> None:
    df = Table("t TIMESTAMP", [("2025-07-01 12:00:00",), ("2025-01-01 12:00:00",)])
    rows = DUCK.run(
        "convert_timezone", {"col": "t", "source_tz": "Europe/Madrid", "target_tz": "UTC"}, df
    )
    assert sorted(row["t_converted"].hour for row in rows) == [10, 11]


def test_dates_given_as_text_have_parts() -> None:
    [row] = DUCK.run(
        "extract_date_parts", {"source_col": "d", "prefix": "x"}, Table("d", [("2025-03-09",)])
    )
    assert (row["x_year"], row["x_month"], row["x_day"]) == (2025, 3, 9)


def test_json_is_flattened_with_its_types() -> None:
    texts = [
        '{"a": 1, "b": {"c": [1, 2], "d e": "x"}}',
        '{"a": null, "b": {"c": []}, "f": 1.5}',
        None,
    ]
    rows = DUCK.run("normalize_json", {"column": "j"}, Table("j", [(text,) for text in texts]))
    found = [
        tuple(row.values())[1:] for row in sorted(rows, key=lambda row: str(row["j"]), reverse=True)
    ]
    assert list(rows[0])[1:] == ["a", "b_c", "b_d e", "f"]
    assert found == [(None, [], None, 1.5), (1, [1, 2], "x", None), (None, None, None, None)]


def test_deletes_beyond_the_threshold_warn_fail_or_are_left_alone() -> None:
    before, now = Table("id BIGINT", [(n,) for n in range(4)]), Table("id BIGINT", [(0,)])
    params = {"mode": "snapshot_diff", "keys": ["id"]}
    rows = DUCK.run("detect_deletes", params, now, {"_before": before})
    assert sorted((row["id"], row["_is_deleted"]) for row in rows) == [
        (0, False),
        (1, True),
        (2, True),
        (3, True),
    ]
    assert "3 of 4 rows (75.0 %) are gone" in DUCK.warnings[-1]
    rows = DUCK.run(
        "detect_deletes", {**params, "on_threshold_breach": "skip"}, now, {"_before": before}
    )
    assert [row["id"] for row in rows] == [0]
    with pytest.raises(NodeError, match=r"3 of 4 rows"):
        DUCK.run(
            "detect_deletes", {**params, "on_threshold_breach": "error"}, now, {"_before": before}
        )


def test_a_deleted_row_stays_marked_until_it_returns() -> None:
    params = {"mode": "snapshot_diff", "keys": ["id"]}
    before = Table("id BIGINT, _is_deleted BOOLEAN", [(1, True), (2, True), (3, False)])
    rows = DUCK.run("detect_deletes", params, Table("id BIGINT", [(2,), (3,)]), {"_before": before})
    assert sorted((row["id"], row["_is_deleted"]) for row in rows) == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_deletes_against_the_live_source() -> None:
    params = {
        "mode": "sql_compare",
        "keys": ["id"],
        "source_connection": "db",
        "source_table": "t",
        "max_delete_percent": None,
    }
    df, source = Table("id BIGINT", [(1,), (2,)]), Table("id BIGINT", [(1,)])
    marked = DUCK.run("detect_deletes", params, df, {"_source": source})
    assert sorted((row["id"], row["_is_deleted"]) for row in marked) == [(1, False), (2, True)]
    removed = DUCK.run(
        "detect_deletes", {**params, "soft_delete_col": None}, df, {"_source": source}
    )
    assert removed == [{"id": 1}]
    target = registry.parse("detect_deletes", params).targets()["_source"]
    assert (target.connection, target.query) == ("db", 'SELECT DISTINCT "id" FROM t')


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("filter_row", {}, r"no transformer, pattern or function 'filter_row' \(did you mean 'filter_rows'\?\)"),
        ("filter_rows", {"conditon": "x"}, r"condition: is required; conditon: is not a param of filter_rows \(did you mean 'condition'\?\)"),
        ("limit", {"n": "ten"}, r"n: should be a valid integer, not str 'ten'"),
        ("clean_text", {"columns": ["a"], "case": "Title"}, r"case: should be 'lower', 'upper' or 'preserve', not str 'Title'"),
        ("fact", {"dimensions": [{"source_column": "a"}]}, r"dimensions.0.dimension_table: is required"),
        ("sort", {"by": 3}, r"by: should be"),
    ],
)  # fmt: skip
def test_wrong_params_are_named_with_what_was_meant(name: str, params: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.parse(name, params)


def test_all_wrong_params_are_said_at_once_with_their_paths() -> None:
    found = registry.check(
        "aggregate", {"group_by": "city", "aggregations": {"x": "median"}, "extra": 1}
    )
    assert {problem.path for problem in found} == {("group_by",), ("aggregations", "x"), ("extra",)}


def test_a_column_that_is_not_there_is_named_before_any_sql_runs() -> None:
    with pytest.raises(NodeError, match=r"no column 'emial' \(did you mean 'email'\?\)") as caught:
        DUCK.run("clean_text", {"columns": ["emial"]}, Table("id BIGINT, email", []))
    assert caught.value.hint == "columns: id, email"


def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(NodeError, match=r"no table 'user' \(did you mean 'users'\?\)"):
        DUCK.run(
            "join",
            {"right_dataset": "user", "on": "id"},
            Table("id", []),
            {"users": Table("id", [])},
        )


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(NodeError, match="two columns would be called"):
        DUCK.run("rename_columns", {"mapping": {"a": "B"}}, Table("a, b", []))


def test_case_of_column_names_is_forgiven() -> None:
    assert DUCK.run("select_columns", {"columns": ["NAME"]}, Table("Name", [("x",)])) == [
        {"Name": "x"}
    ]


def test_derived_columns_replace_or_follow() -> None:
    rows = DUCK.run(
        "derive_columns",
        {"derivations": {"b": "a + 1 -- next", "c": "b * 2"}},
        Table("a BIGINT", [(1,)]),
    )
    assert rows == [{"a": 1, "b": 2, "c": 4}]
    rows = DUCK.run(
        "derive_columns", {"derivations": {"a": "a * 10"}}, Table("a BIGINT, z BIGINT", [(1, 0)])
    )
    assert rows == [{"a": 10, "z": 0}]


def test_type_names_are_read() -> None:
    assert [
        (c.name, c.type)
        for c in columns_of('a BIGINT, "b "" ,c" STRUCT("d e" DATE, f DECIMAL(8,2)), g')
    ] == [
        ("a", "BIGINT"),
        ('b " ,c', 'STRUCT("d e" DATE, f DECIMAL(8,2))'),
        ("g", "VARCHAR"),
    ]
    assert struct_fields("STRUCT(a BIGINT)[]") is None


def test_what_the_values_of_old_dates_are() -> None:
    [row] = DUCK.run(
        "date_add", {"col": "d", "value": -1, "unit": "day"}, Table("d DATE", [("2025-03-01",)])
    )
    assert row["d_future"] in (date(2025, 2, 28), datetime(2025, 2, 28))


def test_other_packages_add_built_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shouting.py").write_text(
        "from odibi.transforms import Builtin, builtin\n"
        "@builtin('shout', cardinality='same', summary='Louder.')\n"
        "class Shout(Builtin):\n"
        "    def build(self, ctx):\n"
        "        return ctx.with_columns({n: f'upper({ctx.col(n)})' for n in ctx.names})\n"
    )
    info = tmp_path / "shouting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[odibi.transforms]\nshout = shouting:Shout\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._plugins.cache_clear()
    try:
        assert "shout" in registry.names()
        assert DUCK.run("shout", {}, Table("a", [("hey",)])) == [{"a": "HEY"}]
    finally:
        registry._registered.pop("shout", None)
        registry._plugins.cache_clear()
