"""What the query pane says besides rows: before the first question, to words, and about errors."""

from __future__ import annotations

from collections.abc import Iterable

from odibi.safe_text import safe, safe_line
from odibi_tui.asking import Answer
from odibi_tui.paint import Line, amount, duration, wrap
from odibi_tui.sql_text import sql_lines
from odibi_tui.story_page import counted

__all__ = ["error_lines", "extent", "no_assistant", "opening_lines", "question_lines"]

_FEW = 3


def opening_lines(names: Iterable[str], cells: int) -> list[Line]:
    """What the pane says before the first question; `names` are tables as SQL knows them."""
    said = "Ask the project's tables in DuckDB's SQL; nothing can be written."
    examples = [f"FROM {safe_line(name)} LIMIT 10" for name in list(names)[:_FEW]]
    return [
        (),
        *wrap(said, cells - 4, indent="  "),
        (),
        *(((f"      {example}", "accent"),) for example in examples),
        (),
        (("  7 ", "key"), ("lists the tables, once esc has left the prompt", "dim")),
    ]


def question_lines(sql: str) -> list[Line]:
    """The statement that ran."""
    return [((" ", "text"), *line) for line in sql_lines(sql)]


def error_lines(answer: Answer, cells: int) -> list[Line]:
    """The statement, the engine's message with the place in it, and what to do."""
    message, *excerpt = safe(answer.error or "").expandtabs(4).split("\n")
    return [
        *question_lines(answer.sql),
        (),
        *wrap(message, cells - 1, "failed", " "),
        *(((f" {line.rstrip()}", "text"),) for line in excerpt),
        *(wrap(f"→ {safe_line(answer.hint)}", cells - 1, "accent", " ") if answer.hint else ()),
    ]


def no_assistant(text: str, names: Iterable[str], cells: int) -> list[Line]:
    """What the pane says to words while nothing can answer them."""
    name = next((safe_line(name) for name in names), "a_table")
    examples = [
        (f"SELECT count(*) FROM {name}", "SQL of the tables"),
        ("s:failed   t>30   +orders", "nodes, in the words of the filter"),
    ]
    return [
        *wrap(safe_line(text, 2_000), cells - 1, "bold", " "),
        (),
        *wrap("That is no SQL, and no assistant is configured that answers words.", cells - 1, "warning", " "),
        *wrap("Local models come with a later release. What works here:", cells - 1, "text", " "),
        (),
        *(((f"   {example:<32}", "accent"), (f"  {what}", "dim")) for example, what in examples),
    ]  # fmt: skip


def extent(answer: Answer) -> str:
    """How much of the answer is shown: `200 of 12,345 rows · 0.1s`."""
    count = len(answer.table.rows)
    said = counted(count, "row")
    if answer.more:
        said = (
            f"first {said}" if answer.total is None else f"{count:,} of {amount(answer.total)} rows"
        )
    return f"{said} · {duration(answer.seconds)}"
