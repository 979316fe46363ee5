"""`odibi top --web`: the same app in a browser, through textual-serve, on this machine only."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.errors import UsageError

if TYPE_CHECKING:
    from aiohttp.web import Application, Request, StreamResponse

    Handler = Callable[[Request], Awaitable[StreamResponse]]

__all__ = ["serve"]


def serve(path: Path, port: int, *, read_only: bool) -> None:
    """Serve until interrupted; each browser tab gets a process of its own.

    There is no log-in: it listens on loopback, and whoever may open it may do what the keys do. Pages of
    other sites, open in the same browser, may not. Raises UsageError when textual-serve isn't installed.
    """
    try:
        from textual_serve.server import Server
    except ImportError as error:
        raise UsageError("--web needs textual-serve", hint="pip install 'odibi[web]'") from error

    class OwnPagesOnly(Server):
        async def _make_app(self) -> Application:
            app = await super()._make_app()
            app.middlewares.append(_own_pages_only(port))
            return app

    command = [sys.executable, "-m", "odibi", "top", "--project", str(path.resolve())]
    OwnPagesOnly(
        shlex.join(command + ["--read-only"] * read_only),
        host="127.0.0.1",
        port=port,
        title="odibi top",
    ).serve()


def _own_pages_only(port: int) -> Any:
    """Refuse what other sites' pages ask for.

    Browsers let any page open a WebSocket to loopback, and any name may be made to point there; they tell
    the truth about both in `Origin` and `Host`.
    """
    from aiohttp import web

    ending = "" if port == 80 else f":{port}"
    hosts = {f"{name}{ending}" for name in ("127.0.0.1", "localhost")}
    origins = {f"http://{host}" for host in hosts}

    @web.middleware
    async def guard(request: Request, handler: Handler) -> StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in hosts or not (origin is None or origin in origins):
            raise web.HTTPForbidden(text="odibi top answers to its own page only")
        return await handler(request)

    return guard
