"""Questions to the project's tables, answered by a process of its own, which can be stopped."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_tui.grid import NO_TABLE, Table

__all__ = ["LIMIT", "Answer", "Asker", "QuestionError"]

LIMIT = 500
"""Rows that a question brings at most."""

_SECONDS = 60.0  # that a question may take
_IDLE = 120.0  # seconds after which the process that nobody asks ends
_PATIENCE = 2.0  # seconds for the process to end by itself
_LINE = 64 * 1024 * 1024  # bytes of an answer at most; what it holds is far less


class QuestionError(Exception):
    """Why there is no answer, and what to do about it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question: a table, or why there is none.

    `more`: there are rows beyond those of the table; `total` is then the number of all, once it is
    known. `seconds` from asking to the first rows.
    """

    sql: str
    table: Table = NO_TABLE
    more: bool = False
    total: int | None = None
    error: str | None = None
    hint: str | None = None
    seconds: float = 0.0


class Asker:
    """Asks the tables of the project at `path`, one question at a time, read-only.

    The process is started by the first question and kept for the next. Whoever is cancelled while
    waiting ends it, and so does a question that takes too long.
    """

    def __init__(self, path: Path, seconds: float = _SECONDS) -> None:
        self._path, self._seconds = path, seconds
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False
        self._lock = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, sql: str, limit: int = LIMIT) -> Answer:
        """Run one SELECT and bring its first `limit` rows."""
        began = time.monotonic()
        try:
            found = await self._request({"ask": sql, "limit": limit})
        except QuestionError as error:
            return Answer(sql, error=str(error), hint=error.hint, seconds=time.monotonic() - began)
        columns = tuple((name, kind) for name, kind in found["columns"])
        table = Table(columns, found["rows"], frozenset(found["right"]))
        return Answer(sql, table, found["more"], seconds=time.monotonic() - began)

    async def count(self) -> int | None:
        """How many rows the latest question has; None when that can't be said in time."""
        try:
            total: int | None = (await self._request({"count": True}))["total"]
        except QuestionError:
            return None
        return total

    async def tables(self) -> list[dict[str, Any]]:
        """What the project's nodes write. Raises QuestionError."""
        found: list[dict[str, Any]] = (await self._request({"tables": True}))["tables"]
        return found

    async def node(self, sql: str) -> str:
        """The question as YAML of a node. Raises QuestionError."""
        return str((await self._request({"node": sql}))["yaml"])

    async def close(self) -> None:
        """End the process, and the question that it is at. Nothing can be asked after that."""
        self._closed = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        async with self._lock:
            await self._end()

    async def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._lock:
            line = b""
            try:
                line = await self._line(json.dumps(request).encode() + b"\n")
            except TimeoutError:
                raise QuestionError(
                    f"stopped: it took longer than {self._seconds:.0f} seconds",
                    "ask for less, or ask outside: odibi query",
                ) from None
            except OSError as error:
                raise QuestionError(str(error)) from None
            finally:
                said = "" if line else await self._end()
        if not line:
            raise QuestionError(said or "the process that answers questions has ended")
        self._wind()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise QuestionError(answer["error"], answer["hint"])
        return answer

    async def _line(self, request: bytes) -> bytes:
        """The line that answers a request; empty when the process ended over it."""
        process = await self._running()
        if self._closed:
            return b""
        assert process.stdin is not None and process.stdout is not None
        async with asyncio.timeout(self._seconds):
            process.stdin.write(request)
            return await process.stdout.readline()

    async def _running(self) -> asyncio.subprocess.Process:
        """The process, started when there is none."""
        if (process := self._process) is not None and _answers(process):
            return process
        await self._end()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "odibi_tui.answering", str(self._path.resolve())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE,
        )
        return self._process

    def _wind(self) -> None:
        """Let go of the process after a while without questions."""
        if self._idle is not None:
            self._idle.cancel()
        process = self._process
        if process is not None and process.stdin is not None:
            self._idle = asyncio.get_running_loop().call_later(_IDLE, process.stdin.close)

    async def _end(self) -> str:
        """End the process; returns the last that it said of what broke it."""
        if self._idle is not None:
            self._idle.cancel()
        if (process := self._process) is None:
            return ""
        await _ended(process)
        assert process.stderr is not None
        said = (await process.stderr.read()).decode("utf-8", "replace")
        self._process = None  # only now: whoever is cancelled above leaves the rest to `close`
        return next((line for line in reversed(said.split("\n")) if line.strip()), "")


def _answers(process: asyncio.subprocess.Process) -> bool:
    return (
        process.returncode is None and process.stdin is not None and not process.stdin.is_closing()
    )


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait until the process has ended: at the end of its requests it does so whatever it is at."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
