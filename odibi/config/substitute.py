"""`${...}` in values: environment, variables, dates. Works on parsed scalars, never on raw text."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from odibi.config.near import nearest
from odibi.config.problems import Position, Problem
from odibi.config.secret_values import MIN_LENGTH
from odibi.config.sources import is_file
from odibi.config.tree import Value

__all__ = ["Substitution", "environment"]

_PLACEHOLDER = re.compile(r"\$\{(?P<body>[^{}]*)\}")
_ENV = re.compile(r"(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)
_OFFSET = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+)(?P<unit>[hdwmy])")
_ASSIGNMENT = re.compile(
    r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*?)\s*"
)
MAX_INSERTED = 1_000_000  # characters and values
_DATES = "now, today, yesterday, tomorrow, start_of_month, end_of_month, start_of_year"


def environment(root: Path, given: Mapping[str, str], problems: list[Problem]) -> Mapping[str, str]:
    """The environment, over what `.env` beside the YAML says."""
    file = root / ".env"
    if not is_file(file):
        return given
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(Position(file, 1, 1), f"can't be read: {error}"))
        return given
    return {**dict(_assignments(text)), **given}


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """`NAME=value` lines; a value in quotes is taken as it is, another ends before ` #`."""
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            continue
        value = match["value"]
        quoted = re.match(r"""(['"])(.*?)\1(?:\s+#.*)?$""", value)
        yield match["name"], quoted[2] if quoted else re.split(r"(?:^|\s+)#", value)[0]


@dataclass(slots=True)
class Substitution:
    """Fills placeholders; `secrets` collects what came from the environment, `failed` the places
    of what could not be filled: there is nothing more to say about those."""

    environ: Mapping[str, str]
    now: datetime
    problems: list[Problem]
    variables: dict[str, Value] = field(default_factory=dict)
    inserted: int = 0
    secrets: set[str] = field(default_factory=set)
    failed: set[Position] = field(default_factory=set)

    def project(self, tree: Value, given: Mapping[str, str]) -> Value:
        """The project with every placeholder filled, `given` over its own variables.

        Environments that weren't chosen keep theirs: what they need may be absent here.
        """
        for name, text in given.items():
            self.variables[name] = Value(text, tree.position)
        entries = dict(tree.data)
        if "vars" in entries:
            entries["vars"] = self._declared(entries["vars"], given)
        for name, value in entries.items():
            if name not in ("vars", "environments"):
                entries[name] = self.apply(value)
        return replace(tree, data=entries)

    def _declared(self, declared: Value, given: Mapping[str, str]) -> Value:
        """The project's variables, each of which may use those above it."""
        if not isinstance(declared.data, dict):
            return declared
        entries: dict[str, Value] = {}
        for name, value in declared.data.items():
            filled = replace(value, data=given[name]) if name in given else self.apply(value)
            entries[name] = self.variables[name] = filled
        return replace(declared, data=entries)

    def apply(self, value: Value) -> Value:
        """The tree with every placeholder in it filled; problems are noted where they stand."""
        data = value.data
        if isinstance(data, dict):
            filled = {name: self.apply(entry) for name, entry in data.items()}
            changed = any(filled[name] is not entry for name, entry in data.items())
            return replace(value, data=filled) if changed else value
        if isinstance(data, list):
            items = [self.apply(item) for item in data]
            changed = any(new is not old for new, old in zip(items, data, strict=True))
            return replace(value, data=items) if changed else value
        if isinstance(data, str) and "${" in data:
            return replace(value, data=self._filled(value))
        return value

    def _filled(self, value: Value) -> Any:
        """What the text stands for: any data for a placeholder alone, text for one within text."""
        whole = _PLACEHOLDER.fullmatch(value.data)
        if whole is not None:
            return self._counted(self._lookup(whole["body"], value), value)
        parts: list[str] = []
        end = 0
        for match in _PLACEHOLDER.finditer(value.data):
            found = self._counted(self._lookup(match["body"], value), value)
            parts += [value.data[end : match.start()], self._text(found, match["body"], value)]
            end = match.end()
        return "".join([*parts, value.data[end:]])

    def _counted(self, data: Any, value: Value) -> Any:
        """The data, unless placeholders have put in too much: they may be nested like aliases."""
        self.inserted += _size(data)
        if self.inserted <= MAX_INSERTED:
            return data
        return self._problem(value, "placeholders make the project too large", None)

    def _text(self, data: Any, body: str, value: Value) -> str:
        if isinstance(data, bool):
            return "true" if data else "false"
        if isinstance(data, dict | list):
            kind = "map" if isinstance(data, dict) else "list"
            return self._problem(value, f"'{body}' is a {kind}: it can't be part of a text", None)
        return "" if data is None else str(data)

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
            near = nearest(name, self.environ)
            hint = f"did you mean {near}? " if near else ""
            return self._problem(
                value,
                f"environment variable {name} is not set",
                f"{hint}set it, put it in .env beside the YAML, or give a default: ${{{name}:-value}}",
            )
        if len(found) >= MIN_LENGTH and default != f":-{found}":
            self.secrets.add(found)
        return found

    def _variable(self, name: str, value: Value) -> Any:
        if name in self.variables:
            return self.variables[name].data
        near = nearest(name, self.variables)
        hint = f"did you mean vars.{near}?" if near else "define it under `vars:` or pass --var"
        return self._problem(value, f"variable '{name}' is not defined", hint)

    def _date(self, expression: str, value: Value) -> Any:
        expr, _, form = (part.strip() for part in expression.partition(":"))
        try:
            moment = _moment(expr, self.now)
            return moment.strftime(form or ("%Y-%m-%dT%H:%M:%S" if expr == "now" else "%Y-%m-%d"))
        except (ValueError, OverflowError):  # no such expression, format, or date
            return self._problem(
                value,
                f"'{expression}' is not a date expression",
                f"use {_DATES}, or an offset such as -7d; then, if need be, :%Y-%m-%d",
            )

    def _problem(self, value: Value, message: str, hint: str | None) -> str:
        self.problems.append(Problem(value.position, message, hint))
        self.failed |= {value.position, value.where}
        return ""


def _size(data: Any) -> int:
    """Characters and values in the data."""
    if isinstance(data, str):
        return len(data)
    if isinstance(data, dict):
        return sum(len(name) + 1 + _size(entry.data) for name, entry in data.items())
    return sum(1 + _size(item.data) for item in data) if isinstance(data, list) else 1


def _moment(expression: str, now: datetime) -> datetime:
    """The moment that an expression means. Raises ValueError or OverflowError for none."""
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
        raise ValueError(expression)
    number = int(match["number"]) * (-1 if match["sign"] == "-" else 1)
    if (unit := match["unit"]) in "my":
        return _shift(day, number * (12 if unit == "y" else 1))
    hours = {"h": 1, "d": 24, "w": 168}[unit]
    return (now if unit == "h" else day) + timedelta(hours=number * hours)


def _shift(day: datetime, months: int) -> datetime:
    """The same day some months away; the last of the month where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
