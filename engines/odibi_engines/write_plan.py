"""What a write puts into its file: the batch, or the table there is together with the batch, as one SELECT."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from odibi.engine import Column, Schema, Target
from odibi.errors import EngineError

from .profile import displayed
from .sql_text import ident, literal

__all__ = [
    "TOO_WIDE",
    "check_keys",
    "check_partitions",
    "combined",
    "count_new",
    "copy_options",
    "duplicate_key",
    "equal_keys",
    "first_per_key",
    "kept_types",
    "partition_options",
    "storable",
]

_IGNORED = {
    "keys",
    "merge_keys",
    "partition_by",
    "overwrite_schema",
    "merge_schema",
    "index",
    "orient",
    "mode",
    "engine",
}
"""Write options that the core reads, or that tune another writer."""

_OPTIONS = {
    "parquet": {"compression": "COMPRESSION", "compression_level": "COMPRESSION_LEVEL", "row_group_size": "ROW_GROUP_SIZE"},
    "csv": {
        "delimiter": "DELIMITER", "sep": "DELIMITER", "header": "HEADER", "quote": "QUOTE", "escape": "ESCAPE",
        "dateformat": "DATEFORMAT", "timestampformat": "TIMESTAMPFORMAT", "nullstr": "NULLSTR", "na_rep": "NULLSTR",
        "compression": "COMPRESSION",
    },
    "json": {"compression": "COMPRESSION", "dateformat": "DATEFORMAT", "timestampformat": "TIMESTAMPFORMAT"},
}  # fmt: skip
_CODECS = {"zstd", "snappy", "gzip", "lz4", "lz4_raw", "brotli", "uncompressed", "none"}


def copy_options(target: Target, write_ids: Sequence[str] = ()) -> str:
    """The options of a COPY statement. Raises EngineError for a write option without meaning."""
    known = _OPTIONS[target.format]
    chosen: dict[str, Any] = {"FORMAT": target.format}
    if target.format == "csv":
        chosen["HEADER"] = True
    for name, value in target.options.items():
        if name in _IGNORED or value is None:
            continue
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"options: {', '.join(known)}"
            raise EngineError(f"{target.format} has no write option {name!r}", hint=hint)
        chosen[known[name]] = value
    if target.format == "parquet":
        _choose_codec(chosen)
    text = ", ".join(f"{name} {_spelled(value)}" for name, value in chosen.items())
    return text + (
        f", KV_METADATA {_notes(write_ids)}" if target.format == "parquet" and write_ids else ""
    )


def _choose_codec(chosen: dict[str, Any]) -> None:
    codec = str(chosen.setdefault("COMPRESSION", "zstd")).lower()
    if codec not in _CODECS:
        raise EngineError(
            f"parquet has no compression {codec!r}", hint=f"one of: {', '.join(sorted(_CODECS))}"
        )
    chosen["COMPRESSION"] = "uncompressed" if codec == "none" else codec
    if codec == "zstd":
        chosen.setdefault("COMPRESSION_LEVEL", 1)


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | int) else literal(str(value))


def _notes(write_ids: Sequence[str]) -> str:
    earlier = literal("\n".join(write_ids[:-1]))
    return f"{{'odibi.write_id': {literal(write_ids[-1])}, 'odibi.earlier_write_ids': {earlier}}}"


TOO_WIDE = ("HUGEINT", "UHUGEINT")


def storable(relation: str, schema: Schema) -> str:
    """SELECT of the rows with types that files can hold: a 128-bit sum becomes a BIGINT, exactly or not at all."""
    wide = [column.name for column in schema if column.type in TOO_WIDE]
    if not wide:
        return f"SELECT * FROM {relation}"
    casts = ", ".join(f"{ident(name)}::BIGINT AS {ident(name)}" for name in wide)
    return f"SELECT * REPLACE ({casts}) FROM {relation}"


_KEPT = {
    "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "DOUBLE", "FLOAT",
    "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BLOB", "UUID", "JSON",
}  # fmt: skip


def kept_types(schema: Schema) -> bool:
    """Whether Parquet surely brings every column back with the type it has."""
    return all(column.type in _KEPT or column.type.startswith("DECIMAL(") for column in schema)


def check_partitions(target: Target, schema: Schema) -> None:
    """Raises EngineError when the table can't be partitioned so."""
    if target.format in ("csv", "json"):
        raise EngineError(
            f"partition_by: a {target.format} table is one file", hint="write parquet or delta"
        )
    names = [column.name for column in schema]
    for name in target.partition_by:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise EngineError(
                f"partition_by: the result has no column {name!r}",
                hint=f"{hint}columns: {', '.join(names)}",
            )
    if len(target.partition_by) == len(names):
        raise EngineError(
            "partition_by: no column is left to store", hint="partition by fewer columns"
        )


