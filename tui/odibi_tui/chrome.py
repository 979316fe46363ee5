"""What stands around the panes: the status line, the tabs with the counts, the keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from odibi.safe_text import safe_line
from odibi_tui.paint import Line, Span, amount, bar, clip, duration, join, size, width
from odibi_tui.theme import style_of_status

if TYPE_CHECKING:
    from datetime import datetime

    from odibi.run_state import RunState
    from odibi_tui.world import World

__all__ = ["counts", "elapsed", "footer_line", "opening_lines", "status_line", "tabs_line"]

_COUNTED = ("failed", "warning", "running", "succeeded", "skipped", "queued")
_COUNT_AS = {"retrying": "running", "reused": "succeeded", "lost": "failed", "cancelled": "skipped"}


def elapsed(state: RunState, now: datetime) -> float | None:
    """Seconds since the run began, or that it took."""
    if state.seconds is not None:
        return state.seconds
    if state.started is None:
        return None
    end = state.last_at if state.status == "lost" and state.last_at else now
    return max((end - state.started).total_seconds(), 0.0)


def counts(world: World) -> dict[str, int]:
    """How many nodes of the shown run are in each state, in the order of the tabs."""
    found = dict.fromkeys(_COUNTED, 0)
    for key in world.state.nodes:
        status = world.status(key)
        found[_COUNT_AS.get(status, status)] += 1
    return found


def opening_lines(project: str, views: Sequence[str], cells: int) -> tuple[Line, Line]:
    """The status line and the tabs before anything is known."""
    head: Line = (
        (" odibi top  ", "accent"),
        (safe_line(project, 40), "bold"),
        ("  reading …", "dim"),
    )
    tabs: Line = (
        (" ", "text"),
        *((f" {n} {_tab(name)} ", "tab") for n, name in enumerate(views, 1)),
    )
    return clip(head, cells), clip(tabs, cells)


def _tab(view: str) -> str:
    return "Ask" if view == "query" else view.capitalize()


def status_line(world: World, signs: Mapping[str, str], cells: int) -> Line:
    """Which run, is it alive, how far, how much longer, what is wrong."""
    name = safe_line(world.project.name or world.state.project or world.root.name, 40)
    head: tuple[Span, ...] = ((" odibi top  ", "accent"), (name, "bold"))
    state = world.state
    if world.starting is not None:
        return clip((*head, (f"  starting {world.starting} …", "running")), cells)
    if not state.run_id:
        said = "no runs yet" if world.loaded else "reading …"
        if world.run_id in world.damaged:
            said = "the log of this run is damaged"
        return clip((*head, (f"  {said}", "dim")), cells)
    word, style = _word(world)
    shown = (
        *head,
        (" › ", "dim"),
        (safe_line(state.run_id, 36), "text"),
        ("  ", "text"),
        (f"{signs.get(state.status, '')} {word}", style),
        (f" {duration(elapsed(state, world.now()))}", "bold"),
    )
    details = _live_details(world, signs) if not state.done else _final_details(world)
    return join(_fitted(shown, details, cells), _right(world), cells)


def _word(world: World) -> tuple[str, str]:
    """What the run does, and its style: that somebody asked to stop it goes before its status."""
    asked, state = world.cancelling, world.state
    if asked is not None and asked.run_id == state.run_id and not asked.heard(state):
        what = f" {world.name(asked.node)}" if asked.node else ""
        passed = max((world.clock() - asked.asked).total_seconds(), 0)
        return f"cancelling{what}… {passed:.0f} s", "warning"
    if state.cancelled_by is not None and not state.done:
        return f"STOPPING, asked by {safe_line(state.cancelled_by, 30)}", "warning"
    return state.status.upper(), style_of_status(state.status)


def _fitted(shown: Line, details: Sequence[Line], cells: int) -> Line:
    """As many details as there is room for, the first ones first."""
    for detail in details:
        if width(shown) + width(detail) + 14 > cells:
            break
        shown = (*shown, *detail)
    return shown


def _live_details(world: World, signs: Mapping[str, str]) -> list[Line]:
    from odibi_tui import eta  # after the first frame

    state, now = world.state, world.now()
    done = sum(node.done for node in state.nodes.values())
    share = world.share
    full, empty = bar(share, 12, ascii_only=signs["succeeded"] == "+")
    details: list[Line] = [
        ((f"  {done}/{len(state.nodes)} ", "text"), (full, "running"), (empty, "dim")),
        ((f" {share:.0%}", "text"),),
    ]
    left = eta.estimate(state, world.past, now)
    if late := eta.overdue(state, world.past, now):
        names = ", ".join(world.name(key) for key in late[:2]) + ("…" if len(late) > 2 else "")
        details.append(((f"  over usual: {names}", "warning"),))
    elif left is not None:
        rough = f" (±{duration(left.spread)})" if left.spread >= 1 else ""
        about = "" if left.known > 0.5 else "very roughly "
        details.append(((f"  eta {about}{duration(left.seconds)}{rough}", "text"),))
    if state.heartbeat is not None:
        details.append(((f"  mem {size(state.heartbeat.rss)}", "dim"),))
    path = world.critical
    if len(path) > 1:
        names = " → ".join(world.name(key) for key in path[-3:])
        details.append(((f"  critical {names}", "dim"),))
    return details


def _final_details(world: World) -> list[Line]:
    state = world.state
    totals = state.totals
    details: list[Line] = [((f"  {amount(totals.rows_written)} rows", "text"),)]
    if state.plan is not None and state.plan.dry_run:
        details.append((("  dry run", "warning"),))
    if totals.quarantined or totals.unreadable:
        put = amount(totals.quarantined + totals.unreadable)
        details.append(((f"  {put} set aside", "warning"),))
    if state.finished is not None:
        ago = (world.now() - state.finished).total_seconds()
        details.append(((f"  {_ago(ago)}", "dim"),))
    if state.peak_rss:
        details.append(((f"  peak {size(state.peak_rss)}", "dim"),))
    return details


def _ago(seconds: float) -> str:
    """How long ago, in words that stay right for a while."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129600, 3600, "h")):
        if seconds < limit:
            return f"{max(int(seconds / unit), 0)} {name} ago"
    return f"{int(seconds / 86400)} days ago"


