"""The step from a web service to files: asks for a source's pages, and can be stopped while it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odibi.engine import Source
from odibi.errors import EngineError

__all__ = ["ApiLanding"]


@dataclass(slots=True)
class ApiLanding:
    """Lands the API sources of one session. `stopped` tells whether somebody cancelled."""

    stopped: Callable[[], bool]
    _client: Any = None

    def land(self, source: Source, folder: Path) -> Source:
        """The source as a file of JSON lines in `folder`. Raises EngineError, or Cancelled."""
        http = _package()
        read = http.api_read(source)
        self._client = http.Client(read, self.stopped)
        try:
            file, rows = http.land(read, self._client, folder)
        finally:
            self._client.close()
        if not rows and not source.columns:
            raise EngineError(
                f"{source.table or read.url} has no records, so its columns can't be told",
                hint="declare them: read.options.columns: {id: BIGINT, name: VARCHAR}",
            )
        return replace(
            source, format="json", files=(file,), options={"lines": True, "sample": "all"}
        )

    def stop(self) -> None:
        """Break the request under way; from another thread."""
        if self._client is not None:
            self._client.stop()


def _package() -> Any:
    try:
        from . import http  # needs an optional package
    except ModuleNotFoundError as missing:
        if missing.name != "urllib3":
            raise
        raise EngineError(
            "reading web services needs the package urllib3", hint="pip install 'odibi[http]'"
        ) from None
    return http
