"""Models of connections; `unsupported.CONNECTIONS` says which can be used."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, ConfigDict, Discriminator, Field, Tag, field_validator

from odibi.config.fields import Model
from odibi.config.unsupported import REMOTE

__all__ = ["ConnectionConfig", "LocalConnection", "SqliteConnection"]

Lazy = Literal["lazy", "eager"]
_WHEN_CHECKED = "Accepted for 3.x; connections are checked when they are used."


class LocalConnection(Model):
    type: Literal["local"] = Field("local", description="A folder of this machine.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    base_path: str = Field(
        "./data", description="Folder that paths are relative to, itself relative to this YAML."
    )


class SqliteConnection(Model):
    """A SQLite database file (ours)."""

    type: Literal["sqlite"] = Field(description="A SQLite database file.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    path: str = Field(description="Database file, relative to this YAML.")


class PostgresConnection(Model):
    type: Literal["postgres", "postgresql"] = Field(description="A PostgreSQL database.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    host: str = Field(
        validation_alias=AliasChoices("host", "server"), description="Host name, also as `server`."
    )
    port: int = Field(5432, ge=1, le=65535, description="Port.")
    database: str = Field(description="Database.")
    username: str | None = Field(
        None, validation_alias=AliasChoices("username", "user"), description="User, also as `user`."
    )
    password: str | None = Field(None, description="Password, best as ${VARIABLE}.")
    schema_: str = Field(
        "public", alias="schema", description="Schema of tables whose names say none."
    )
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "prefer", description="Whether and how the connection is encrypted."
    )
    timeout: float = Field(30, gt=0, description="Seconds to wait for a connection, and for locks.")


class HttpNoAuth(Model):
    mode: Literal["none"] = Field("none", description="Nobody asks who reads.")


class HttpBasicAuth(Model):
    mode: Literal["basic"] = Field(description="User name and password.")
    username: str = Field(description="User name.")
    password: str = Field(description="Password.")


class HttpBearerAuth(Model):
    mode: Literal["bearer"] = Field(description="A token in the header Authorization.")
    token: str = Field(min_length=1, description="Token.")


class HttpApiKeyAuth(Model):
    mode: Literal["api_key"] = Field(description="A key in a header of any name.")
    api_key: str = Field(min_length=1, description="Key.")
    header_name: str = Field("Authorization", description="Header that holds the key.")
    value_template: str = Field(
        "Bearer {token}", description="Value of the header; `{token}` is the key."
    )


HttpAuth = Annotated[
    Annotated[HttpNoAuth, Tag("none")]
    | Annotated[HttpBasicAuth, Tag("basic")]
    | Annotated[HttpBearerAuth, Tag("bearer")]
    | Annotated[HttpApiKeyAuth, Tag("api_key")],
    Discriminator("mode"),
]


class HttpConnection(Model):
    type: Literal["http"] = Field(description="A web service.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    base_url: str = Field(description="Address that paths are appended to.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of every request.")
    auth: HttpAuth = Field(
        default_factory=lambda: HttpNoAuth(mode="none"),
        description="Mode and secrets of authentication.",
    )

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an address; write https://host/path")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address holds no password; write auth: {mode: basic, …}")
        return value


class SqlServerConnection(Model):
    type: Literal["sql_server"] = Field(description="A SQL Server or Azure SQL database.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    host: str = Field(description="Host name.")
    database: str = Field(description="Database.")
    port: int = Field(1433, description="Port.")
    driver: str = Field("ODBC Driver 18 for SQL Server", description="ODBC driver.")
    auth: dict[str, Any] = Field(
        default_factory=dict, description="Mode and secrets of authentication."
    )


class AzureBlobConnection(Model):
    type: Literal["azure_blob"] = Field(description="Azure Blob Storage or Data Lake.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    account_name: str = Field(description="Storage account.")
    container: str = Field(description="Container.")
    auth: dict[str, Any] = Field(
        default_factory=dict, description="Mode and secrets of authentication."
    )


class DeltaConnection(Model):
    type: Literal["delta"] = Field(description="Delta tables of a Spark catalog.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    catalog: str = Field(description="Catalog.")
    schema_: str = Field(alias="schema", description="Schema.")
    table: str | None = Field(None, description="Table.")


class UnityCatalogConnection(Model):
    type: Literal["unity_catalog"] = Field(description="Tables of Databricks Unity Catalog.")
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    catalog: str = Field(description="Catalog.")
    schema_: str = Field("default", alias="schema", description="Schema.")
    create_schema: bool = Field(True, description="Make the schema when it is missing.")


class RemoteConnection(Model):
    """Files on another machine (ours), copied to the work folder when they are read."""

    type: Literal["s3", "gcs", "abfs", "sftp", "memory"] = Field(
        description="A store of files that fsspec knows: a bucket, a container, a server."
    )
    validation_mode: Lazy = Field("lazy", description=_WHEN_CHECKED)
    base_path: str = Field(description="Bucket and folder that paths are below.")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the store in fsspec: host, key, secret, endpoint_url, …",
    )


class OtherConnection(Model):
    """A type that a plugin may bring."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="Type of the connection.")


_KNOWN = {
    "local",
    "sqlite",
    "postgres",
    "http",
    "sql_server",
    "azure_blob",
    "delta",
    "unity_catalog",
}


def _kind(value: Any) -> str:
    found = (
        value.get("type", "local") if isinstance(value, dict) else getattr(value, "type", "local")
    )
    if found in REMOTE:
        return "remote"
    if found == "postgresql":
        return "postgres"
    return found if isinstance(found, str) and found in _KNOWN else "other"


ConnectionConfig = Annotated[
    Annotated[LocalConnection, Tag("local")]
    | Annotated[SqliteConnection, Tag("sqlite")]
    | Annotated[PostgresConnection, Tag("postgres")]
    | Annotated[HttpConnection, Tag("http")]
    | Annotated[SqlServerConnection, Tag("sql_server")]
    | Annotated[AzureBlobConnection, Tag("azure_blob")]
    | Annotated[DeltaConnection, Tag("delta")]
    | Annotated[UnityCatalogConnection, Tag("unity_catalog")]
    | Annotated[RemoteConnection, Tag("remote")]
    | Annotated[OtherConnection, Tag("other")],
    Discriminator(_kind),
]
