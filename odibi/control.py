"""Requests to a running run: lines of JSON that others append to its `control.jsonl`."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CancelRequest", "ControlFile", "request_cancel", "user"]


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Somebody wants the run to stop, or one node of it (its key, `pipeline.node`)."""

    by: str
    node: str | None = None


@dataclass(slots=True)
class ControlFile:
    """The reading end, polled by the runner. A missing file means no requests."""

    path: Path
    _offset: int = 0

    def requests(self) -> list[CancelRequest]:
        """What was asked since the last look, in order."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size <= self._offset:
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read(size - self._offset).rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return list(_understood(whole.splitlines()))


def _understood(lines: list[bytes]) -> Iterator[CancelRequest]:
    for line in lines:
        try:
            request = json.loads(line)
        except ValueError:
            continue  # whoever writes nonsense here is not obeyed
        if isinstance(request, dict) and request.get("request") == "cancel":
            node = request.get("node")
            if node is None or isinstance(node, str):
                yield CancelRequest(str(request.get("by", "someone")), node)


def request_cancel(run_dir: Path, by: str, node: str | None = None) -> None:
    """Ask the run in `run_dir` to stop, or to stop one node; it acknowledges with an event.

    Raises OSError when the folder can't be written.
    """
    request = {"request": "cancel", "by": by} | ({} if node is None else {"node": node})
    with (run_dir / "control.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(request) + "\n")


def user() -> str:
    """Who asks, as the system knows them."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a number without a name, as containers have
        return f"user {os.getuid()}"
