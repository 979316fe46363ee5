"""The tables that a project's nodes write, as they lie on disk now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import databases, places, sources, targets
from odibi.discovery import shown_path
from odibi.engine import Source

if TYPE_CHECKING:
    from odibi.config import Loaded
    from odibi.graph import Graph, Node

__all__ = ["StoredTable", "quoted", "set_aside_tables", "sql_name", "stored_tables"]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """What one node writes: the place, and the source that reads it once it has been written.

    `unique`: no node of another pipeline has this name, so that SQL may leave the pipeline out.
    `bytes` and `changed` (UTC) are None until it has been written, and for a table of a database or a
    store; whether a server has it isn't asked.
    """

    pipeline: str
    node: str
    path: Path
    format: str
    unique: bool
    source: Source | None = None
    bytes: int | None = None
    changed: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.pipeline}.{self.node}"

    @property
    def written(self) -> bool:
        """Whether it is there; of a table on a server, whether it may be."""
        return self.source is not None

    @property
    def sql_name(self) -> str:
        """The shortest name under which SQL finds it."""
        return (
            sql_name(self.node)
            if self.unique
            else f"{sql_name(self.pipeline)}.{sql_name(self.node)}"
        )

    @property
    def shown_path(self) -> str:
        return shown_path(self.path)

    @property
    def size(self) -> str:
        return "" if self.bytes is None else _size(self.bytes)

    @property
    def age(self) -> str:
        if self.changed is not None:
            return f"{self.changed.astimezone():%Y-%m-%d %H:%M}"
        return "not yet" if self.source is None else "not asked"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "pipeline": self.pipeline,
            "node": self.node,
            "format": self.format,
            "path": str(self.path),
            "bytes": self.bytes,
            "changed": None if self.changed is None else self.changed.isoformat(timespec="seconds"),
            "written": self.written,
            "sql_name": self.sql_name,
        }


# words that DuckDB takes for the name of a table only in quotes
_WORDS = """
    all analyse analyze and anti any array as asc asof asymmetric at authorization binary both
    by case cast check collate collation column columns concurrently constraint create cross
    default deferrable desc describe distinct do else end except false fetch for foreign freeze
    from full generated glob group having ilike in initially inner intersect into is isnull join
    lambda lateral leading left like limit map natural not notnull null offset on only or order
    outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references
    returning right select semi show similar some struct summarize symmetric table tablesample
    then to trailing true try_cast tuple union unique unpack unpivot using variadic verbose when
    where window with
"""
_RESERVED = frozenset(_WORDS.split())


def quoted(name: str) -> str:
    """The name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def sql_name(name: str) -> str:
    """The name as people write it in SQL: quoted only where it must be."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in _RESERVED
    return name if plain else quoted(name)


def stored_tables(graph: Graph) -> list[StoredTable]:
    """The outputs of all nodes that write, in file order."""
    writers = [node for node in graph.nodes.values() if node.config.write is not None]
    names = Counter(node.name.lower() for node in writers)
    return [_stored(graph.loaded, node, names[node.name.lower()] == 1) for node in writers]


def set_aside_tables(graph: Graph) -> list[StoredTable]:
    """Rows and lines that were set aside, as `quarantine.<node>` and `quarantine.<node>_lines`.

    Only those that are there. A name that two pipelines share gets the pipeline in front.
    """
    found = [
        (node, suffix, path, source)
        for node in graph.nodes.values()
        for suffix, path, source in _set_aside(graph.loaded, node)
    ]
    names = Counter(node.name + suffix for node, suffix, *_ in found)
    tables = []
    for node, suffix, path, source in found:
        name = node.name + suffix
        name = name if names[name] == 1 else f"{node.pipeline}_{name}"
        table = StoredTable("quarantine", name, path, source.format, unique=False)
        tables.append(_with_facts(table, source))
    return tables


def _set_aside(loaded: Loaded, node: Node) -> Iterator[tuple[str, Path, Source]]:
    """Suffix of the name, place and source of what the node has set aside."""
    validation, read = node.config.validation, node.config.read
    if validation is not None and validation.quarantine is not None:
        target = targets.quarantine_target(loaded, validation.quarantine, "")
        if (source := sources.set_aside_source(loaded, node)) is not None:
            yield "", target.path, source
    if read is not None and read.bad_lines is not None and read.bad_lines.path:
        target = targets.bad_lines_target(loaded, node, "", "")
        if target.connection is not None:
            place = Path(target.table or "")
            yield "_lines", target.path, Source(target.format, place, connection=target.connection)
        elif target.path.is_file():
            yield "_lines", target.path, Source(target.format, target.path, (target.path,))


def _stored(loaded: Loaded, node: Node, unique: bool) -> StoredTable:
    path = places.output_of(loaded, node)
    assert path is not None and node.config.write is not None
    table = StoredTable(node.pipeline, node.name, path, node.config.write.format, unique)
    source = sources.stored_source(loaded, node)
    return table if source is None else _with_facts(table, source)


def _with_facts(table: StoredTable, source: Source) -> StoredTable:
    """The table with the size and time of its files; of a SQLite table with the time of its last write."""
    if source.connection is not None:
        return replace(table, source=source)
    if source.format == "sql":
        written = databases.sqlite_changed(source.path, source.table) if source.table else None
        return replace(table, source=source, changed=written)
    facts = [file.stat() for file in _files(source)]
    changed = max((fact.st_mtime for fact in facts), default=None)
    return replace(
        table,
        source=source,
        bytes=sum(fact.st_size for fact in facts),
        changed=None if changed is None else datetime.fromtimestamp(changed, UTC),
    )


def _files(source: Source) -> Sequence[Path]:
    """The files of a table; of a Delta table also those of earlier versions."""
    return source.files or [file for file in source.path.rglob("*") if file.is_file()]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
