"""Where a node's results go, resolved: tables, rejected rows, unreadable lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import databases, places, stores
from odibi.config import AutoOptimizeConfig, ReadConfig
from odibi.config.unsupported import DATABASES
from odibi.engine import Target, Upkeep
from odibi.errors import UsageError

if TYPE_CHECKING:
    from odibi.config import Loaded, QuarantineConfig, WriteConfig
    from odibi.graph import Node
    from odibi.node import RunFacts


__all__ = [
    "bad_lines_target",
    "metadata_columns",
    "quarantine_target",
    "refuse_foreign_folder",
    "target_of",
]


def target_of(loaded: Loaded, node: Node, write_id: str) -> Target:
    """Where and how the node's result is written."""
    write, path = node.config.write, places.output_of(loaded, node)
    if write is None or path is None:
        raise UsageError(f"{node.key} has no `write`")
    elsewhere = _elsewhere(loaded, write.connection)
    return Target(
        format=write.format,
        path=path,
        mode=write.mode,
        write_id=write_id,
        keys=write.keys,
        partition_by=places.partitions(write),
        options=places.options_of_format(write.options),
        merge_schema=write.merge_schema,
        overwrite_schema=write.overwrite_schema,
        table=places.required_path(write) if elsewhere is not None else None,
        connection=elsewhere,
        upkeep=_upkeep(loaded, write) if write.format == "delta" else None,
    )


def _upkeep(loaded: Loaded, write: WriteConfig) -> Upkeep:
    performance, optimize = loaded.project.performance, write.auto_optimize
    if isinstance(optimize, bool) or optimize is None:
        optimize = AutoOptimizeConfig(enabled=bool(optimize))
    return Upkeep(
        properties={**performance.delta_table_properties, **write.table_properties},
        zorder_by=tuple(write.zorder_by),
        compact=optimize.enabled,
        vacuum_hours=optimize.vacuum_retention_hours if optimize.enabled else None,
    )


def _elsewhere(loaded: Loaded, name: str) -> Mapping[str, Any] | None:
    """Settings of the database or store that is written to; None for a folder of this machine."""
    connection = places.connection_of(loaded, name)
    if stores.is_store(connection):
        return stores.settings(connection)
    is_database = connection.type in DATABASES
    return databases.settings(loaded.root, connection) if is_database else None


def refuse_foreign_folder(loaded: Loaded, target: Target) -> None:
    """Raise UsageError when a write would replace a folder that holds anything but the format's files."""
    if target.mode != "overwrite" or target.format in ("delta", "sql") or target.connection:
        return  # a store is asked when the table is staged
    if not target.path.is_dir():
        return
    suffixes = places.SUFFIXES.get(target.format, ())
    for path in target.path.rglob("*"):
        if path.is_file() and path.name[0] not in "._" and not path.name.endswith(suffixes):
            raise UsageError(
                f"{places.display(loaded, target.path)} is a folder that holds other things ({path.name})",
                hint="write to a path of its own; nothing was replaced",
            )


def quarantine_target(loaded: Loaded, quarantine: QuarantineConfig, write_id: str) -> Target:
    """Where rejected rows are added: a table of a database; or a file in the format that its suffix
    names, else Parquet."""
    place = places.required_path(quarantine)
    connection = places.connection_of(loaded, quarantine.connection)
    if connection.type in DATABASES:
        path = databases.table_path(loaded.root, connection, place)
        database = databases.settings(loaded.root, connection)
        return Target(
            "sql", path, "append", write_id, merge_schema=True, table=place, connection=database
        )
    return _added_to(loaded, quarantine.connection, place, write_id)


def _added_to(loaded: Loaded, name: str, place: str, write_id: str) -> Target:
    """A file that rows are added to, in the format that its suffix names, else Parquet."""
    connection = places.connection_of(loaded, name)
    format = places.format_by_name(Path(place).name)
    if stores.is_store(connection):
        path, known = stores.table_path(connection, place), stores.settings(connection)
        return Target(
            format, path, "append", write_id, merge_schema=True, table=place, connection=known
        )
    return Target(
        format, places.resolve(loaded, name, place), "append", write_id, merge_schema=True
    )


def bad_lines_target(loaded: Loaded, node: Node, run_id: str, write_id: str) -> Target:
    """Where input lines that can't be read are added: `read.bad_lines`, else the run's own folder."""
    bad_lines = node.config.read.bad_lines if node.config.read else None
    if bad_lines is not None and bad_lines.connection and bad_lines.path:
        return _added_to(loaded, bad_lines.connection, bad_lines.path, write_id)
    folder = loaded.root / ".odibi" / "runs" / run_id / "unreadable"
    return Target("parquet", folder / f"{write_id}.parquet", "overwrite", write_id)


def metadata_columns(node: Node, facts: RunFacts, sources: Sequence[Path]) -> dict[str, str]:
    """The columns that `write.add_metadata` adds, by name, as SQL values; unknown ones are null."""
    from odibi.transforms.sql import literal  # the built-ins load when a node runs, not before

    write, read = node.config.write, node.config.read
    wanted = write.add_metadata if write else None
    if not wanted:
        return {}
    chosen = {"extracted_at": True, "source_file": True}
    if wanted is not True:
        chosen = wanted.model_dump()
    known = {
        "extracted_at": f"TIMESTAMP {literal(f'{facts.started_at:%Y-%m-%d %H:%M:%S.%f}')}",
        "source_file": _text(literal, _shown_source(facts.loaded, read, sources)),
        "source_connection": _text(literal, read.connection if read else None),
        "source_table": _text(literal, read.table if read else None),
    }
    return {f"_{name}": known[name] for name, asked in chosen.items() if asked}


def _text(literal: Any, value: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if value is None else str(literal(value))


def _shown_source(loaded: Loaded, read: ReadConfig | None, sources: Sequence[Path]) -> str | None:
    """The file that was read; of several, the pattern or folder that the YAML names."""
    if len(sources) == 1 and not (read and read.format == "api"):
        return places.display(loaded, sources[0])
    return read.path if read else None
