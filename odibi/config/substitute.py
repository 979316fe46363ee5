"""`${...}` in values: environment, variables, dates. Works on parsed scalars, never on raw text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from odibi.config.problems import Problem
from odibi.config.tree import Value

__all__ = ["Substitution"]

_PLACEHOLDER = re.compile(r"\$\{(?P<body>[^{}]*)\}")
_ENV = re.compile(r"(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)
_OFFSET = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+)(?P<unit>[hdwmy])")
_MIN_SECRET = 4


@dataclass(slots=True)
class Substitution:
    """Fills placeholders; `secrets` collects what came from the environment."""

    environ: Mapping[str, str]
    variables: Mapping[str, Any]
    now: datetime
    problems: list[Problem]
    secrets: set[str] = field(default_factory=set)

    def apply(self, value: Value) -> Value:
        """The tree with every placeholder in it filled; problems are noted where they stand."""
        if isinstance(value.data, dict):
            return replace(
                value, data={name: self.apply(entry) for name, entry in value.data.items()}
            )
        if isinstance(value.data, list):
            return replace(value, data=[self.apply(item) for item in value.data])
        if isinstance(value.data, str) and "${" in value.data:
            return replace(value, data=self._filled(value))
        return value

    def _filled(self, value: Value) -> Any:
        whole = _PLACEHOLDER.fullmatch(value.data)
        if whole is not None:
            return self._lookup(whole["body"], value)
        return _PLACEHOLDER.sub(lambda match: _text(self._lookup(match["body"], value)), value.data)

    def _lookup(self, body: str, value: Value) -> Any:
        if body.startswith("vars."):
            return self._variable(body.removeprefix("vars."), value)
        if body.startswith("date:"):
            return self._date(body.removeprefix("date:"), value)
        match = _ENV.fullmatch(body)
        if match is None:
            return self._problem(
                value,
                f"'${{{body}}}' is not a placeholder",
                "use ${NAME}, ${NAME:-default}, ${vars.name} or ${date:today}",
            )
        return self._environment(match["name"], match["default"], value)

    def _environment(self, name: str, default: str | None, value: Value) -> Any:
        found = self.environ.get(name)
        if found is None and default is not None:
            return default.removeprefix(":-")
        if found is None:
            near = get_close_matches(name, self.environ, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            return self._problem(
                value,
                f"environment variable {name} is not set",
                f"{hint}set it, put it in .env beside the YAML, or give a default: ${{{name}:-value}}",
            )
        if len(found) >= _MIN_SECRET:
            self.secrets.add(found)
        return found

    def _variable(self, name: str, value: Value) -> Any:
        if name in self.variables:
            return self.variables[name]
        near = get_close_matches(name, self.variables, n=1)
        hint = f"did you mean vars.{near[0]}?" if near else "define it under `vars:` or pass --var"
        return self._problem(value, f"variable '{name}' is not defined", hint)

    def _date(self, expression: str, value: Value) -> Any:
        expr, _, form = expression.partition(":")
        moment = _moment(expr.strip(), self.now)
        if moment is None:
            return self._problem(
                value,
                f"'{expr}' is not a date expression",
                "use now, today, yesterday, start_of_month, end_of_month, start_of_year, or an offset such as -7d",
            )
        return moment.strftime(
            form or ("%Y-%m-%dT%H:%M:%S" if expr.strip() == "now" else "%Y-%m-%d")
        )

    def _problem(self, value: Value, message: str, hint: str) -> str:
        self.problems.append(Problem(value.position, message, hint))
        return ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _moment(expression: str, now: datetime) -> datetime | None:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    fixed = {
        "now": now,
        "today": day,
        "yesterday": day - timedelta(days=1),
        "tomorrow": day + timedelta(days=1),
        "start_of_month": month,
        "end_of_month": _shift(month, 1) - timedelta(days=1),
        "start_of_year": day.replace(month=1, day=1),
    }
    if expression in fixed:
        return fixed[expression]
    match = _OFFSET.fullmatch(expression)
    if match is None:
        return None
    number = int(match["number"]) * (-1 if match["sign"] == "-" else 1)
    unit = match["unit"]
    if unit in "my":
        return _shift(day, number * (12 if unit == "y" else 1))
    return (
        day + timedelta(hours=number)
        if unit == "h"
        else day + timedelta(days=number * (7 if unit == "w" else 1))
    )


def _shift(day: datetime, months: int) -> datetime:
    """The same day some months away; the last of the month where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return day.replace(year=year, month=month + 1, day=min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")
