"""Questions to the project's tables: `odibi query` in a process of its own, which can be stopped."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LIMIT", "Answer", "ask", "tables"]

LIMIT = 500
"""Rows that a question brings at most; one more is asked for, to know whether there are others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question: rows of plain values under their columns, or why there are none.

    `more`: there are rows beyond LIMIT. `seconds` from asking to the answer.
    """

    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    more: bool = False
    error: str | None = None
    seconds: float = 0.0


async def ask(path: Path, sql: str, limit: int = LIMIT) -> Answer:
    """Run one SELECT on the tables of the project at `path`, read-only; a cancel stops it for real."""
    began = time.monotonic()
    code, out, err = await _query(path, sql, "--limit", str(limit + 1))
    seconds = time.monotonic() - began
    if code:
        return Answer(sql, error=err.strip() or "odibi query ended without a word", seconds=seconds)
    found = json.loads(out or "[]")
    columns = tuple(found[0]) if found else ()
    rows = tuple(tuple(row.values()) for row in found[:limit])
    return Answer(sql, columns, rows, len(found) > limit, None, seconds)


async def tables(path: Path) -> list[dict[str, Any]]:
    """The outputs of the project's nodes, as `odibi query --json` lists them. Raises ValueError with why not."""
    code, out, err = await _query(path)
    if code:
        raise ValueError(err.strip())
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def _query(path: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "odibi", "query", "--json", "-p", str(path), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
