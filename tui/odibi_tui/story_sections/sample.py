"""A few rows of the result."""

from __future__ import annotations

from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page, data_table

__all__ = ["page"]


def page(facts: Facts, _look: Look) -> Page:
    """The sampled rows as a table."""
    profile = facts.node.profile
    if profile is None or not profile.sample_columns:
        said = (
            " No sample: it has no result."
            if facts.failed
            else " No sample was kept."
            if facts.node.done
            else " No rows yet."
        )
        return Page((((said, "dim"),),))
    head, lines = data_table(profile.sample_columns, profile.sample)
    return Page(
        tuple(lines) or (((" The result has no rows.", "dim"),),), head, pointed=bool(lines)
    )
