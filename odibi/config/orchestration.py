"""`orchestration:`: what generated schedulers (`odibi gen`) do with a project, a pipeline, a node."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from odibi.config.fields import Duration, Model

__all__ = ["NodeOrchestration", "Orchestration"]

_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?")


def _schedule(text: str) -> str:
    """A cron expression of five numeric fields, or a preset, as all schedulers read it alike."""
    if text in _PRESETS:
        return text
    fields = text.split()
    if len(fields) != len(_RANGES) or not all(map(_is_field, fields, _RANGES)):
        presets = ", ".join(_PRESETS)
        raise ValueError(
            f"{text!r} is no schedule; expected five cron fields (minute hour day month weekday), such as "
            f"'0 2 * * *', or one of {presets}"
        )
    return " ".join(fields)


def _is_field(field: str, range_: tuple[int, int]) -> bool:
    found = [_PART.fullmatch(part) for part in field.split(",")]
    numbers = [int(n) for match in found if match for n in match.groups()[:2] if n]
    return all(found) and all(range_[0] <= number <= range_[1] for number in numbers)


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo  # only where one is named

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no time zone; expected a name such as Europe/Lisbon"
        ) from error
    return name


class NodeOrchestration(Model):
    retries: int | None = Field(None, ge=0, description="How often the scheduler tries again.")
    retry_delay: Duration | None = Field(None, description="Wait before that, such as 5m.")
    retry_backoff: bool | None = Field(None, description="Whether the wait grows with each try.")
    timeout: Duration | None = Field(
        None, description="Longest time of a node; the node's own timeout when absent."
    )
    owner: str | None = Field(None, description="Who answers for it.")
    tags: list[str] = Field(default_factory=list, description="Labels in the scheduler.")


class Orchestration(NodeOrchestration):
    schedule: Annotated[str, AfterValidator(_schedule)] | None = Field(
        None,
        description="When to run: five cron fields or @hourly, @daily, @weekly, @monthly, @yearly. "
        "Pipelines without one follow those that they read from.",
    )
    timezone: Annotated[str, AfterValidator(_timezone)] | None = Field(
        None, description="Time zone of the schedule; UTC when absent."
    )
    start_date: date | None = Field(None, description="First day that is scheduled.")
    catchup: bool | None = Field(None, description="Whether missed times are made up for.")
    partition: Literal["hourly", "daily", "weekly", "monthly"] | None = Field(
        None, description="Length of the interval that each run stands for."
    )
