"""How stories and runs look in a terminal: calm, aligned, nothing in them but text and a few colours.

All text from data goes through `safe`; nothing here is rich markup.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from odibi.cli.common import plural
from odibi.events import AS_EXECUTED
from odibi.history import NodeSummary, RunSummary
from odibi.run_state import SYMBOLS
from odibi.safe_text import safe, safe_line
from odibi.story import (
    Check,
    Column,
    ColumnProfile,
    Drift,
    Error,
    NodeStory,
    Profile,
    RunStory,
    SchemaChange,
    Story,
)
from odibi.story import Table as Rows
from odibi.story_diff import NodeDiff, StoryDiff

__all__ = ["diff", "node_page", "node_runs", "overview", "runs", "stdout"]

STYLES = {
    "planned": "dim",
    "queued": "dim",
    "running": "cyan",
    "retrying": "yellow",
    "succeeded": "green",
    "failed": "bold red",
    "skipped": "dim",
    "reused": "blue",
    "cancelled": "yellow",
    "lost": "red",
    "damaged": "bold red",
}
_WIDE = 100  # columns from which there is room for bars
_BAR = 16
_SURPRISE = 0.5  # relative change of rows
_BLOCKS = "▁▂▃▄▅▆▇█"
_SHADES = " ▏▎▍▌▋▊▉█"
_ENDLESS = Console(width=10_000, file=io.StringIO())
Justify = Literal["left", "right"]


def _text(text: str = "", style: str = "") -> Text:
    """Text that came from anywhere, harmless: the only way into a page, with `_more` and `_flexible`."""
    return Text(safe(text), style)


def _more(line: Text, text: str, style: str = "") -> Text:
    """The line with more text at its end."""
    return line.append(safe(text), style)


def _group(parts: Iterable[RenderableType]) -> Group:
    """The parts one below the other; a line that begins with spaces keeps its indent when it wraps."""
    return Group(*map(_hanging, parts))


def _hanging(part: RenderableType) -> RenderableType:
    if not isinstance(part, Text):
        return part
    indent = len(part.plain) - len(part.plain.lstrip(" "))
    return Padding.indent(part[indent:], indent) if 0 < indent < len(part.plain) else part


def stdout() -> Console:
    """The terminal; a file or program gets lines that are wide enough to be whole."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 160
    return console


# A run ----------------------------------------------------------------------------------------------


def overview(story: Story, width: int) -> RenderableType:
    """A run on a screen: how it went, its nodes, and details where something needs attention."""
    troubled = sorted(
        (node for node in story.nodes if _needs_words(node)),
        key=lambda node: node.status not in ("failed", "lost"),
    )
    parts: list[RenderableType] = [
        _heading(story.run),
        *_run_facts(story.run),
        _text(),
        _node_table(story.nodes, width),
    ]
    for node in troubled:
        parts += [_text(), _trouble(node)]
    parts += [_text(), _advice(story, troubled)]
    return _group(parts)


def _heading(run: RunStory) -> Text:
    took = f" in {_seconds(run.seconds)}" if run.seconds is not None else ""
    facts = [run.project, run.engine, run.status + took]
    if run.dry_run or run.sample or run.scratch:
        kind = f"sample of {run.sample}" if run.sample else "scratch"
        facts.insert(2, "dry run" if run.dry_run else kind)
    return _more(_signed(run.status, run.run_id), "  " + " · ".join(map(safe_line, facts)))


def _signed(status: str, name: str) -> Text:
    """A name behind the sign of its status."""
    return _text(f"{SYMBOLS.get(status, '?')} {safe_line(name)}", STYLES.get(status, ""))


