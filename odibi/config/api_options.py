"""Models of `read.options` for `format: api`: pages, answers, retries and pace."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from odibi.config.fields import Model
from odibi.config.near import did_you_mean

__all__ = ["DATES", "ApiOptions"]

DATES = (
    "now", "today", "yesterday", "7_days_ago", "30_days_ago", "90_days_ago", "start_of_week",
    "start_of_month", "start_of_year", "today_compact", "yesterday_compact", "7_days_ago_compact",
    "30_days_ago_compact", "90_days_ago_compact", "start_of_week_compact", "start_of_month_compact",
    "start_of_year_compact",
)  # fmt: skip
"""Names that `$name` stands for a date by, in `params`, `request_body` and `response.add_fields`."""

_PLACEHOLDER = re.compile(r"\$([a-z0-9_]+)")


def _known_dates(value: Any) -> None:
    """Raise ValueError when a text looks like a date's name and is none."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _known_dates(item)
    elif isinstance(value, str):
        found = _PLACEHOLDER.fullmatch(value)
        if found is not None and found[1] not in DATES:
            near = did_you_mean(found[1], DATES)
            raise ValueError(f"unknown date '{value}'{near}; ${', $'.join(DATES[:9])}")


class ApiPagination(Model):
    type: Literal["none", "offset_limit", "page_number", "cursor", "link_header"] = Field(
        "offset_limit", description="How the service names its pages."
    )
    offset_param: str = Field("offset", description="Parameter for the number of records to skip.")
    limit_param: str = Field("limit", description="Parameter for the records of a page.")
    limit: int = Field(100, ge=1, description="Records of a page to ask for.")
    page_size: int | None = Field(None, ge=1, description="Another name of `limit`.")
    page_size_param: str | None = Field(None, description="Another name of `limit_param`.")
    max_pages: int | None = Field(None, ge=1, description="Pages after which reading stops.")
    stop_on_empty: bool = Field(
        False, description="Go on until a page is empty, also after a short one."
    )
    cursor_path: str | None = Field(None, description="Where an answer holds the next cursor.")
    cursor_param: str | None = Field(None, description="Parameter that takes the cursor.")
    page_param: str = Field("page", description="Parameter for the number of the page.")
    start_page: int = Field(1, description="Number of the first page.")

    @model_validator(mode="after")
    def _cursor_is_whole(self) -> ApiPagination:
        if self.type == "cursor" and not (self.cursor_path and self.cursor_param):
            raise ValueError("type cursor needs cursor_path and cursor_param; say both")
        return self

    def settings(self) -> dict[str, Any]:
        """What the reader needs, the names for one thing made one; `limit` is None when not to be sent."""
        sized = {"limit", "limit_param", "page_size", "page_size_param"} & self.model_fields_set
        return {
            **self.model_dump(exclude={"page_size", "page_size_param"}),
            "limit": (self.page_size or self.limit)
            if self.type == "offset_limit" or sized
            else None,
            "limit_param": self.page_size_param or self.limit_param,
        }


class ApiResponse(Model):
    items_path: str = Field("", description="Where the list of records is: `data.items`.")
    dict_to_list: bool = Field(
        False, description="Records are the values of a map; their keys become `_key`."
    )
    wrap_single: bool = Field(False, description="A map is one record.")
    array_row_fields: list[str] | None = Field(
        None, description="Names of the values of records that are lists."
    )
    add_fields: dict[str, Any] | None = Field(
        None, description="Columns added to every record; `$today` and the like are dates."
    )

    @model_validator(mode="after")
    def _dates(self) -> ApiResponse:
        _known_dates(self.add_fields or {})
        return self


class ApiRetry(Model):
    max_retries: int = Field(3, ge=0, le=20, description="Tries after the first.")
    backoff_factor: float = Field(
        2.0, ge=0, description="Seconds before the second try; the wait doubles, with some chance."
    )
    retry_codes: list[int] = Field(
        [429, 500, 502, 503, 504], description="Statuses that are asked again."
    )


class ApiRateLimit(Model):
    requests_per_second: float | None = Field(None, gt=0, description="Most requests in a second.")


class ApiHttp(Model):
    timeout_s: float = Field(
        30.0, gt=0, description="Seconds to wait for an answer, and between its parts."
    )


class ApiOptions(Model):
    """Everything below `read.options` of a source with `format: api`."""

    pagination: ApiPagination | None = Field(None, description="Pages; one request when absent.")
    response: ApiResponse | None = Field(None, description="Where the records are.")
    retry: ApiRetry | None = Field(None, description="What is tried again.")
    rate_limit: ApiRateLimit | None = Field(None, description="Pace of requests.")
    http: ApiHttp | None = Field(None, description="Limits of a request.")
    method: Literal["GET", "POST", "PUT", "get", "post", "put"] = Field(
        "GET", description="Method of the requests."
    )
    headers: dict[str, str] | None = Field(None, description="Headers of this read.")
    params: dict[str, Any] | None = Field(
        None, description="Query parameters; `$today` and the like are dates."
    )
    json_body: dict[str, Any] | list[Any] | None = Field(None, description="Body, sent as JSON.")
    request_body: dict[str, Any] | list[Any] | None = Field(
        None, description="Another name of `json_body`."
    )
    max_records: int | None = Field(None, ge=1, description="Records after which reading stops.")
    columns: dict[str, str] | None = Field(
        None, description="Names and types of columns; told from the records when absent."
    )

    @model_validator(mode="after")
    def _dates(self) -> ApiOptions:
        _known_dates([self.params or {}, self.json_body or {}, self.request_body or {}])
        return self

    def settings(self) -> dict[str, Any]:
        """The options with every default filled in, as plain maps."""
        pagination = self.pagination or ApiPagination(type="none")
        return {
            **self.model_dump(include={"headers", "params", "method", "max_records"}),
            "body": self.request_body if self.json_body is None else self.json_body,
            "pagination": pagination.settings(),
            "response": (self.response or ApiResponse()).model_dump(),
            "retry": (self.retry or ApiRetry()).model_dump(),
            "rate_limit": (self.rate_limit or ApiRateLimit()).model_dump(),
            "http": (self.http or ApiHttp()).model_dump(),
        }
