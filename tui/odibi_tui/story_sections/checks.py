"""Contracts, tests and gates: which hold, and the rows that broke those that don't."""

from __future__ import annotations

from odibi.events import CheckEvaluated
from odibi.safe_text import safe_line
from odibi_tui.paint import Line, amount
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Cell, Look, Page, PageWriter, data_table, grid, heading

__all__ = ["page"]


def page(facts: Facts, look: Look) -> Page:
    """A row a check, those that don't hold first, then their failing rows."""
    checks = sorted(facts.node.checks, key=lambda check: check.passed)
    if not checks:
        said = " No check is declared." if facts.node.done else " No check has run yet."
        hint = "  `validation:` in the YAML declares tests, `contracts:` those of the input."
        return Page((((said, "dim"),), ((hint, "dim"),)))
    out = PageWriter()
    titles = ("", "CHECK", "PHASE", "ON FAIL", "BROKEN", "OF ROWS")
    head, lines = grid(titles, [_row(check, look) for check in checks], frozenset({4, 5}))
    out.add(lines)
    for check in checks:
        if not check.passed:
            _broken(out, check)
    return out.page(head)


def _row(check: CheckEvaluated, look: Look) -> list[Cell]:
    status = "succeeded" if check.passed else "failed"
    lesser = check.on_fail in ("warn", "quarantine")
    style = "ok" if check.passed else "warning" if lesser else "failed"
    return [
        ((look.sign(status), style),),
        ((safe_line(check.check, 48), "text"),),
        ((check.phase, "dim"),),
        ((safe_line(check.on_fail), "dim"),),
        ((_broken_share(check), style if not check.passed else "dim"),),
        ((amount(check.total_rows) if check.total_rows is not None else "", "dim"),),
    ]


def _broken_share(check: CheckEvaluated) -> str:
    if check.failed_rows is None:
        return ""
    if not check.failed_rows or not check.total_rows:
        return amount(check.failed_rows)
    return f"{amount(check.failed_rows)} {check.failed_rows / check.total_rows:.1%}"


def _broken(out: PageWriter, check: CheckEvaluated) -> None:
    out.gap()
    shown = f"{len(check.sample)} of {amount(check.failed_rows)} failing rows"
    out.add([heading(safe_line(check.check), shown if check.sample else "")])
    if check.message:
        message: Line = ((f"   {safe_line(check.message)}", "text"),)
        out.add([message])
    if check.sample:
        head, lines = data_table(check.sample_columns, check.sample)
        out.add([head, *lines])