def _run_facts(run: RunStory) -> list[Text]:
    counts = ", ".join(f"{count} {status}" for status, count in run.nodes.items())
    facts = [_when(run.started_at or run.planned_at), counts]
    facts.append(f"{run.rows_written:,} rows written" if run.rows_written else "")
    if aside := run.quarantined + run.unreadable:
        facts.append(f"{aside:,} rows set aside")
    if len(run.critical_path) > 1:
        facts.append(f"longest path {_seconds(run.critical_seconds)}")
    lines = [" · ".join(filter(None, facts))]
    if run.selection or run.excluded:
        chosen = " ".join(run.selection) or "everything"
        without = f", without {' '.join(run.excluded)}" if run.excluded else ""
        lines.append(f"selected: {chosen}{without}")
    if run.resume_of:
        lines.append(f"resumes {run.resume_of}")
    if run.cancelled_by:
        lines.append(f"cancelled by {run.cancelled_by}")
    warnings = [_text(f"  ! {safe_line(text)}", "yellow") for text in run.warnings]
    return [_text("  " + safe_line(line), "dim") for line in lines] + warnings


def _node_table(nodes: Sequence[NodeStory], width: int) -> Table:
    longest = max((node.seconds or 0.0 for node in nodes), default=0.0)
    columns: list[tuple[str, Justify]] = [
        ("", "left"),
        ("node", "left"),
        ("rows in", "right"),
        ("rows out", "right"),
        ("set aside", "right"),
        ("seconds", "right"),
    ]
    if width >= _WIDE:
        columns.append(("", "left"))
    table = _table([*columns, ("checks", "left")], flexible="node")
    for node in nodes:
        cells: list[Text] = [*_node_cells(node)]
        if width >= _WIDE:
            cells.append(_text(_bar(node.seconds, longest), "cyan"))
        table.add_row(*cells, _checks_cell(node))
    return table


def _node_cells(node: NodeStory) -> list[Text]:
    style = STYLES.get(node.status, "")
    quiet = "dim" if node.status in ("skipped", "reused", "queued", "planned") else ""
    rows = node.rows
    aside = rows.quarantined + rows.unreadable if rows else 0
    return [
        _text(SYMBOLS.get(node.status, "?"), style),
        _flexible(node.key, quiet),
        _text(_count(_came(node))),
        _text(_count(rows.rows_out if rows else None)),
        _text(f"{aside:,}" if aside else "", "yellow"),
        _text(f"{node.seconds:.2f}" if node.seconds is not None else ""),
    ]


def _came(node: NodeStory) -> int | None:
    """Rows that came: lines read where a text source was read."""
    if node.rows is None:
        return None
    return node.rows.rows_in if node.rows.read is None else node.rows.read


def _checks_cell(node: NodeStory) -> Text:
    failed = sum(not check.passed for check in node.checks)
    if not node.checks:
        return _text()
    if failed:
        return _text(f"{failed} of {len(node.checks)} ✗", "yellow")
    return _text(f"{len(node.checks)} ✓", "green")


def _needs_words(node: NodeStory) -> bool:
    failed = any(not check.passed for check in node.checks)
    odd = bool(node.warnings or failed or node.retries or node.quarantines)
    return odd or node.status in ("failed", "lost") or bool(_surprises(node.drift))


def _surprises(drift: Drift | None) -> list[Text]:
    """What differs so much from the run before that a person should look."""
    if drift is None:
        return []
    before = safe_line(drift.previous_run)
    lines = _schema_lines(drift.schema_change) if drift.schema_change else []
    if lines:
        lines.insert(0, _text(f"  columns differ from {before}", "yellow"))
    if drift.rows_change is not None and abs(drift.rows_change) >= _SURPRISE:
        lines.append(_text(f"  {drift.rows_change:+.0%} rows against {before}", "yellow"))
    return lines


def _trouble(node: NodeStory) -> RenderableType:
    """What a person should know of a node that didn't go smoothly."""
    lines: list[Text] = [_node_title(node)]
    if node.error is not None and node.status == "failed":
        lines += _error_lines(node.error, sql=False)
    elif node.status == "lost":
        lines.append(_text("  " + safe_line(node.reason)))
    for retry in node.retries:
        first = safe_line(retry.error.message, 120)
        lines.append(_text(f"  attempt {retry.attempt} failed: {first}", "dim"))
    lines += [_check_line(check) for check in node.checks if not check.passed]
    for quarantine in node.quarantines:
        path = safe_line(quarantine.path)
        lines.append(_text(f"  {quarantine.rows:,} {quarantine.kind} rows set aside: {path}"))
    lines += [_text(f"  ! {safe_line(text)}", "yellow") for text in node.warnings]
    lines += _surprises(node.drift)
    return _group(lines)


