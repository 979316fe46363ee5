"""`odibi top --web`: the same app in a browser, through textual-serve, on this machine only."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from odibi.errors import UsageError

__all__ = ["serve"]


def serve(path: Path, port: int, *, read_only: bool) -> None:
    """Serve until interrupted; each browser tab gets a process of its own.

    There is no log-in: it listens on loopback, and whoever may open it may do what the keys do.
    Raises UsageError when textual-serve isn't installed.
    """
    try:
        from textual_serve.server import Server
    except ImportError as error:
        raise UsageError("--web needs textual-serve", hint="pip install 'odibi[web]'") from error
    command = [sys.executable, "-m", "odibi", "top", "--project", str(path.resolve())]
    Server(
        shlex.join(command + ["--read-only"] * read_only),
        host="127.0.0.1",
        port=port,
        title="odibi top",
    ).serve()
