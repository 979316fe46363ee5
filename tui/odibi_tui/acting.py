"""Starting and stopping runs: what a person asks for becomes a detached `odibi run`, or a request to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odibi_tui.app import TopApp

__all__ = ["Actor"]


class Actor:
    """Carries out the actions that change something outside this program."""

    def __init__(self, app: TopApp) -> None:
        self.top = app
