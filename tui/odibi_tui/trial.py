"""Trying other SQL on a node: the SQL that the project has, and what a scratch run made of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from odibi.safe_text import safe, safe_line
from odibi_tui.paint import Line, Span, amount, duration, fit, percent, wrap

if TYPE_CHECKING:
    from odibi.events import ErrorInfo, ProfileObserved
    from odibi.history import NodeSummary
    from odibi.run_state import NodeState, RunState

__all__ = ["SqlSource", "error_lines", "node_of", "result_lines", "source_of", "sql_of_run"]

_WIDEST = 32
"""Cells of a value in a sample at most."""


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The SQL of a node's last SQL step. `place` says where it stands, `note` what to know of it."""

    sql: str
    place: str
    note: str = ""


def source_of(path: Path, key: str, settings: Sequence[str] = ()) -> SqlSource:
    """The node's SQL as the project now says it, with an earlier run's `settings` (`--env=…`, `--var=…`).

    A node without SQL starts from its rows as they are. Raises OdibiError when the project can't be
    loaded or the node is gone.
    """
    from odibi import config, graph  # pydantic: on first use
    from odibi.errors import UsageError

    pairs = [setting.partition("=")[::2] for setting in settings]
    given = dict(value.split("=", 1) for name, value in pairs if name == "--var" and "=" in value)
    env = next((value for name, value in pairs if name == "--env"), None)
    loaded = config.load(path, env=env, variables=given)
    node = graph.build(loaded).nodes.get(key)
    if node is None:
        raise UsageError(f"{key} is no longer in {path.name}")
    steps = node.config.transform.steps if node.config.transform else []
    for number, step in reversed(list(enumerate(steps, start=1))):
        if step.sql_file is not None:
            return SqlSource(node.sql_files[step.sql_file], step.sql_file)
        if step.sql is not None:
            text = loaded.secrets.text(step.sql)
            note = "a secret in it shows as ***" if text != step.sql else ""
            return SqlSource(text, f"step {number} of {len(steps)}", note)
    return SqlSource("SELECT *\nFROM df", "", "the node has no SQL step: this one comes last")


def sql_of_run(node: NodeState | None) -> SqlSource | None:
    """The SQL of the node's last step as a run had it, for a project that can't be loaded now."""
    from odibi.events import AS_EXECUTED

    steps = [done for done in (node.sql if node else ()) if done.step != AS_EXECUTED]
    return SqlSource(steps[-1].sql, steps[-1].step, "as the run had it") if steps else None


def node_of(state: RunState, key: str) -> NodeState | None:
    """The node that a trial is about, or the one that kept it from running."""
    failed = [node for node in state.nodes.values() if node.status in ("failed", "lost")]
    return failed[0] if failed else state.nodes.get(key)


def result_lines(node: NodeState, stored: NodeSummary | None, cells: int) -> list[Line]:
    """What the trial made, against the latest success that was stored."""
    rows = node.counts.rows_out if node.counts else None
    line: list[Span] = [(" rows    ", "dim"), (amount(rows), "bold")]
    if stored is None:
        line.append(("   nothing stored yet to compare with", "dim"))
    else:
        line.append((f"   stored {amount(stored.rows_out)}", "text"))
        change = percent(stored.rows_out, rows)
        line.append((f"   {change}", "dim" if change == "=" else "changed"))
    line.append((f"   {duration(node.seconds)}", "dim"))
    lines: list[Line] = [tuple(line), *_schema_lines(node.schema_out, stored, cells)]
    failed = [check for check in node.checks if not check.passed]
    lines += [
        ((" check   ", "dim"), (safe_line(f"{c.check}: {c.message}"), "warning")) for c in failed
    ]
    return [*lines, (), *_sample_lines(node.profile)]


def _schema_lines(
    columns: Sequence[tuple[str, str]] | None, stored: NodeSummary | None, cells: int
) -> list[Line]:
    now = dict(columns or ())
    if stored is None or stored.schema is None:
        names = ", ".join(f"{name} {kind}" for name, kind in now.items())
        return wrap(safe_line(f"columns {names}"), cells - 1, indent=" ")
    before = dict(stored.schema)
    changes = [
        *((f"+ {name} {kind}", "added") for name, kind in now.items() if name not in before),
        *((f"- {name} {kind}", "removed") for name, kind in before.items() if name not in now),
        *(
            (f"~ {name} {before[name]} → {kind}", "changed")
            for name, kind in now.items()
            if name in before and before[name] != kind
        ),
    ]
    if not changes:
        return [((" columns ", "dim"), (f"the same {len(now)}", "text"))]
    return [
        ((" columns " if number == 0 else " " * 9, "dim"), (safe_line(text), style))
        for number, (text, style) in enumerate(changes)
    ]


def _sample_lines(profile: ProfileObserved | None) -> list[Line]:
    """The sample as a table; NULL stands apart from texts."""
    if profile is None or not profile.sample_columns:
        return []
    columns = [
        _column(safe_line(name, _WIDEST), [row[place] for row in profile.sample])
        for place, name in enumerate(profile.sample_columns)
    ]
    return list(zip(*columns, strict=True))


def _column(name: str, values: Sequence[object]) -> list[Span]:
    """A column's heading and values, all of the same width; numbers at the right."""
    numbers = any(isinstance(value, int | float) for value in values)
    shown = [(name, "heading"), *map(_value, values)]
    cells = max(cell_len(text) for text, _ in shown)
    return [(f" {fit(text, cells, right=numbers)} ", style) for text, style in shown]


def _value(value: object) -> Span:
    return ("NULL", "dim") if value is None else (safe_line(value, _WIDEST), "text")


def error_lines(error: ErrorInfo | None, name: str, cells: int) -> list[Line]:
    """Why the trial failed: the engine's words line by line, the hint, the place in the project."""
    if error is None:
        return [((f" {safe_line(name)} failed and said nothing", "failed"),)]
    lines: list[Line] = []
    for text in safe(error.message).expandtabs(4).splitlines():
        lines += wrap(text, cells - 1, "failed", indent=" ")
    if error.hint:
        lines += wrap(safe_line(f"→ {error.hint}"), cells - 1, indent=" ")
    return lines
