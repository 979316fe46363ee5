"""Requests to a running run: lines of JSON that others append to its `control.jsonl`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ControlFile", "request_cancel"]


@dataclass(slots=True)
class ControlFile:
    """The reading end, polled by the runner. A missing file means no requests."""

    path: Path
    _offset: int = 0

    def cancel_requested(self) -> str | None:
        """Who asked for a cancel since the last look, or None."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return None
        if size <= self._offset:
            return None
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read(size - self._offset).rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            try:
                request = json.loads(line)
            except ValueError:
                continue  # whoever writes nonsense here is not obeyed
            if isinstance(request, dict) and request.get("request") == "cancel":
                return str(request.get("by", "someone"))
        return None


def request_cancel(run_dir: Path, by: str) -> None:
    """Ask the run in `run_dir` to stop; it acknowledges with an event."""
    line = json.dumps({"request": "cancel", "by": by}) + "\n"
    with (run_dir / "control.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)
