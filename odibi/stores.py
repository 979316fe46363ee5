"""Stores of files as the project names them: what an engine needs to know, and names for their places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["identity", "is_store", "settings", "table_path"]

_TYPES = ("s3", "gcs", "abfs", "sftp", "memory")
_SERVERS = ("endpoint_url", "host", "port", "account_name", "project")
"""Options that tell two stores of one type apart."""


def is_store(connection: Any) -> bool:
    """Whether the connection leads to files that fsspec reads and writes."""
    return connection.type in _TYPES


def settings(connection: Any) -> Mapping[str, Any]:
    """Type, base path and fsspec's options of the store, for an engine."""
    return {
        "type": connection.type,
        "base_path": connection.base_path,
        "options": dict(connection.options),
    }


def table_path(connection: Any, place: str) -> Path:
    """What stands for a place where places are paths: it names it, and no file is there."""
    known = settings(connection)
    return Path(f"{known['type']}:", _plain(known["base_path"]), place.strip("/"))


def identity(connection: Any, place: str) -> str:
    """A name for the place that is the same by whichever connection it is reached."""
    known = settings(connection)
    options = known["options"]
    endpoint = (options.get("client_kwargs") or {}).get("endpoint_url", "")
    server = ",".join(str(options.get(name, "")) for name in _SERVERS)
    path = Path(_plain(known["base_path"]), place.strip("/")).as_posix()
    return f"//{known['type']},{server}{endpoint}/{path}"


def _plain(base: str) -> str:
    """The base path without the type and slashes around it."""
    return base.rpartition("://")[2].strip("/")
