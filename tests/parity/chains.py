"""Random tables, and random steps over the columns that a table has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from odibi.engine import Schema

__all__ = ["TYPES", "Step", "arrow_table", "steps", "tables"]

Step = tuple[str, dict[str, Any]]
"""A built-in and its params; `sql` is SQL itself."""

_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_TEXTS = st.one_of(st.sampled_from(["", "a", "A", " b\t", "é", "e\u0301", "ß", "7", "x-y", "NULL"]), st.text(_LETTERS, max_size=6))  # fmt: skip
_DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
_TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31))
_ZONED = st.builds(
    lambda at, hours: at.replace(tzinfo=timezone(timedelta(hours=hours))),
    _TIMES,
    st.integers(-12, 12),
)
# Eighths: their sums are the same in any order of the rows.
_NUMBERS = st.one_of(
    st.integers(-4000, 4000).map(lambda n: n / 8 + 0.0),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
)
_FEW = st.integers(-2, 3)

TYPES: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "id": ("BIGINT", pa.int64(), st.one_of(_FEW, st.integers(-(2**53), 2**53))),
    "n": ("INTEGER", pa.int32(), _FEW),
    "t": ("VARCHAR", pa.string(), _TEXTS),
    "u": ("VARCHAR", pa.string(), _TEXTS),
    "x": ("DOUBLE", pa.float64(), _NUMBERS),
    "d": (
        "DECIMAL(12,2)",
        pa.decimal128(12, 2),
        st.integers(-(10**6), 10**6).map(lambda n: Decimal(n).scaleb(-2)),
    ),
    "b": ("BOOLEAN", pa.bool_(), st.booleans()),
    "day": ("DATE", pa.date32(), _DAYS),
    "at": ("TIMESTAMP", pa.timestamp("us"), _TIMES),
    "z": ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"), _ZONED),
    "l": ("VARCHAR[]", pa.list_(pa.string()), st.lists(st.none() | _TEXTS, max_size=3)),
    "s": (
        "STRUCT(a BIGINT, w VARCHAR)",
        pa.struct([("a", pa.int64()), ("w", pa.string())]),
        st.fixed_dictionaries({"a": st.none() | _FEW, "w": st.none() | _TEXTS}),
    ),
}
"""Column → its type, as Arrow, and its values."""


@st.composite
def tables(draw: st.DrawFn, columns: Sequence[str] = tuple(TYPES)) -> list[tuple[Any, ...]]:
    """Rows of the columns, some of them repeated, some cells null, often few or none."""
    row = st.tuples(*(st.one_of(st.none(), TYPES[name][2]) for name in columns))
    rows = draw(st.lists(row, max_size=6))
    again = draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else []
    return rows + again


def arrow_table(rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = tuple(TYPES)) -> pa.Table:
    """The rows as Arrow."""
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pa.table(
        {
            name: pa.array(column, TYPES[name][1])
            for name, column in zip(columns, cells, strict=True)
        }
    )


# Steps


def _names(schema: Schema, *kinds: str) -> list[str]:
    return [column.name for column in schema if column.type.startswith(kinds)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _everything(schema: Schema) -> str:
    """An order without ties: rows that it doesn't tell apart are equal."""
    return ", ".join(_quoted(column.name) for column in schema)


@st.composite
def steps(draw: st.DrawFn, schema: Schema) -> Step:
    """A step that the columns allow; what it gives doesn't depend on the order of the rows."""
    made = [step for maker in _MAKERS for step in maker(schema)]
    kind, params = draw(st.sampled_from(made))
    return kind, params


def _of_any(schema: Schema) -> list[Step]:
    names = [column.name for column in schema]
    kept = names[: max(1, len(names) - 1)]
    plain = [n for n in names if n not in _names(schema, "STRUCT", "VARCHAR[]")]
    return [
        ("distinct", {}),
        ("add_prefix", {"prefix": "p_", "exclude": names[:2]}),
        ("select_columns", {"columns": kept[::-1]}),
        ("limit", {"n": 1000}),
        ("deduplicate", {"keys": names[:1], "order_by": _everything(schema)}),
        ("drop_duplicates", {"subset": names[:2]}),
        ("generate_surrogate_key", {"columns": (plain or names)[:3], "output_col": "made_key"}),
        ("row_number", {"order_by": names, "output": "nth"}),
        ("sql", {"sql": f"SELECT * FROM df WHERE {_quoted(names[0])} IS NOT NULL"}),
        ("sql", {"sql": "SELECT * FROM df UNION ALL SELECT * FROM df"}),
        (
            "sql",
            {"sql": f"SELECT l.* FROM df l SEMI JOIN df r ON l.{_quoted(names[0])} = r.{_quoted(names[0])}"},
        ),
    ]  # fmt: skip


