"""From names in the YAML to absolute places: what a node reads, and where its results go."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import databases, stores
from odibi.config import AutoOptimizeConfig, NodeRef, ReadConfig
from odibi.config.unsupported import DATABASES
from odibi.engine import Source, Target, Upkeep
from odibi.errors import EngineError, UsageError

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, QuarantineConfig, WriteConfig
    from odibi.graph import Node
    from odibi.node import RunFacts
    from odibi.transforms import TargetRef

__all__ = [
    "bad_lines_target",
    "direct_inputs",
    "display",
    "is_whole_result",
    "metadata_columns",
    "node_inputs",
    "output_of",
    "place_name",
    "quarantine_target",
    "read_places",
    "refuse_foreign_folder",
    "reads_of",
    "resolve",
    "set_aside_source",
    "source_of",
    "sql_file",
    "stored_source",
    "target_of",
    "target_source",
    "written_places",
]

_SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "json": (".json", ".ndjson", ".jsonl", ".geojson", ".json.gz", ".ndjson.gz", ".jsonl.gz"),
    "parquet": (".parquet",),
}
_WILD = "*?["
_LINK_HINT = "make what the link leads to the base_path of a connection of its own"
_IN_TARGET = frozenset({"keys", "partition_by"})  # write options that are fields of Target


# Connections ------------------------------------------------------------------------------------


def resolve(loaded: Loaded, connection: str, path: str) -> Path:
    """The absolute place of `path` in a local connection.

    Raises UsageError when it lies outside the connection's folder, also by way of a link.
    """
    base = _base(loaded, connection)
    place = _joined(base, path)
    if not _inside(place, base):
        raise UsageError(
            f"path {path!r} leaves connection '{connection}' ({display(loaded, Path(base))})",
            hint="make a connection whose base_path holds it",
        )
    real = os.path.realpath(place)
    if not _inside(real, os.path.realpath(base)):
        raise UsageError(
            f"path {path!r} leaves connection '{connection}' by a link to {real}", hint=_LINK_HINT
        )
    return Path(place)


def _base(loaded: Loaded, name: str) -> str:
    """The folder of a local connection, absolute. Raises UsageError for any other kind."""
    connection = _connection(loaded, name)
    if connection.type != "local" or "://" in connection.base_path.removeprefix("file://"):
        raise UsageError(
            f"connection '{name}' (type {connection.type}) holds no files that can be read here",
            hint="use a connection of type local, or one of type sqlite with `format: sql`",
        )
    return _folder(loaded.root, connection.base_path)


@lru_cache(maxsize=64)
def _folder(root: Path, base_path: str) -> str:
    return _joined(str(root), str(Path(base_path.removeprefix("file://")).expanduser()))


def _connection(loaded: Loaded, name: str | None) -> Any:
    connections = loaded.project.connections
    if name is None or name not in connections:
        near = get_close_matches(name or "", connections, n=1)
        raise UsageError(
            f"connection {name!r} is not defined" if name else "a connection is missing",
            hint=f"did you mean {near[0]!r}?" if near else f"connections: {', '.join(connections)}",
        )
    return connections[name]


def _joined(folder: str, path: str) -> str:
    """The path without `..`, as text: a Path costs five times as much, and every node asks thrice."""
    return os.path.normpath(os.path.join(folder, path))  # noqa: PTH118


def _inside(place: str, base: str) -> bool:
    return place == base or place.startswith(base.rstrip(os.sep) + os.sep)


def display(loaded: Loaded, path: Path) -> str:
    """The path as messages and stories show it: from the project's folder, absolute elsewhere."""
    shown, root = path.as_posix(), loaded.root.as_posix()
    if of_store := re.match(r"(\w+):/(?=[^/])", shown):
        return f"{of_store[1]}://{shown[of_store.end() :]}"
    return "." if shown == root else shown.removeprefix(f"{root}/")


# What the graph asks ----------------------------------------------------------------------------


def node_inputs(config: NodeConfig) -> dict[str, NodeRef]:
    """The node's inputs that are other nodes' results, by table name."""
    return {n: ref for n, ref in (config.inputs or {}).items() if isinstance(ref, NodeRef)}


def direct_inputs(node: Node) -> dict[str, ReadConfig]:
    """The node's inputs that are read from a connection, by table name."""
    inputs = node.config.inputs or {}
    return {name: read for name, read in inputs.items() if isinstance(read, ReadConfig)}


