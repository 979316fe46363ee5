"""Stage `read`: where a node's rows come from, as the frame `df` and the tables its SQL may name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from odibi import places
from odibi.engine import Frame, Source
from odibi.errors import NodeError
from odibi.incremental import window_condition

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
    source = places.stored_source(work.facts.loaded, work.facts.nodes[key])
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
    source = places.source_of(work.facts.loaded, work.node, config)
    frame = _read_source(work, source)
    if config.incremental:
        condition = window_condition(config.incremental, work.facts.started_at, frame.schema)
        frame = work.sql("read.incremental", f"SELECT * FROM df WHERE {condition}", frame)
        work.counts.declare("fewer")
    if config.filter:
        frame = work.sql("read.filter", f"SELECT * FROM df WHERE ({config.filter})", frame)
        work.counts.declare("fewer")
    return frame


def _read_source(work: Work, source: Source) -> Frame:
    if source.format == "api":
        source = replace(source, enough=1 if work.facts.dry else work.facts.sample)
    work.sources.extend(source.files or (source.path,))
    work.reads_text = work.reads_text or source.format in _TEXT
    return work.session.read(source)


def _limited(work: Work, frame: Frame) -> Frame:
    """All rows; `--sample N` takes N of them, a dry run none."""
    limit = 0 if work.facts.dry else work.facts.sample
    if limit is None:
        return frame
    work.counts.declare("changes")
    return work.session.sql(f"SELECT * FROM df LIMIT {limit}", {"df": frame})
