"""A store that tests write tables to, and a look into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from odibi.engine import Source, Target


@dataclass(frozen=True)
class Lake:
    """A store: its connection, and its file system to look into it."""

    connection: dict[str, Any]

    @property
    def system(self) -> Any:
        system = fsspec.filesystem(self.connection["type"], **self.connection["options"])
        system.invalidate_cache()
        return system

    def target(self, format: str, place: str, mode: str, write_id: str, **more: Any) -> Target:
        path = Path(f"{self.connection['type']}:", self.connection["base_path"], place)
        return Target(format, path, mode, write_id, table=place, connection=self.connection, **more)

    def source(self, format: str, place: str) -> Source:
        return Source(format, Path(place), connection=self.connection)

    def names(self) -> list[str]:
        base = self.system._strip_protocol(self.connection["base_path"])
        return sorted(name.removeprefix(base).strip("/") for name in self.system.find(base))
