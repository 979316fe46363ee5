"""OdibiEats as a web service: the generated data by pages or as a stream, as slow and unreliable as asked for."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

__all__ = ["TABLES", "Manners", "Service"]

TABLES = {
    "customers": ("user_id", "created_at"),
    "orders": ("order_id", "placed_at"),
    "order_items": ("order_id, line", None),
    "payments": ("payment_id", "created_at"),
}
"""Tables of the database: the order of their pages, and the column that `since` compares."""

_FEEDS = ("clickstream", "driver_pings")
_MOST = 1_000
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How the service treats those who ask.

    `latency`: seconds before each answer; `errors`: the share of requests that get a 500, or only half an
    answer; `limit`: requests a second, 429 with `Retry-After` for those above (0: no limit); `token`:
    what `Authorization: Bearer` must say; `rate`: lines a second of a stream (0: as fast as it goes).
    """

    latency: float = 0.0
    errors: float = 0.0
    limit: int = 0
    token: str | None = None
    rate: float = 1_000.0
    seed: int = 42


class Service(ThreadingHTTPServer):
    """Serves a landing zone until `shutdown`. Raises FileNotFoundError when there is none."""

    daemon_threads = True

    def __init__(
        self, landing: Path, manners: Manners, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.database = landing / "oltp" / "odibieats.db"
        if not self.database.is_file():
            raise FileNotFoundError(f"{landing} holds no OdibiEats data: generate it first")
        self.landing = landing
        self.manners = manners
        self._chance = random.Random(manners.seed)
        self._asked: deque[float] = deque()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Its address."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def fate(self) -> str:
        """What becomes of a request: `limited`, `broken`, `cut` or `served`."""
        with self._lock:
            now = time.monotonic()
            while self._asked and now - self._asked[0] > _SECONDS:
                self._asked.popleft()
            if self.manners.limit and len(self._asked) >= self.manners.limit:
                return "limited"
            self._asked.append(now)
            if self._chance.random() >= self.manners.errors:
                return "served"
            return self._chance.choice(["broken", "cut"])

    def feed(self, name: str) -> Iterator[bytes]:
        """The lines of a feed, file by file in the order of days."""
        for file in sorted((self.landing / name).glob("*/*.ndjson*")):
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
                yield from lines


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who serves thousands of pages doesn't want a line for each."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(place.query).items()}
        time.sleep(self.server.manners.latency)
        token = self.server.manners.token
        fate = self.server.fate()
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            self._answer(401, {"error": "say Authorization: Bearer and the token"})
        elif fate == "limited":
            self._answer(429, {"error": "too many requests"}, {"Retry-After": "1"})
        elif fate == "broken":
            self._answer(500, {"error": "out of luck"})
        else:
            self._serve(place.path.strip("/").split("/"), asked, cut=fate == "cut")

    def _serve(self, parts: list[str], asked: dict[str, str], *, cut: bool) -> None:
        try:
            if parts == [""]:
                self._answer(200, _index(), cut=cut)
            elif len(parts) == 1 and parts[0] in TABLES:
                body, links = _page(self.server, parts[0], asked)
                self._answer(200, body, links, cut=cut)
            elif len(parts) == 2 and parts[0] == "stream" and parts[1] in _FEEDS:
                self._stream(parts[1], asked)
            else:
                self._answer(404, {"error": "there is no such place", **_index()})
        except ValueError as error:
            self._answer(400, {"error": str(error)})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone

    def _answer(
        self, status: int, body: Any, headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        text = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text[: len(text) // 2] if cut else text)
        self.close_connection = self.close_connection or cut

    def _stream(self, feed: str, asked: dict[str, str]) -> None:
        """NDJSON in chunks, as many lines a second as asked for, until the end of the data."""
        rate = self.server.manners.rate
        most = _number(asked, "limit", 0, 10**12)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        began = time.monotonic()
        for number, line in enumerate(self.server.feed(feed)):
            if most and number >= most:
                break
            if rate and (early := number / rate - (time.monotonic() - began)) > 0:
                time.sleep(early)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")


def _index() -> dict[str, Any]:
    return {
        "tables": [f"/{name}" for name in TABLES],
        "streams": [f"/stream/{name}" for name in _FEEDS],
        "pages": "page and page_size, offset and limit, or cursor and limit; since=2025-11-01 for newer rows",
    }


def _number(asked: dict[str, str], name: str, default: int, most: int) -> int:
    text = asked.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise ValueError(f"{name} is a whole number up to {most}, not {text[:40]!r}")
    return int(text)


def _page(
    server: Service, table: str, asked: dict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """One page: its rows and where the next one is, in the body and as a Link header."""
    size = _number(asked, "page_size" if "page_size" in asked else "limit", 100, _MOST) or 100
    start, following = _place(asked, size)
    rows, total = _rows(server.database, table, asked.get("since"), start, size)
    if start + size >= total:
        return {"data": rows, "total": total, "next_cursor": None}, {}
    since = {"since": asked["since"]} if "since" in asked else {}
    link = f'<{server.url}/{table}?{urlencode({**following, **since})}>; rel="next"'
    return {"data": rows, "total": total, "next_cursor": str(start + size)}, {"Link": link}


def _place(asked: dict[str, str], size: int) -> tuple[int, dict[str, int]]:
    """How many rows to skip, and the parameters of the page that follows."""
    if "page" in asked:
        page = max(_number(asked, "page", 1, 10**9), 1)
        return (page - 1) * size, {"page": page + 1, "page_size": size}
    name = "offset" if "offset" in asked else "cursor"
    start = _number(asked, name, 0, 10**12)
    return start, {name: start + size, "limit": size}


def _rows(
    database: Path, table: str, since: str | None, start: int, size: int
) -> tuple[list[dict[str, Any]], int]:
    """Some rows in the table's order, and how many there are."""
    order, moment = TABLES[table]
    if since is not None and moment is None:
        raise ValueError(f"{table} has no time that since could compare")
    where, values = (f" WHERE {moment} >= ?", [since]) if since is not None else ("", [])
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        total = db.execute(f"SELECT count(*) FROM {table}{where}", values).fetchone()[0]
        found = db.execute(
            f"SELECT * FROM {table}{where} ORDER BY {order} LIMIT ? OFFSET ?",
            [*values, size, start],
        ).fetchall()
    return [dict(row) for row in found], int(total)
