"""Delta tables through the `deltalake` package: read with time travel, write as one transaction."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from odibi.engine import Source, Target, Written
from odibi.errors import EngineError

from .sql_text import file_list, ident

__all__ = ["column_names", "exists", "holds_write", "open_table", "parquet_query", "rows", "write"]


def _package() -> Any:
    """The deltalake module: 0.1 s and optional, so imported where a Delta table is touched."""
    try:
        import deltalake
    except ImportError:
        raise EngineError(
            "Delta tables need the package deltalake", hint='pip install "odibi[delta]"'
        ) from None
    return deltalake


def exists(path: Path) -> bool:
    """Whether there is a Delta table at the path."""
    return (path / "_delta_log").is_dir()


def open_table(source: Source) -> Any:
    """The table as an Arrow dataset, at the version or time that the source asks for."""
    deltalake = _package()
    if not exists(source.path):
        raise EngineError(f"no Delta table at {source.path.name}", hint=f"looked in {source.path}")
    try:
        table = deltalake.DeltaTable(str(source.path), version=source.version)
        if source.as_of is not None:
            table.load_as_version(datetime.fromisoformat(source.as_of))
    except (deltalake.exceptions.DeltaError, ValueError) as error:
        raise EngineError(
            f"Delta table {source.path.name}: {error}", hint=_versions(deltalake, source)
        ) from None
    return table


def _versions(deltalake: Any, source: Source) -> str:
    latest = deltalake.DeltaTable(str(source.path)).version()
    return f"it has the versions 0 to {latest}"


def holds_write(target: Target) -> bool:
    """Whether the write is one of the table's transactions."""
    if not exists(target.path):
        return False
    return _package().DeltaTable(str(target.path)).transaction_version(target.write_id) is not None


def write(batch: Any, target: Target, rows: int) -> Written:
    """Commit the batch (an Arrow reader) as one transaction that carries the write id."""
    deltalake = _package()
    properties = deltalake.CommitProperties(
        app_transactions=[deltalake.Transaction(app_id=target.write_id, version=1)]
    )
    before = set(target.path.rglob("*.parquet")) if target.path.is_dir() else set()
    try:
        if target.mode in ("overwrite", "append") or not exists(target.path):
            _write_rows(deltalake, batch, target, properties)
        else:
            _merge_rows(deltalake, batch, target, properties)
    except (deltalake.exceptions.DeltaError, ValueError) as error:
        raise EngineError(f"Delta table {target.path.name}: {error}", hint=_advice(error)) from None
    table = deltalake.DeltaTable(str(target.path))
    files = tuple(sorted(set(target.path.rglob("*.parquet")) - before))
    return Written(
        rows=rows, bytes=sum(f.stat().st_size for f in files), files=files, version=table.version()
    )


def _advice(error: Exception) -> str | None:
    return (
        "write.merge_schema: true adds columns, write.overwrite_schema: true replaces them"
        if "schema" in str(error).lower()
        else None
    )


def _write_rows(deltalake: Any, batch: Any, target: Target, properties: Any) -> None:
    overwrite = target.mode == "overwrite"
    schema_mode = (
        "overwrite"
        if overwrite and target.overwrite_schema
        else "merge"
        if target.merge_schema
        else None
    )
    deltalake.write_deltalake(
        str(target.path), batch, mode="overwrite" if overwrite else "append", schema_mode=schema_mode,
        partition_by=list(target.partition_by) or None, commit_properties=properties,
    )  # fmt: skip


def _merge_rows(deltalake: Any, batch: Any, target: Target, properties: Any) -> None:
    match = " AND ".join(
        f"(t.{ident(key)} = s.{ident(key)} OR (t.{ident(key)} IS NULL AND s.{ident(key)} IS NULL))"
        for key in target.keys
    )
    merge = deltalake.DeltaTable(str(target.path)).merge(
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

    Reader version 1 without partitions has no deletion vectors, renamed columns or values that
    are kept outside the files.
    """
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns:
        return None
    files = [Path(uri.removeprefix("file://")) for uri in table.file_uris()]
    return f"FROM read_parquet({file_list(sorted(files))}, union_by_name=true)" if files else None


def rows(table: Any) -> Any:
    """All rows as an Arrow table."""
    return table.to_pyarrow_table()
