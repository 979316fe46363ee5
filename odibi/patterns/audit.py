"""Audit columns: when and from where a row was loaded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from odibi.transforms.registry import BuildContext, param
from odibi.transforms.sql import literal

__all__ = ["Audit"]


class Audit(BaseModel):
    """Which audit columns a pattern adds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    load_timestamp: bool = param("Add `load_timestamp`, the time of the run (UTC).", True)
    source_system: str | None = param("Add `source_system` with this text.", None)

    def columns(self, ctx: BuildContext) -> dict[str, str]:
        """Column → SQL value."""
        values = {"load_timestamp": ctx.now} if self.load_timestamp else {}
        return values | (
            {"source_system": literal(self.source_system)} if self.source_system else {}
        )
