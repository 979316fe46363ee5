"""Where the rows went: from what was read to what came out, as a waterfall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odibi.events import RowsCounted
from odibi.safe_text import safe_line
from odibi_tui.paint import Line, Span, amount, bar, fit, percent, sparkline
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page, PageWriter, fact, heading, prose

__all__ = ["Step", "page", "waterfall"]

_NAME, _COUNT = 13, 11
_RESHAPED = "joins, groups"  # of nodes that change the number of rows themselves


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the waterfall: a level (`change` is False) of `count` rows, or `count` rows that go.

    `left` are the rows that are left after it.
    """

    name: str
    count: int | None
    left: int | None
    change: bool = False
    style: str = "text"


def waterfall(c: RowsCounted) -> list[Step]:
    """The rows ledger as levels and losses in order; losses of nothing are left out.

    Unless a count is unknown or the node changes the number of rows, what is left after the last loss
    is what came out.
    """
    steps: list[Step] = []
    if c.read is not None:
        steps.append(Step("read", c.read, c.read))
        if c.unreadable:
            steps.append(Step("unreadable", c.unreadable, c.read - c.unreadable, True, "warning"))
    left = c.rows_in
    if c.rows_in is not None:
        steps.append(Step("in", c.rows_in, c.rows_in))
    losses = (
        ("filtered", c.filtered, "text"),
        ("deduplicated", c.deduplicated, "text"),
        ("quarantined", c.quarantined, "warning"),
    )
    if c.changes_cardinality and left is not None and c.rows_out is not None:
        made = c.rows_out + sum(count for _, count, _ in losses)
        if made != left:
            steps.append(Step(_RESHAPED, made - left, made, True, "dim"))
            left = made
    for name, count, style in losses:
        if count:
            left = None if left is None else left - count
            steps.append(Step(name, count, left, True, style))
    steps.append(Step("out", c.rows_out, c.rows_out, False, "ok"))
    return steps


def page(facts: Facts, look: Look) -> Page:
    """The waterfall, the reasons why rows were set aside, and the counts of runs before."""
    out, counts = PageWriter(), facts.node.counts
    if counts is None:
        _uncounted(out, facts)
        _past(out, facts, look)
        return out.page()
    steps = waterfall(counts)
    most = max((max(step.count or 0, step.left or 0) for step in steps), default=0)
    room = max(min(look.cells - _NAME - _COUNT - 12, 60), 8)
    out.add(_step_line(step, most, room, look) for step in steps)
    out.gap()
    out.add(_balance(facts, look))
    _reasons(out, facts, look)
    _past(out, facts, look)
    return out.page()


def _uncounted(out: PageWriter, facts: Facts) -> None:
    """What the stages say of the rows, where nothing was counted (yet)."""
    node = facts.node
    known = [stage for stage in node.stages if stage.rows is not None]
    out.add([((" The rows weren't counted." if node.done else " Not counted yet.", "dim"),)])
    if node.rows_done:
        out.add([fact("so far", (f"{amount(node.rows_done)} rows", "text"))])
    for stage in known:
        out.add([fact(safe_line(stage.stage, 7), (f"{amount(stage.rows)} rows after it", "text"))])


def _step_line(step: Step, most: int, room: int, look: Look) -> Line:
    sign = ""
    if step.change and step.count is not None:
        sign = "+" if step.name == _RESHAPED and step.count > 0 else "-"
    count = amount(abs(step.count)) if step.count is not None else "?"
    style = step.style if step.change or step.name == "out" else "text"
    return (
        (f" {fit(step.name, _NAME)}", "text" if not step.change else "dim"),
        (fit(sign + count, _COUNT, right=True) + "  ", style),
        *_drawn(step, most, room, look),
        (_share(step, most), "dim"),
    )


def _drawn(step: Step, most: int, room: int, look: Look) -> Iterator[Span]:
    """A level as a bar from the left; a change where the bar of the level before ended."""
    if not most or step.left is None:
        yield (" " * room, "text")
        return
    if not step.change:
        full, _ = bar(step.left / most, room, look.ascii)
        full = full or (("#" if look.ascii else "▏") if step.left else "")
        yield (fit(full, room), step.style if step.name == "out" else "running")
        return
    low, high = step.left, step.left + abs(step.count or 0)
    if step.name == _RESHAPED and (step.count or 0) > 0:
        low, high = step.left - (step.count or 0), step.left
    start = min(int(low / most * room), room - 1)
    cells = max(min(round(high / most * room), room) - start, 1)
    block = ("-" if look.ascii else "▒") * cells
    yield (" " * start, "text")
    yield (block, step.style)
    yield (" " * (room - start - cells), "text")


def _share(step: Step, most: int) -> str:
    if not step.change or not most or not step.count:
        return ""
    share = abs(step.count) / most
    return f" {share:.1%}" if share >= 0.001 else " <0.1%"


def _balance(facts: Facts, look: Look) -> list[Line]:
    rows = facts.story.rows
    if rows is None:
        return []
    if rows.balanced is None:
        return prose("sum", rows.balance, look.cells, "dim")
    sign = look.sign("succeeded" if rows.balanced else "failed")
    style = "dim" if rows.balanced else "failed"
    return prose("sum", f"{sign} {rows.balance}", look.cells, style)


def _reasons(out: PageWriter, facts: Facts, look: Look) -> None:
    for aside in facts.node.quarantines:
        out.gap()
        why = "unreadable" if aside.kind == "unreadable" else "validation"
        title = f"{amount(aside.rows)} set aside: {why}"
        out.add([heading(title, safe_line(aside.path))])
        most = max(aside.reasons.values(), default=1) or 1
        for reason, count in sorted(aside.reasons.items(), key=lambda one: -one[1]):
            full, _ = bar(count / most, 10, look.ascii)
            out.add(
                [
                    (
                        (fit(amount(count), 8, right=True) + "  ", "warning"),
                        (fit(full, 10) + "  ", "warning"),
                        (safe_line(reason), "text"),
                    )
                ]
            )


def _past(out: PageWriter, facts: Facts, look: Look) -> None:
    history, counts = facts.behind.history, facts.node.counts
    rows = counts.rows_out if counts else None
    if not history:
        return
    past = [one.rows_out for one in reversed(history)]
    known = [count for count in past if count is not None]
    if not known:
        return
    out.gap()
    change = percent(history[0].rows_out, rows)
    usual = sum(known) / len(known)
    out.add(
        [
            fact(
                "before",
                (f"{amount(history[0].rows_out)} rows", "text"),
                (f"  {change}" if change else "", "text"),
                (f"  mean of {len(known)} runs {amount(usual)}", "dim"),
                (f"  {sparkline([*past, rows], 20, look.ascii)}", "dim"),
            )
        ],
        ("section", "Drift"),
    )
