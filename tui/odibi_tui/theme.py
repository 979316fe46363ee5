"""Colours: nine states that stay apart for colour-blind eyes, on dark, light and 16-colour terminals.

The dark palette maximises the smallest distance (CIE76) between any two states over normal, deutan,
protan and tritan vision (Machado et al. 2009, "A Physiologically-based Model for Simulation of Color
Vision Deficiency"). A state never shows by colour alone: each has its sign.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.style import Style
from textual.theme import Theme

from odibi.symbols import SYMBOLS

__all__ = ["ASCII_SIGNS", "SIGNS", "ascii_wanted", "style_of_status", "styles"]

_DARK = {
    "ok": "#3ecf8e",
    "running": "#3b8eea",
    "failed": "#e8602c",
    "warning": "#f0c33c",
    "waiting": "#8a8f98",
    "cancelled": "#e0b0ff",
}
_LIGHT = {
    "ok": "#0f7b4f",
    "running": "#1257a8",
    "failed": "#b23c0d",
    "warning": "#8a6500",
    "waiting": "#5f6570",
    "cancelled": "#7d3fb0",
}
_ANSI = {
    "ok": "green",
    "running": "blue",
    "failed": "red",
    "warning": "yellow",
    "waiting": "default",
    "cancelled": "magenta",
}

SIGNS: Mapping[str, str] = {**SYMBOLS, "warning": "▲"}
ASCII_SIGNS: Mapping[str, str] = {
    "planned": ".",
    "queued": ".",
    "running": ">",
    "retrying": "r",
    "succeeded": "+",
    "failed": "x",
    "skipped": "-",
    "reused": "=",
    "cancelled": "c",
    "lost": "?",
    "damaged": "!",
    "warning": "^",
}

_STATUS_STYLES = {
    "planned": "waiting",
    "queued": "waiting",
    "running": "running",
    "retrying": "warning",
    "succeeded": "ok",
    "failed": "failed",
    "skipped": "skipped",
    "reused": "ok.dim",
    "cancelled": "cancelled",
    "lost": "lost",
    "damaged": "lost",
    "warning": "warning",
}


DARK, LIGHT = "odibi-dark", "odibi-light"


def own_themes() -> tuple[Theme, Theme]:
    """Ours, dark and light: calm greys, so that states are what has colour."""
    dark = Theme(
        DARK,
        primary="#3b8eea",
        accent="#56b4e9",
        success=_DARK["ok"],
        warning=_DARK["warning"],
        error=_DARK["failed"],
        background="#121212",
        surface="#1b1e22",
        panel="#242930",
        foreground="#d7dae0",
        dark=True,
    )
    light = Theme(
        LIGHT,
        primary="#1257a8",
        accent="#0b6fa4",
        success=_LIGHT["ok"],
        warning=_LIGHT["warning"],
        error=_LIGHT["failed"],
        background="#fafafa",
        surface="#eef0f2",
        panel="#e1e4e8",
        foreground="#22252a",
        dark=False,
    )
    return dark, light


def style_of_status(status: str) -> str:
    """The name of the style for a status of a node or a run."""
    return _STATUS_STYLES.get(status, "text")


def ascii_wanted() -> bool:
    """Whether the environment asks for signs that every terminal has."""
    if os.environ.get("ODIBI_GLYPHS") == "ascii" or os.environ.get("TERM") in ("linux", "dumb"):
        return True
    language = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG", "")
    return bool(language) and "utf" not in language.lower() and language not in ("C", "POSIX")


def styles(dark: bool, ansi: bool, accent: str, surface: str) -> Mapping[str, Style]:
    """Every style that lines name, for a theme: its accent and the colour behind selected rows.

    Each has a form with `.at` at its end for what the cursor stands on within a row.
    """
    states = _ANSI if ansi else _DARK if dark else _LIGHT
    colour = {name: Style(color=value) for name, value in states.items()}
    dim = Style(dim=True) if ansi else Style(color="#8a8f98" if dark else "#5f6570")
    strong = Style(color=accent) if not ansi else Style(color="cyan")
    cursor = Style(reverse=True) if ansi else Style(bgcolor=surface, bold=True)
    named = {
        **colour,
        "text": Style.null(),
        "dim": dim,
        "bold": Style(bold=True),
        "skipped": colour["waiting"] + Style(dim=True),
        "lost": colour["cancelled"],
        "ok.dim": colour["ok"] + Style(dim=True),
        "planned": strong + Style(bold=True),
        "failed.row": colour["failed"] + Style(reverse=True),
        "accent": strong,
        "lit": strong + Style(bold=True),
        "critical": colour["warning"],
        "key": strong + Style(bold=True),
        "title": Style(bold=True),
        "title.focus": strong + Style(bold=True),
        "rule": dim,
        "rule.focus": strong,
        "heading": dim + Style(bold=True),
        "tab": dim,
        "tab.active": Style(bold=True, reverse=True),
        "link": strong + Style(underline=True),
        "match": Style(reverse=True),
        "added": colour["ok"],
        "removed": colour["failed"],
        "changed": colour["warning"],
        "cursor": cursor,
        "cursor.idle": Style(reverse=True, dim=True) if ansi else Style(bgcolor=surface),
        "mode.live": colour["ok"] + Style(bold=True),
        "mode.replay": colour["warning"] + Style(reverse=True),
        "sql.keyword": colour["running"] + Style(bold=True),
        "sql.string": colour["ok"],
        "sql.number": colour["warning"],
        "sql.comment": dim + Style(italic=True),
        "sql.function": colour["cancelled"],
    }
    column = Style(reverse=True) if ansi else Style(bgcolor="#3a4756" if dark else "#cad7e6")
    return named | {f"{name}.at": style + column for name, style in named.items()}
