"""Questions that only `y` affirms, and messages that wait to be read."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from odibi.safe_text import safe, safe_line
from odibi_tui.dialogs.sheet import Sheet
from odibi_tui.paint import Line, wrap

__all__ = ["ConfirmDialog", "MessageDialog"]


class ConfirmDialog(Sheet[bool]):
    """One question. `y` is yes, `n` and esc are no; Enter is nothing, it is pressed too easily."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("n,N,escape,q", "answer(False)", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = safe_line(question, 1_000)

    def sheet_title(self) -> tuple[Line, Line]:
        return (), ()

    def sheet_lines(self, cells: int) -> list[Line]:
        return wrap(f"{self.question}  [y/N]", max(cells - 2, 8), "warning", indent=" ")

    def sheet_keys(self) -> list[tuple[str, str]]:
        return [("y", "yes"), ("n/esc", "no")]

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class MessageDialog(Sheet[None]):
    """A text with a title: what a process said, line by line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,n", "close", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,ctrl+d", "scroll(8)", show=False),
        Binding("pageup,ctrl+u", "scroll(-8)", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, heading: str, text: str, style: str = "text") -> None:
        super().__init__()
        self._title_text = safe_line(heading)
        self._said = [safe(line).expandtabs(4)[:2_000] for line in text.splitlines()] or [""]
        self._style_name = style

    def sheet_title(self) -> tuple[Line, Line]:
        return ((self._title_text, "title.focus"),), ()

    def sheet_lines(self, cells: int) -> list[Line]:
        said = enumerate(self._said)
        room = max(cells - 2, 8)
        return [
            line
            for number, text in said
            for line in _wrapped(text, room, self._style_name if number == 0 else "text")
        ]

    def sheet_keys(self) -> list[tuple[str, str]]:
        return [("esc", "close"), ("y", "copy"), ("↑↓", "scroll")]

    def action_close(self) -> None:
        self.dismiss()

    def action_copy(self) -> None:
        self.top.copy_to_clipboard("\n".join(self._said))
        self.notify(f"copied {len(self._said)} lines", timeout=2)


def _wrapped(text: str, cells: int, style: str) -> list[Line]:
    """The text wrapped, all of it as far in as its first line."""
    bare = text.lstrip()
    return wrap(bare, cells, style, indent=" " * (len(text) - len(bare) + 1))
