"""Text sources: what a reader plans, and the counts that the one pass over its rows leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from odibi.engine import Frame, Source
from odibi.errors import EngineError

from .sql_text import ident

__all__ = [
    "BARRIER",
    "NoRows",
    "Scan",
    "TextPlan",
    "TextRead",
    "Whole",
    "all_found",
    "no_rows",
    "scan_of",
]

BARRIER = "LIMIT 9223372036854775807"
"""Ends every text view: no filter of a later step moves below it, so its rows are the readable ones.
It costs nothing: a streaming, parallel operator."""

_STREAMING = {
    "RESULT_COLLECTOR", "QUERY", "COPY_TO_FILE", "BATCH_COPY_TO_FILE", "CREATE_TABLE_AS", "BATCH_CREATE_TABLE_AS",
    "PROJECTION", "FILTER", "HASH_GROUP_BY", "PERFECT_HASH_GROUP_BY", "UNGROUPED_AGGREGATE", "WINDOW",
    "STREAMING_WINDOW", "ORDER_BY", "TOP_N", "UNNEST", "STREAMING_LIMIT", "UNION",
}  # fmt: skip
"""Operators that ask their input for all its rows. A join may stop early, a limit does."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass saw: rows that the parser delivered, and those of them that were readable."""

    scanned: int
    kept: int


class TextPlan(Protocol):
    """How to read one text source, on one cursor."""

    @property
    def query(self) -> str:
        """Selects the readable rows."""
        ...

    def look_closer(self) -> bool:
        """Rows were taken out: whether `query`, which may have taken out too many, is an exact one now."""
        ...

    def clear(self) -> None:
        """Forget what an earlier pass left; called before every pass."""
        ...

    def refused(self) -> int:
        """Lines that the parser couldn't take apart in the last pass, and so didn't deliver."""
        ...

    def collect(self, table: str, missing: int) -> int:
        """Insert the unreadable lines into `table` (file, line, reason, raw); how many they are.

        `missing` rows were delivered by the parser and taken out by the query's checks.
        """
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The plan for sources that are read whole or not at all: no line of them is set aside."""

    query: str

    def look_closer(self) -> bool:
        return False

    def clear(self) -> None: ...

    def refused(self) -> int:
        return 0

    def collect(self, table: str, missing: int) -> int:
        return 0


class NoRows(Whole):
    """The plan for sources that hold nothing."""


def no_rows(types: Mapping[str, Any]) -> NoRows:
    """A plan for columns of the given types and nothing in them."""
    columns = ", ".join(f"NULL::{type_} AS {ident(name)}" for name, type_ in types.items())
    return NoRows(f"SELECT {columns} WHERE false")


@dataclass(slots=True, eq=False)
class TextRead:
    """The state of one text source: not read, counted, and possibly kept as a table.

    `relation` is the view over the files, later over the table `kept`; `rejects` is a frame with the
    unreadable lines.
    """

    source: Source
    plan: TextPlan
    relation: str
    counted: bool = False
    kept: Frame | None = None
    read: int = 0
    unreadable: int = 0
    rejects: Frame | None = None


def scan_of(profile: str) -> Scan | None:
    """The counts of the text scan in a statement's profile; None when it can't vouch for all rows.

    Several scans below the same barrier are one source's files.
    """
    paths = list(_scan_paths(json.loads(profile)["operator"], []))
    barriers = {id(path[0]): path[0] for path in map(_barriers, paths) if path}
    operators = {operator["type"] for path, _ in paths for operator in path}
    if len(barriers) != 1 or not operators <= _STREAMING or not all(map(_is_whole, paths)):
        return None
    (barrier,) = barriers.values()
    if any("UNION" in _above(path, barrier) for path, _ in paths):
        return None
    return Scan(
        scanned=sum(scan["rows_scanned"] for _, scan in paths), kept=barrier["intermediate_rows"]
    )


_Path = tuple[list[dict[str, Any]], dict[str, Any]]
"""A text scan of a plan and the operators above it, outermost first."""


def _barriers(path: _Path) -> list[dict[str, Any]]:
    return [operator for operator in path[0] if operator["type"] == "STREAMING_LIMIT"]


def _is_whole(path: _Path) -> bool:
    """Whether a barrier is above the scan, and any below it let all rows pass."""
    barriers = _barriers(path)
    scanned = path[1]["rows_scanned"]
    return bool(barriers) and all(one["intermediate_rows"] == scanned for one in barriers[1:])


def _above(path: list[dict[str, Any]], barrier: dict[str, Any]) -> set[str]:
    return {operator["type"] for operator in path[: path.index(barrier)]}


def _scan_paths(operators: list[dict[str, Any]], path: list[dict[str, Any]]) -> Iterator[_Path]:
    for operator in operators:
        function = operator.get("extra_info", {}).get("Function", "")
        if operator["type"] == "TABLE_SCAN" and function in ("READ_CSV", "READ_JSON"):
            yield path, operator
        yield from _scan_paths(operator.get("children", []), [*path, operator])


def all_found(found: int, wanted: int, files: Sequence[Path]) -> int:
    """The number of bad lines found, when it is the number of rows missing. Raises EngineError otherwise."""
    if found == wanted:
        return found
    raise EngineError(
        f"{wanted} rows of {files[0].name}{' and other files' if len(files) > 1 else ''} can't be read, "
        f"but {found} bad lines were found",
        hint="the file may be changing while it is read; if not, this is a bug in odibi: please report it",
    )
