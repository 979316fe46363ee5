"""Requests that are paced, tried again when that may help, and that another thread can stop."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from odibi.errors import Cancelled, EngineError
from odibi.safe_text import safe_line

from .paging import Step
from .proxies import proxy_for
from .settings import ApiRead

__all__ = ["Client", "Truncated"]

MAX_WAIT = 300.0
"""Seconds; a server that wants a longer pause gets an error instead."""
_LONGEST_BACKOFF = 60.0
_EXCERPT = 200
_CONNECT = 10.0
_ASK = {
    401: "see the connection's `auth`",
    403: "see the connection's `auth`",
    404: "see base_url and path",
}


class Truncated(Exception):  # noqa: N818 - handled by the client, never shown
    """An answer ended in its middle; asking again may help."""


@dataclass(slots=True)
class Client:
    """Sends the requests of one read. `stopped` is asked while waiting; `stop` may come from any thread."""

    read: ApiRead
    stopped: Callable[[], bool]
    wait: Callable[[float], None] = time.sleep
    _sockets: list[Any] = field(default_factory=list)
    _pools: Any = None
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        proxy = proxy_for(self.read.url)
        self._pools = (
            urllib3.PoolManager(num_pools=2, maxsize=1)
            if proxy is None
            else urllib3.ProxyManager(
                proxy.url, num_pools=2, maxsize=1, proxy_headers=proxy.headers
            )
        )
        self._pools.pool_classes_by_scheme = _stoppable_pools(self._sockets)

    def stop(self) -> None:
        """Break what is under way: the thread that waits for bytes gets an error at once."""
        for opened in list(self._sockets):
            with suppress(OSError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections."""
        self._pools.clear()

    def send(self, step: Step, use: Callable[[Any], Any]) -> Any:
        """What `use` makes of a good answer; it is called again, from the start, for another try.

        None when the answer is 404 or 416. Raises EngineError when no try helped, Cancelled when stopped.
        """
        retry, trouble = self.read.retry, ""
        for attempt in range(retry.max_retries + 1):
            self._pause(self._next_at - time.monotonic())
            self._next_at = time.monotonic() + self.read.interval
            wait: float | None = None
            try:
                with self._answer(step) as answer:
                    if answer.status < 300:
                        return use(answer)
                    if answer.status in (404, 416) and step.may_be_past_end:
                        return None
                    trouble = self._refusal(step, answer)
                    wait = _retry_after(answer.headers)
            except (HTTPError, OSError, Truncated) as error:
                if self.stopped():
                    raise Cancelled from None
                trouble = f"{self._shown(step)}: {self._reason(error)}"
            if attempt < retry.max_retries:
                self._pause(self._backoff(attempt) if wait is None else self._asked(step, wait))
        raise EngineError(
            f"{trouble} (after {retry.max_retries + 1} tries)",
            hint="see whether the server is up, then rerun; read.options.retry and http.timeout_s can be raised",
        )

    def fault(self, step: Step, message: str, hint: str) -> EngineError:
        """An error about an answer, with its URL and without secrets."""
        return EngineError(f"{self._shown(step)}: {self._clean(message)}", hint=self._clean(hint))

    @contextmanager
    def _answer(self, step: Step) -> Iterator[Any]:
        if self.stopped():
            raise Cancelled
        answer = self._pools.request(
            self.read.method,
            self._url(step),
            body=None if self.read.body is None else json.dumps(self.read.body).encode(),
            headers=self._headers(),
            timeout=urllib3.Timeout(
                connect=min(_CONNECT, self.read.timeout), read=self.read.timeout
            ),
            retries=_redirects(self.read.auth.headers),
            preload_content=False,
        )
        try:
            yield answer
        finally:
            answer.close()  # one that was read to its end gave its connection back already

    def _headers(self) -> dict[str, str]:
        typed = {} if self.read.body is None else {"Content-Type": "application/json"}
        common = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "odibi"}
        return {**common, **typed, **self.read.headers, **self.read.auth.headers}

    def _url(self, step: Step) -> str:
        if step.whole_url:
            return step.url
        params = {**self.read.params, **step.params}
        if not params:
            return step.url
        texts = {name: _text(value) for name, value in params.items()}
        return f"{step.url}{'&' if '?' in step.url else '?'}{urlencode(texts, doseq=True)}"

    def _shown(self, step: Step) -> str:
        return f"{self.read.method} {self._clean(self._url(step))}"

    def _clean(self, text: str) -> str:
        return safe_line(self.read.redactor().text(text))

    def _refusal(self, step: Step, answer: Any) -> str:
        """Words about a status that says no. Raises EngineError when asking again is no use."""
        shown = f"{self._shown(step)} answered {answer.status} {answer.reason or ''}".rstrip()
        if answer.status in self.read.retry.retry_codes:
            return shown
        excerpt = self._clean(_head(answer))
        hint = _ASK.get(answer.status, "see path, params and method of the read")
        raise EngineError(f"{shown}: {excerpt}" if excerpt else shown, hint=hint)

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, MaxRetryError) and error.reason is not None:
            return self._reason(error.reason)
        if isinstance(error, urllib3.exceptions.ProxyError):
            return f"the proxy {self._pools.proxy.host} can't be reached, or refuses"
        if isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return f"no answer in {self.read.timeout:g} s"
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            return "the server can't be reached"
        if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
            return "the server can't be reached in time"
        if isinstance(error, Truncated | urllib3.exceptions.ProtocolError):
            return "the answer broke off in the middle"
        return self._clean(str(error))

    def _backoff(self, attempt: int) -> float:
        """Seconds, spread so that many clients don't come back at once."""
        longest = min(self.read.retry.backoff_factor * 2.0**attempt, _LONGEST_BACKOFF)
        return longest * random.uniform(0.5, 1.0)

    def _asked(self, step: Step, wait: float) -> float:
        if wait > MAX_WAIT:
            raise EngineError(
                f"{self._shown(step)}: the server wants a pause of {wait:.0f} s",
                hint="run again later, or ask for less: rate_limit.requests_per_second",
            )
        return wait

    def _pause(self, seconds: float) -> None:
        """Sleep that a cancel cuts short."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.stopped():
                raise Cancelled
            self.wait(min(left, 0.1))
        if self.stopped():
            raise Cancelled


def _stoppable_pools(sockets: list[Any]) -> dict[str, Any]:
    """Pools whose connections put their sockets on a list."""

    class Http(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets[:] = [self.sock]

    class Https(urllib3.connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets[:] = [self.sock]

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}


def _redirects(secret: Mapping[str, str]) -> urllib3.Retry:
    """Follow a few redirects; what proves who asks doesn't go to another host. No other retries."""
    return urllib3.Retry(
        total=None, connect=0, read=0, status=0, other=0, redirect=5, raise_on_status=False,
        remove_headers_on_redirect=[*urllib3.Retry.DEFAULT_REMOVE_HEADERS_ON_REDIRECT, *secret],
    )  # fmt: skip


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: a number or a date (RFC 9110), None when it says nothing."""
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return None
    at = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _head(answer: Any) -> str:
    try:
        return str(answer.read(4 * _EXCERPT).decode("utf-8", "replace").strip()[:_EXCERPT])
    except (HTTPError, OSError):
        return ""


def _text(value: Any) -> Any:
    """A parameter as servers expect it: true, not True; a list repeats its name."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return [_text(item) for item in value] if isinstance(value, list | tuple) else value
