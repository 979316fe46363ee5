"""Models of connections; `SUPPORTED` says which can be used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from odibi.config.fields import Model

__all__ = ["SUPPORTED", "ConnectionConfig", "LocalConnection", "SqliteConnection"]

SUPPORTED = ("local", "sqlite")
Lazy = Literal["lazy", "eager"]


class LocalConnection(Model):
    type: Literal["local"] = "local"
    validation_mode: Lazy = Field("lazy", description="When the connection is checked.")
    base_path: str = Field(
        "./data", description="Folder that paths are relative to, itself relative to this YAML."
    )


class SqliteConnection(Model):
    """A SQLite database file (ours)."""

    type: Literal["sqlite"]
    validation_mode: Lazy = Field("lazy", description="When the connection is checked.")
    path: str = Field(description="Database file, relative to this YAML.")


class HttpConnection(Model):
    type: Literal["http"]
    validation_mode: Lazy = "lazy"
    base_url: str = Field(description="Address that paths are appended to.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of every request.")
    auth: dict[str, Any] = Field(
        default_factory=dict, description="Mode and secrets of authentication."
    )


class SqlServerConnection(Model):
    type: Literal["sql_server"]
    validation_mode: Lazy = "lazy"
    host: str = Field(description="Host name.")
    database: str = Field(description="Database.")
    port: int = Field(1433, description="Port.")
    driver: str = Field("ODBC Driver 18 for SQL Server", description="ODBC driver.")
    auth: dict[str, Any] = Field(
        default_factory=dict, description="Mode and secrets of authentication."
    )


class AzureBlobConnection(Model):
    type: Literal["azure_blob"]
    validation_mode: Lazy = "lazy"
    account_name: str = Field(description="Storage account.")
    container: str = Field(description="Container.")
    auth: dict[str, Any] = Field(
        default_factory=dict, description="Mode and secrets of authentication."
    )


class DeltaConnection(Model):
    model_config = ConfigDict(protected_namespaces=())
    type: Literal["delta"]
    validation_mode: Lazy = "lazy"
    catalog: str = Field(description="Catalog.")
    schema_: str = Field(alias="schema", description="Schema.")
    table: str | None = Field(None, description="Table.")


class UnityCatalogConnection(Model):
    type: Literal["unity_catalog"]
    validation_mode: Lazy = "lazy"
    catalog: str = Field(description="Catalog.")
    schema_: str = Field("default", alias="schema", description="Schema.")
    create_schema: bool = Field(True, description="Make the schema when it is missing.")


class OtherConnection(Model):
    """A type that a plugin may bring."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="Type of the connection.")


_KNOWN = {"local", "sqlite", "http", "sql_server", "azure_blob", "delta", "unity_catalog"}


def _kind(value: Any) -> str:
    found = (
        value.get("type", "local") if isinstance(value, dict) else getattr(value, "type", "local")
    )
    return found if found in _KNOWN else "other"


ConnectionConfig = Annotated[
    Annotated[LocalConnection, Tag("local")]
    | Annotated[SqliteConnection, Tag("sqlite")]
    | Annotated[HttpConnection, Tag("http")]
    | Annotated[SqlServerConnection, Tag("sql_server")]
    | Annotated[AzureBlobConnection, Tag("azure_blob")]
    | Annotated[DeltaConnection, Tag("delta")]
    | Annotated[UnityCatalogConnection, Tag("unity_catalog")]
    | Annotated[OtherConnection, Tag("other")],
    Discriminator(_kind),
]
