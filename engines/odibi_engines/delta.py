"""Delta tables through the `deltalake` package: read with time travel, write as one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from odibi.engine import Source, Target, Upkeep, Written
from odibi.errors import EngineError

from .delta_store import DeltaPlace, place_of
from .sql_text import file_list, ident

__all__ = ["column_names", "exists", "holds_write", "open_table", "parquet_query", "rows", "write"]

_PASSING = (
    "error sending request",
    "timed out",
    "Server returned non-2xx status code: 5",
    "status: 5",
)
"""Words of the store's client for what another try may not meet."""


def _package() -> Any:
    """The deltalake module: 0.1 s and optional, so imported where a Delta table is touched."""
    try:
        import deltalake
    except ImportError:
        raise EngineError(
            "Delta tables need the package deltalake", hint='pip install "odibi[delta]"'
        ) from None
    return deltalake


def exists(owner: Source | Target) -> bool:
    """Whether there is a Delta table at the place of the source or target."""
    place = place_of(owner)
    if place.folder is not None:
        return (place.folder / "_delta_log").is_dir()
    # `DeltaTable.is_deltatable` holds Python's lock while it waits for the store: nothing else would go on
    with _asked(place):
        try:
            _table(place)
        except _package().exceptions.TableNotFoundError:
            return False
    return True


def _given(place: DeltaPlace) -> dict[str, str] | None:
    return None if place.options is None else dict(place.options)


def _table(place: DeltaPlace, version: int | None = None) -> Any:
    return _package().DeltaTable(place.uri, version=version, storage_options=_given(place))


@contextmanager
def _asked(place: DeltaPlace, hint: str | None = None) -> Iterator[None]:
    """Say in users' terms what Delta or the store refuses."""
    errors = _package().exceptions
    try:
        yield
    except (errors.DeltaError, ValueError, OSError) as error:
        reason = str(error)
        passing = isinstance(error, OSError) and any(word in reason for word in _PASSING)
        hint = _advice(error) or hint
        raise EngineError(
            f"Delta table {place.name}: {reason}", hint=hint, transient=passing
        ) from None


def open_table(source: Source) -> Any:
    """The table as an Arrow dataset, at the version or time that the source asks for."""
    place = place_of(source)
    if not exists(source):
        raise EngineError(f"no Delta table at {place.name}", hint=f"looked in {place.uri}")
    with _asked(place):
        latest = _table(place)
    if source.version is None and source.as_of is None:
        return latest
    with _asked(place, f"it has the versions 0 to {latest.version()}"):
        table = _table(place, source.version)
        if source.as_of is not None:
            table.load_as_version(datetime.fromisoformat(source.as_of))
    return table


def holds_write(target: Target) -> bool:
    """Whether the write is one of the table's transactions."""
    if not exists(target):
        return False
    place = place_of(target)
    with _asked(place):
        return _table(place).transaction_version(target.write_id) is not None


def write(batch: Any, target: Target, rows: int) -> Written:
    """Commit the batch (an Arrow reader) as one transaction that carries the write id."""
    deltalake = _package()
    properties = deltalake.CommitProperties(
        app_transactions=[deltalake.Transaction(app_id=target.write_id, version=1)]
    )
    place, there = place_of(target), exists(target)
    with _asked(place):
        before = _sizes(place) if there else {}
        if target.mode in ("overwrite", "append") or not there:
            _write_rows(deltalake, batch, target, place, properties)
        else:
            _merge_rows(batch, target, place, properties)
        new = {name: size for name, size in _sizes(place).items() if name not in before}
        table = _table(place)
        version = table.version()
        if target.upkeep is not None:
            _keep_up(table, target.upkeep)
    files = tuple(place.folder / name for name in sorted(new)) if place.folder else ()
    return Written(rows=rows, bytes=sum(new.values()), files=files, version=version)


def _keep_up(table: Any, upkeep: Upkeep) -> None:
    """Transactions of their own, which change no row: a crash before them costs nothing."""
    properties = table.metadata().configuration
    new = {name: to for name, to in upkeep.properties.items() if properties.get(name) != to}
    if new:
        table.alter.set_table_properties(new, raise_if_not_exists=False)
    if upkeep.zorder_by:
        table.optimize.z_order(list(upkeep.zorder_by))
    elif upkeep.compact:
        table.optimize.compact()
    if (hours := upkeep.vacuum_hours) is not None:
        table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)


def _sizes(place: DeltaPlace) -> dict[str, int]:
    """The bytes of the table's files, by their names."""
    if place.folder is not None:
        return {
            file.relative_to(place.folder).as_posix(): file.stat().st_size
            for file in place.folder.rglob("*.parquet")
        }
    import pyarrow  # deltalake gives Arrow data of another package

    actions = pyarrow.table(_table(place).get_add_actions(flatten=True)).to_pydict()
    return dict(zip(actions["path"], actions["size_bytes"], strict=True))


def _advice(error: Exception) -> str | None:
    return (
        "write.merge_schema: true adds columns, write.overwrite_schema: true replaces them"
        if "schema" in str(error).lower()
        else None
    )


def _write_rows(
    deltalake: Any, batch: Any, target: Target, place: DeltaPlace, properties: Any
) -> None:
    overwrite = target.mode == "overwrite"
    schema_mode = (
        "overwrite"
        if overwrite and target.overwrite_schema
        else "merge"
        if target.merge_schema
        else None
    )
    deltalake.write_deltalake(
        place.uri, batch, storage_options=_given(place), mode="overwrite" if overwrite else "append", schema_mode=schema_mode,
        partition_by=list(target.partition_by) or None, commit_properties=properties,
    )  # fmt: skip


def _merge_rows(batch: Any, target: Target, place: DeltaPlace, properties: Any) -> None:
    match = " AND ".join(
        f"(t.{ident(key)} = s.{ident(key)} OR (t.{ident(key)} IS NULL AND s.{ident(key)} IS NULL))"
        for key in target.keys
    )
    merge = _table(place).merge(
        batch, predicate=match, source_alias="s", target_alias="t", merge_schema=target.merge_schema,
        commit_properties=properties,
    )  # fmt: skip
    if target.mode != "append_once":
        merge = merge.when_matched_update_all()
    merge.when_not_matched_insert_all().execute()


def column_names(table: Any) -> list[str]:
    """Names of the table's columns in order."""
    return [field.name for field in table.schema().fields]


def parquet_query(table: Any) -> str | None:
    """A SELECT over the table's files, for tables that are just that; None for all others.

    Files of a store aren't DuckDB's to read. Reader version 1 without partitions has no deletion vectors, renamed columns or values that
    are kept outside the files.
    """
    if "://" in str(table.table_uri).removeprefix("file://"):
        return None
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns:
        return None
    files = [Path(uri.removeprefix("file://")) for uri in table.file_uris()]
    return f"FROM read_parquet({file_list(sorted(files))}, union_by_name=true)" if files else None


def rows(table: Any) -> Any:
    """All rows as an Arrow table."""
    return table.to_pyarrow_table()
