"""What all models of the YAML share: strictness, and text that says what a key is for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from odibi.durations import seconds_of
from odibi.errors import UsageError

__all__ = ["Duration", "Format", "Model", "OnFail", "Share"]

OnFail = Literal["fail", "warn", "quarantine"]
Format = Literal[
    "csv", "parquet", "delta", "json", "sql", "api", "excel", "avro", "cloudFiles",
    "sql_server", "azure_sql", "simulation",
]  # fmt: skip


def _duration(value: str | float) -> str | float:
    try:
        seconds_of(value)
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.hint}") from error
    return value


Duration = Annotated[str | float, AfterValidator(_duration)]
Share = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """A map of the YAML: unknown keys are errors, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, populate_by_name=True)

    def written(self, key: str) -> bool:
        """Whether the YAML sets this key."""
        return key in self.model_fields_set
