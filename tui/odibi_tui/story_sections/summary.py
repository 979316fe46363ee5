"""The first section: why, where, and every other section in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from odibi.run_state import NodeState, Write
from odibi.safe_text import safe_line
from odibi.story import SchemaChange, schema_change
from odibi_tui.paint import (
    Line,
    Span,
    amount,
    bar,
    clip,
    clock,
    duration,
    percent,
    size,
    sparkline,
)
from odibi_tui.story_facts import Facts, steps
from odibi_tui.story_page import (
    Look,
    Page,
    PageWriter,
    change_style,
    counted,
    data_table,
    fact,
    fine,
    heading,
    prose,
    signed,
)
from odibi_tui.theme import style_of_status

__all__ = ["changes_since_good", "page", "place_of", "schema_words"]

_SPARK = 12


def page(facts: Facts, look: Look) -> Page:
    """Everything that matters of a node on one screen."""
    out = PageWriter()
    _outcome(out, facts, look)
    out.gap()
    _figures(out, facts, look)
    _neighbours(out, facts, look)
    _failing_rows(out, facts)
    _since_good(out, facts)
    if facts.node.warnings:
        out.gap()
        out.add([heading("warnings", str(len(facts.node.warnings)))])
        for text in facts.node.warnings[:8]:
            out.add([((f" {look.sign('warning')} ", "warning"), (safe_line(text), "text"))])
    return out.page(cells=look.cells)


def _outcome(out: PageWriter, facts: Facts, look: Look) -> None:
    """How it went, or goes; of a failure why, where and what to do."""
    node, error = facts.node, facts.node.error
    if error is not None and node.status in ("failed", "retrying"):
        style = "failed" if node.status == "failed" else "warning"
        out.add(prose("why", error.message, look.cells, style, most=4), ("section", "Error"))
        if error.file:
            place = (place_of(error.file, error.line, error.column, facts.run_root), "text")
            out.add([fact("where", place)], ("section", "Config"))
        if error.hint:
            out.add(prose("hint", error.hint, look.cells, "ok", most=3), ("section", "Error"))
        if node.status == "failed":
            return
    out.add([fact("state", *_state(facts, look))], _reason_link(facts))
    if node.status == "running":
        out.add(_progress(facts, look))
    if node.plan.description:
        out.add(prose("about", node.plan.description, look.cells, "dim", most=2))


def _state(facts: Facts, look: Look) -> Iterator[Span]:
    node = facts.node
    if not facts.part:
        yield ("not part of this run", "dim")
        return
    style = style_of_status(node.status)
    yield (f"{look.sign(node.status)} {node.status}", style)
    if node.status in ("skipped", "reused", "cancelled", "lost") and node.reason:
        yield (f"  {safe_line(node.reason)}", "text")
    elif node.finished is not None:
        yield (f"  {clock(node.finished)}", "dim")
    elif node.status == "retrying" and node.retry_delay is not None:
        yield (f"  try {node.attempt + 1} {duration(node.retry_delay)} after the last", "text")
    elif node.status == "queued":
        waits = [up for up in node.plan.upstream if up in facts.run.nodes]
        open_ = [facts.name(up) for up in waits if not facts.run.nodes[up].done]
        yield (f"  after {', '.join(open_)}" if open_ else "  ready", "dim")


def _reason_link(facts: Facts) -> tuple[str, str] | None:
    return ("node", facts.node.because) if facts.node.because else None


def _progress(facts: Facts, look: Look) -> list[Line]:
    node, seconds = facts.node, facts.seconds
    share = node.fraction
    if share is None and facts.usual and seconds is not None:
        share = min(seconds / facts.usual, 0.99)
    rows = f"  {amount(node.rows_done)} rows" if node.rows_done else ""
    if share is None:
        return [fact("stage", (node.stage or "starting", "running"), (rows, "text"))]
    full, empty = bar(share, 20, look.ascii)
    return [
        fact(
            "stage",
            (f"{node.stage or 'starting'}  ", "running"),
            (full, "running"),
            (empty, "dim"),
            (f" {share:.0%}{rows}", "text"),
        )
    ]


def place_of(file: str, line: int | None, column: int | None, root: str) -> str:
    """`odibi.yaml:118:7`, relative to the project."""
    shown = safe_line(file)
    if root and shown.startswith(f"{root}/"):
        shown = shown[len(root) + 1 :]
    return shown + "".join(f":{number}" for number in (line, column) if number is not None)


# Figures ------------------------------------------------------------------------------------------------


def _figures(out: PageWriter, facts: Facts, look: Look) -> None:
    node = facts.node
    if not facts.part or node.status in ("skipped", "reused") or node.started is None:
        if facts.behind.history:
            last = facts.behind.history[0]
            said = f"{counted(last.rows_out, 'row')} in {fine(last.seconds)}  {clock(last.finished, date=True)}"
            out.add([fact("before", (said, "text"))], ("section", "Drift"))
        return
    out.add([_rows_line(facts, look)], ("section", "Rows"))
    if aside := _aside(node):
        out.add([fact("aside", *aside)], ("section", "Rows"))
    out.add([_time_line(facts, look)], ("section", "Timing"))
    out.add([fact("schema", *schema_words(facts))], ("section", "Schema"))
    if node.checks:
        out.add([fact("checks", *_checks(node, look))], ("section", "Checks"))
    if node.attempt > 1:
        out.add([fact("tries", *_tries(node, look))], ("section", "Timing"))
    for place, write in enumerate(node.writes):
        label = "writes" if place == 0 else ""
        out.add([fact(label, *_write(write))], ("section", "Timing"))


def _rows_line(facts: Facts, look: Look) -> Line:
    counts = facts.node.counts
    if counts is None:
        return fact("rows", (_rows_so_far(facts.node), "dim"))
    came = counts.rows_in if counts.read is None else counts.read
    arrow = "->" if look.ascii else "→"
    said: list[Span] = []
    if came is not None:
        said.append((f"in {amount(came)} {arrow} ", "text"))
    said.append((f"out {amount(counts.rows_out)}", "text"))
    past = [one.rows_out for one in reversed(facts.behind.history)]
    if facts.behind.history and counts.rows_out is not None:
        before = facts.behind.history[0].rows_out
        change = percent(before, counts.rows_out)
        relative = (counts.rows_out - before) / before if before else None
        said.append((f"  {change}" if change != "=" else "  = as before", change_style(relative)))
    if past:
        drawn = sparkline([*past, counts.rows_out], _SPARK, look.ascii)
        said.append((f"  {drawn}", "dim"))
    return fact("rows", *said)


def _rows_so_far(node: NodeState) -> str:
    """What is known of the rows before they are counted."""
    if node.rows_done:
        return f"{amount(node.rows_done)} so far"
    known = [stage for stage in node.stages if stage.rows is not None]
    return f"{amount(known[-1].rows)} after {known[-1].stage}" if known else "—"


def _aside(node: NodeState) -> list[Span]:
    c = node.counts
    if c is None:
        return []
    named = (
        ("unreadable", c.unreadable, "warning"),
        ("quarantined", c.quarantined, "warning"),
        ("filtered", c.filtered, "text"),
        ("deduplicated", c.deduplicated, "text"),
    )
    parts = [(f"{amount(count)} {what}", style) for what, count, style in named if count]
    spans: list[Span] = []
    for part in parts:
        spans += [(" · ", "dim"), part] if spans else [part]
    return spans


def _time_line(facts: Facts, look: Look) -> Line:
    seconds, usual = facts.seconds, facts.usual
    said: list[Span] = [(fine(seconds), "text")]
    if usual and seconds is not None:
        ratio = seconds / usual
        slow = ratio > 1.5 and seconds > 0.5
        said.append((f"  usual {fine(usual)}", "dim"))
        if slow and facts.node.done:
            said.append((f"  {ratio:.1f}x slower", "warning"))
    past = [one.seconds for one in reversed(facts.behind.history)]
    if past:
        said.append((f"  {sparkline([*past, seconds], _SPARK, look.ascii)}", "dim"))
    return fact("time", *said)


def schema_words(facts: Facts) -> Iterator[Span]:
    """Columns in and out, and what differs from the latest good run."""
    node = facts.node
    if node.schema_out is None and node.schema_in is None:
        yield ("—", "dim")
        return
    if node.schema_in is not None:
        yield (
            f"in {len(node.schema_in)} → "
            if node.schema_out is not None
            else f"in {len(node.schema_in)}",
            "text",
        )
    if node.schema_out is not None:
        yield (f"out {counted(len(node.schema_out), 'column')}", "text")
        before = facts.behind.history[0].schema if facts.behind.history else None
        if before is not None:
            change = schema_change(before, node.schema_out)
            yield (
                ("  = as before", "dim")
                if change == SchemaChange()
                else ("  " + _change_words(change), "warning")
            )


def _change_words(change: SchemaChange) -> str:
    parts = [f"+{safe_line(column.name)}" for column in change.added]
    parts += [f"-{safe_line(column.name)}" for column in change.removed]
    parts += [f"~{safe_line(column.name)}" for column in change.retyped]
    return " ".join(parts[:4]) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "") or (
        "another order"
    )


def _checks(node: NodeState, look: Look) -> list[Span]:
    broken = [check for check in node.checks if not check.passed]
    if not broken:
        return [(f"{look.sign('succeeded')} all {len(node.checks)} hold", "ok")]
    names = ", ".join(safe_line(check.check) for check in broken)
    return [
        (f"{look.sign('failed')} {len(broken)} of {len(node.checks)} broken", "warning"),
        (f"  {names}", "text"),
    ]


def _tries(node: NodeState, look: Look) -> list[Span]:
    spans: list[Span] = [
        (f"{retry.attempt} {look.sign('failed')}  ", "warning") for retry in node.retries
    ]
    return [*spans, (str(node.attempt), "text"), (" " + look.sign(node.status), "text")]


def _write(write: Write) -> list[Span]:
    spans: list[Span] = [(safe_line(write.path), "text")]
    if not write.committed:
        return [*spans, (f"  {write.mode} begun, not published", "warning")]
    said = f"  {write.mode}  {counted(write.rows, 'row')}  {size(write.bytes)}"
    return [*spans, (said, "dim")]


# Neighbours and past ------------------------------------------------------------------------------------


def _neighbours(out: PageWriter, facts: Facts, look: Look) -> None:
    nodes, key = facts.run.nodes, facts.node.key
    blocked = [other for other in nodes.values() if other.because == key]
    feeds = [other for other in nodes.values() if key in other.plan.upstream]
    needs = [nodes[up] for up in facts.node.plan.upstream if up in nodes]
    if blocked:
        _listed(out, facts, look, "blocks", f"{len(blocked)} downstream: ", blocked)
        return
    if needs:
        _listed(out, facts, look, "needs", "", needs)
    if feeds:
        _listed(out, facts, look, "feeds", "", feeds)


def _listed(
    out: PageWriter, facts: Facts, look: Look, label: str, said: str, nodes: Sequence[NodeState]
) -> None:
    spans: list[Span] = [(said, "text")] if said else []
    for place, node in enumerate(nodes):
        spans += [(", " if place else "", "dim"), (facts.name(node.key) + " ", "text")]
        spans.append(signed(look, node.status))
    out.add([clip(fact(label, *spans), look.cells)], ("node", nodes[0].key))


def _failing_rows(out: PageWriter, facts: Facts) -> None:
    check = next((c for c in facts.node.checks if not c.passed and c.sample), None)
    if check is None:
        return
    head, lines = data_table(check.sample_columns, check.sample[:3])
    out.gap()
    shown = min(3, len(check.sample))
    note = f"{shown} of {amount(check.failed_rows)} · {safe_line(check.check)}"
    out.add([heading("failing rows", note), head, *lines], ("section", "Checks"))


def _since_good(out: PageWriter, facts: Facts) -> None:
    if not facts.part or not facts.behind.history or facts.node.status in ("skipped", "reused"):
        return
    changed = changes_since_good(facts)
    if not changed:
        return
    out.gap()
    last = facts.behind.history[0]
    out.add(
        [heading("changed since the last good run", clock(last.finished, date=True))],
        ("section", "Drift"),
    )
    for text, style in changed:
        out.add([(("   ", "text"), (text, style))], ("section", "Drift"))


def changes_since_good(facts: Facts) -> list[Span]:
    """What is another than in the latest good run: SQL, configuration, inputs."""
    if not facts.behind.history:
        return []
    before, now = facts.behind.history[0].fingerprint, facts.node.plan.fingerprint
    if before is None or now is None:
        return []
    if before == now:
        return [("nothing: the same configuration, code and inputs", "dim")] if facts.failed else []
    found: list[Span] = []
    old, new = steps(facts.good), steps(facts.node)
    for name in new:
        if name in old and old[name] != new[name]:
            found.append((f"SQL of {safe_line(name)}", "changed"))
        elif old and name not in old:
            found.append((f"SQL step {safe_line(name)} is new", "changed"))
    good = facts.behind.good
    for up in facts.node.plan.upstream:
        one, other = facts.run.nodes.get(up), good.nodes.get(up) if good else None
        if one and other and one.plan.fingerprint != other.plan.fingerprint:
            found.append((f"what it reads from {facts.name(up)}", "changed"))
    return found or [("its configuration, code or source files", "changed")]
