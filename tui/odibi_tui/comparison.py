"""Two runs beside each other: which nodes differ, in what, and how exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odibi.run_state import NodeState, RunState
from odibi.safe_text import safe, safe_line
from odibi.story import SchemaChange, build
from odibi.story_diff import NodeDiff, StoryDiff, compare
from odibi_tui.paint import Line, Span, amount, clock, fit, percent
from odibi_tui.story_facts import steps
from odibi_tui.story_page import Look, PageWriter, fact, fine, heading, prose, signed
from odibi_tui.story_sections.drift import nulls_changed, text_diff

__all__ = ["Comparison", "Difference", "as_markdown", "compared", "detail", "row", "run_line"]

_SLOWER = 0.5  # seconds, and half as long again, from which the time counts as changed


@dataclass(frozen=True, slots=True)
class Difference:
    """One node in both runs (None where a run doesn't know it); `changed` says in what it differs:
    status, rows, schema, sql, config, input, checks, nulls, time."""

    diff: NodeDiff
    before: NodeState | None
    after: NodeState | None
    changed: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.diff.key


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run B seen from run A, with all nodes in the order of B's plan."""

    before: RunState
    after: RunState
    diff: StoryDiff
    nodes: tuple[Difference, ...]

    @property
    def differing(self) -> tuple[Difference, ...]:
        return tuple(node for node in self.nodes if node.changed)

    def only_in_one(self) -> tuple[int, int]:
        """How many nodes only A, and only B, knows: not part of the project then, or not asked for."""
        only = [node.diff.only for node in self.nodes]
        return only.count("before"), only.count("after")


def compared(before: RunState, after: RunState) -> Comparison:
    """Compare two runs; takes a few milliseconds per hundred nodes."""
    diff = compare(build(before), build(after))
    nodes = tuple(_difference(node, before, after) for node in diff.nodes)
    return Comparison(before, after, diff, nodes)


def _difference(diff: NodeDiff, before: RunState, after: RunState) -> Difference:
    old, new = before.nodes.get(diff.key), after.nodes.get(diff.key)
    return Difference(diff, old, new, tuple(_changed(diff, old, new, before, after)))


def _changed(
    diff: NodeDiff,
    old: NodeState | None,
    new: NodeState | None,
    before: RunState,
    after: RunState,
) -> Iterator[str]:
    """In what the node differs, the gravest first."""
    if diff.only:
        lacking = after if diff.only == "before" else before
        if lacking.plan is None or not lacking.plan.selection:  # else nobody asked it for the node
            yield f"only in {'A' if diff.only == 'before' else 'B'}"
        return
    if diff.status[0] != diff.status[1]:
        yield "status"
    if None not in diff.rows and diff.rows[0] != diff.rows[1]:
        yield "rows"
    if diff.set_aside[0] != diff.set_aside[1] and None not in diff.rows:
        yield "aside"
    if diff.schema_change:
        yield "schema"
    if _sql_changed(old, new):
        yield "sql"
    elif diff.fingerprint_changed:
        yield "input" if _input_changed(new, before, after) else "config"
    if diff.newly_failing or diff.mended:
        yield "checks"
    if new is not None and nulls_changed(old, new):
        yield "nulls"
    if _slower(*diff.seconds):
        yield "time"


def _sql_changed(old: NodeState | None, new: NodeState | None) -> bool:
    """Whether a step that ran in both says something else."""
    one, other = steps(old), steps(new)
    return any(one[name] != other[name] for name in one.keys() & other.keys())


def _input_changed(node: NodeState | None, before: RunState, after: RunState) -> bool:
    """Whether a node that this one reads has another fingerprint."""
    for key in node.plan.upstream if node else ():
        one, other = before.nodes.get(key), after.nodes.get(key)
        if one and other and one.plan.fingerprint != other.plan.fingerprint:
            return True
    return False


def _slower(before: float | None, after: float | None) -> bool:
    """Whether the time differs so much that it matters, either way."""
    if before is None or after is None:
        return False
    return abs(after - before) > _SLOWER and max(before, after) > 1.5 * min(before, after)


# As lines -----------------------------------------------------------------------------------------------


def run_line(letter: str, state: RunState, look: Look) -> Line:
    """A run in a line: its letter, how it ended, when, and from what."""
    plan = state.plan
    said = [fine(state.seconds), clock(state.started or state.planned, date=True)]
    if plan is not None:
        said += [f"git {safe_line(plan.git_sha)[:8]}"] if plan.git_sha else []
        said += [f"env {safe_line(plan.env)}"] if plan.env else []
        said += [f"only {safe_line(' '.join(plan.selection))}"] if plan.selection else []
        said += ["sample"] if plan.sample else ["scratch"] if plan.scratch else []
    return (
        (f" {letter} ", "key"),
        signed(look, state.status),
        (f" {safe_line(state.run_id)}", "text"),
        (f"  {'  '.join(said)}", "dim"),
    )


def row(found: Difference, name: str, cells: int, look: Look) -> Line:
    """A node of the table: states, rows, change, time, and in what it differs."""
    diff, (rows_a, rows_b) = found.diff, found.diff.rows
    name_cells = name_width(cells)
    change = percent(rows_a, rows_b)
    strong = bool(rows_a and rows_b is not None and abs(rows_b - rows_a) > rows_a / 5)
    spans: list[Span] = [(" " + fit(name, name_cells) + " ", "text")]
    for status in diff.status:
        spans += [signed(look, status) if status else (" ", "dim"), ("  ", "text")]
    spans.append((fit(amount(rows_a), 9, right=True) + " ", "dim"))
    spans.append((fit(amount(rows_b), 9, right=True) + " ", "text"))
    spans.append((fit(change, 7, right=True) + " ", "warning" if strong else "dim"))
    if cells >= _TIMES:
        slow = "warning" if "time" in found.changed else "dim"
        spans.append((fit(fine(diff.seconds[0]), 8, right=True) + " ", "dim"))
        spans.append((fit(fine(diff.seconds[1]), 8, right=True) + " ", slow))
    words = " ".join(found.changed)
    spans.append((f" {words or '='}", "changed" if words else "dim"))
    return tuple(spans)


_TIMES = 92  # cells from which there is room for times


def name_width(cells: int) -> int:
    """Cells of the column of names in a table of so many."""
    fixed = 36 + (18 if cells >= _TIMES else 0) + 20
    return min(max(cells - fixed, 12), 36)


def table_head(cells: int) -> Line:
    """The headings of the table."""
    text = f" {fit('NODE', name_width(cells))} A  B  {'ROWS A':>9} {'ROWS B':>9} {'Δ':>7} "
    if cells >= _TIMES:
        text += f"{'TIME A':>8} {'TIME B':>8} "
    return ((text + " CHANGED", "heading"),)


def detail(found: Difference, look: Look) -> list[Line]:
    """How exactly a node differs."""
    out = PageWriter()
    old, new, diff = found.before, found.after, found.diff
    out.add([_words("status", *diff.status, look)])
    if old is not None and new is not None and old.plan.fingerprint != new.plan.fingerprint:
        said = f"{old.plan.fingerprint or '—'} → {new.plan.fingerprint or '—'}"
        out.add([fact("config", (said, "changed"), ("  of configuration, inputs and code", "dim"))])
    if old is not None and new is not None and old.plan.action != new.plan.action:
        out.add([fact("plan", (f"{old.plan.reason} → {new.plan.reason}", "text"))])
    for letter, node in (("A", old), ("B", new)):
        if node is not None and node.error is not None and node.status == "failed":
            out.add(prose(f"why {letter}", node.error.message, look.cells, "failed", most=3))
        elif node is not None and node.status == "skipped":
            out.add(prose(letter, node.reason, look.cells, "dim", most=1))
    if diff.set_aside[0] != diff.set_aside[1]:
        said = f"{amount(diff.set_aside[0])} → {amount(diff.set_aside[1])}"
        out.add([fact("aside", (said, "warning"))])
    out.add(
        fact("check", (f"{safe_line(name)} fails now", "failed")) for name in diff.newly_failing
    )
    out.add(fact("check", (f"{safe_line(name)} holds again", "ok")) for name in diff.mended)
    if diff.schema_change:
        out.gap()
        out.add([heading("schema")])
        out.add(_schema(diff.schema_change))
    if new is not None and (nulls := nulls_changed(old, new)):
        out.gap()
        out.add([heading("nulls")])
        for name, was, now in nulls:
            out.add([((f"   {safe_line(name)}  {was:.1%} → ", "text"), (f"{now:.1%}", "warning"))])
    out.add(_sql(old, new))
    return list(out.page().lines)


def _words(label: str, before: str | None, after: str | None, look: Look) -> Line:
    spans: list[Span] = []
    for place, status in enumerate((before, after)):
        spans += [(" → ", "dim")] if place else []
        spans += [signed(look, status or ""), (f" {status or 'not there'}", "text")]
    return fact(label, *spans)


def _schema(change: SchemaChange) -> Iterator[Line]:
    for column in change.added:
        yield ((f"   + {safe_line(column.name)} {safe_line(column.type)}", "added"),)
    for column in change.removed:
        yield ((f"   - {safe_line(column.name)} {safe_line(column.type)}", "removed"),)
    for one in change.retyped:
        said = f"   ~ {safe_line(one.name)} {safe_line(one.before)} → {safe_line(one.after)}"
        yield ((said, "changed"),)
    if change.reordered:
        yield (("   the columns are in another order", "changed"),)


def _sql(old: NodeState | None, new: NodeState | None) -> Iterator[Line]:
    before, after = steps(old), steps(new)
    for name in [*after, *(name for name in before if name not in after)]:
        if old is None or new is None or not before or not after:
            return
        if before.get(name) != after.get(name):
            yield ()
            yield heading(f"SQL of {safe_line(name)}")
            yield from text_diff(before.get(name, ""), after.get(name, ""))


def as_markdown(found: Comparison, names: Sequence[str]) -> str:
    """The table of differing nodes in Markdown, with `names` for them in order."""
    lines = [
        f"A: {found.before.run_id} ({found.before.status}), "
        f"B: {found.after.run_id} ({found.after.status})",
        "",
        "| node | A | B | rows A | rows B | changed |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    for node, name in zip(found.differing, names, strict=True):
        status, rows = node.diff.status, node.diff.rows
        cells = (
            safe(name).replace("|", "\\|"),
            *(one or "" for one in status),
            *(amount(count) for count in rows),
            " ".join(node.changed),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
