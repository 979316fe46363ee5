"""A run's story in a terminal, and what differs between two: calm, aligned, a few colours."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from odibi.cli import story_parts as show
from odibi.run_state import SYMBOLS
from odibi.safe_text import safe_line
from odibi.story import (
    Drift,
    NodeStory,
    RunStory,
    Story,
)
from odibi.story_diff import NodeDiff, StoryDiff

__all__ = ["diff", "overview"]

_SURPRISE = 0.5  # relative change of rows


def overview(story: Story, width: int) -> RenderableType:
    """A run on a screen: how it went, its nodes, and details where something needs attention."""
    troubled = sorted(
        (node for node in story.nodes if _needs_words(node)),
        key=lambda node: node.status not in ("failed", "lost"),
    )
    parts: list[RenderableType] = [
        _heading(story.run),
        *_run_facts(story.run),
        show.text(),
        _node_table(story.nodes, width),
    ]
    for node in troubled:
        parts += [show.text(), _trouble(node)]
    parts += [show.text(), _advice(story, troubled)]
    return show.group(parts)


def _heading(run: RunStory) -> Text:
    took = f" in {show.seconds(run.seconds)}" if run.seconds is not None else ""
    facts = [run.project, run.engine, run.status + took]
    if run.dry_run or run.sample or run.scratch:
        kind = f"sample of {run.sample}" if run.sample else "scratch"
        facts.insert(2, "dry run" if run.dry_run else kind)
    return show.more(show.signed(run.status, run.run_id), "  " + " · ".join(map(safe_line, facts)))


def _run_facts(run: RunStory) -> list[Text]:
    counts = ", ".join(f"{count} {status}" for status, count in run.nodes.items())
    facts = [show.when(run.started_at or run.planned_at), counts]
    facts.append(f"{run.rows_written:,} rows written" if run.rows_written else "")
    if aside := run.quarantined + run.unreadable:
        facts.append(f"{aside:,} rows set aside")
    if len(run.critical_path) > 1:
        facts.append(f"longest path {show.seconds(run.critical_seconds)}")
    lines = [" · ".join(filter(None, facts))]
    if run.selection or run.excluded:
        chosen = " ".join(run.selection) or "everything"
        without = f", without {' '.join(run.excluded)}" if run.excluded else ""
        lines.append(f"selected: {chosen}{without}")
    if run.resume_of:
        lines.append(f"resumes {run.resume_of}")
    if run.cancelled_by:
        lines.append(f"cancelled by {run.cancelled_by}")
    warnings = [show.text(f"  ! {safe_line(text)}", "yellow") for text in run.warnings]
    return [show.text("  " + safe_line(line), "dim") for line in lines] + warnings


def _node_table(nodes: Sequence[NodeStory], width: int) -> Table:
    longest = max((node.seconds or 0.0 for node in nodes), default=0.0)
    columns: list[tuple[str, show.Justify]] = [
        ("", "left"),
        ("node", "left"),
        ("rows in", "right"),
        ("rows out", "right"),
        ("set aside", "right"),
        ("seconds", "right"),
    ]
    if width >= show.WIDE:
        columns.append(("", "left"))
    table = show.table([*columns, ("checks", "left")], flexible="node")
    for node in nodes:
        cells: list[Text] = [*_node_cells(node)]
        if width >= show.WIDE:
            cells.append(show.text(show.bar(node.seconds, longest), "cyan"))
        table.add_row(*cells, _checks_cell(node))
    return table


def _node_cells(node: NodeStory) -> list[Text]:
    style = show.STYLES.get(node.status, "")
    quiet = "dim" if node.status in ("skipped", "reused", "queued", "planned") else ""
    rows = node.rows
    aside = rows.quarantined + rows.unreadable if rows else 0
    return [
        show.text(SYMBOLS.get(node.status, "?"), style),
        show.flexible(node.key, quiet),
        show.text(show.count(_came(node))),
        show.text(show.count(rows.rows_out if rows else None)),
        show.text(f"{aside:,}" if aside else "", "yellow"),
        show.text(f"{node.seconds:.2f}" if node.seconds is not None else ""),
    ]


def _came(node: NodeStory) -> int | None:
    """Rows that came: lines read where a text source was read."""
    if node.rows is None:
        return None
    return node.rows.rows_in if node.rows.read is None else node.rows.read


def _checks_cell(node: NodeStory) -> Text:
    failed = sum(not check.passed for check in node.checks)
    if not node.checks:
        return show.text()
    if failed:
        return show.text(f"{failed} of {len(node.checks)} ✗", "yellow")
    return show.text(f"{len(node.checks)} ✓", "green")


def _needs_words(node: NodeStory) -> bool:
    failed = any(not check.passed for check in node.checks)
    odd = bool(node.warnings or failed or node.retries or node.quarantines)
    return odd or node.status in ("failed", "lost") or bool(_surprises(node.drift))


def _surprises(drift: Drift | None) -> list[Text]:
    """What differs so much from the run before that a person should look."""
    if drift is None:
        return []
    before = safe_line(drift.previous_run)
    lines = show.schema_lines(drift.schema_change) if drift.schema_change else []
    if lines:
        lines.insert(0, show.text(f"  columns differ from {before}", "yellow"))
    if drift.rows_change is not None and abs(drift.rows_change) >= _SURPRISE:
        lines.append(show.text(f"  {drift.rows_change:+.0%} rows against {before}", "yellow"))
    return lines


def _trouble(node: NodeStory) -> RenderableType:
    """What a person should know of a node that didn't go smoothly."""
    lines: list[Text] = [show.node_title(node)]
    if node.error is not None and node.status == "failed":
        lines += show.error_lines(node.error, sql=False)
    elif node.status == "lost":
        lines.append(show.text("  " + safe_line(node.reason)))
    for retry in node.retries:
        first = safe_line(retry.error.message, 120)
        lines.append(show.text(f"  attempt {retry.attempt} failed: {first}", "dim"))
    lines += [show.check_line(check) for check in node.checks if not check.passed]
    for quarantine in node.quarantines:
        path = safe_line(quarantine.path)
        lines.append(show.text(f"  {quarantine.rows:,} {quarantine.kind} rows set aside: {path}"))
    lines += [show.text(f"  ! {safe_line(text)}", "yellow") for text in node.warnings]
    lines += _surprises(node.drift)
    return show.group(lines)


