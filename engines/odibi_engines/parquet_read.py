"""Reading Parquet: a file, several, or a folder of hive partitions with the types they were written with."""

from __future__ import annotations

from pathlib import Path

from odibi.engine import Source
from odibi.errors import EngineError

from .publish import data_files, folder_note
from .sql_text import file_list, ident, literal

__all__ = ["parquet_scan"]

_IGNORED = {
    "engine", "dtype_backend", "mergeSchema", "merge_schema", "columns",
    "compression", "compression_level", "row_group_size",
}  # fmt: skip
"""Options that tune another reader, or the writer of the table that is read back."""


def parquet_scan(source: Source) -> tuple[str, list[Path]]:
    """The scan of the source's files, and the files. Raises EngineError when there are none."""
    files = list(source.files) or data_files(source.path)
    if not files:
        raise EngineError(f"no Parquet file at {source.path.name}", hint=f"looked in {source.path}")
    for name in source.options:
        if name not in _IGNORED:
            raise EngineError(f"parquet has no read option {name!r}")
    arguments = [file_list(files)]
    if len(files) > 1:
        arguments.append("union_by_name=true")
    if any("=" in folder.name for file in files for folder in file.parents):
        arguments.append(f"hive_partitioning=true{_hive_types(source)}")
    else:
        arguments.append("hive_partitioning=false")
    return f"read_parquet({', '.join(arguments)})", files


def _hive_types(source: Source) -> str:
    """The partition columns' types as noted by the writer; without a note DuckDB guesses."""
    types = folder_note(source.path).get("partition_types", {}) if source.path.is_dir() else {}
    if not types:
        return ""
    return (
        ", hive_types={"
        + ", ".join(
            f"{ident(n)}: {t if t.isidentifier() else literal(t)}" for n, t in types.items()
        )
        + "}"
    )
