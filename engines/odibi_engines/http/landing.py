"""An API's pages as one file of JSON lines, written page by page."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO, Any, NoReturn

from odibi.errors import EngineError

from .client import Client, Truncated
from .paging import Page, Pager, Step, pager
from .records import record, records
from .settings import ApiRead

__all__ = ["land"]

MAX_DOCUMENT = 256 << 20
"""Bytes of one JSON answer, which is parsed in memory."""
_CHUNK = 1 << 16
_LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
_MARKUP = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")


def land(read: ApiRead, client: Client, folder: Path) -> tuple[Path, int]:
    """Ask for all pages; the file with their records, one a line, and how many they are.

    Raises EngineError for an answer that isn't whole or isn't JSON: nothing is read then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_name(read.url)}.ndjson"
    with file.open("wb") as out:
        written = _Landing(read, client, out).all_pages()
    return file, written


def _name(url: str) -> str:
    return re.sub(r"\W+", "_", url.split("?")[0].rstrip("/").rpartition("/")[2]) or "answer"


class _Long(str):
    """A number with more digits than a float has."""


def _settled(value: Any, *, exact: bool) -> Any:
    """The value with long numbers as texts, which any type of number is read from, or as floats."""
    if isinstance(value, _Long):
        return str(value) if exact or not isfinite(float(value)) else float(value)
    if isinstance(value, dict):
        return {name: _settled(each, exact=exact) for name, each in value.items()}
    if isinstance(value, list):
        return [_settled(each, exact=exact) for each in value]
    return value


class _Landing:
    def __init__(self, read: ApiRead, client: Client, out: IO[bytes]) -> None:
        self.read = read
        self.client = client
        self.out = out
        self.written = 0
        self.long_numbers = False

    def all_pages(self) -> int:
        series = pager(self.read.url, self.read.pagination)
        step: Step | None = series.first()
        pages = 0
        while step is not None:
            page = self._page(step)
            pages += 1
            if page is None or self._enough(pages):
                break
            step = self._after(series, page, step)
        return self.written

    def _after(self, series: Pager, page: Page, step: Step) -> Step | None:
        try:
            return series.after(page)
        except EngineError as error:
            raise self.client.fault(step, error.message, error.hint or "") from None

    def _enough(self, pages: int) -> bool:
        limits = [n for n in (self.read.max_records, self.read.enough) if n is not None]
        return pages == self.read.pagination.max_pages or (
            bool(limits) and self.written >= min(limits)
        )

    def _page(self, step: Step) -> Page | None:
        start, before = self.out.tell(), self.written

        def use(answer: Any) -> Page:
            self.out.seek(start)  # an earlier try may have left a part
            self.out.truncate()
            self.written = before
            return self._take(answer, step)

        page: Page | None = self.client.send(step, use)
        return page

    def _take(self, answer: Any, step: Step) -> Page:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        link = ", ".join(answer.headers.getlist("Link"))
        if kind in _MARKUP:
            raise self.client.fault(
                step,
                f"the answer is {kind}, not JSON",
                "see base_url and path; a page of HTML often means that a login is asked for",
            )
        before, digest = self.written, hashlib.sha256()
        document: Any = None
        if kind in _LINES:
            self._lines(answer, step, digest)
        elif answer.status != 204:  # No Content
            document = self._whole(answer, step, digest)
        return Page(self.written - before, document, link, digest.digest())

    def _whole(self, answer: Any, step: Step, digest: Any) -> Any:
        """Write the records of one JSON document."""
        body = bytearray()
        for chunk in self._chunks(answer):
            body += chunk
            if len(body) > MAX_DOCUMENT:
                hint = "ask for smaller pages (pagination.limit), or for application/x-ndjson"
                raise self.client.fault(step, f"one answer is over {MAX_DOCUMENT >> 20} MB", hint)
        digest.update(body)
        document = self._parsed(bytes(body), step)
        try:
            for item in records(document, self.read.response):
                self._write(item)
        except EngineError as error:
            raise self.client.fault(step, error.message, error.hint or "") from None
        return document

    def _lines(self, answer: Any, step: Step, digest: Any) -> None:
        """Write the records of an answer that has one a line, without holding it in memory."""
        try:
            for line in _split(self._chunks(answer)):
                digest.update(line)
                if line.strip():
                    self._write(record(self._parsed(line, step), self.read.response))
        except EngineError as error:
            if error.message.startswith("the records"):
                raise self.client.fault(step, error.message, error.hint or "") from None
            raise

    def _chunks(self, answer: Any) -> Iterator[bytes]:
        for chunk in answer.stream(_CHUNK):
            if self.client.stopped():
                raise Truncated
            yield chunk

    def _parsed(self, data: bytes, step: Step) -> Any:
        try:
            return json.loads(data, parse_constant=_no_constant, parse_float=self._number)
        except json.JSONDecodeError as error:
            if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
                raise Truncated from None
            raise self.client.fault(
                step,
                f"the answer is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
                "see base_url, path and the header Accept",
            ) from None
        except (ValueError, RecursionError) as error:
            hint = "the server's answer is not valid JSON in UTF-8"
            raise self.client.fault(step, f"the answer is not JSON: {error}", hint) from None

    def _number(self, text: str) -> float | _Long:
        value = float(text)
        if isfinite(value) and Decimal(repr(value)) == Decimal(text):
            return value
        self.long_numbers = True
        return _Long(text)

    def _write(self, item: dict[str, Any]) -> None:
        most = self.read.max_records
        if most is None or self.written < most:
            if self.long_numbers:
                item = {k: _settled(v, exact=k in self.read.exact) for k, v in item.items()}
            self.out.write(
                json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode(
                    "utf-8", "replace"
                )
                + b"\n"
            )
            self.written += 1


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of a stream of bytes; the last needs no line end."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