def reads_of(config: NodeConfig) -> list[ReadConfig]:
    """All that the node reads by itself: `read`, and inputs that are no other node's result."""
    direct = [ref for ref in (config.inputs or {}).values() if isinstance(ref, ReadConfig)]
    return [*([config.read] if config.read else []), *direct]


def read_places(loaded: Loaded, config: NodeConfig) -> list[str]:
    """Names of the places that the node reads by itself; equal names are the same place."""
    names = [place_name(loaded, read) for read in reads_of(config)]
    return [name for name in names if name is not None]


def written_places(loaded: Loaded, config: NodeConfig) -> list[str]:
    """Names of the places where the node leaves rows: its result, and what it sets aside."""
    outputs: list[Any] = [config.write, config.validation and config.validation.quarantine]
    outputs.append(config.read and config.read.bad_lines)
    names = [place_name(loaded, output) for output in outputs if output]
    return [name for name in names if name is not None]


def place_name(loaded: Loaded, owner: Any) -> str | None:
    """A name for the place that a config with `connection` and `path` or `table` means, if it means one."""
    connection = loaded.project.connections.get(owner.connection)
    path = _path_of(owner)
    if connection is None or path is None:
        return None
    if connection.type in DATABASES and getattr(owner, "table", None):
        return databases.identity(loaded.root, connection, path)
    return _file_name(loaded, owner.connection, path)


def _file_name(loaded: Loaded, name: str, path: str) -> str:
    connection = loaded.project.connections[name]
    if connection.type == "local":
        return _joined(_base(loaded, name), path)
    if stores.is_store(connection):
        return stores.identity(connection, path)
    return f"{name}:{path}"


def _path_of(owner: Any) -> str | None:
    """`path`, or `table`, which for files is only another word for it."""
    path: str | None = owner.path or getattr(owner, "table", None)
    return path


def output_of(loaded: Loaded, node: Node) -> Path | None:
    """Where the node's result is stored, whether it is there yet or not."""
    write = node.config.write
    if write is None:
        return None
    with _named(node):
        connection, place = _connection(loaded, write.connection), _required_path(write)
        if connection.type in DATABASES:
            return databases.table_path(loaded.root, connection, place)
        if stores.is_store(connection):
            return stores.table_path(connection, place)
        return resolve(loaded, write.connection, place)


@contextmanager
def _named(node: Node) -> Iterator[None]:
    """Say in a UsageError which node it is about, and where that stands."""
    try:
        yield
    except UsageError as error:
        place = f"{node.position}: " if node.position else ""
        raise UsageError(f"{place}{node.key}: {error.message}", hint=error.hint) from error


def _required_path(owner: Any) -> str:
    path = _path_of(owner)
    if path is None:
        raise UsageError(
            f"neither `path` nor `table` says where in connection '{owner.connection}'"
        )
    return path


def is_output(loaded: Loaded, node: Node, source: Source) -> bool:
    """Whether the source is what the node writes; a query of the same database may be."""
    write = node.config.write
    if source.format != "sql" and source.connection is None:
        return source.path == output_of(loaded, node)
    if write is None or (write.format == "sql") != (source.format == "sql"):
        return False
    connection, table = _connection(loaded, write.connection), _required_path(write)
    if stores.is_store(connection):
        return source.connection == stores.settings(connection) and source.path == Path(table)
    if source.connection is None:
        here = connection.type == "sqlite" and source.path == Path(
            databases.settings(loaded.root, connection)["path"]
        )
    else:
        here = source.connection == databases.settings(loaded.root, connection)
    return here and source.table in (table, None)


# Reading ----------------------------------------------------------------------------------------


def source_of(loaded: Loaded, node: Node, read: ReadConfig) -> Source:
    """What a `read` block or a direct input stands for; its `filter` is the caller's business.

    Raises UsageError for a place that can't be, EngineError when nothing is there.
    """
    if read.format == "simulation":
        return Source(format="simulation", path=Path(), options=dict(read.options))
    connection = _connection(loaded, read.connection)
    if connection.type == "sqlite":
        return _database(loaded, node, read, connection.path)
    if connection.type in DATABASES:
        return _server(loaded, node, read, connection)
    if connection.type == "http":
        return _service(read, connection)
    options = dict(read.options)
    columns = options.pop("columns", None)
    travel = read.time_travel
    if stores.is_store(connection):
        return Source(
            format=read.format,
            path=Path(_required_path(read)),
            columns=columns,
            options=options,
            version=travel.as_of_version if travel else None,
            as_of=travel.as_of_timestamp if travel else None,
            connection=stores.settings(connection),
        )
    with _named(node):
        path = resolve(loaded, str(read.connection), _required_path(read))
        files = _existing(loaded, path, read.format)
    return Source(
        format=read.format,
        path=path,
        files=files,
        columns=columns,
        options=options,
        version=travel.as_of_version if travel else None,
        as_of=travel.as_of_timestamp if travel else None,
    )


