"""A real S3 server on loopback, which tests may trouble, and connections to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEY, SECRET = "AKIDODIBICANARY", "canary-secret-1b5e"

Trouble = Callable[[str, str], int | None]
"""Told the method and path of a request; a status to answer with, or None to serve it."""


@dataclass
class Server:
    """The running server. `before` and `after` are asked about each request, and may do worse things."""

    address: str = ""
    before: Trouble | None = None
    after: Trouble | None = None
    app: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        status = self.before(*request) if self.before else None
        if status is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{status} trouble", [("Content-Length", "0")])
            return []
        answer = list(self.app(environ, start))
        if self.after:
            self.after(*request)
        return answer

    def options(self) -> dict[str, Any]:
        """Options of a connection to the server."""
        return {
            "key": KEY,
            "secret": SECRET,
            "endpoint_url": self.address,
            "client_kwargs": {"region_name": "eu-central-1"},
        }

    def new_bucket(self) -> str:
        """A bucket that is empty."""
        name = f"b-{uuid.uuid4()}"
        fsspec.filesystem("s3", **self.options()).mkdir(name)
        return name


@contextmanager
def server() -> Iterator[Server]:
    """The server, for as long as the block runs."""
    serving = Server()
    running = make_server("127.0.0.1", 0, serving, threaded=True)
    serving.address = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        running.shutdown()
        thread.join()
