"""Taking things out of the screen: copies for the clipboard, the node's lines in an editor."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from odibi.safe_text import safe_line
from odibi_tui.dialogs.sheet import Sheet
from odibi_tui.paint import Line, plain, size

if TYPE_CHECKING:
    from odibi_tui.lines import LinePane
    from odibi_tui.pane import Pane

__all__ = ["Copy", "CopyDialog", "chosen_editor", "copied", "copies_of_pane", "editor_command"]

_MOST = 5_000  # lines that are copied as a whole
_TERMINALS = 74 * 1024  # bytes of text that xterm and its kin take from a program

Copy = tuple[str, str]
"""What it is called, and its text."""


def copies_of_pane(pane: Pane) -> list[Copy]:
    """What a pane offers to copy: what the mouse has marked, what the pane says itself, its lines.

    Of very many lines only those in sight.
    """
    marked = pane.screen.get_selected_text()
    found = [("selection", marked)] if marked else []
    own: Callable[[], list[Copy]] | None = getattr(pane, "copies", None)
    found += own() if own is not None else []
    body = pane.body
    if body.has_cursor and body.cursor is not None and body.cursor < body.count():
        found.append(("this line", plain(body.line(body.cursor)).strip()))
    if "view as text" not in {label for label, _ in found}:
        found.append(("view as text", _text_of(body)))
    return [*found[:8], found[-1]] if len(found) > 9 else found


def _text_of(body: LinePane) -> str:
    if body.count() <= _MOST:
        return body.text()
    top = body.scroll_offset.y
    return body.text(top, min(top + body.scrollable_content_region.height, body.count()))


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
            ((f" {number} ", "key"), (safe_line(label), "text"), (f"   {_extent(text)}", "dim"))
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
    return safe_line(lines[0], 40) if lines else ""


def copied(copy: Copy) -> str:
    """What is said when it is in the clipboard: how much, and of what. Terminals need not take it all."""
    label, text = copy
    lines, amount = len(text.strip("\n").splitlines()), len(text.encode())
    said = f"copied {lines:,} lines: {label}" if lines > 1 else f"copied: {label}"
    if amount > _TERMINALS:
        return f"{said}, {size(amount)}; some terminals take no more than {size(_TERMINALS)}"
    return said


def editor_command(editor: str, path: Path, line: int) -> list[str]:
    """The command that opens a file at a line, in the way of the editor.

    Vim, Emacs, nano and most others take `+LINE`; VS Code and its kin `--goto FILE:LINE`; Helix, Zed
    and Sublime Text `FILE:LINE`.
    """
    try:
        command = shlex.split(editor) or ["vi"]
    except ValueError:  # a quote that isn't closed: the name of a program all the same
        command = [editor]
    name = Path(command[0]).stem.lower()
    if name in ("code", "code-insiders", "codium", "cursor"):
        return [*command, "--wait", "--goto", f"{path}:{line}"]
    if name in ("hx", "helix", "zed", "subl"):
        return [*command, f"{path}:{line}"]
    return [*command, f"+{line}", str(path)]


def chosen_editor() -> str:
    """The editor of the person: $VISUAL, $EDITOR, else vi."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
