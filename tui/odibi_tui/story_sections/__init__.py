"""The sections of a story: each module makes one page from facts, `page(facts, look)`."""

from __future__ import annotations

import importlib

from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Look, Page

__all__ = ["SECTIONS", "has_content", "page_of"]

SECTIONS = {
    "Summary": "summary",
    "Error": "error",
    "Rows": "rows",
    "Schema": "schema",
    "Profile": "profile",
    "Sample": "sample",
    "SQL": "sql",
    "Checks": "checks",
    "Timing": "timing",
    "Config": "config",
    "Drift": "drift",
}
"""Titles in the order of their tabs, with the modules here, which are imported when first shown."""

_KNOWN_WITHOUT_RUN = ("Summary", "Config", "Drift")


def page_of(section: str, facts: Facts, look: Look) -> Page:
    """The page of a section."""
    if not facts.part and section not in _KNOWN_WITHOUT_RUN:
        return Page((((" This run knows nothing of it: see Summary.", "dim"),),))
    module = importlib.import_module(f"odibi_tui.story_sections.{SECTIONS[section]}")
    page: Page = module.page(facts, look)
    return page


def has_content(section: str, facts: Facts) -> bool:
    """Whether there is anything to read in a section."""
    node = facts.node
    match section:
        case "Error":
            return bool(node.error or node.retries or node.because)
        case "Rows":
            return node.counts is not None
        case "Schema":
            return node.schema_in is not None or node.schema_out is not None
        case "Profile" | "Sample":
            return node.profile is not None
        case "SQL":
            return bool(node.sql)
        case "Checks":
            return bool(node.checks)
        case "Timing":
            return bool(node.started)
        case "Config":
            return facts.behind.config is not None
        case "Drift":
            return bool(facts.behind.history)
    return True
