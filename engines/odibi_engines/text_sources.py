"""Text sources of a session: each is read in one pass, and the pass's profile tells what came of it.

The rows stream through the node's SQL into its output where the statement's plan proves that all of them
were looked at. Where it can't, the source becomes a table first. Either way every line is counted.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from odibi.engine import ReadReport, Source
from odibi.errors import EngineError

from .csv_read import plan_csv
from .duck_cursor import DuckCursor
from .duck_errors import translated
from .frames import DuckFrame
from .json_read import plan_json
from .sql_text import mentions
from .text_read import NoRows, TextRead, scan_of

__all__ = ["TextSources"]

_REJECTS = "(file VARCHAR, line BIGINT, reason VARCHAR, raw VARCHAR)"

_SAMPLE = re.compile(r"SELECT \* FROM df LIMIT \d+")
"""How the core asks for a few rows: a text source then is read no further than that."""

_STOPS_EARLY = re.compile(
    r"\b(join|limit|offset|fetch|union|intersect|except|exists|sample|tablesample|lateral|recursive|positional)\b|,\s*lateral",
    re.IGNORECASE,
)
"""A query with one of these may not look at all rows of a text source, so the source is kept as a table first."""


class TextSources:
    """The text sources of one session, in the order in which they were read."""

    def __init__(self, cursor: DuckCursor, scratch: Path) -> None:
        self.cursor = cursor
        self.scratch = scratch
        self.texts: list[TextRead] = []

    def read(self, source: Source) -> DuckFrame:
        """A lazy frame over the source's readable rows. Raises EngineError when nothing can be read."""
        if not source.files:
            raise EngineError(f"no file at {source.path.name}", hint=f"looked for {source.path}")
        try:
            plan = (
                plan_csv(self.cursor.raw, source)
                if source.format == "csv"
                else plan_json(self.cursor.raw, source, self.scratch)
            )
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise EngineError(f"{source.files[0].name} can't be read: {reason}") from None
        except duckdb.Error as error:
            raise translated(error) from None
        empty = isinstance(plan, NoRows)
        make = self.cursor.create if empty else self.cursor.view
        frame = make(plan.query, query=plan.query)
        text = TextRead(source, plan, frame.relation, counted=empty)
        self.texts.append(text)
        frame.text = None if empty else text
        return frame

    def reports(self) -> Sequence[ReadReport]:
        """The counts of the sources whose rows were computed."""
        return [ReadReport(t.read, t.unreadable, t.rejects) for t in self.texts if t.counted]

    def compute(self, statement: str, frame: DuckFrame, sql: str | None) -> list[tuple[Any, ...]]:
        """Run a statement that computes the frame; a text source below it is counted on the way.

        When the statement's profile can't vouch for the counts, the source is kept as a table and
        the statement, which replaces what it wrote, runs again.
        """
        text = frame.text
        if text is None or text.kept is not None:
            return self.cursor.run(statement, sql=sql)
        if not text.counted:
            rows = self._counting(statement, text, sql)
            if text.counted:
                return rows
        self.keep(text)
        return self.cursor.run(statement, sql=sql)

    def _counting(self, statement: str, text: TextRead, sql: str | None) -> list[tuple[Any, ...]]:
        """Run a pass over the source, and fill in its report if the profile tells the counts."""
        text.plan.clear()
        self.cursor.run("PRAGMA enable_profiling = 'no_output'")
        try:
            rows = self.cursor.run(statement, sql=sql)
            scan = scan_of(self.cursor.raw.get_profiling_information())
        finally:
            with suppress(duckdb.InterruptException):  # cancelled: what was raised first matters
                self.cursor.raw.execute("PRAGMA disable_profiling")
        if scan is not None and not (scan.kept < scan.scanned and self._look_closer(text)):
            self._settle(text, scan.scanned, scan.kept)
        return rows

    def _look_closer(self, text: TextRead) -> bool:
        """Let the view be the exact query, if the plan's was a quick one: the pass then counts for nothing."""
        closer = text.plan.look_closer()
        if closer:
            self.cursor.run(f"CREATE OR REPLACE VIEW {text.relation} AS {text.plan.query}")
        return closer

    def _settle(self, text: TextRead, scanned: int, kept: int) -> None:
        """Fill in the report; the bad lines are looked up only when there are any."""
        try:
            refused, missing = text.plan.refused(), scanned - kept
            if refused + missing:
                relation = self.cursor.engine.new_relation()
                self.cursor.run(f"CREATE TABLE {relation} {_REJECTS}")
                text.unreadable = text.plan.collect(relation, missing)
                text.rejects = self.cursor.table(relation, text.unreadable)
            text.plan.clear()
        except duckdb.Error as error:
            raise translated(error) from None
        text.read, text.counted = scanned + refused, True

    def keep(self, text: TextRead) -> DuckFrame:
        """Put the source's rows into a table and let everything built on the view read that instead."""
        if isinstance(text.kept, DuckFrame):
            return text.kept
        relation = self.cursor.engine.new_relation()
        statement = f"CREATE OR REPLACE TABLE {relation} AS FROM {text.relation}"
        if text.counted:
            text.plan.clear()
            rows = self.cursor.run(statement)
            text.plan.clear()
        else:
            rows = self._counting(statement, text, None)
            if not text.counted:
                rows = self._counting(statement, text, None)
            if not text.counted:
                raise EngineError(f"the rows of {text.source.path.name} couldn't be counted")
        self.cursor.run(f"CREATE OR REPLACE VIEW {text.relation} AS FROM {relation}")
        text.kept = kept = self.cursor.table(relation, int(rows[0][0]))
        return kept

    def streamable(self, query: str, named: Mapping[str, DuckFrame]) -> TextRead | None:
        """The text source that can still stream through a query about to be built, if there is one.

        Others are kept as tables first: those used more than once, and those whose rows the query may
        not all look at.
        """
        texts = {name: frame for name, frame in named.items() if frame.streams}
        if not texts:
            return None
        name, frame = next(iter(texts.items()))
        again, frame.used = frame.used, True
        text = frame.text
        assert text is not None
        if (
            len(named) == 1
            and mentions(query, name) == 1
            and not (again or text.counted or _STOPS_EARLY.search(query))
        ):
            return text
        for frame in texts.values():
            if frame.text is not None:
                self.keep(frame.text)
        return None

    def keep_all(self, frames: Sequence[DuckFrame]) -> None:
        """Put the sources below these frames into tables."""
        for frame in frames:
            if frame.streams and frame.text is not None:
                self.keep(frame.text)

    def sample(self, query: str, named: Mapping[str, DuckFrame]) -> DuckFrame | None:
        """The result when the query asks for a few rows of a text source, else None.

        What was read of the source then is what came out.
        """
        frame = named.get("df")
        if frame is None or frame.text is None or not frame.streams or not _SAMPLE.fullmatch(query):
            return None
        text = frame.text
        self._look_closer(text)
        text.plan.clear()
        sample = self.cursor.create(query.replace("FROM df", f"FROM {frame.relation}"), query=query)
        text.plan.clear()
        if not text.counted:
            text.read, text.counted = sample.rows or 0, True
        sample.inputs = {"df": frame}
        return sample
