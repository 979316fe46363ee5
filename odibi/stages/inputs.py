"""Stage `read`: where a node's rows come from, as the frame `df` and the tables its SQL may name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from odibi import places, sources
from odibi.engine import Frame, Source
from odibi.errors import NodeError
from odibi.stages.incremental import asked_of_server, first_query, go_on_from, mark_key, new_rows

if TYPE_CHECKING:
    from odibi.config import ReadConfig
    from odibi.graph import Node
    from odibi.node import Work

__all__ = ["start"]

_TEXT = ("csv", "json", "api")


def start(work: Work) -> Frame | None:
    """The frame the node begins with; None for a node that makes its own rows (date_dimension)."""
    node = work.node
    _gather_upstream(work)
    if node.config.read is not None:
        frame: Frame | None = _limited(work, read(work, node.config.read))
    else:
        frame = work.tables.get(node.primary) if node.primary is not None else None
    if frame is not None and not work.reads_text:
        work.counts.rows_in = frame.rows
    return frame


def _gather_upstream(work: Work) -> None:
    """Fill `work.tables`: results of this run, else what the upstream node last stored."""
    whole_tables = places.node_inputs(work.node.config)
    for name, key in work.node.upstream.items():
        frame = work.job.frames.get(name)
        if frame is None or (name in whole_tables and _adds_to_a_table(work.facts.nodes[key])):
            frame = _stored(work, name, key)
        work.tables[name] = frame
    for name, config in places.direct_inputs(work.node).items():
        work.tables[name] = _limited(work, read(work, config))


def _adds_to_a_table(node: Node) -> bool:
    """Whether the node's result is only a part of what it stores: `$p.n` means the whole table."""
    write = node.config.write
    return write is not None and write.mode != "overwrite"


def _stored(work: Work, name: str, key: str) -> Frame:
    source = work.stored(work.facts.nodes[key])
    if source is None:
        raise NodeError(
            f"input '{name}' has no rows: {key} has not stored a result yet",
            hint=f"run it first: odibi run --select {key}",
        )
    if key in work.job.stale:
        work.warn(f"{key} failed and is ignored: '{name}' is what an earlier run stored")
    frame = _read_source(work, source)
    return _limited(work, frame)


def read(work: Work, config: ReadConfig) -> Frame:
    """Read one source and keep the rows that `incremental` and `filter` let through."""
    source = sources.source_of(work.facts.loaded, work.node, config)
    if first := first_query(work, config):
        source = replace(source, table=None, query=first)
    if config.incremental and config.incremental.mode == "stateful":
        since = go_on_from(work, mark_key(work, config.incremental))
        source = replace(source, goes_on=True, state=since.extra if since else None)
    if config.incremental and source.format == "sql" and source.connection is not None:
        source = asked_of_server(work, config.incremental, source)
    if source.format == "sql" and source.connection is not None:
        few = work.facts.sample if config.filter is None else None
        source = replace(source, enough=1 if work.facts.dry else few)
    frame = _read_source(work, source)
    if config.incremental:
        frame = new_rows(work, config.incremental, frame)
        if source.format == "simulation" and work.reached is not None:
            work.reached = replace(work.reached, extra=work.session.source_state())
    if config.filter:
        frame = work.sql("read.filter", f"SELECT * FROM df WHERE ({config.filter})", frame)
        work.counts.declare("fewer")
    return frame


def _read_source(work: Work, source: Source) -> Frame:
    if source.format in ("api", "simulation"):
        source = replace(source, enough=1 if work.facts.dry else work.facts.sample)
    if source.format != "simulation":
        work.sources.extend(source.files or (source.path,))
    work.reads_text = work.reads_text or source.format in _TEXT
    work.continues |= places.is_output(work.facts.loaded, work.node, source)
    frame = work.session.read(source)
    if source.format == "json":
        _warn_of_unread(work, source, frame)
    return frame


def _warn_of_unread(work: Work, source: Source, frame: Frame) -> None:
    """Say which keys of the objects aren't read: declared columns leave them out, silently otherwise."""
    from odibi.stages.json_keys import unread_keys  # for JSON only

    if keys := unread_keys(source.files, [column.name for column in frame.schema]):
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        names = ", ".join(repr(key) for key in keys[:5])
        work.warn(f"keys of the JSON objects that aren't read: {names}{more} (options.columns)")


def _limited(work: Work, frame: Frame) -> Frame:
    """All rows; `--sample N` takes N of them, a dry run none."""
    limit = 0 if work.facts.dry else work.facts.sample
    if limit is None:
        return frame
    work.counts.declare("changes")
    return work.session.sql(f"SELECT * FROM df LIMIT {limit}", {"df": frame})
