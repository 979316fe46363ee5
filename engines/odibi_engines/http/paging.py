"""Pages: what to ask for next, given what came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from odibi.errors import EngineError

from .records import at_path
from .settings import Pagination

__all__ = ["Page", "Pager", "Step", "pager"]

_LINK = re.compile(r"<([^>]*)>([^<]*?)(?=,\s*<|$)")
_NEXT = re.compile(
    r";\s*rel\s*=\s*(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next(?=\s*(?:[;,]|$)))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a series: its URL, and the parameters that say which page."""

    url: str
    params: Mapping[str, Any]
    whole_url: bool = False
    """The URL holds all parameters already."""
    may_be_past_end: bool = False
    """404 and 416 mean that the page before was the last."""


@dataclass(frozen=True, slots=True)
class Page:
    """What matters of an answer: how many records it had, its document, its `Link` header, its digest."""

    records: int
    document: Any
    link: str
    digest: bytes


class Pager(Protocol):
    """The series of one read."""

    def first(self) -> Step:
        """The first request."""
        ...

    def after(self, page: Page) -> Step | None:
        """The next request, None when the page was the last. Raises EngineError when pages repeat."""
        ...


def pager(url: str, pagination: Pagination) -> Pager:
    """The pager for the settings."""
    if pagination.type == "none":
        return _Single(url)
    if pagination.type == "cursor":
        return _Cursor(url, pagination)
    if pagination.type == "link_header":
        return _Links(url, pagination)
    return _Counted(url, pagination)


@dataclass(slots=True)
class _Single:
    url: str

    def first(self) -> Step:
        return Step(self.url, {})

    def after(self, page: Page) -> Step | None:
        return None


@dataclass(slots=True)
class _Counted:
    """Pages by offset or by number; they end with an empty page, or one shorter than the first.

    A first page that is shorter than the limit proves nothing, for a server may allow less than was
    asked for: then one more is asked for.
    """

    url: str
    settings: Pagination
    pages: int = 0
    records: int = 0
    full: int = 0
    last: bytes = b""

    def first(self) -> Step:
        return Step(self.url, self._params())

    def _params(self) -> dict[str, Any]:
        settings = self.settings
        size = {} if settings.limit is None else {settings.limit_param: settings.limit}
        if settings.type == "offset_limit":
            return {settings.offset_param: self.records, **size}
        return {settings.page_param: settings.start_page + self.pages, **size}

    def after(self, page: Page) -> Step | None:
        if page.records and page.digest == self.last:
            raise _same(self.settings)
        self.last = page.digest
        self.pages += 1
        self.records += page.records
        self.full = self.full or max(page.records, 1)
        if page.records == 0 or (not self.settings.stop_on_empty and page.records < self.full):
            return None
        return Step(self.url, self._params(), may_be_past_end=True)


def _same(settings: Pagination) -> EngineError:
    name = settings.offset_param if settings.type == "offset_limit" else settings.page_param
    return EngineError(
        f"the server gave the same page twice: it seems not to know parameter {name!r}",
        hint="see pagination.type and the names of its parameters, or set max_pages: 1",
    )


@dataclass(slots=True)
class _Cursor:
    url: str
    settings: Pagination
    seen: set[str] = field(default_factory=set)

    def _size(self) -> dict[str, Any]:
        limit = self.settings.limit
        return {} if limit is None else {self.settings.limit_param: limit}

    def first(self) -> Step:
        return Step(self.url, self._size())

    def after(self, page: Page) -> Step | None:
        cursor = at_path(page.document, self.settings.cursor_path or "")
        if cursor is None or cursor == "" or cursor is False:
            return None
        if isinstance(cursor, dict | list):
            raise EngineError(
                f"there is no cursor at '{self.settings.cursor_path}' but a map or list",
                hint="mend pagination.cursor_path",
            )
        if str(cursor) in self.seen:
            raise EngineError(
                "the server gave the same cursor twice, so its pages would never end",
                hint="see pagination.cursor_param, or set max_pages",
            )
        self.seen.add(str(cursor))
        return Step(self.url, {**self._size(), str(self.settings.cursor_param): cursor})


@dataclass(slots=True)
class _Links:
    url: str
    settings: Pagination
    seen: set[str] = field(default_factory=set)

    def first(self) -> Step:
        limit = self.settings.limit
        return Step(self.url, {} if limit is None else {self.settings.limit_param: limit})

    def after(self, page: Page) -> Step | None:
        target = _next_link(page.link)
        if target is None:
            return None
        url = urljoin(self.url, target)
        if _origin(url) != _origin(self.url):
            raise EngineError(
                f"the next page is on another server ({urlsplit(url).netloc}): it was not asked",
                hint="make a connection with that base_url",
            )
        if url in self.seen:
            raise EngineError(
                "the server names the same next page twice, so its pages would never end",
                hint="set pagination.max_pages",
            )
        self.seen.add(url)
        return Step(url, {}, whole_url=True)


def _next_link(header: str) -> str | None:
    """The target of `rel=next` in a Link header (RFC 8288)."""
    return next((url for url, rest in _LINK.findall(header) if _NEXT.search(rest)), None)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