def partition_options(target: Target) -> str:
    """Options of a COPY into hive folders. File names carry the write id, so batches never collide."""
    names = ", ".join(map(ident, target.partition_by))
    unique = re.sub(r"[^\w\-]", "_", target.write_id)[-80:]
    return f"PARTITION_BY ({names}), OVERWRITE, FILENAME_PATTERN {literal(f'part-{unique}-{{i}}')}"


def check_keys(target: Target, schema: Schema) -> None:
    """Raises EngineError when the mode needs keys that aren't there."""
    if not target.keys:
        raise EngineError(
            f"write mode {target.mode} needs keys", hint="name them in write.options.keys"
        )
    names = [column.name for column in schema]
    for key in target.keys:
        if key not in names:
            near = get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise EngineError(
                f"write key {key!r} is no column of the result",
                hint=f"{hint}columns: {', '.join(names)}",
            )


def duplicate_key(relation: str, keys: Sequence[str]) -> str:
    """SELECT of one key that the batch holds more than once, with its count."""
    names = ", ".join(map(ident, keys))
    return f"SELECT {names}, count(*) FROM {relation} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"


def equal_keys(target: Target, found: Sequence[Any]) -> EngineError:
    """The error for a key (and its count at the end) that a batch holds more than once."""
    key = ", ".join(
        f"{name} = {displayed(value)}" for name, value in zip(target.keys, found[:-1], strict=True)
    )
    return EngineError(
        f"{target.mode}: {found[-1]} rows of the result have the same key ({key})",
        hint="make keys unique before the write, for example with the deduplicate transformer",
    )


def first_per_key(relation: str, keys: Sequence[str]) -> str:
    """SELECT of a held batch's first row for each key."""
    names = ", ".join(map(ident, keys))
    return f"SELECT * FROM {relation} QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY rowid) = 1"


def combined(target: Target, old: str, old_schema: Schema, batch: str, batch_schema: Schema) -> str:
    """SELECT of the table after the write. `old` and `batch` are what follows FROM.

    Keys compare null-safe. Raises EngineError when the columns differ and merge_schema is off.
    """
    if target.merge_schema:
        kept, union = f"FROM {old}", "UNION ALL BY NAME"
        added = f"FROM {batch}"
    else:
        names = ", ".join(
            ident(column.name) for column in _same_columns(target, old_schema, batch_schema)
        )
        kept, added, union = (
            f"SELECT {names} FROM {old}",
            f"SELECT {names} FROM {batch}",
            "UNION ALL",
        )
    if target.mode == "append":
        return f"{kept} o{_remembered(target, old_schema)} {union} {added} b"
    if target.mode == "append_once":
        return f"{kept} o {union} {added} b WHERE NOT EXISTS (FROM {old} o WHERE {_match(target.keys)})"
    return (
        f"{kept} o WHERE NOT EXISTS (FROM {batch} b WHERE {_match(target.keys)}) {union} {added} b"
    )


def _remembered(target: Target, old: Schema) -> str:
    """The condition on stored rows that stay; those without the moment do."""
    if target.forget is None or target.forget[0] not in {column.name for column in old}:
        return ""
    name, moment = target.forget
    return f" WHERE {ident(name)}::TIMESTAMP >= {literal(str(moment))}::TIMESTAMP OR {ident(name)} IS NULL"


def count_new(target: Target, old: str, batch: str) -> str:
    """SELECT the number of rows in the batch whose key isn't in the table."""
    return f"SELECT count(*) FROM {batch} b WHERE NOT EXISTS (FROM {old} o WHERE {_match(target.keys)})"


def _match(keys: Sequence[str]) -> str:
    return " AND ".join(f"o.{ident(key)} IS NOT DISTINCT FROM b.{ident(key)}" for key in keys)


def _same_columns(target: Target, old: Schema, batch: Schema) -> Schema:
    """The table's columns, when the batch has the same ones."""
    there: Mapping[str, Column] = {column.name: column for column in old}
    new = {column.name: column for column in batch}
    problems = [f"{name} is new" for name in new if name not in there]
    problems += [f"{name} is missing" for name in there if name not in new]
    problems += [
        f"{name} is {new[name].type}, in the table {column.type}"
        for name, column in there.items()
        if name in new and not _fits(new[name].type, column.type)
    ]
    if problems:
        raise EngineError(
            f"the result doesn't fit the table at {target.path.name}: column {'; column '.join(problems)}",
            hint="set write.merge_schema: true to add columns, or change the result",
        )
    return old


_WIDENING = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]


def _fits(new: str, old: str) -> bool:
    """Whether values of the new type go into the old one unchanged."""
    if new == old or (new == "FLOAT" and old == "DOUBLE") or new == "NULL" or new == '"NULL"':
        return True
    return new in _WIDENING and old in _WIDENING and _WIDENING.index(new) <= _WIDENING.index(old)
