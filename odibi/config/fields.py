"""What all models of the YAML share: strictness, and text that says what a key is for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Duration", "Format", "Model", "OnFail"]

OnFail = Literal["fail", "warn", "quarantine"]
Format = Literal[
    "csv", "parquet", "delta", "json", "sql", "api", "excel", "avro", "cloudFiles",
    "sql_server", "azure_sql", "simulation",
]  # fmt: skip
Duration = str | float


class Model(BaseModel):
    """A map of the YAML: unknown keys are errors, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, populate_by_name=True)

    def written(self, key: str) -> bool:
        """Whether the YAML sets this key."""
        return key in self.model_fields_set


def any_map() -> dict[str, Any]:
    """An empty map, as a default."""
    return {}
