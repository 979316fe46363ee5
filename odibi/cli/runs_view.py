"""Many runs in a terminal: the history of a project, or of one node."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import RenderableType
from rich.text import Text

from odibi.cli import story_parts as show
from odibi.history import NodeSummary, RunSummary
from odibi.run_state import SYMBOLS
from odibi.safe_text import safe_line

__all__ = ["node_runs", "runs"]


def runs(summaries: Sequence[RunSummary], width: int, *, bars: bool = False) -> RenderableType:
    """Runs in lines, newest first; with `bars` how long each took."""
    if not summaries:
        return show.text("nothing has run yet; `odibi run` runs the project", "dim")
    longest = max((run.seconds or 0.0 for run in summaries), default=0.0)
    narrow = width < show.WIDE
    table = show.table(_run_headings(aside=not (narrow and bars), bars=bars), flexible="")
    for run in summaries:
        cells = _run_cells(run)
        if narrow and bars:
            del cells[5]  # the bars need the room more
        if bars:
            bar = show.bar(run.seconds, longest, width=10 if narrow else show.BAR)
            cells.append(show.text(bar, show.STYLES.get(run.status, "")))
        table.add_row(*cells, show.flexible(_remark(run), "dim"))
    return table


def _run_headings(*, aside: bool, bars: bool) -> list[tuple[str, show.Justify]]:
    headings: list[tuple[str, show.Justify]] = [
        ("", "left"),
        ("run", "left"),
        ("started (UTC)", "left"),
    ]
    headings += [("nodes", "right"), ("rows", "right")]
    headings += [("set aside", "right")] if aside else []
    headings += [("seconds", "right")]
    headings += [("", "left")] if bars else []
    return [*headings, ("", "left")]


def _run_cells(run: RunSummary) -> list[Text]:
    done = run.succeeded + run.reused
    aside = run.quarantined + run.unreadable
    return [
        show.text(SYMBOLS.get(run.status, "?"), show.STYLES.get(run.status, "")),
        show.text(safe_line(run.run_id)),
        show.text(f"{run.started:%Y-%m-%d %H:%M}" if run.started else ""),
        show.text(f"{done}/{run.nodes}"),
        show.text(f"{run.rows_written:,}"),
        show.text(f"{aside:,}" if aside else "", "yellow"),
        show.text(f"{run.seconds:.2f}" if run.seconds is not None else ""),
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
        return show.text(f"{safe_line(node)} has not succeeded yet", "dim")
    most = max(record.rows_out or 0 for record in records)
    longest = max(record.seconds or 0.0 for record in records)
    table = show.table(
        [
            ("run", "left"),
            ("rows", "right"),
            ("", "left"),
            ("seconds", "right"),
            ("", "left"),
            ("", "left"),
        ]
    )
    size = max(4, min(show.BAR, (width - 60) // 2))
    for record, before in pairwise([*records, None]):
        assert record is not None
        changed = before is not None and record.schema_hash != before.schema_hash
        table.add_row(
            show.text(safe_line(record.run_id)),
            show.count(record.rows_out),
            show.text(show.bar(record.rows_out, most, width=size), "green"),
            f"{record.seconds:.2f}" if record.seconds is not None else "",
            show.text(show.bar(record.seconds, longest, width=size), "cyan"),
            show.text("columns changed" if changed else "", "yellow"),
        )
    return show.group([show.text(safe_line(node), "bold"), table])
