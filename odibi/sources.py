"""What a node reads, resolved: files, tables and services, and the results that earlier runs stored."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import databases, places, stores, targets
from odibi.config import ReadConfig
from odibi.config.unsupported import DATABASES
from odibi.engine import Source
from odibi.errors import EngineError, UsageError

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, WriteConfig
    from odibi.graph import Node
    from odibi.transforms import TargetRef


__all__ = [
    "is_whole_result",
    "set_aside_source",
    "source_of",
    "sql_file",
    "stored_source",
    "target_source",
]

_WILD = "*?["


# Reading -----------------------------------------------------------------------------------------


def source_of(loaded: Loaded, node: Node, read: ReadConfig) -> Source:
    """What a `read` block or a direct input stands for; its `filter` is the caller's business.

    Raises UsageError for a place that can't be, EngineError when nothing is there.
    """
    if read.format == "simulation":
        return Source(format="simulation", path=Path(), options=dict(read.options))
    connection = places.connection_of(loaded, read.connection)
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
            path=Path(places.required_path(read)),
            columns=columns,
            options=options,
            version=travel.as_of_version if travel else None,
            as_of=travel.as_of_timestamp if travel else None,
            connection=stores.settings(connection),
        )
    with places.named(node):
        path = places.resolve(loaded, str(read.connection), places.required_path(read))
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
    path = Path(places.joined(str(loaded.root), database))
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

    endpoint = places.path_of(read) or ""
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
    suffixes = places.SUFFIXES.get(format, ("",))
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
        if not places.inside(os.path.realpath(place), home):
            raise UsageError(f"{place} is a link that leaves {folder}", hint=places.LINK_HINT)
    return tuple(files)


def _absent(loaded: Loaded, path: Path, what: str) -> EngineError:
    """The error for a source that isn't there, with the nearest name that is."""
    shown = places.display(loaded, path)
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
    folder = places.display(loaded, path.parent)
    if _is_pattern(path):
        return f"in {folder}: {_holding(path.parent)}"
    near = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1)
    return f"did you mean {near[0]!r} in {folder}?" if near else f"{folder} holds no {path.name!r}"


def _holding(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "nothing"


# Results that are there --------------------------------------------------------------------------


def stored_source(loaded: Loaded, node: Node) -> Source | None:
    """The node's stored result as a source; None while there is none.

    Nothing is asked of a server: whether a table is there, its engine tells.
    """
    write = node.config.write
    path = places.output_of(loaded, node)
    if write is None or path is None:
        return None
    if write.format == "sql":
        return _table(loaded, write.connection, places.required_path(write))
    connection = places.connection_of(loaded, write.connection)
    if stores.is_store(connection):
        return _in_store(connection, places.required_path(write), write.format, write.options)
    return _stored(path, write.format, write.options)


def _in_store(connection: Any, place: str, format: str, options: Mapping[str, Any]) -> Source:
    """A table of a store as a source; whether it is there, its engine tells."""
    known = stores.settings(connection)
    return Source(format, Path(place), options=places.options_of_format(options), connection=known)


def _table(loaded: Loaded, name: str, table: str) -> Source | None:
    """A table of a database as a source; None when SQLite's file has no such table."""
    connection = places.connection_of(loaded, name)
    if connection.type != "sqlite":
        path = databases.table_path(loaded.root, connection, table)
        return Source("sql", path, table=table, connection=connection.model_dump())
    file = Path(places.joined(str(loaded.root), connection.path))
    return Source("sql", file, table=table) if databases.sqlite_has(file, table) else None


def _stored(path: Path, format: str, options: Mapping[str, Any]) -> Source | None:
    kept = places.options_of_format(options)
    if format == "delta":
        there = (path / "_delta_log").is_dir()
        return Source(format, path, options=kept) if there else None
    files = _files(path, format)
    return Source(format, path, files, options=kept) if files else None


def is_whole_result(write: WriteConfig) -> bool:
    """Whether the stored table equals the node's result, rows and types: the one can stand for the other."""
    typed = write.format == "delta" or (write.format == "parquet" and not places.partitions(write))
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
    if places.connection_of(loaded, connection).type in DATABASES:
        return _table(loaded, connection, path)
    writer = _writer_of(loaded, connection, path)
    store = places.connection_of(loaded, connection)
    if stores.is_store(store):
        format, options = (
            (writer.format, writer.options) if writer else (places.format_by_name(path), {})
        )
        return _in_store(store, path, format, options)
    place = places.resolve(loaded, connection, path)
    if writer is not None:
        return _stored(place, writer.format, writer.options)
    return _stored(place, _format_at(place), {})


def _queried(loaded: Loaded, target: TargetRef) -> Source:
    connection = places.connection_of(loaded, target.connection)
    if connection.type in DATABASES and connection.type != "sqlite":
        path = Path(connection.database, "query")
        return Source("sql", path, query=target.query, connection=connection.model_dump())
    if connection.type != "sqlite":
        raise UsageError(
            f"connection '{target.connection}' (type {connection.type}) takes no query"
        )
    path = Path(places.joined(str(loaded.root), connection.path))
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
            return config.write.connection, places.required_path(config.write)
    if write is None:
        raise UsageError(
            f"{node.key}: target {path or ''!r} names no connection, and the node writes nowhere",
            hint="write it as connection.path, or add `connection`",
        )
    return write.connection, path or places.required_path(write)


def _siblings(loaded: Loaded, node: Node) -> list[NodeConfig]:
    pipelines = loaded.project.pipelines
    return next(p.nodes for p in pipelines if p.pipeline == node.pipeline)


def _writer_of(loaded: Loaded, connection: str, path: str) -> WriteConfig | None:
    """How the project writes a place, if it does."""
    wanted = places.file_name(loaded, connection, path)
    for pipeline in loaded.project.pipelines:
        for config in pipeline.nodes:
            if config.write and places.place_name(loaded, config.write) == wanted:
                return config.write
    return None


def _format_at(path: Path) -> str:
    if (path / "_delta_log").is_dir():
        return "delta"
    return places.format_by_name(path.name)


def set_aside_source(loaded: Loaded, node: Node) -> Source | None:
    """The node's rejected rows, where its YAML keeps some; None while there are none.

    As with `stored_source`, nothing is asked of a server.
    """
    quarantine = node.config.validation.quarantine if node.config.validation else None
    if quarantine is None:
        return None
    target = targets.quarantine_target(loaded, quarantine, "")
    if target.format == "sql":
        return _table(loaded, quarantine.connection, target.table or "")
    if target.connection is not None:
        return Source(target.format, Path(target.table or ""), connection=target.connection)
    return Source(target.format, target.path, (target.path,)) if target.path.is_file() else None
