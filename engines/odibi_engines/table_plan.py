"""What a write does to a database table, as statements: its rows wait in a table of their own, the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from odibi.engine import Target
from odibi.errors import EngineError

from .sql_text import ident, literal

__all__ = [
    "MOMENTS",
    "NOTES",
    "Field",
    "Names",
    "Standing",
    "check_options",
    "checked",
    "count_new",
    "fitted",
    "note_statements",
    "statements",
]

MOMENTS = (
    "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE",
)  # fmt: skip
"""DuckDB's types of dates and points in time."""

NOTES = "_odibi_writes"
"""The table beside ours that says which writes they hold."""

_REMEMBERED = 1_000
_IGNORED = ("keys", "merge_keys", "if_exists", "index", "method", "chunksize")
"""Write options that the core reads, or that tune another writer."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the batch.

    `sent` is the value as SQL of DuckDB; `type` is what a new table makes of it; `takes` maps the type
    of a table's column to the value in the database's SQL (`{}` is the batch's column), None when that
    column doesn't hold it unchanged. `column` and `value` are of the table that is written. `sent`
    raises an error for some values when it `may_fail`.
    """

    name: str
    sent: str
    type: str
    takes: Callable[[str], str | None]
    column: str = ""
    value: str = "{}"
    may_fail: bool = False

    def of_batch(self) -> str:
        """The value to store, from the batch `b`."""
        return self.value.replace("{}", f"b.{ident(self.name)}", 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A column that is there, its type as declared; `fills` itself when a row says nothing of it."""

    name: str
    type: str
    fills: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """The table, the batch and the notes as SQL spells them; `key` is how the notes call the table."""

    table: str
    batch: str
    notes: str
    key: str


def checked(condition: str, value: str, column: str, words: str) -> str:
    """SQL of DuckDB for the value where it meets the condition; else the write fails and says why."""
    message = literal(f"column {column!r} {words}")
    return f"CASE WHEN {condition} THEN {value} ELSE error({message}) END"


def check_options(target: Target) -> None:
    """Raise EngineError for what a table of a database doesn't do."""
    if target.partition_by:
        raise EngineError(
            "partition_by: a table of a database has no folders",
            hint="leave it out; or make a partitioned table in the database and write to it",
        )
    unknown = [name for name in target.options if name not in _IGNORED]
    if unknown:
        raise EngineError(
            f"a table of a database has no write option {unknown[0]!r}",
            hint="options.keys are the keys of upsert and append_once; there are no others",
        )


# Whether the batch fits the table -----------------------------------------------------------------


def fitted(
    target: Target, fields: Sequence[Field], there: Sequence[Standing] | None, *, folded: bool
) -> list[Field] | None:
    """The fields as the table takes them; None when the write makes the table, maybe in place of another.

    `folded`: names that differ only in case are the same. Raises EngineError when they don't fit.
    """
    if there is None:
        return None
    fold: Callable[[str], str] = str.casefold if folded else str
    known = {fold(column.name): column for column in there}
    problems = list(_problems(target, fields, known, fold))
    if not problems:
        return [_taken(field, known.get(fold(field.name))) for field in fields]
    replaces = target.mode == "overwrite"
    if replaces and target.overwrite_schema:
        return None
    more = ", write.overwrite_schema: true replaces the table" if replaces else ""
    raise EngineError(
        f"the result doesn't fit the table {target.table}: column {'; column '.join(problems)}",
        hint=f"change the result or the table; write.merge_schema: true adds columns{more}",
    )


def _problems(
    target: Target,
    fields: Sequence[Field],
    known: Mapping[str, Standing],
    fold: Callable[[str], str],
) -> Iterator[str]:
    for field in fields:
        column = known.get(fold(field.name))
        if column is None and not target.merge_schema:
            yield f"{field.name!r} is new"
        if column is not None and field.takes(column.type) is None:
            yield f"{field.name!r} is {field.type}, in the table {column.type}"
    own = {fold(field.name) for field in fields}
    if not target.merge_schema:
        for name, column in known.items():
            if name not in own and not column.fills:
                yield f"{column.name!r} is missing"


def _taken(field: Field, column: Standing | None) -> Field:
    if column is None:
        return replace(field, column=field.name)
    return replace(field, column=column.name, value=field.takes(column.type) or "{}")


# The statements -----------------------------------------------------------------------------------


def statements(
    target: Target,
    fields: Sequence[Field],
    there: Sequence[Standing] | None,
    taken: Sequence[Field] | None,
    names: Names,
    *,
    null_keys: bool,
) -> list[str]:
    """All that makes the table hold the batch, in order. `taken` is what `fitted` said of `fields`."""
    made = _made(fields, there, taken, names)
    if taken is None:
        new = [replace(f, column=f.name, value=f.takes(f.type) or "{}") for f in fields]
        return [*made, _insert(new, names)]
    if target.mode == "overwrite":
        return [*made, f"DELETE FROM {names.table}", _insert(taken, names)]
    if target.mode == "append":
        return [*made, *_forgotten(target, there, names), _insert(taken, names)]
    updates = [] if target.mode == "append_once" else _updates(target, taken, names, null_keys)
    added = [_insert(taken, names, rest) for rest in _new(target, taken, names, null_keys)]
    return [*made, *updates, *added]


def _made(
    fields: Sequence[Field],
    there: Sequence[Standing] | None,
    taken: Sequence[Field] | None,
    names: Names,
) -> list[str]:
    if taken is None:
        columns = ", ".join(f"{ident(field.name)} {field.type}" for field in fields)
        dropped = [] if there is None else [f"DROP TABLE {names.table}"]
        return [*dropped, f"CREATE TABLE {names.table} ({columns})"]
    known = {column.name for column in there or ()}
    return [
        f"ALTER TABLE {names.table} ADD COLUMN {ident(field.column)} {field.type}"
        for field in taken
        if field.column not in known
    ]


def _forgotten(target: Target, there: Sequence[Standing] | None, names: Names) -> list[str]:
    """What takes away rows that are too old; the moment's text compares as it should in each database."""
    if target.forget is None or target.forget[0] not in {column.name for column in there or ()}:
        return []
    name, moment = target.forget
    return [f"DELETE FROM {names.table} WHERE {ident(name)} < {literal(str(moment))}"]


def _insert(fields: Sequence[Field], names: Names, rest: str = "") -> str:
    columns = ", ".join(ident(field.column) for field in fields)
    values = ", ".join(field.of_batch() for field in fields)
    return f"INSERT INTO {names.table} ({columns}) SELECT {values} FROM {names.batch} AS b{rest}"


def _keys(target: Target, fields: Sequence[Field]) -> list[Field]:
    by_name = {field.name: field for field in fields}
    return [by_name[key] for key in target.keys]


def _updates(target: Target, fields: Sequence[Field], names: Names, null_keys: bool) -> list[str]:
    keys = _keys(target, fields)
    others = [field for field in fields if field not in keys]
    if not others:
        return []
    values = ", ".join(f"{ident(field.column)} = {field.of_batch()}" for field in others)
    update = f"UPDATE {names.table} AS o SET {values} FROM {names.batch} AS b WHERE"
    matches = [_equal(keys)] + ([f"{_some_null(keys)} AND {_same(keys)}"] if null_keys else [])
    return [f"{update} {match}" for match in matches]


def _new(target: Target, fields: Sequence[Field], names: Names, null_keys: bool) -> list[str]:
    """What follows `FROM batch AS b` for rows whose key the table doesn't have.

    Keys with nulls apart: databases join fast by equality only.
    """
    keys = _keys(target, fields)
    absent = f"o.{ident(keys[0].column)} IS NULL"
    joined = f" LEFT JOIN {names.table} AS o ON {_equal(keys)} WHERE {absent}"
    if not null_keys:
        return [joined]
    some = _some_null(keys)
    there = f"EXISTS (SELECT 1 FROM {names.table} AS o WHERE {_same(keys)})"
    return [f"{joined} AND NOT {some}", f" WHERE {some} AND NOT {there}"]


def _equal(keys: Sequence[Field]) -> str:
    return " AND ".join(f"o.{ident(key.column)} = {key.of_batch()}" for key in keys)


def _same(keys: Sequence[Field]) -> str:
    pairs = [(f"o.{ident(key.column)}", key.of_batch()) for key in keys]
    return " AND ".join(f"(({a} = {b}) OR ({a} IS NULL AND {b} IS NULL))" for a, b in pairs)


def _some_null(keys: Sequence[Field]) -> str:
    return "(" + " OR ".join(f"b.{ident(key.name)} IS NULL" for key in keys) + ")"


def count_new(target: Target, taken: Sequence[Field], names: Names, *, null_keys: bool) -> str:
    """SELECT the number of the batch's rows whose key isn't in the table."""
    parts = [
        f"(SELECT count(*) FROM {names.batch} AS b{rest})"
        for rest in _new(target, taken, names, null_keys)
    ]
    return f"SELECT {' + '.join(parts)}"


def note_statements(target: Target, rows: int, names: Names) -> list[str]:
    """What notes the write, and forgets those that the table holds no more or that are long ago."""
    mine = f"table_name = {literal(names.key)}"
    gone = mine
    if target.mode != "overwrite":
        kept = f"SELECT written_at FROM {names.notes} WHERE {mine} ORDER BY written_at DESC"
        gone = f"{mine} AND written_at < ({kept} LIMIT 1 OFFSET {_REMEMBERED})"
    values = f"{literal(target.write_id)}, {literal(names.key)}, {rows}, CURRENT_TIMESTAMP"
    return [
        f"DELETE FROM {names.notes} WHERE {gone}",
        f"INSERT INTO {names.notes} (write_id, table_name, row_count, written_at) VALUES ({values})",
    ]