def _node_title(node: NodeStory) -> Text:
    title = _signed(node.status, node.key)
    if node.error is not None and node.error.file and node.status == "failed":
        _more(title, f"  {_place(node.error)}", "dim")
    return title


def _place(error: Error) -> str:
    numbers = "".join(f":{n}" for n in (error.line, error.column) if n is not None)
    return safe_line(error.file or "") + numbers


def _error_lines(error: Error, *, sql: bool) -> list[Text]:
    lines = [_text("  " + line) for line in safe(error.message).splitlines()]
    if error.hint:
        lines.append(_text("  → " + safe_line(error.hint), "green"))
    if sql and error.sql:
        lines += [_text("  │ " + line, "dim") for line in safe(error.sql).splitlines()]
    if sql and error.traceback:
        lines += [_text("  " + line, "dim") for line in safe(error.traceback).splitlines()]
    return lines


def _check_line(check: Check) -> Text:
    sign, style = ("  ✓ ", "green") if check.passed else ("  ✗ ", "yellow")
    line = _more(_text(sign, style), safe_line(check.check), "default")
    facts = [f"{check.phase}, on failure {check.on_fail}"]
    if check.failed_rows:
        facts.insert(0, f"{check.failed_rows:,}{_of(check.failed_rows, check.total_rows)} rows")
    elif check.message and not check.passed:
        facts.insert(0, check.message)
    return _more(line, "  " + safe_line(" · ".join(facts)), "dim")


def _of(part: int, whole: int | None) -> str:
    return f" of {whole:,} ({part / whole:.1%})" if whole else ""


def _advice(story: Story, troubled: Sequence[NodeStory]) -> Text:
    node = next((n for n in troubled if n.status == "failed"), None) or (
        troubled[0] if troubled else story.nodes[-1] if story.nodes else None
    )
    if node is None:
        return _text("the run ended before it had a plan", "dim")
    return _text(f"odibi story show {story.run.run_id} --node {safe_line(node.key)}", "dim")


# A node ---------------------------------------------------------------------------------------------


def node_page(node: NodeStory, run: RunStory, width: int) -> RenderableType:
    """Everything about one node of a run."""
    sections: list[tuple[str, Sequence[RenderableType]]] = [
        ("error", _error_section(node)),
        ("rows", _rows_section(node)),
        ("against the run before", _drift_section(node.drift)),
        ("stages", _stages_section(node, width)),
        ("columns", _columns_section(node, width)),
        ("checks", _checks_section(node, width)),
        ("set aside", _quarantine_section(node)),
        ("written", _writes_section(node)),
        ("attempts", _retries_section(node)),
        ("warnings", [_text("  ! " + safe_line(text), "yellow") for text in node.warnings]),
        ("sql", _sql_section(node)),
        ("sample", _sample_section(node, width)),
    ]
    parts: list[RenderableType] = _node_head(node, run)
    for title, content in sections:
        if content:
            parts += [_text(), _text(title, "bold"), *content]
    return _group(parts)


def _node_head(node: NodeStory, run: RunStory) -> list[RenderableType]:
    took = f" in {_seconds(node.seconds)}" if node.seconds is not None else ""
    head = _node_title(node)
    _more(head, f"  {node.status}{took}")
    facts = [f"run {run.run_id}", _when(node.started_at)]
    facts += [f"layer {node.layer}"] if node.layer else []
    facts += ["tags " + ", ".join(node.tags)] if node.tags else []
    if node.expected_seconds is not None:
        facts.append(f"expected {_seconds(node.expected_seconds)}")
    lines = [head]
    if node.description:
        lines += [_text("  " + line) for line in safe(node.description).splitlines()]
    lines.append(_text("  " + safe_line(" · ".join(filter(None, facts))), "dim"))
    if node.upstream:
        lines.append(_text("  after " + safe_line(", ".join(node.upstream)), "dim"))
    if node.status not in ("succeeded", "failed", "running"):
        lines.append(_text("  " + safe_line(node.reason)))
    return list(lines)


