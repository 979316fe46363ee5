"""What one API read asks for, as plain data made from a Source."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from odibi.engine import Source
from odibi.redact import Redactor

from .dates import dated

__all__ = ["ApiRead", "Auth", "Pagination", "Response", "Retry", "api_read"]

_SECRET_NAME = re.compile(
    r"(?:.*[_-])?(?:key|apikey|token|secret|password|passwd|pwd|sig|signature|auth|authorization)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pagination:
    """How further pages are asked for; field names are those of `read.options.pagination`."""

    type: str
    offset_param: str
    limit_param: str
    limit: int | None
    max_pages: int | None
    stop_on_empty: bool
    cursor_path: str | None
    cursor_param: str | None
    page_param: str
    start_page: int


@dataclass(frozen=True, slots=True)
class Response:
    """Where the records are in an answer, and what is added to each."""

    items_path: str
    dict_to_list: bool
    wrap_single: bool
    array_row_fields: tuple[str, ...]
    add_fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is repeated; the wait in seconds starts at `backoff_factor` and doubles."""

    max_retries: int
    backoff_factor: float
    retry_codes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Auth:
    """Headers that prove who asks; they go to the connection's own origin only."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiRead:
    """One read of an API. `timeout` and `interval` (between requests) are in seconds.

    `enough` is a number of records after which no further page is asked for, None for all. `exact` are
    the columns whose numbers are to keep all digits, as their declared types may.
    """

    url: str
    method: str
    headers: Mapping[str, str]
    params: Mapping[str, Any]
    body: Any
    auth: Auth
    pagination: Pagination
    response: Response
    retry: Retry
    timeout: float
    interval: float
    max_records: int | None
    enough: int | None
    exact: frozenset[str]

    def redactor(self) -> Redactor:
        """Hides every secret of the request in a text."""
        redactor = Redactor(self.auth.secrets)
        for name, value in (*self.headers.items(), *self.params.items()):
            if _SECRET_NAME.fullmatch(name) and len(str(value)) > 3:
                redactor.add(str(value))
        return redactor


def api_read(source: Source) -> ApiRead:
    """The settings of a source of format `api`, whose options and connection are complete."""
    options, connection = source.options, source.connection or {}
    rate = options["rate_limit"]["requests_per_second"]
    now = datetime.now(UTC)
    return ApiRead(
        url=_url(connection["base_url"], source.table or ""),
        method=options["method"].upper(),
        headers={**connection["headers"], **(options["headers"] or {})},
        params=_given(dated(options["params"] or {}, now)),
        body=dated(options["body"], now),
        auth=_auth(connection["auth"]),
        pagination=_pagination(options["pagination"]),
        response=_response(dated(options["response"], now)),
        retry=_retry(options["retry"]),
        timeout=options["http"]["timeout_s"],
        interval=1 / rate if rate else 0.0,
        max_records=options["max_records"],
        enough=source.enough,
        exact=frozenset(
            name for name, type_ in (source.columns or {}).items() if type_.upper() != "JSON"
        ),
    )


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _url(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base


def _auth(auth: Mapping[str, Any]) -> Auth:
    mode = auth.get("mode", "none")
    if mode == "basic":
        pair = base64.b64encode(f"{auth['username']}:{auth['password']}".encode()).decode()
        return Auth({"Authorization": f"Basic {pair}"}, (auth["password"], pair))
    if mode == "bearer":
        return Auth({"Authorization": f"Bearer {auth['token']}"}, (auth["token"],))
    if mode == "api_key":
        value = auth["value_template"].replace("{token}", auth["api_key"])
        return Auth({auth["header_name"]: value}, (auth["api_key"],))
    return Auth({}, ())


def _pagination(settings: Mapping[str, Any]) -> Pagination:
    return Pagination(**settings)


def _response(settings: Mapping[str, Any]) -> Response:
    return Response(
        **{
            **settings,
            "array_row_fields": tuple(settings["array_row_fields"] or ()),
            "add_fields": settings["add_fields"] or {},
        }
    )


def _retry(settings: Mapping[str, Any]) -> Retry:
    return Retry(**{**settings, "retry_codes": frozenset(settings["retry_codes"])})
