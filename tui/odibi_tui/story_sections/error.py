"""Why a node failed: the message, what to do, where, the SQL, the traceback; and earlier tries."""

from __future__ import annotations

from odibi.events import ErrorInfo
from odibi.safe_text import safe, safe_line
from odibi_tui.paint import amount, clock, duration
from odibi_tui.sql_text import sql_lines
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page, PageWriter, data_table, fact, heading, prose
from odibi_tui.story_sections.summary import place_of

__all__ = ["error_text", "page"]


def page(facts: Facts, look: Look) -> Page:
    """The error of the last try in full, and those before in short."""
    node, out = facts.node, PageWriter()
    if node.error is not None:
        _error(out, node.error, facts, look)
    elif node.because is not None:
        said = f"{facts.name(node.because)} failed, and this node needs it"
        out.add([fact("why", (said, "text"))], ("node", node.because))
    elif node.status == "lost":
        out.add(prose("why", node.reason or "the process is gone", look.cells, "failed"))
    else:
        out.add([((" No error.", "dim"),)])
    _failing_rows(out, facts)
    for retry in node.retries:
        out.gap()
        note = f"the next began after {duration(retry.delay)}"
        out.add([heading(f"try {retry.attempt}", note)])
        if retry.error != node.error:
            _error(out, retry.error, facts, look)
    return out.page()


def _failing_rows(out: PageWriter, facts: Facts) -> None:
    """The rows that broke the first check that failed."""
    check = next((one for one in facts.node.checks if one.sample and not one.passed), None)
    if check is None or not facts.failed:
        return
    head, lines = data_table(check.sample_columns, check.sample)
    shown = f"{len(check.sample)} of {amount(check.failed_rows)}"
    out.gap()
    out.add([heading("failing rows", shown), head, *lines], ("section", "Checks"))


def _error(out: PageWriter, error: ErrorInfo, facts: Facts, look: Look) -> None:
    out.add([fact("kind", (safe_line(error.kind), "failed"))])
    out.add(prose("why", error.message, look.cells, "text"))
    if error.hint:
        out.add(prose("hint", error.hint, look.cells, "ok"))
    if error.file:
        place = place_of(error.file, error.line, error.column, facts.run_root)
        out.add([fact("where", (place, "text"))], ("section", "Config"))
    if facts.node.finished is not None:
        out.add([fact("at", (clock(facts.node.finished), "dim"))])
    if error.sql:
        out.gap()
        out.add([heading("SQL")])
        for number, line in enumerate(sql_lines(error.sql), start=1):
            out.add([((f" {number:>3} ", "dim"), *line)])
    if error.traceback:
        out.gap()
        out.add([heading("traceback")])
        lines = safe(error.traceback).expandtabs(4).rstrip().splitlines()
        out.add(((f"   {line}", "dim"),) for line in lines)


def error_text(error: ErrorInfo) -> str:
    """The error as text to copy."""
    place = place_of(error.file or "", error.line, error.column, "")
    parts = [f"{error.kind}: {safe(error.message)}", place, safe(error.hint or "")]
    parts += [safe(error.sql or ""), safe(error.traceback or "")]
    return "\n".join(part for part in parts if part)
