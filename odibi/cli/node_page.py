"""The page of one node in a run's story."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from odibi.cli import story_parts as show
from odibi.cli.common import plural
from odibi.events import AS_EXECUTED
from odibi.safe_text import safe, safe_line
from odibi.story import (
    Column,
    ColumnProfile,
    Drift,
    NodeStory,
    Profile,
    RunStory,
    SchemaChange,
)
from odibi.story import Table as Rows

__all__ = ["histogram", "node_page"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_ENDLESS = Console(width=10_000, file=io.StringIO())


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
        ("warnings", [show.text("  ! " + safe_line(text), "yellow") for text in node.warnings]),
        ("sql", _sql_section(node)),
        ("sample", _sample_section(node, width)),
    ]
    parts: list[RenderableType] = _node_head(node, run)
    for title, content in sections:
        if content:
            parts += [show.text(), show.text(title, "bold"), *content]
    return show.group(parts)


def _node_head(node: NodeStory, run: RunStory) -> list[RenderableType]:
    took = f" in {show.seconds(node.seconds)}" if node.seconds is not None else ""
    head = show.node_title(node)
    show.more(head, f"  {node.status}{took}")
    facts = [f"run {run.run_id}", show.when(node.started_at)]
    facts += [f"layer {node.layer}"] if node.layer else []
    facts += ["tags " + ", ".join(node.tags)] if node.tags else []
    if node.expected_seconds is not None:
        facts.append(f"expected {show.seconds(node.expected_seconds)}")
    lines = [head]
    if node.description:
        lines += [show.text("  " + line) for line in safe(node.description).splitlines()]
    lines.append(show.text("  " + safe_line(" · ".join(filter(None, facts))), "dim"))
    if node.upstream:
        lines.append(show.text("  after " + safe_line(", ".join(node.upstream)), "dim"))
    if node.status not in ("succeeded", "failed", "running"):
        lines.append(show.text("  " + safe_line(node.reason)))
    return list(lines)


def _error_section(node: NodeStory) -> list[RenderableType]:
    if node.error is None or node.status != "failed":
        return []
    return list(show.error_lines(node.error, sql=True))


def _rows_section(node: NodeStory) -> list[RenderableType]:
    if node.rows is None:
        return []
    line = show.text("  " + safe_line(node.rows.balance))
    if node.rows.balanced is False:
        show.more(line, "  ✗ doesn't add up", "bold red")
    return [show.more(line, "  ✓", "green") if node.rows.balanced else line]


def _drift_section(drift: Drift | None) -> list[RenderableType]:
    if drift is None:
        return []
    table = show.table([("", "left"), ("", "right"), ("", "left")])
    if drift.rows_before is not None:
        table.add_row("rows", f"{drift.rows_before:,} before", show.change(drift.rows_change))
    if drift.seconds_before is not None:
        before = f"{show.seconds(drift.seconds_before)} before"
        table.add_row("time", before, show.change(drift.seconds_change))
    lines = show.schema_lines(drift.schema_change) if drift.schema_change else []
    return [show.text(f"  {safe_line(drift.previous_run)}", "dim"), show.indented(table), *lines]


def _stages_section(node: NodeStory, width: int) -> list[RenderableType]:
    if not node.stages:
        return []
    longest = max(stage.seconds for stage in node.stages)
    table = show.table([("", "left"), ("", "right"), ("", "left"), ("", "right")])
    for stage in node.stages:
        bar = show.bar(stage.seconds, longest, width=min(40, width - 40))
        rows = f"{stage.rows:,} rows" if stage.rows is not None else ""
        seconds = show.seconds(stage.seconds)
        table.add_row(
            show.text(safe_line(stage.stage)),
            seconds,
            show.text(bar, "cyan"),
            show.text(rows, "dim"),
        )
    return [show.indented(table)]


def _columns_section(node: NodeStory, width: int) -> list[RenderableType]:
    """Schema and profile in one table: what came, what is new (+), what changed its type (~)."""
    if node.schema_out is None:
        return [show.text("  " + show.column_list(node.schema_in))] if node.schema_in else []
    change = node.schema_change or SchemaChange()
    table = show.table(_column_headings(node.profile, width), flexible="type")
    for column in node.schema_out:
        table.add_row(*_column_cells(column, change), *_profile_cells(node, column.name, width))
    for column in change.removed:
        name, kind = safe_line(column.name, 32), safe_line(column.type)
        table.add_row(show.text("-", "red"), show.text(name, "dim"), show.flexible(kind, "dim"))
    note = []
    if node.profile and not node.profile.full:
        sampled = f"{node.profile.sampled:,} sampled rows"
        note.append(show.text(f"  ≈ and values: of {sampled}", "dim"))
    return [show.indented(table), *note]


def _column_headings(profile: Profile | None, width: int) -> list[tuple[str, show.Justify]]:
    headings: list[tuple[str, show.Justify]] = [("", "left"), ("column", "left"), ("type", "left")]
    if profile is not None:
        headings += [("nulls", "right"), ("distinct", "right"), ("from", "left"), ("to", "left")]
        headings += [("values", "left")] if width >= show.WIDE else []
    return headings


def _column_cells(column: Column, change: SchemaChange) -> list[Text]:
    before = {c.name: c.before for c in change.retyped}.get(column.name)
    name, kind = show.text(safe_line(column.name, 32)), show.flexible(column.type)
    if column in change.added:
        return [show.text("+", "green"), name, kind]
    if before is not None:
        return [show.text("~", "yellow"), name, show.flexible(f"{before} → {column.type}")]
    return [show.text(), name, kind]


def _profile_cells(node: NodeStory, column: str, width: int) -> list[Text]:
    columns = node.profile.columns if node.profile else ()
    profile = next((c for c in columns if c.name == column), None)
    if profile is None or node.profile is None:
        return []
    rows = node.rows.rows_out if node.rows else None
    nulls = show.text(show.count(profile.nulls) if profile.nulls else "", "yellow")
    if profile.nulls and rows:
        show.more(nulls, f" {profile.nulls / rows:.0%}", "dim")
    about = "" if node.profile.full else "≈"
    distinct = f"{about}{profile.distinct:,}" if profile.distinct is not None else ""
    cells = [
        nulls,
        show.text(distinct),
        *(show.text(_short(t)) for t in (profile.minimum, profile.maximum)),
    ]
    return [*cells, show.text(_values(profile), "cyan")] if width >= show.WIDE else cells


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


def _checks_section(node: NodeStory, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for check in node.checks:
        parts.append(show.check_line(check))
        if check.message and check.failed_rows:
            parts.append(show.text("      " + safe_line(check.message), "dim"))
        if check.sample is not None:
            parts.append(Padding.indent(_rows_table(check.sample, width - 6), 6))
    return parts


def _quarantine_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for quarantine in node.quarantines:
        path = safe_line(quarantine.path)
        parts.append(show.text(f"  {quarantine.rows:,} {quarantine.kind} rows → {path}"))
        for reason, count in quarantine.reasons.items():
            parts.append(show.text(f"    {count:,}  {safe_line(reason)}", "dim"))
    return parts


def _writes_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for write in node.writes:
        facts = [f"{write.format} {write.mode}".strip()]
        if write.committed:
            facts += [f"{show.count(write.rows)} rows", show.size(write.bytes or 0)]
            facts += [f"version {write.version}"] if write.version is not None else []
        else:
            facts.append("begun, not published")
        line = show.text("  " + safe_line(write.path))
        parts.append(show.more(line, "  " + " · ".join(filter(None, facts)), "dim"))
    return parts


def _retries_section(node: NodeStory) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for retry in node.retries:
        parts.append(
            show.text(f"  attempt {retry.attempt} failed, next after {show.seconds(retry.delay)}")
        )
        parts += [
            show.text("    ").append_text(line) for line in show.error_lines(retry.error, sql=False)
        ]
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
            show.text("  " + safe_line(step.step), "dim"),
            Padding(block, (0, 0, 0, 4), expand=False),
        ]
    if executed:
        said = plural(len(executed), "statement")
        parts.append(
            show.text(f"  {said} as the engine ran them: with --json, step '{AS_EXECUTED}'", "dim")
        )
    return parts


def _sample_section(node: NodeStory, width: int) -> list[RenderableType]:
    if node.sample is None or not node.sample.rows:
        return []
    return [show.indented(_rows_table(node.sample, width - 2))]


def _rows_table(rows: Rows, width: int) -> Table:
    """Rows below each other; side by side, a column to a line, when they don't fit."""
    table = show.table([(safe_line(name, 24), "left") for name in rows.columns])
    for row in rows.rows:
        table.add_row(*map(_cell, row))
    if Measurement.get(_ENDLESS, _ENDLESS.options, table).maximum <= width:
        return table
    shown = rows.rows[: max(1, (width - 26) // 34)]
    table = show.table([("", "left")] * (1 + len(shown)))
    for number, name in enumerate(rows.columns):
        cells = (_cell(row[number]) if number < len(row) else show.text() for row in shown)
        table.add_row(show.text(safe_line(name, 24), "dim"), *cells)
    return table


def _cell(value: object) -> Text:
    return show.text("null", "dim") if value is None else show.text(safe_line(value, 32))
