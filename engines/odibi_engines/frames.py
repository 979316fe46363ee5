"""DuckDB frames: SELECTs not yet run, and tables of one in-memory database that all sessions share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from odibi.engine import Frame, Schema
from odibi.errors import EngineError

from .sql_text import ident
from .text_read import TextRead

__all__ = ["DuckFrame", "duck", "expanded", "row_bytes"]

_EXPANDED_LIMIT = 20_000
_WIDTHS = {
    "BOOLEAN": 1,
    "TINYINT": 1,
    "SMALLINT": 2,
    "INTEGER": 4,
    "DATE": 4,
    "FLOAT": 4,
    "BIGINT": 8,
    "DOUBLE": 8,
    "TIMESTAMP": 8,
}
_WIDTH = 24
"""Bytes of a value in memory; texts and the rest are taken to be of middling length."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class DuckFrame:
    """What follows FROM in `relation`: a table (held), or a file scan, subquery or view (lazy).

    `query` and `inputs` say how it is made, in the user's words; `text` is the text source below it
    whose rows are not in memory yet. A lazy frame keeps its inputs alive; a table is dropped some time
    after the last frame that leads to it is gone.
    """

    relation: str
    schema: Schema
    rows: int | None = None
    query: str | None = None
    inputs: Mapping[str, DuckFrame] = field(default_factory=dict)
    text: TextRead | None = None
    held: bool = False
    used: bool = False

    @property
    def streams(self) -> bool:
        """Whether rows come from a text source that is not in memory."""
        return self.text is not None and self.text.kept is None


def duck(frame: Frame) -> DuckFrame:
    """The frame as ours. Raises EngineError for another engine's."""
    if not isinstance(frame, DuckFrame):
        raise EngineError(f"a frame of another engine came in: {type(frame).__name__}")
    return frame


def row_bytes(frames: Iterable[Frame]) -> int:
    """About how many bytes their rows take in memory; of frames not yet computed, those that they are made of."""
    total, todo, seen = 0, list(frames), set[int]()
    while todo:
        frame = todo.pop()
        if id(frame) in seen:
            continue
        seen.add(id(frame))
        if frame.rows is not None:
            total += frame.rows * sum(_WIDTHS.get(c.type, _WIDTH) for c in frame.schema)
        elif isinstance(frame, DuckFrame):
            todo.extend(frame.inputs.values())
    return total


def expanded(frame: DuckFrame) -> str:
    """The frame's SQL with its inputs written out, as far as it stays readable."""
    text = _expanded(frame)
    return text if len(text) <= _EXPANDED_LIMIT else (frame.query or f"FROM {frame.relation}")


def _expanded(frame: DuckFrame) -> str:
    if frame.query is None:
        return f"FROM {frame.relation}"
    if not frame.inputs:
        return frame.query
    bound = ",\n".join(
        f"{ident(name)} AS (\n{_expanded(part)}\n)" for name, part in frame.inputs.items()
    )
    return f"WITH {bound}\nSELECT * FROM (\n{frame.query}\n)"
