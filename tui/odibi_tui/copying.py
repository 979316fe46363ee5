"""Taking things out of the screen: copies for the clipboard, the node's lines in an editor."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from odibi_tui.dialogs.sheet import Sheet
from odibi_tui.paint import Line, plain

if TYPE_CHECKING:
    from odibi_tui.pane import Pane

__all__ = ["CopyDialog", "chosen_editor", "copies_of_pane", "editor_command"]

Copy = tuple[str, str]
"""What it is called, and its text."""


def copies_of_pane(pane: Pane) -> list[Copy]:
    """What a pane offers to copy: what it says itself, the line of the cursor, all of its lines."""
    own: Callable[[], list[Copy]] | None = getattr(pane, "copies", None)
    found = list(own()) if own is not None else []
    body = pane.body
    if body.has_cursor and body.cursor is not None and body.cursor < body.count():
        found.append(("this line", plain(body.line(body.cursor)).strip()))
    known = {label for label, _ in found}
    if "view as text" not in known:
        found.append(("view as text", body.text()))
    return found[:9]


class CopyDialog(Sheet[Copy | None]):
    """A list to choose from by number."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,y", "dismiss", show=False),
        *(Binding(str(n), f"choose({n})", show=False) for n in range(1, 10)),
    ]

    def __init__(self, copies: list[Copy]) -> None:
        super().__init__()
        self._copies = copies

    def sheet_title(self) -> tuple[Line, Line]:
        return (("Copy", "title.focus"),), ()

    def sheet_lines(self, cells: int) -> list[Line]:
        return [
            ((f" {number} ", "key"), (label, "text"), (f"   {_extent(text)}", "dim"))
            for number, (label, text) in enumerate(self._copies, start=1)
        ]

    def sheet_keys(self) -> list[tuple[str, str]]:
        return [(f"1-{len(self._copies)}", "copy"), ("esc", "back")]

    def action_choose(self, number: int) -> None:
        if number <= len(self._copies):
            self.dismiss(self._copies[number - 1])


def _extent(text: str) -> str:
    """How much it is: its first words, or its lines."""
    lines = text.strip().splitlines()
    if len(lines) > 1:
        return f"{len(lines)} lines"
    return "" if not lines else lines[0] if len(lines[0]) <= 40 else lines[0][:39] + "…"


def editor_command(editor: str, path: Path, line: int) -> list[str]:
    """The command that opens a file at a line, in the way of the editor.

    Vim, Emacs, nano and most others take `+LINE`; VS Code and its kin `--goto FILE:LINE`; Helix, Zed
    and Sublime Text `FILE:LINE`.
    """
    command = shlex.split(editor) or ["vi"]
    name = Path(command[0]).name
    if name in ("code", "code-insiders", "codium", "cursor"):
        return [*command, "--wait", "--goto", f"{path}:{line}"]
    if name in ("hx", "helix", "zed", "subl"):
        return [*command, f"{path}:{line}"]
    return [*command, f"+{line}", str(path)]


def chosen_editor() -> str:
    """The editor of the person: $VISUAL, $EDITOR, else vi."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