def _of_texts(schema: Schema) -> list[Step]:
    texts = [c.name for c in schema if c.type == "VARCHAR"]
    if not texts:
        return []
    return [
        ("clean_text", {"columns": texts, "case": "lower"}),
        ("clean_text", {"columns": texts[:1], "case": "upper"}),
        ("trim_whitespace", {}),
        ("regex_replace", {"column": texts[0], "pattern": "[a-c]", "replacement": "<\\0>"}),
        ("split_part", {"col": texts[0], "delimiter": "-", "index": 2}),
        ("fill_nulls", {"values": {texts[0]: "ñ"}}),
        ("replace_values", {"columns": texts, "mapping": {"a": None, "é": "e"}}),
        ("dict_based_mapping", {"column": texts[0], "mapping": {"a": "b"}, "default": "z"}),
        ("hash_columns", {"columns": texts[-1:]}),
        ("concat_columns", {"columns": texts, "separator": "|", "output_col": "all_texts"}),
        ("cast_columns", {"casts": {texts[0]: "int"}}),
        ("coalesce_columns", {"columns": texts, "output_col": "first_text"}),
    ]


def _of_numbers(schema: Schema) -> list[Step]:
    numbers = _names(schema, "BIGINT", "INTEGER", "DOUBLE", "DECIMAL")
    groups = _names(schema, "BOOLEAN", "INTEGER", "VARCHAR")[:1]
    if not numbers:
        return []
    first, last = _quoted(numbers[0]), _quoted(numbers[-1])
    made: list[Step] = [
        ("filter_rows", {"condition": f"{first} >= 0"}),
        ("derive_columns", {"derivations": {"twice": f"{last} * 2", "half": f"{last} / 2"}}),
        ("case_when", {"cases": [{"condition": f"{first} < 1", "value": "'low'"}], "output_col": "size"}),
        ("validate_and_flag", {"rules": {"r1": f"{first} > 0", "r2": f"{last} IS NOT NULL"}}),
        ("fillna", {"value": 0}),
        ("cast_columns", {"casts": {numbers[0]: "str"}}),
        ("window_calculation", {"target_col": "best", "function": f"max({last})", "partition_by": groups}),
        ("aggregate", {"group_by": groups, "aggregations": {n: "sum" for n in numbers if n not in groups}}),
        ("sql", {"sql": f"SELECT count(*) AS c, min({first}) AS lo, max({last}) AS hi FROM df"}),
        ("sql", {"sql": f"SELECT round({last}::DOUBLE, 1) AS r, {first} IN (1, 2) AS few FROM df"}),
    ]  # fmt: skip
    return [step for step in made if step[0] != "aggregate" or step[1]["aggregations"]]


def _of_times(schema: Schema) -> list[Step]:
    times = _names(schema, "DATE", "TIMESTAMP")
    if not times:
        return []
    first, last = times[0], times[-1]
    return [
        ("date_add", {"col": first, "value": 1, "unit": "month"}),
        ("date_add", {"col": last, "value": -25, "unit": "hour"}),
        ("date_diff", {"start_col": first, "end_col": last, "unit": "hour"}),
        ("date_diff", {"start_col": first, "end_col": last}),
        ("date_trunc", {"col": last, "unit": "month"}),
        ("extract_date_parts", {"source_col": last, "parts": ["year", "month", "day", "hour"]}),
        ("convert_timezone", {"col": last, "target_tz": "Europe/Madrid"}),
    ]


def _of_nested(schema: Schema) -> list[Step]:
    lists = [c.name for c in schema if c.type.endswith("[]")]
    structs = _names(schema, "STRUCT(a")
    made: list[Step] = [("explode_list_column", {"column": n, "outer": o}) for n in lists[:1] for o in (True, False)]  # fmt: skip
    made += [("flatten_struct", {"column": n}) for n in structs[:1]]
    return made + [("unpack_struct", {"column": n}) for n in structs[:1]]


def _of_wide(schema: Schema) -> list[Step]:
    """Pivots, and sessions of users."""
    numbers, texts = _names(schema, "BIGINT", "DECIMAL"), _names(schema, "VARCHAR")
    times = [c.name for c in schema if c.type == "TIMESTAMP"]
    made: list[Step] = []
    if len(numbers) > 1:
        made.append(("unpivot", {"id_cols": texts[:1], "value_vars": numbers[:2]}))
    if numbers and texts and not texts[0].endswith("l"):
        params = {"group_by": texts[-1:], "pivot_col": texts[0], "agg_col": numbers[0]}
        if texts[-1] != texts[0]:
            made.append(("pivot", {**params, "values": ["a", "é"]}))
    if times and texts:
        made.append(("sessionize", {"timestamp_col": times[0], "user_col": texts[0]}))
    return made


_MAKERS: tuple[Callable[[Schema], list[Step]], ...] = (
    _of_any,
    _of_texts,
    _of_numbers,
    _of_times,
    _of_nested,
    _of_wide,
)