def _error_section(node: NodeStory) -> list[RenderableType]:
    if node.error is None or node.status != "failed":
        return []
    return list(_error_lines(node.error, sql=True))


def _rows_section(node: NodeStory) -> list[RenderableType]:
    if node.rows is None:
        return []
    line = _text("  " + safe_line(node.rows.balance))
    if node.rows.balanced is False:
        _more(line, "  ✗ doesn't add up", "bold red")
    return [_more(line, "  ✓", "green") if node.rows.balanced else line]


def _drift_section(drift: Drift | None) -> list[RenderableType]:
    if drift is None:
        return []
    table = _table([("", "left"), ("", "right"), ("", "left")])
    if drift.rows_before is not None:
        table.add_row("rows", f"{drift.rows_before:,} before", _change(drift.rows_change))
    if drift.seconds_before is not None:
        before = f"{_seconds(drift.seconds_before)} before"
        table.add_row("time", before, _change(drift.seconds_change))
    lines = _schema_lines(drift.schema_change) if drift.schema_change else []
    return [_text(f"  {safe_line(drift.previous_run)}", "dim"), _indented(table), *lines]


def _change(relative: float | None) -> Text:
    if relative is None or abs(relative) < 0.0005:
        return _text("same" if relative is not None else "", "dim")
    return _text(f"{relative:+.1%}", "yellow" if abs(relative) >= 0.5 else "")


def _schema_lines(change: SchemaChange) -> list[Text]:
    lines = [_text(f"  + {safe_line(c.name)} {safe_line(c.type)}", "green") for c in change.added]
    lines += [_text(f"  - {safe_line(c.name)} {safe_line(c.type)}", "red") for c in change.removed]
    for column in change.retyped:
        types = f"{safe_line(column.before)} → {safe_line(column.after)}"
        lines.append(_text(f"  ~ {safe_line(column.name)} {types}", "yellow"))
    return lines + ([_text("  columns changed places", "dim")] if change.reordered else [])


def _stages_section(node: NodeStory, width: int) -> list[RenderableType]:
    if not node.stages:
        return []
    longest = max(stage.seconds for stage in node.stages)
    table = _table([("", "left"), ("", "right"), ("", "left"), ("", "right")])
    for stage in node.stages:
        bar = _bar(stage.seconds, longest, width=min(40, width - 40))
        rows = f"{stage.rows:,} rows" if stage.rows is not None else ""
        seconds = _seconds(stage.seconds)
        table.add_row(
            _text(safe_line(stage.stage)), seconds, _text(bar, "cyan"), _text(rows, "dim")
        )
    return [_indented(table)]


def _columns_section(node: NodeStory, width: int) -> list[RenderableType]:
    """Schema and profile in one table: what came, what is new (+), what changed its type (~)."""
    if node.schema_out is None:
        return [_text("  " + _column_list(node.schema_in))] if node.schema_in else []
    change = node.schema_change or SchemaChange()
    table = _table(_column_headings(node.profile, width), flexible="type")
    for column in node.schema_out:
        table.add_row(*_column_cells(column, change), *_profile_cells(node, column.name, width))
    for column in change.removed:
        name, kind = safe_line(column.name, 32), safe_line(column.type)
        table.add_row(_text("-", "red"), _text(name, "dim"), _flexible(kind, "dim"))
    note = []
    if node.profile and not node.profile.full:
        sampled = f"{node.profile.sampled:,} sampled rows"
        note.append(_text(f"  ≈ and values: of {sampled}", "dim"))
    return [_indented(table), *note]


def _column_headings(profile: Profile | None, width: int) -> list[tuple[str, Justify]]:
    headings: list[tuple[str, Justify]] = [("", "left"), ("column", "left"), ("type", "left")]
    if profile is not None:
        headings += [("nulls", "right"), ("distinct", "right"), ("from", "left"), ("to", "left")]
        headings += [("values", "left")] if width >= _WIDE else []
    return headings


def _column_cells(column: Column, change: SchemaChange) -> list[Text]:
    before = {c.name: c.before for c in change.retyped}.get(column.name)
    name, kind = _text(safe_line(column.name, 32)), _flexible(column.type)
    if column in change.added:
        return [_text("+", "green"), name, kind]
    if before is not None:
        return [_text("~", "yellow"), name, _flexible(f"{before} → {column.type}")]
    return [_text(), name, kind]


