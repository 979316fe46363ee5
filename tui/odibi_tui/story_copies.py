"""What can be copied of a node's story, as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from odibi.events import AS_EXECUTED
from odibi.run_state import RunState
from odibi.safe_text import safe, safe_line
from odibi_tui.story_facts import Facts

__all__ = ["as_csv", "as_markdown", "copies_of"]


def copies_of(facts: Facts, run: RunState) -> list[tuple[str, str]]:
    """(label, text) of everything that there is: name, error, SQL, sample, YAML, run id."""
    node, found = facts.node, [("name", facts.node.key)]
    if node.error is not None:
        from odibi_tui.story_sections.error import error_text

        found.append(("error", error_text(node.error)))
    written = [step.sql for step in node.sql if step.step != AS_EXECUTED]
    executed = [step.sql for step in node.sql if step.step == AS_EXECUTED]
    if written:
        found.append(("SQL", "\n\n".join(safe(sql).strip() for sql in written)))
    if executed:
        found.append(("SQL as executed", ";\n\n".join(safe(sql).strip() for sql in executed)))
    if node.profile is not None and node.profile.sample_columns:
        columns, rows = node.profile.sample_columns, node.profile.sample
        found.append(("sample as CSV", as_csv(columns, rows)))
        found.append(("sample as Markdown", as_markdown(columns, rows)))
    broken = next((check for check in node.checks if check.sample and not check.passed), None)
    if broken is not None:
        found.append(("failing rows as CSV", as_csv(broken.sample_columns, broken.sample)))
    if facts.behind.config is not None:
        found.append(("YAML", "\n".join(facts.behind.config.lines)))
    return [*found, ("run id", run.run_id)]


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows as CSV with a heading; NULL is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([safe(name) for name in columns])
    writer.writerows([["" if value is None else safe(value) for value in row] for row in rows])
    return text.getvalue()


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows as a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_markdown, line))} |\n" for line in lines)


def _markdown(value: object) -> str:
    return "" if value is None else safe_line(value).replace("\\", "\\\\").replace("|", "\\|")
