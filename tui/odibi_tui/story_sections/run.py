"""The run itself, where no node is selected and none failed: how it went and what took the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from odibi.history import RunSummary
from odibi.run_state import NodeState, RunState
from odibi.safe_text import safe_line
from odibi_tui.paint import Line, amount, bar, clock, duration, fit, size, sparkline
from odibi_tui.story_page import Look, Page, PageWriter, counted, fact, heading, prose, signed
from odibi_tui.theme import style_of_status

__all__ = ["page"]

_SLOWEST = 8


def page(
    run: RunState,
    past: Sequence[RunSummary],
    path: Sequence[str],
    names: Mapping[str, str],
    look: Look,
    now: datetime,
) -> Page:
    """The run on one screen; `past` are runs before it, newest first, `path` its critical path."""
    out = PageWriter()
    if not run.run_id:
        out.add(
            [
                ((" No run yet.", "text"),),
                ((" A runs the project; a run from another terminal shows up by itself.", "dim"),),
            ]
        )
        return out.page()
    out.add(_facts(run, past, look, now))
    if len(path) > 1:
        chain = " → ".join(names.get(key, key) for key in path)
        out.add(prose("path", chain, look.cells, "dim", most=2), ("node", path[-1]))
    for text in run.warnings[:5]:
        out.add([fact("warns", (safe_line(text), "warning"))])
    _attention(out, run, names, look)
    _slowest(out, run, names, look)
    return out.page()


def _facts(run: RunState, past: Sequence[RunSummary], look: Look, now: datetime) -> list[Line]:
    plan, totals = run.plan, run.totals
    style = style_of_status(run.status)
    state = f"{look.sign(run.status)} {run.status}"
    by_status = " · ".join(f"{count} {status}" for status, count in totals.nodes.items())
    lines = [fact("run", (state, style), (f"  {safe_line(run.run_id)}", "dim"))]
    lines.append(fact("nodes", (by_status, "text")))
    lines.append(_time(run, past, look, now))
    aside = totals.quarantined + totals.unreadable
    rows = f"{amount(totals.rows_written)} written"
    lines.append(
        fact("rows", (rows, "text"), (f"  {amount(aside)} set aside" if aside else "", "warning"))
    )
    if totals.checks_passed or totals.checks_failed:
        broken = f"  {totals.checks_failed} broken" if totals.checks_failed else ""
        lines.append(fact("checks", (f"{totals.checks_passed} hold", "text"), (broken, "warning")))
    if run.heartbeat is not None:
        used = f"peak {size(run.peak_rss)}, cpu {duration(run.heartbeat.cpu_seconds)}"
        lines.append(fact("memory", (used, "text")))
    if plan is not None:
        how = f"{safe_line(run.engine)}, {run.jobs or '?'} at once"
        how += f", env {safe_line(plan.env)}" if plan.env else ""
        how += f", git {safe_line(plan.git_sha)[:10]}" if plan.git_sha else ""
        lines.append(fact("engine", (how, "text")))
        lines.append(fact("called", (safe_line(" ".join(plan.command)), "dim")))
        if plan.resume_of:
            lines.append(fact("after", (safe_line(plan.resume_of), "text")))
    return lines


def _time(run: RunState, past: Sequence[RunSummary], look: Look, now: datetime) -> Line:
    seconds = run.seconds
    if seconds is None and run.started is not None:
        seconds = ((run.last_at or run.started) if run.done else now).timestamp()
        seconds -= run.started.timestamp()
    before = [one.seconds for one in reversed(past) if one.status == "succeeded"]
    drawn = f"  {sparkline([*before, seconds], 20, look.ascii)}" if before else ""
    began = f"  began {clock(run.started)}" if run.started else ""
    return fact("time", (duration(seconds), "text"), (began, "dim"), (drawn, "dim"))


def _attention(out: PageWriter, run: RunState, names: Mapping[str, str], look: Look) -> None:
    odd = [(node, said) for node in run.nodes.values() if (said := _odd(node))]
    if not odd:
        return
    out.gap()
    out.add([heading("worth a look", str(len(odd)))])
    cells = max(len(names.get(node.key, node.key)) for node, _ in odd[:12])
    for node, said in odd[:12]:
        status = node.status if node.status != "succeeded" else "warning"
        name = fit(names.get(node.key, node.key), min(cells, 32))
        line: Line = ((" ", "text"), signed(look, status), (f" {name}  ", "text"), (said, "dim"))
        out.add([line], ("node", node.key))


def _odd(node: NodeState) -> str:
    """What a person may want to know of a node; empty when it went as it should."""
    parts = []
    if node.status in ("failed", "lost", "cancelled"):
        parts.append(safe_line(node.error.message if node.error else node.reason))
    broken = sum(not check.passed for check in node.checks)
    parts += [counted(broken, "check") + " broken"] if broken else []
    aside = sum(one.rows for one in node.quarantines)
    parts += [counted(aside, "row") + " set aside"] if aside else []
    parts += [f"try {node.attempt}"] if node.attempt > 1 else []
    parts += [counted(len(node.warnings), "warning")] if node.warnings else []
    return " · ".join(parts)


def _slowest(out: PageWriter, run: RunState, names: Mapping[str, str], look: Look) -> None:
    timed = sorted(
        (node for node in run.nodes.values() if node.seconds), key=lambda node: -(node.seconds or 0)
    )[:_SLOWEST]
    if len(timed) < 2:
        return
    out.gap()
    out.add([heading("slowest")])
    longest = timed[0].seconds or 1.0
    cells = min(max(len(names.get(node.key, node.key)) for node in timed), 32)
    room = max(min(look.cells - cells - 26, 40), 4)
    for node in timed:
        full, _ = bar((node.seconds or 0.0) / longest, room, look.ascii)
        rows = node.counts.rows_out if node.counts else None
        line: Line = (
            (f" {fit(names.get(node.key, node.key), cells)} ", "text"),
            (fit(duration(node.seconds), 6, right=True) + " ", "text"),
            (fit(full, room) + " ", "running"),
            (counted(rows, "row") if rows is not None else "", "dim"),
        )
        out.add([line], ("node", node.key))