def _database(loaded: Loaded, node: Node, read: ReadConfig, database: str) -> Source:
    path = Path(_joined(str(loaded.root), database))
    if not path.is_file():
        raise _absent(loaded, path, "database")
    query = sql_file(loaded, node, read.sql_file) if read.sql_file else read.query
    return Source(
        format="sql",
        path=path,
        options=dict(read.options),
        table=None if query else read.table,
        query=query,
    )


def _server(loaded: Loaded, node: Node, read: ReadConfig, connection: Any) -> Source:
    """A table or query of a database server; nothing is asked of it before the node runs."""
    query = sql_file(loaded, node, read.sql_file) if read.sql_file else read.query
    return Source(
        format="sql",
        path=Path(f"{connection.database}/{read.table or 'query'}"),
        options=dict(read.options),
        table=None if query else read.table,
        query=query,
        connection=connection.model_dump(),
    )


def _service(read: ReadConfig, connection: Any) -> Source:
    """An endpoint of a web service; nothing is asked of it before the node runs."""
    from odibi.config.api_options import ApiOptions  # only for projects that read services

    endpoint = _path_of(read) or ""
    return Source(
        format="api",
        path=Path(endpoint.partition("?")[0] or "/"),
        columns=read.options.get("columns"),
        options=ApiOptions.model_validate(read.options).settings(),
        table=endpoint,
        connection=connection.model_dump(),
    )


def sql_file(_loaded: Loaded, node: Node, name: str) -> str:
    """The text of one of the node's SQL files, as it was when the graph was built."""
    return node.sql_files[name]


def _existing(loaded: Loaded, path: Path, format: str) -> tuple[Path, ...]:
    """The files at a path, pattern or folder, sorted; none for a table that is a folder itself."""
    if format == "delta":
        if not (path / "_delta_log").is_dir():
            raise _absent(loaded, path, "Delta table")
        return ()
    files = _files(path, format)
    if not files:
        raise _absent(loaded, path, f"{format} file")
    return files


def _files(path: Path, format: str) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    if path.is_dir():
        return _at_home(path, sorted(_below(path, format)))
    if _is_pattern(path):
        return _matching(path)
    return ()


def _below(folder: Path, format: str) -> Iterator[Path]:
    """Files of the format in a folder and its subfolders.

    As everywhere in this field, names that begin with `.` or `_` are no data (logs, markers, staging).
    """
    suffixes = _SUFFIXES.get(format, ("",))
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._"]
        for name in names:
            if name[0] not in "._" and name.lower().endswith(suffixes):
                yield Path(parent, name)


def _matching(pattern: Path) -> tuple[Path, ...]:
    """Files that match a pattern and lie where it says, not behind a link that leads elsewhere."""
    fixed = pattern
    while _is_pattern(fixed):
        fixed = fixed.parent
    found = [Path(name) for name in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207 - Path.glob takes hidden files too
    return _at_home(fixed, sorted(path for path in found if path.is_file()))


def _at_home(folder: Path, files: Sequence[Path]) -> tuple[Path, ...]:
    """The files, none of which may lie behind a link that leads out of the folder. Raises UsageError."""
    home = os.path.realpath(folder)
    for place in {path.parent for path in files} | {path for path in files if path.is_symlink()}:
        if not _inside(os.path.realpath(place), home):
            raise UsageError(f"{place} is a link that leaves {folder}", hint=_LINK_HINT)
    return tuple(files)


def _absent(loaded: Loaded, path: Path, what: str) -> EngineError:
    """The error for a source that isn't there, with the nearest name that is."""
    shown = display(loaded, path)
    if _is_pattern(path):
        return EngineError(f"no {what} matches {shown}", hint=_nearest(loaded, path))
    if path.is_dir():
        return EngineError(f"no {what} in {shown}", hint=f"it holds {_holding(path)}")
    return EngineError(f"no {what} at {shown}", hint=_nearest(loaded, path))


def _is_pattern(path: Path) -> bool:
    return any(mark in str(path) for mark in _WILD)


def _nearest(loaded: Loaded, path: Path) -> str:
    """Words about the first part of the path that doesn't exist."""
    while not path.parent.is_dir() and path.parent != path:
        path = path.parent
    folder = display(loaded, path.parent)
    if _is_pattern(path):
        return f"in {folder}: {_holding(path.parent)}"
    near = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1)
    return f"did you mean {near[0]!r} in {folder}?" if near else f"{folder} holds no {path.name!r}"


