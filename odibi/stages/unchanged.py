"""Part of stage `write`: whether a batch is what the node's last write stored, by its content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from odibi import targets
from odibi.engine import Frame, Schema
from odibi.errors import NodeError
from odibi.marks import Marks, Record
from odibi.transforms.sql import ident

if TYPE_CHECKING:
    from odibi.node import Work

__all__ = ["contents_of", "is_unchanged"]


def contents_of(work: Work) -> Marks:
    """Where the contents of last writes are kept, beside the marks."""
    marks = work.facts.marks
    return Marks(marks.folder.with_name("contents"), marks.env)


def is_unchanged(work: Work, frame: Frame) -> bool:
    """Whether the held rows equal those of the last write, which is still in the table.

    Else their content is noted for the write to come. Raises NodeError for a column that isn't there.
    """
    content = _content(work, frame)
    node, loaded = work.node, work.facts.loaded

    def published(write_id: str) -> bool:
        return work.facts.engine.was_written(targets.target_of(loaded, node, write_id))

    last = contents_of(work).settle(work.key, published)
    if last is not None and last.extra["content"] == content and published(last.write_id):
        return True
    work.content = Record(
        key=work.key,
        mark=None,
        column=None,
        write_id=work.write_id(),
        run_id=work.facts.run_id,
        at=work.facts.started_at,
        extra={"content": content},
    )
    return False


def _content(work: Work, frame: Frame) -> str:
    """A text that is equal when names, types and rows are, in whatever order the rows come."""
    schema = _compared(work, frame.schema)
    query = _sums(schema)
    answer = work.session.fetch(query, {"df": frame}).rows[0]
    facts = repr([(column.name, column.type) for column in schema]) + repr(tuple(map(str, answer)))
    return hashlib.sha256(facts.encode()).hexdigest()


def _compared(work: Work, schema: Schema) -> Schema:
    config = work.node.config.write
    wanted = config.skip_hash_columns if config else None
    if wanted is None:
        return schema
    known = {column.name: column for column in schema}
    for name in wanted:
        if name not in known:
            raise NodeError(
                f"write.skip_hash_columns: there is no column '{name}'",
                hint=f"the result has {', '.join(known)}",
            )
    return tuple(known[name] for name in wanted)


def _sums(schema: Schema) -> str:
    """Sums over both halves of each row's MD5: equal rows twice count twice, unlike with XOR."""
    names = ", ".join(ident(column.name) for column in schema)
    row = "CAST(to_json(r) AS VARCHAR)"
    return (
        f"SELECT count(*), sum(md5_number_lower({row})), sum(md5_number_upper({row})) "
        f"FROM (SELECT {names} FROM df) AS r"
    )
