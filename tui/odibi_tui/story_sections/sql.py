"""The SQL of each step as the project says it, then the statements as the engine ran them."""

from __future__ import annotations

from odibi.events import AS_EXECUTED
from odibi.safe_text import safe_line
from odibi_tui.sql_text import sql_lines
from odibi_tui.story_facts import Facts, steps
from odibi_tui.story_page import Look, Page, PageWriter, heading

__all__ = ["page"]


def page(facts: Facts, _look: Look) -> Page:
    """All SQL of the latest try."""
    node, out, good = facts.node, PageWriter(), steps(facts.good)
    if not node.sql:
        said = " No SQL ran." if node.done else " No SQL has run yet."
        return Page((((said, "dim"),),))
    for step in node.sql:
        if step.step == AS_EXECUTED:
            continue
        out.gap()
        differs = step.step in good and good[step.step] != step.sql
        note = "changed since the last good run: see Drift" if differs else ""
        out.add([heading(safe_line(step.step), note)])
        out.add((("   ", "text"), *line) for line in sql_lines(step.sql))
    executed = [step.sql for step in node.sql if step.step == AS_EXECUTED]
    for number, sql in enumerate(executed, start=1):
        out.gap()
        out.add([heading(f"as executed {number} of {len(executed)}")])
        out.add((("   ", "text"), *line) for line in sql_lines(sql))
    return out.page()
