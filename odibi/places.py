"""From names in the YAML to absolute places, and what the graph asks of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import databases, stores
from odibi.config import NodeRef, ReadConfig
from odibi.config.unsupported import DATABASES
from odibi.engine import Source
from odibi.errors import UsageError

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, WriteConfig
    from odibi.graph import Node

__all__ = [
    "LINK_HINT",
    "SUFFIXES",
    "connection_of",
    "direct_inputs",
    "display",
    "file_name",
    "format_by_name",
    "inside",
    "is_output",
    "joined",
    "named",
    "node_inputs",
    "options_of_format",
    "output_of",
    "partitions",
    "path_of",
    "place_name",
    "read_places",
    "reads_of",
    "required_path",
    "resolve",
    "written_places",
]

SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "json": (".json", ".ndjson", ".jsonl", ".geojson", ".json.gz", ".ndjson.gz", ".jsonl.gz"),
    "parquet": (".parquet",),
}
LINK_HINT = "make what the link leads to the base_path of a connection of its own"
_IN_TARGET = frozenset({"keys", "partition_by"})  # write options that are fields of Target


# Connections -------------------------------------------------------------------------------------


def resolve(loaded: Loaded, connection: str, path: str) -> Path:
    """The absolute place of `path` in a local connection.

    Raises UsageError when it lies outside the connection's folder, also by way of a link.
    """
    base = _base(loaded, connection)
    place = joined(base, path)
    if not inside(place, base):
        raise UsageError(
            f"path {path!r} leaves connection '{connection}' ({display(loaded, Path(base))})",
            hint="make a connection whose base_path holds it",
        )
    real = os.path.realpath(place)
    if not inside(real, os.path.realpath(base)):
        raise UsageError(
            f"path {path!r} leaves connection '{connection}' by a link to {real}", hint=LINK_HINT
        )
    return Path(place)


def _base(loaded: Loaded, name: str) -> str:
    """The folder of a local connection, absolute. Raises UsageError for any other kind."""
    connection = connection_of(loaded, name)
    if connection.type != "local" or "://" in connection.base_path.removeprefix("file://"):
        raise UsageError(
            f"connection '{name}' (type {connection.type}) holds no files that can be read here",
            hint="use a connection of type local, or one of type sqlite with `format: sql`",
        )
    return _folder(loaded.root, connection.base_path)


@lru_cache(maxsize=64)
def _folder(root: Path, base_path: str) -> str:
    return joined(str(root), str(Path(base_path.removeprefix("file://")).expanduser()))


def connection_of(loaded: Loaded, name: str | None) -> Any:
    connections = loaded.project.connections
    if name is None or name not in connections:
        near = get_close_matches(name or "", connections, n=1)
        raise UsageError(
            f"connection {name!r} is not defined" if name else "a connection is missing",
            hint=f"did you mean {near[0]!r}?" if near else f"connections: {', '.join(connections)}",
        )
    return connections[name]


def joined(folder: str, path: str) -> str:
    """The path without `..`, as text: a Path costs five times as much, and every node asks thrice."""
    return os.path.normpath(os.path.join(folder, path))  # noqa: PTH118


def inside(place: str, base: str) -> bool:
    return place == base or place.startswith(base.rstrip(os.sep) + os.sep)


def display(loaded: Loaded, path: Path) -> str:
    """The path as messages and stories show it: from the project's folder, absolute elsewhere."""
    shown, root = path.as_posix(), loaded.root.as_posix()
    if of_store := re.match(r"(\w+):/(?=[^/])", shown):
        return f"{of_store[1]}://{shown[of_store.end() :]}"
    return "." if shown == root else shown.removeprefix(f"{root}/")


# What the graph asks -----------------------------------------------------------------------------


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
    path = path_of(owner)
    if connection is None or path is None:
        return None
    if connection.type in DATABASES and getattr(owner, "table", None):
        return databases.identity(loaded.root, connection, path)
    return file_name(loaded, owner.connection, path)


def file_name(loaded: Loaded, name: str, path: str) -> str:
    connection = loaded.project.connections[name]
    if connection.type == "local":
        return joined(_base(loaded, name), path)
    if stores.is_store(connection):
        return stores.identity(connection, path)
    return f"{name}:{path}"


def path_of(owner: Any) -> str | None:
    """`path`, or `table`, which for files is only another word for it."""
    path: str | None = owner.path or getattr(owner, "table", None)
    return path


def output_of(loaded: Loaded, node: Node) -> Path | None:
    """Where the node's result is stored, whether it is there yet or not."""
    write = node.config.write
    if write is None:
        return None
    with named(node):
        connection, place = connection_of(loaded, write.connection), required_path(write)
        if connection.type in DATABASES:
            return databases.table_path(loaded.root, connection, place)
        if stores.is_store(connection):
            return stores.table_path(connection, place)
        return resolve(loaded, write.connection, place)


@contextmanager
def named(node: Node) -> Iterator[None]:
    """Say in a UsageError which node it is about, and where that stands."""
    try:
        yield
    except UsageError as error:
        place = f"{node.position}: " if node.position else ""
        raise UsageError(f"{place}{node.key}: {error.message}", hint=error.hint) from error


def required_path(owner: Any) -> str:
    path = path_of(owner)
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
    connection, table = connection_of(loaded, write.connection), required_path(write)
    if stores.is_store(connection):
        return source.connection == stores.settings(connection) and source.path == Path(table)
    if source.connection is None:
        here = connection.type == "sqlite" and source.path == Path(
            databases.settings(loaded.root, connection)["path"]
        )
    else:
        here = source.connection == databases.settings(loaded.root, connection)
    return here and source.table in (table, None)


def options_of_format(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _IN_TARGET}


def format_by_name(name: str) -> str:
    for format, suffixes in SUFFIXES.items():
        if name.lower().endswith(suffixes):
            return format
    return "parquet"


def partitions(write: WriteConfig) -> tuple[str, ...]:
    return _names(write.partition_by or write.options.get("partition_by"))


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())
