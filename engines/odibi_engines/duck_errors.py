"""DuckDB's errors in the user's terms: no internal names, the line of the user's SQL, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

import duckdb

from odibi.errors import Cancelled, EngineError, OdibiError

__all__ = ["translated"]

_INTERNAL = re.compile(r'"?\bodibi(?:_pandas|_arrow)?"?[._]"?f?\d+"?')
_CLASS = re.compile(r"^(?:[A-Z][A-Za-z ]+ Error|INTERNAL Error): ")
_LINE = re.compile(r"\n\s*LINE (\d+): ")
_COLUMN = re.compile(r'column (?:named )?"([^"]+)"')
_TABLE = re.compile(r"Table with name (\S+) does not exist")
_MORE_MEMORY = "raise performance.memory_limit, or lower --jobs so that fewer nodes run at once"
_SUGGESTION = re.compile(r"\n?(?:Did you mean|Candidate (?:bindings|functions)).*", re.DOTALL)


def translated(
    error: duckdb.Error,
    *,
    sql: str | None = None,
    line_offset: int | None = None,
    columns: Iterable[str] = (),
    tables: Iterable[str] = (),
) -> OdibiError:
    """The EngineError (or Cancelled) that says what DuckDB said.

    `line_offset` lines of ours precede the user's `sql` (None when it isn't in the statement); `columns` and `tables` are the names that
    the user could have meant.
    """
    if isinstance(error, duckdb.InterruptException):
        return Cancelled()
    text = _INTERNAL.sub("the input", str(error))
    place = _LINE.search(text)
    message = _CLASS.sub("", text[: place.start()] if place else text).strip()
    message = message.partition("\n\nPossible solutions")[0]
    hint = (
        _MORE_MEMORY
        if isinstance(error, duckdb.OutOfMemoryException)
        else _hint(message, list(columns), list(tables))
    )
    message = _SUGGESTION.sub("", message).strip()
    if place is not None and line_offset is not None and (line := int(place[1]) - line_offset) > 0:
        message += f" (line {line} of the SQL)"
    return EngineError(message, hint=hint, sql=sql)


def _hint(message: str, columns: list[str], tables: list[str]) -> str | None:
    if found := _TABLE.search(message):
        return _nearest(found[1].strip('"!'), tables, "tables here")
    if "not found in FROM clause" in message or "does not have a column" in message:
        wanted = _COLUMN.search(message)
        return _nearest(wanted[1] if wanted else "", columns, "columns here")
    if found := re.search(r'Did you mean "([^"]+)"', message):
        return f"did you mean {found[1]}?"
    return None


def _nearest(wanted: str, names: list[str], label: str) -> str | None:
    if not names:
        return None
    near = get_close_matches(wanted, names, n=1, cutoff=0.6)
    known = f"{label}: {', '.join(dict.fromkeys(names))}"
    return f"did you mean {near[0]!r}? {known}" if near else known