def _right(world: World) -> Line:
    others = [run for run in world.live_runs() if run != world.run_id]
    return ((f"+{len(others)} live ", "running"),) if others else ()


def tabs_line(
    world: World,
    signs: Mapping[str, str],
    views: Sequence[str],
    view: str,
    cells: int,
    auto_rerun: bool = False,
) -> Line:
    """The views with their keys, the counts of nodes by state, and what the screen follows."""
    right: list[Span] = []
    if world.state.nodes:
        for status, count in counts(world).items():
            if count or status in ("failed", "running", "succeeded"):
                style = style_of_status(status) if count else "dim"
                right.append((f"{signs[status]}{count} ", style))
    if world.project.problems:
        right.append((f" {signs['failed']} odibi.yaml ", "failed"))
    mode = "COMPARE" if view == "compare" else world.mode
    if auto_rerun:
        right.append((" auto rerun", "warning"))
    style = {"FOLLOW": "mode.live", "REPLAY": "mode.replay", "LOST": "lost"}.get(mode, "dim")
    right.append((f" {mode} ", style))
    room = cells - width(tuple(right))
    shapes = (_tabs(views, view, shape, others) for shape, others in _TAB_SHAPES)
    tabs = next(
        (tabs for tabs in shapes if width(tabs) < room), _tabs(views, view, *_TAB_SHAPES[-1])
    )
    return join(tabs, tuple(right), cells)


_TAB_SHAPES = ((" {0} {1} ",) * 2, (" {0} {1}",) * 2, (" {0}{1}",) * 2, (" {0}{1}", " {0}"))


def _tabs(views: Sequence[str], view: str, shape: str, others: str) -> Line:
    """The tabs, the shown one in a shape of its own."""
    return ((" ", "text"),) * (shape[-1] == " ") + tuple(
        (shape.format(number, _tab(name)), "tab.active")
        if name == view
        else (others.format(number, _tab(name)), "tab")
        for number, name in enumerate(views, start=1)
    )


def footer_line(shown: Sequence[tuple[str, str]], cells: int, ascii_only: bool = False) -> Line:
    """Keys and what they do, as many as there is room for; the last ones always."""
    if ascii_only:
        shown = [(key.replace("⏎", "enter"), label) for key, label in shown]
    always = [pair for pair in shown if pair[1] in ("help", "commands")]
    room = cells - sum(len(key) + len(label) + 3 for key, label in always)
    spans: list[Span] = [(" ", "text")]
    for key, label in shown:
        if (key, label) in always:
            continue
        room -= len(key) + len(label) + 3
        if room < 0:
            break
        spans += [(key, "key"), (f" {label}  ", "dim")]
    for key, label in always:
        spans += [(key, "key"), (f" {label}  ", "dim")]
    return tuple(spans)