def _advice(story: Story, troubled: Sequence[NodeStory]) -> Text:
    node = next((n for n in troubled if n.status == "failed"), None) or (
        troubled[0] if troubled else story.nodes[-1] if story.nodes else None
    )
    if node is None:
        return show.text("the run ended before it had a plan", "dim")
    return show.text(f"odibi story show {story.run.run_id} --node {safe_line(node.key)}", "dim")


def diff(found: StoryDiff) -> RenderableType:
    """What changed from one run to another; nodes without a change are only counted."""
    changed = [node for node in found.nodes if node.changed]
    head = show.text(f"{safe_line(found.before)} → {safe_line(found.after)}", "bold")
    show.more(head, f"  {_arrow(*found.status)}", "dim")
    parts: list[RenderableType] = [head, _times(found)]
    for node in changed:
        parts += [show.text(), *_node_diff(node)]
    same = len(found.nodes) - len(changed)
    parts += [
        show.text(),
        show.text(f"{same} of {len(found.nodes)} nodes without a change", "dim"),
    ]
    return show.group(parts)


def _times(found: StoryDiff) -> Text:
    before, after = found.seconds
    if before is None or after is None:
        return show.text()
    return show.text(f"  {show.seconds(before)} → {show.seconds(after)}", "dim")


def _node_diff(node: NodeDiff) -> list[RenderableType]:
    lines = [show.signed(node.status[1] or node.status[0] or "", node.key)]
    if node.only:
        lines.append(show.text(f"  only in the run {node.only}", "dim"))
        return list(lines)
    if node.status[0] != node.status[1]:
        lines.append(show.text("  " + _arrow(*node.status)))
    if node.rows[0] != node.rows[1]:
        lines.append(_rows_diff(*node.rows))
    if node.set_aside[0] != node.set_aside[1]:
        lines.append(show.text(f"  set aside {node.set_aside[0]:,} → {node.set_aside[1]:,}"))
    lines += show.schema_lines(node.schema_change) if node.schema_change else []
    lines += [
        show.text(f"  ✗ {safe_line(name)} fails now", "yellow") for name in node.newly_failing
    ]
    lines += [show.text(f"  ✓ {safe_line(name)} holds again", "green") for name in node.mended]
    if node.fingerprint_changed:
        lines.append(show.text("  its configuration, code or inputs changed", "dim"))
    return list(lines)


def _rows_diff(before: int | None, after: int | None) -> Text:
    line = show.text(f"  rows {show.count(before) or '?'} → {show.count(after) or '?'}")
    if before and after is not None:
        show.more(line, "  ").append_text(show.change((after - before) / before))
    return line


def _arrow(before: str | None, after: str | None) -> str:
    return f"{before or 'none'} → {after or 'none'}" if before != after else str(after)