def _profile_cells(node: NodeStory, column: str, width: int) -> list[Text]:
    columns = node.profile.columns if node.profile else ()
    profile = next((c for c in columns if c.name == column), None)
    if profile is None or node.profile is None:
        return []
    rows = node.rows.rows_out if node.rows else None
    nulls = _text(_count(profile.nulls) if profile.nulls else "", "yellow")
    if profile.nulls and rows:
        _more(nulls, f" {profile.nulls / rows:.0%}", "dim")
    about = "" if node.profile.full else "≈"
    distinct = f"{about}{profile.distinct:,}" if profile.distinct is not None else ""
    cells = [
        nulls,
        _text(distinct),
        *(_text(_short(t)) for t in (profile.minimum, profile.maximum)),
    ]
    return [*cells, _text(_values(profile), "cyan")] if width >= _WIDE else cells


def _short(text: str | None) -> str:
    return safe_line(text or "", 16)


def _values(profile: ColumnProfile) -> str:
    """A small histogram of numbers, or the most frequent values with how often each was sampled."""
    if profile.histogram:
        return histogram([bin_.count for bin_ in profile.histogram])
    return ", ".join(f"{safe_line(v.value, 12)} {v.count:,}×" for v in profile.top[:3])


def histogram(counts: Sequence[int]) -> str:
    """One block per bin, its height the count; an empty bin is a blank."""
    highest = max(counts, default=0)
    if highest <= 0:
        return " " * len(counts)
    heights = (max(1, -(-count * len(_BLOCKS) // highest)) if count else 0 for count in counts)
    return "".join(_BLOCKS[height - 1] if height else " " for height in heights)


def _column_list(columns: Iterable[Column] | None) -> str:
    return ", ".join(f"{safe_line(c.name)} {safe_line(c.type)}" for c in columns or ())


def _checks_section(node: NodeStory, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for check in node.checks:
        parts.append(_check_line(check))
        if check.message and check.failed_rows:
            parts.append(_text("      " + safe_line(check.message), "dim"))
        if check.sample is not None:
            parts.append(Padding.indent(_rows_table(check.sample, width - 6), 6))
    return parts


def _quarantine_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for quarantine in node.quarantines:
        path = safe_line(quarantine.path)
        parts.append(_text(f"  {quarantine.rows:,} {quarantine.kind} rows → {path}"))
        for reason, count in quarantine.reasons.items():
            parts.append(_text(f"    {count:,}  {safe_line(reason)}", "dim"))
    return parts


def _writes_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for write in node.writes:
        facts = [f"{write.format} {write.mode}".strip()]
        if write.committed:
            facts += [f"{_count(write.rows)} rows", _bytes(write.bytes or 0)]
            facts += [f"version {write.version}"] if write.version is not None else []
        else:
            facts.append("begun, not published")
        line = _text("  " + safe_line(write.path))
        parts.append(_more(line, "  " + " · ".join(filter(None, facts)), "dim"))
    return parts


def _retries_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for retry in node.retries:
        parts.append(_text(f"  attempt {retry.attempt} failed, next after {_seconds(retry.delay)}"))
        parts += [_text("    ").append_text(line) for line in _error_lines(retry.error, sql=False)]
    return parts


def _sql_section(node: NodeStory) -> list[RenderableType]:
    if not node.sql:
        return []
    from rich.syntax import Syntax  # pygments, only for this page

    parts: list[RenderableType] = []
    executed = [step for step in node.sql if step.step == AS_EXECUTED]
    for step in (step for step in node.sql if step.step != AS_EXECUTED):
        code = safe(step.sql).strip()
        block = Syntax(code, "sql", theme="ansi_dark", background_color="default", word_wrap=True)
        parts += [
            _text("  " + safe_line(step.step), "dim"),
            Padding(block, (0, 0, 0, 4), expand=False),
        ]
    if executed:
        said = plural(len(executed), "statement")
        parts.append(
            _text(f"  {said} as the engine ran them: with --json, step '{AS_EXECUTED}'", "dim")
        )
    return parts


def _sample_section(node: NodeStory, width: int) -> list[RenderableType]:
    if node.sample is None or not node.sample.rows:
        return []
    return [_indented(_rows_table(node.sample, width - 2))]


def _rows_table(rows: Rows, width: int) -> Table:
    """Rows below each other; side by side, a column to a line, when they don't fit."""
    table = _table([(safe_line(name, 24), "left") for name in rows.columns])
    for row in rows.rows:
        table.add_row(*map(_cell, row))
    if Measurement.get(_ENDLESS, _ENDLESS.options, table).maximum <= width:
        return table
    shown = rows.rows[: max(1, (width - 26) // 34)]
    table = _table([("", "left")] * (1 + len(shown)))
    for number, name in enumerate(rows.columns):
        cells = (_cell(row[number]) if number < len(row) else _text() for row in shown)
        table.add_row(_text(safe_line(name, 24), "dim"), *cells)
    return table


def _cell(value: object) -> Text:
    return _text("null", "dim") if value is None else _text(safe_line(value, 32))


# Many runs ------------------------------------------------------------------------------------------


def runs(summaries: Sequence[RunSummary], width: int, *, bars: bool = False) -> RenderableType:
    """Runs in lines, newest first; with `bars` how long each took."""
    if not summaries:
        return _text("nothing has run yet; `odibi run` runs the project", "dim")
    longest = max((run.seconds or 0.0 for run in summaries), default=0.0)
    narrow = width < _WIDE
    table = _table(_run_headings(aside=not (narrow and bars), bars=bars), flexible="")
    for run in summaries:
        cells = _run_cells(run)
        if narrow and bars:
            del cells[5]  # the bars need the room more
        if bars:
            bar = _bar(run.seconds, longest, width=10 if narrow else _BAR)
            cells.append(_text(bar, STYLES.get(run.status, "")))
        table.add_row(*cells, _flexible(_remark(run), "dim"))
    return table


def _run_headings(*, aside: bool, bars: bool) -> list[tuple[str, Justify]]:
    headings: list[tuple[str, Justify]] = [("", "left"), ("run", "left"), ("started (UTC)", "left")]
    headings += [("nodes", "right"), ("rows", "right")]
    headings += [("set aside", "right")] if aside else []
    headings += [("seconds", "right")]
    headings += [("", "left")] if bars else []
    return [*headings, ("", "left")]


def _run_cells(run: RunSummary) -> list[Text]:
    done = run.succeeded + run.reused
    aside = run.quarantined + run.unreadable
    return [
        _text(SYMBOLS.get(run.status, "?"), STYLES.get(run.status, "")),
        _text(safe_line(run.run_id)),
        _text(f"{run.started:%Y-%m-%d %H:%M}" if run.started else ""),
        _text(f"{done}/{run.nodes}"),
        _text(f"{run.rows_written:,}"),
        _text(f"{aside:,}" if aside else "", "yellow"),
        _text(f"{run.seconds:.2f}" if run.seconds is not None else ""),
    ]


def _remark(run: RunSummary) -> str:
    """What makes a run special."""
    if run.error:
        return safe_line(run.error)
    words = [] if run.status in ("succeeded", "failed") else [run.status]
    words += ["dry run"] if run.dry_run else []
    words += [f"sample {run.sample}"] if run.sample else []
    words += ["scratch"] if run.scratch else []
    words += ["resumed"] if run.resume_of else []
    words += [" ".join(run.selection)] if run.selection else []
    return safe_line(", ".join(words))


def node_runs(node: str, records: Sequence[NodeSummary], width: int) -> RenderableType:
    """A node's successes, newest first: rows and seconds as bars, and when its columns changed."""
    if not records:
        return _text(f"{safe_line(node)} has not succeeded yet", "dim")
    most = max(record.rows_out or 0 for record in records)
    longest = max(record.seconds or 0.0 for record in records)
    table = _table(
        [
            ("run", "left"),
            ("rows", "right"),
            ("", "left"),
            ("seconds", "right"),
            ("", "left"),
            ("", "left"),
        ]
    )
    size = max(4, min(_BAR, (width - 60) // 2))
    for record, before in pairwise([*records, None]):
        assert record is not None
        changed = before is not None and record.schema_hash != before.schema_hash
        table.add_row(
            _text(safe_line(record.run_id)),
            _count(record.rows_out),
            _text(_bar(record.rows_out, most, width=size), "green"),
            f"{record.seconds:.2f}" if record.seconds is not None else "",
            _text(_bar(record.seconds, longest, width=size), "cyan"),
            _text("columns changed" if changed else "", "yellow"),
        )
    return _group([_text(safe_line(node), "bold"), table])


# Two runs -------------------------------------------------------------------------------------------


def diff(found: StoryDiff) -> RenderableType:
    """What changed from one run to another; nodes without a change are only counted."""
    changed = [node for node in found.nodes if node.changed]
    head = _text(f"{safe_line(found.before)} → {safe_line(found.after)}", "bold")
    _more(head, f"  {_arrow(*found.status)}", "dim")
    parts: list[RenderableType] = [head, _times(found)]
    for node in changed:
        parts += [_text(), *_node_diff(node)]
    same = len(found.nodes) - len(changed)
    parts += [_text(), _text(f"{same} of {len(found.nodes)} nodes without a change", "dim")]
    return _group(parts)


def _times(found: StoryDiff) -> Text:
    before, after = found.seconds
    if before is None or after is None:
        return _text()
    return _text(f"  {_seconds(before)} → {_seconds(after)}", "dim")


def _node_diff(node: NodeDiff) -> list[RenderableType]:
    lines = [_signed(node.status[1] or node.status[0] or "", node.key)]
    if node.only:
        lines.append(_text(f"  only in the run {node.only}", "dim"))
        return list(lines)
    if node.status[0] != node.status[1]:
        lines.append(_text("  " + _arrow(*node.status)))
    if node.rows[0] != node.rows[1]:
        lines.append(_rows_diff(*node.rows))
    if node.set_aside[0] != node.set_aside[1]:
        lines.append(_text(f"  set aside {node.set_aside[0]:,} → {node.set_aside[1]:,}"))
    lines += _schema_lines(node.schema_change) if node.schema_change else []
    lines += [_text(f"  ✗ {safe_line(name)} fails now", "yellow") for name in node.newly_failing]
    lines += [_text(f"  ✓ {safe_line(name)} holds again", "green") for name in node.mended]
    if node.fingerprint_changed:
        lines.append(_text("  its configuration, code or inputs changed", "dim"))
    return list(lines)


def _rows_diff(before: int | None, after: int | None) -> Text:
    line = _text(f"  rows {_count(before) or '?'} → {_count(after) or '?'}")
    if before and after is not None:
        _more(line, "  ").append_text(_change((after - before) / before))
    return line


def _arrow(before: str | None, after: str | None) -> str:
    return f"{before or 'none'} → {after or 'none'}" if before != after else str(after)


# Small things ---------------------------------------------------------------------------------------


def _table(columns: Sequence[tuple[str, Justify]], flexible: str | None = None) -> Table:
    """A table without lines; only the last column named `flexible` gives way in a narrow terminal."""
    headed = any(name for name, _ in columns)
    table = Table(
        box=None, show_header=headed, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False
    )
    last = max((n for n, (name, _) in enumerate(columns) if name == flexible), default=None)
    for number, (name, justify) in enumerate(columns):
        # Rich takes room from columns that may wrap first; their cells themselves never do.
        table.add_column(_text(name), justify=justify, no_wrap=number != last, overflow="ellipsis")
    return table


def _flexible(text: str, style: str = "") -> Text:
    """A cell of the flexible column: cut, never wrapped."""
    return Text(safe_line(text), style, no_wrap=True, overflow="ellipsis")


def _indented(content: RenderableType) -> Padding:
    return Padding.indent(content, 2)


def _bar(value: float | None, longest: float, width: int = _BAR) -> str:
    """A bar of eighths of a character, `width` characters at `longest`."""
    if not value or longest <= 0:
        return ""
    eighths = max(1, round(value / longest * width * 8))
    return "█" * (eighths // 8) + _SHADES[eighths % 8].strip()


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _when(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