def _holding(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "nothing"


# Results that are there -------------------------------------------------------------------------


def stored_source(loaded: Loaded, node: Node) -> Source | None:
    """The node's stored result as a source; None while there is none.

    Nothing is asked of a server: whether a table is there, its engine tells.
    """
    write = node.config.write
    path = output_of(loaded, node)
    if write is None or path is None:
        return None
    if write.format == "sql":
        return _table(loaded, write.connection, _required_path(write))
    connection = _connection(loaded, write.connection)
    if stores.is_store(connection):
        return _in_store(connection, _required_path(write), write.format, write.options)
    return _stored(path, write.format, write.options)


def _in_store(connection: Any, place: str, format: str, options: Mapping[str, Any]) -> Source:
    """A table of a store as a source; whether it is there, its engine tells."""
    known = stores.settings(connection)
    return Source(format, Path(place), options=_of_format(options), connection=known)


def _table(loaded: Loaded, name: str, table: str) -> Source | None:
    """A table of a database as a source; None when SQLite's file has no such table."""
    connection = _connection(loaded, name)
    if connection.type != "sqlite":
        path = databases.table_path(loaded.root, connection, table)
        return Source("sql", path, table=table, connection=connection.model_dump())
    file = Path(_joined(str(loaded.root), connection.path))
    return Source("sql", file, table=table) if databases.sqlite_has(file, table) else None


def _stored(path: Path, format: str, options: Mapping[str, Any]) -> Source | None:
    kept = _of_format(options)
    if format == "delta":
        there = (path / "_delta_log").is_dir()
        return Source(format, path, options=kept) if there else None
    files = _files(path, format)
    return Source(format, path, files, options=kept) if files else None


def _of_format(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _IN_TARGET}


def is_whole_result(write: WriteConfig) -> bool:
    """Whether the stored table equals the node's result, rows and types: the one can stand for the other."""
    typed = write.format == "delta" or (write.format == "parquet" and not _partitions(write))
    return typed and write.mode == "overwrite"


def target_source(loaded: Loaded, node: Node, target: TargetRef) -> Source | None:
    """The existing table that a built-in continues (scd2, merge, …); None while there is none.

    Its path may be a place in its connection; or `connection.place`, the name of a node of the
    pipeline, or a place in the connection that the node writes to; or be left out for what the node
    itself writes.
    """
    if target.query is not None:
        return _queried(loaded, target)
    connection, path = _target_place(loaded, node, target)
    if _connection(loaded, connection).type in DATABASES:
        return _table(loaded, connection, path)
    writer = _writer_of(loaded, connection, path)
    store = _connection(loaded, connection)
    if stores.is_store(store):
        format, options = (writer.format, writer.options) if writer else (_format_by_name(path), {})
        return _in_store(store, path, format, options)
    place = resolve(loaded, connection, path)
    if writer is not None:
        return _stored(place, writer.format, writer.options)
    return _stored(place, _format_at(place), {})


def _queried(loaded: Loaded, target: TargetRef) -> Source:
    connection = _connection(loaded, target.connection)
    if connection.type in DATABASES and connection.type != "sqlite":
        path = Path(connection.database, "query")
        return Source("sql", path, query=target.query, connection=connection.model_dump())
    if connection.type != "sqlite":
        raise UsageError(
            f"connection '{target.connection}' (type {connection.type}) takes no query"
        )
    path = Path(_joined(str(loaded.root), connection.path))
    if not path.is_file():
        raise _absent(loaded, path, "database")
    return Source("sql", path, query=target.query)


def _target_place(loaded: Loaded, node: Node, target: TargetRef) -> tuple[str, str]:
    """Connection and path of a target."""
    write, path = node.config.write, target.path
    if path is not None and target.connection:
        return target.connection, path
    head, _, rest = (path or "").partition(".")
    if rest and head in loaded.project.connections:
        return head, rest
    for config in _siblings(loaded, node):
        if config.write and path == config.name:
            return config.write.connection, _required_path(config.write)
    if write is None:
        raise UsageError(
            f"{node.key}: target {path or ''!r} names no connection, and the node writes nowhere",
            hint="write it as connection.path, or add `connection`",
        )
    return write.connection, path or _required_path(write)


def _siblings(loaded: Loaded, node: Node) -> list[NodeConfig]:
    pipelines = loaded.project.pipelines
    return next(p.nodes for p in pipelines if p.pipeline == node.pipeline)


def _writer_of(loaded: Loaded, connection: str, path: str) -> WriteConfig | None:
    """How the project writes a place, if it does."""
    wanted = _file_name(loaded, connection, path)
    for pipeline in loaded.project.pipelines:
        for config in pipeline.nodes:
            if config.write and place_name(loaded, config.write) == wanted:
                return config.write
    return None


def _format_at(path: Path) -> str:
    if (path / "_delta_log").is_dir():
        return "delta"
    return _format_by_name(path.name)


def _format_by_name(name: str) -> str:
    for format, suffixes in _SUFFIXES.items():
        if name.lower().endswith(suffixes):
            return format
    return "parquet"


# Writing ----------------------------------------------------------------------------------------


def target_of(loaded: Loaded, node: Node, write_id: str) -> Target:
    """Where and how the node's result is written."""
    write, path = node.config.write, output_of(loaded, node)
    if write is None or path is None:
        raise UsageError(f"{node.key} has no `write`")
    elsewhere = _elsewhere(loaded, write.connection)
    return Target(
        format=write.format,
        path=path,
        mode=write.mode,
        write_id=write_id,
        keys=write.keys,
        partition_by=_partitions(write),
        options=_of_format(write.options),
        merge_schema=write.merge_schema,
        overwrite_schema=write.overwrite_schema,
        table=_required_path(write) if elsewhere is not None else None,
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
    connection = _connection(loaded, name)
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
    suffixes = _SUFFIXES.get(target.format, ())
    for path in target.path.rglob("*"):
        if path.is_file() and path.name[0] not in "._" and not path.name.endswith(suffixes):
            raise UsageError(
                f"{display(loaded, target.path)} is a folder that holds other things ({path.name})",
                hint="write to a path of its own; nothing was replaced",
            )


def _partitions(write: WriteConfig) -> tuple[str, ...]:
    return _names(write.partition_by or write.options.get("partition_by"))


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def quarantine_target(loaded: Loaded, quarantine: QuarantineConfig, write_id: str) -> Target:
    """Where rejected rows are added: a table of a database; or a file in the format that its suffix
    names, else Parquet."""
    place = _required_path(quarantine)
    connection = _connection(loaded, quarantine.connection)
    if connection.type in DATABASES:
        path = databases.table_path(loaded.root, connection, place)
        database = databases.settings(loaded.root, connection)
        return Target(
            "sql", path, "append", write_id, merge_schema=True, table=place, connection=database
        )
    return _added_to(loaded, quarantine.connection, place, write_id)


def _added_to(loaded: Loaded, name: str, place: str, write_id: str) -> Target:
    """A file that rows are added to, in the format that its suffix names, else Parquet."""
    connection = _connection(loaded, name)
    format = _format_by_name(Path(place).name)
    if stores.is_store(connection):
        path, known = stores.table_path(connection, place), stores.settings(connection)
        return Target(
            format, path, "append", write_id, merge_schema=True, table=place, connection=known
        )
    return Target(format, resolve(loaded, name, place), "append", write_id, merge_schema=True)


def set_aside_source(loaded: Loaded, node: Node) -> Source | None:
    """The node's rejected rows, where its YAML keeps some; None while there are none.

    As with `stored_source`, nothing is asked of a server.
    """
    quarantine = node.config.validation.quarantine if node.config.validation else None
    if quarantine is None:
        return None
    target = quarantine_target(loaded, quarantine, "")
    if target.format == "sql":
        return _table(loaded, quarantine.connection, target.table or "")
    if target.connection is not None:
        return Source(target.format, Path(target.table or ""), connection=target.connection)
    return Source(target.format, target.path, (target.path,)) if target.path.is_file() else None


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
        return display(loaded, sources[0])
    return read.path if read else None
