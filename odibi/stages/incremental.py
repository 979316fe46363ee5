"""Part of stage `read`: only the rows that are new, and the mark that the node's write will set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from odibi import events as ev
from odibi import targets
from odibi.engine import Frame, Source
from odibi.incremental import (
    mark_condition,
    mark_query,
    mark_reached,
    typed_columns,
    window_condition,
)
from odibi.marks import Mark, Record

if TYPE_CHECKING:
    from odibi.config import ReadConfig
    from odibi.config.nodes import IncrementalConfig
    from odibi.node import Work

__all__ = ["asked_of_server", "first_query", "go_on_from", "mark_key", "new_rows"]


def first_query(work: Work, config: ReadConfig) -> str | None:
    """The query that reads a database while the node's table isn't there, if the YAML has one."""
    write = work.node.config.write
    if write is None or write.first_run_query is None or config is not work.node.config.read:
        return None
    return None if _has_table(work) else write.first_run_query


def asked_of_server(work: Work, config: IncrementalConfig, source: Source) -> Source:
    """A database's source with the condition for new rows in it, so that the others stay there.

    For a stateful read `go_on_from` has been asked before.
    """
    schema = work.session.read(replace(source, enough=0)).schema
    if config.mode == "stateful":
        mark = work.since.mark if work.since is not None else None
        if mark is None or typed_columns(config, mark, schema):
            return source
        return replace(source, filter=mark_condition(config, mark, schema))
    if _reads_all(work):
        return source
    return replace(source, filter=window_condition(config, work.facts.started_at, schema))


def new_rows(work: Work, config: IncrementalConfig, frame: Frame) -> Frame:
    """The rows of `frame` that the read asks for; all of them while the node's table isn't there.

    For a stateful read `go_on_from` has been asked before.

    A table that each run replaces holds its window from the first run on.
    """
    work.counts.declare("fewer")
    if config.mode == "stateful":
        return _above_the_mark(work, config, frame)
    if _reads_all(work):
        return frame
    condition = window_condition(config, work.facts.started_at, frame.schema)
    return work.sql("read.incremental", f"SELECT * FROM df WHERE {condition}", frame)


def mark_key(work: Work, config: IncrementalConfig) -> str:
    """The name that the read's mark goes by."""
    return config.state_key or work.key


def go_on_from(work: Work, key: str) -> Record | None:
    """The record that a source goes on from; None for the first time, or when its table is gone.

    Of a write that a crash left without its mark, it first finds out whether it was published.
    """
    node, loaded = work.node, work.facts.loaded
    record = work.facts.marks.settle(
        key, lambda id: work.facts.engine.was_written(targets.target_of(loaded, node, id))
    )
    if record is not None and not _has_table(work):
        work.warn("the node's table is gone: everything is read again, not what is above the mark")
        record = None
    work.since = record
    return record


def _reads_all(work: Work) -> bool:
    """Whether a window doesn't count yet: the table that keeps earlier rows isn't there."""
    write = work.node.config.write
    if write is None or _has_table(work):
        return False
    return write.mode != "overwrite" or write.first_run_query is not None


def _has_table(work: Work) -> bool:
    return work.stored(work.node) is not None


def _above_the_mark(work: Work, config: IncrementalConfig, frame: Frame) -> Frame:
    key, since = mark_key(work, config), work.since
    mark = since.mark if since is not None else None
    if mark is not None:
        if query := typed_columns(config, mark, frame.schema):
            frame = work.sql("read.incremental", query, frame)
        condition = mark_condition(config, mark, frame.schema)
        frame = work.sql("read.incremental", f"SELECT * FROM df WHERE {condition}", frame)
    query = mark_query(config, mark, frame.schema)  # a trial also says what is wrong with columns
    if not work.facts.moves_marks:
        return frame
    frame = work.hold(frame)  # the source may grow meanwhile: rows and mark are of one reading
    reached = mark_reached(config, frame.schema, work.session.fetch(query, {"df": frame}))
    work.reached = Record(
        key=key,
        mark=reached or mark,
        column=config.key_column,
        write_id=work.write_id(),
        run_id=work.facts.run_id,
        at=work.facts.started_at,
    )
    _tell(work, config, mark, reached)
    return frame


def _tell(work: Work, config: IncrementalConfig, mark: Mark | None, reached: Mark | None) -> None:
    start = f"above {mark.value}" if mark is not None else "all"
    end = f"up to {reached.value}" if reached is not None else "none is new"
    message = f"read.incremental: rows with {config.key_column} {start}; {end}"
    work.emit(ev.LogLine(level="INFO", message=message, node=work.key))
