"""Where the time went: stages as bars over the node's time, tries, writes."""

from __future__ import annotations

from odibi.run_state import Write
from odibi.safe_text import safe_line
from odibi_tui.paint import Line, amount, clock, duration, fit, rate, size, sparkline
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page, PageWriter, counted, fact, fine, heading

__all__ = ["page"]


def page(facts: Facts, look: Look) -> Page:
    """Begin and end, each stage to scale, what was tried before and what was written."""
    node, out = facts.node, PageWriter()
    if node.started is None:
        return Page((((" It didn't run." if node.done else " It hasn't begun.", "dim"),),))
    ended = f" to {clock(node.finished)}" if node.finished else ""
    out.add([fact("at", (f"{clock(node.first_started)}{ended}", "text"))])
    out.add([_took(facts)])
    past = [one.seconds for one in reversed(facts.behind.history)]
    if past:
        drawn = sparkline([*past, facts.seconds], 24, look.ascii)
        out.add([fact("before", (f"{drawn}", "dim"), (f"  {len(past)} runs", "dim"))])
    _stages(out, facts, look)
    for retry in node.retries:
        out.gap()
        note = f"then waited {duration(retry.delay)}"
        out.add([heading(f"try {retry.attempt}", note)])
        out.add([(("   ", "text"), (safe_line(retry.error.message), "warning"))])
    if node.writes:
        out.gap()
        out.add([heading("writes")])
        out.add(line for write in node.writes for line in _write(write))
    return out.page()


def _took(facts: Facts) -> Line:
    seconds, usual = facts.seconds, facts.usual
    tries = f"  try {facts.node.attempt}" if facts.node.attempt > 1 else ""
    said = f"  usual {fine(usual)}" if usual else ""
    counts = facts.node.counts
    speed = rate(counts.rows_out if counts else None, seconds)
    return fact(
        "took",
        (fine(seconds), "text"),
        (said + tries, "dim"),
        (f"  {speed}" if speed else "", "dim"),
    )


def _stages(out: PageWriter, facts: Facts, look: Look) -> None:
    node = facts.node
    if not node.stages and node.stage is None:
        return
    out.gap()
    out.add([heading("stages")])
    total = max(facts.seconds or 0.0, sum(stage.seconds for stage in node.stages))
    room = max(min(look.cells - 38, 60), 8)
    start = 0.0
    for stage in node.stages:
        line = _stage(stage.stage, stage.seconds, start, total, room, look, "running")
        rows = f" {amount(stage.rows)} rows" if stage.rows is not None else ""
        out.add([(*line, (rows, "dim"))])
        start += stage.seconds
    rest = max((facts.seconds or 0.0) - start, 0.0)
    if node.stage is not None:
        out.add([_stage(node.stage, rest, start, total, room, look, "ok")])
    elif node.done and rest > total / 50:
        said, style = ("failed in", "failed") if facts.failed else ("other", "dim")
        out.add([_stage(said, rest, start, total, room, look, style)])


def _stage(
    name: str, seconds: float, start: float, total: float, room: int, look: Look, style: str
) -> Line:
    share = f"{seconds / total:4.0%}" if total else ""
    return (
        (f" {fit(safe_line(name), 10)} ", "text"),
        (fit(fine(seconds), 8, right=True) + " ", "text"),
        (share + " ", "dim"),
        (_bar(start, seconds, total, room, look), style),
    )


def _bar(start: float, seconds: float, total: float, room: int, look: Look) -> str:
    """A block from `start` on, at least a thin line, in `room` cells that stand for `total` seconds."""
    if total <= 0:
        return " " * room
    first = min(int(start / total * room), room - 1)
    last = min(round((start + seconds) / total * room), room)
    if last <= first:
        block = "|" if look.ascii else "▏"
    else:
        block = ("#" if look.ascii else "█") * (last - first)
    return fit(" " * first + block, room)


def _write(write: Write) -> list[Line]:
    kind = f"{write.format} {write.mode}".strip()
    if not write.committed:
        return [((f"   {safe_line(write.path)}  ", "text"), (f"{kind}, not published", "warning"))]
    said = f"{kind}  {counted(write.rows, 'row')}  {size(write.bytes)}"
    version = f"  version {write.version}" if write.version is not None else ""
    files = f"  {write.files} files" if write.files not in (None, 1) else ""
    return [((f"   {safe_line(write.path)}", "text"), (f"  {said}{files}{version}", "dim"))]
