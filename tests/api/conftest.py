"""A small web service on this machine, and projects that read it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest


@dataclass
class Asked:
    """One request as the service saw it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    number: int


@dataclass
class Reply:
    """What the service says. `length` may promise more than `body` has; `delay` is in seconds."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    length: int | None = None
    delay: float = 0.0

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave in the middle are what some tests are about."""


class Service:
    """Answers by `routes`, functions of a request; `asked` are the requests so far."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.routes: dict[str, Callable[[Asked], Reply]] = {}
        self.ended = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        asked = Asked(
            handler.command, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(handler.headers), handler.rfile.read(length), len(self.asked),
        )  # fmt: skip
        self.asked.append(asked)
        route = self.routes.get(parts.path)
        reply = route(asked) if route else Reply({"detail": "no such path"}, 404)
        self.ended.wait(reply.delay)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", reply.kind)
        promised = len(reply.data) if reply.length is None else reply.length
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        try:
            handler.wfile.write(reply.data)
        except OSError:
            return  # the client left
        if promised != len(reply.data):
            handler.close_connection = True

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; a test that hangs is ended by the runner of tests."""
    while not condition():
        time.sleep(0.005)
