"""Spelling names and values in DuckDB's SQL, and knowing which tables a query names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

__all__ = [
    "columns_map",
    "file_list",
    "ident",
    "in_bytes",
    "literal",
    "mentions",
    "trimmed",
    "wrapped",
]


def ident(name: str) -> str:
    """The name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def file_list(files: Iterable[Path]) -> str:
    """A list literal of paths; glob characters in names mean themselves."""
    return "[" + ", ".join(literal(_unglobbed(str(file))) for file in files) + "]"


def _unglobbed(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)


def columns_map(columns: Mapping[str, str]) -> str:
    """The struct literal that `read_csv` and `read_json` take as `columns`."""
    return (
        "{"
        + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns.items())
        + "}"
    )


def trimmed(query: str) -> str:
    """The query without the semicolons and blanks at its end."""
    return query.rstrip().rstrip(";").rstrip()


@lru_cache(maxsize=512)
def _word(name: str) -> re.Pattern[str]:
    spelled = "|".join(map(re.escape, {name, ident(name)[1:-1]}))
    return re.compile(rf"(?<!\w)(?:{spelled})(?!\w)", re.IGNORECASE)


def mentions(query: str, name: str) -> int:
    """How often `name` occurs as a word: never fewer than the query's references to that table."""
    return len(_word(name).findall(query))


def wrapped(query: str, tables: Mapping[str, str]) -> tuple[str, int]:
    """The query with its table names bound to relations, and the number of lines before it.

    `tables` maps names to what follows FROM. The user's text stays untouched between two newlines, so
    a trailing comment can't swallow the bracket.
    """
    bound = ", ".join(
        f"{ident(name)} AS NOT MATERIALIZED (FROM {place})" for name, place in tables.items()
    )
    head = f"{f'WITH {bound} ' if bound else ''}SELECT * FROM (\n"
    return f"{head}{query}\n)", head.count("\n")


def in_bytes(said: str) -> float:
    """DuckDB's spelling of an amount: `1.8 GiB`."""
    number, unit = said.split()
    return float(number) * 1024.0 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
