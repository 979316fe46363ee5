"""Where a Delta table lies: a folder, or a place in a store with the options that deltalake wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi.engine import Source, Target
from odibi.errors import EngineError

__all__ = ["DeltaPlace", "place_of"]

_SCHEMES = {"s3": "s3", "gcs": "gs", "abfs": "az"}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "s3": {
        "key": "aws_access_key_id", "secret": "aws_secret_access_key", "token": "aws_session_token",
        "endpoint_url": "aws_endpoint", "region_name": "aws_region", "anon": "aws_skip_signature",
    },
    "gcs": {"token": "google_service_account", "endpoint_url": "google_base_url"},
    "abfs": {
        "account_name": "azure_storage_account_name", "account_key": "azure_storage_account_key",
        "sas_token": "azure_storage_sas_token", "tenant_id": "azure_storage_tenant_id",
        "client_id": "azure_storage_client_id", "client_secret": "azure_storage_client_secret",
    },
}  # fmt: skip
"""fsspec's names of options and what deltalake calls them."""


@dataclass(frozen=True, slots=True)
class DeltaPlace:
    """`uri` is a folder's path or an address; `folder` is None in a store. `name` is for messages."""

    uri: str
    name: str
    folder: Path | None = None
    options: Mapping[str, str] | None = field(default=None, repr=False)


def place_of(owner: Source | Target) -> DeltaPlace:
    """Where the table is. Raises EngineError for a store or an option that deltalake doesn't know."""
    settings = owner.connection
    if settings is None:
        return DeltaPlace(str(owner.path), owner.path.name, folder=owner.path)
    kind = settings["type"]
    if kind not in _SCHEMES:
        raise EngineError(
            f"Delta tables can't be kept in connections of type {kind}",
            hint="use s3, gcs, abfs or local",
        )
    path = owner.table if isinstance(owner, Target) else owner.path.as_posix()
    if path is None or ".." in Path(path).parts:
        raise EngineError(f"path {path!r} leaves its connection", hint="write it without ..")
    base = str(settings["base_path"]).rpartition("://")[2].strip("/")
    uri = f"{_SCHEMES[kind]}://{base}/{path.strip('/')}"
    return DeltaPlace(uri, path, options=_options(kind, settings["options"]))


def _options(kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    """The options in deltalake's words; others as they are, for they may be its own."""
    options = dict(given)
    client = options.pop("client_kwargs", None) or {}
    known = _OPTIONS[kind]
    found: dict[str, str] = {}
    for name, value in {**options, **client}.items():
        if not isinstance(value, str | int | bool):
            raise EngineError(
                f"option {name!r} of the connection means nothing to Delta tables",
                hint=f"known: {', '.join(known)}, and those of deltalake's storage_options",
            )
        found[known.get(name, name)] = str(value).lower() if isinstance(value, bool) else str(value)
    if str(found.get("aws_endpoint", "")).startswith("http://"):
        found.setdefault("aws_allow_http", "true")
    if kind == "s3":  # two writers never both make one version
        found.setdefault("aws_conditional_put", "etag")
    return found
