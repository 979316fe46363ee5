"""Before a run starts: what it would run, write and read, how long that takes, and the exact command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from odibi.safe_text import safe_line
from odibi_tui.background import in_background
from odibi_tui.dialogs.sheet import Sheet
from odibi_tui.paint import Line, Span, duration, fit, width, wrap
from odibi_tui.planning import ask
from odibi_tui.rerun import (
    SCOPES,
    Duration,
    Preview,
    TableWrite,
    arguments,
    command_text,
    estimate,
    is_apart,
    parse_command,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.app import ComposeResult

__all__ = ["Asked", "RerunDialog", "rerun_lines"]

_LETTERS = {
    "t": "this",
    "o": "downstream",
    "u": "upstream",
    "f": "failed",
    "m": "marked",
    "a": "all",
}
_ADDING = ("append",)
_LABEL = 11


@dataclass(frozen=True, slots=True)
class Asked:
    """What the dialog is about and what is known so far.

    `nodes` are the names that a scope starts from, `scopes` those that can be chosen with the keys of
    nodes behind each. `options` are those of `odibi run`; `edited` when a person wrote them.
    `told` is the plan, the lines that say why there is none, or None while it is being made.
    """

    nodes: tuple[str, ...]
    scopes: Mapping[str, tuple[str, ...]]
    scope: str
    options: tuple[str, ...]
    told: Preview | tuple[str, ...] | None = None
    edited: bool = False
    only_look: bool = False


class RerunDialog(Sheet["tuple[str, ...] | None"]):
    """Ends with the options of the run to start, or None. Only `y` starts; `d` starts a dry run."""

    DEFAULT_CSS = """
    RerunDialog Input { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    RerunDialog Input:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "start", show=False),
        Binding("d", "dry_run", show=False),
        Binding("n,N,escape,q", "leave", show=False),
        Binding("e", "edit", show=False),
        Binding("left,h", "scope_by(-1)", show=False),
        Binding("right,l", "scope_by(1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        *(Binding(key, f"scope('{name}')", show=False) for key, name in _LETTERS.items()),
        Binding("plus", "scope('downstream')", show=False),
    ]

    def __init__(
        self,
        scopes: Mapping[str, tuple[str, ...]],
        scope: str,
        settings: Sequence[str] = (),
        *,
        only_look: bool = False,
    ) -> None:
        super().__init__()
        self._settings = tuple(settings)
        options = arguments(scope, scopes[scope], self._settings)
        self.asked = Asked((), scopes, scope, options, only_look=only_look)

    def extra(self) -> ComposeResult:
        self.typed = Input(compact=True, select_on_focus=False)
        self.typed.cursor_blink = False
        yield self.typed

    def on_mount(self) -> None:
        super().on_mount()
        self._plan()

    def on_unmount(self) -> None:
        self.top.changed(self.top.world.set_planned(()))

    # What it says -----------------------------------------------------------------------------------

    def sheet_title(self) -> tuple[Line, Line]:
        word = "Plan" if self.asked.only_look else "Rerun"
        return ((word, "title.focus"),), self._note()

    def _note(self) -> Line:
        told = self.asked.told
        if not isinstance(told, Preview) or not told.resumes:
            return ()
        return ((f"goes on after {safe_line(told.resumes)}", "dim"),)

    def sheet_lines(self, cells: int) -> list[Line]:
        told, names = self.asked.told, self.top.world.name
        time = estimate(told, self.top.world.past) if isinstance(told, Preview) else None
        return rerun_lines(self.asked, time, names, cells, self.top.ascii)

    def sheet_keys(self) -> list[tuple[str, str]]:
        if self.typed.display:
            return [("⏎", "use this command"), ("esc", "drop the edit")]
        begin = [("y", "start and follow")] if self._why_not() is None else []
        dry = [("d", "dry run")] if begin else []
        return [
            *begin,
            ("n/esc", "back"),
            *dry,
            ("←→", "scope"),
            ("e", "edit command"),
            ("↑↓", "scroll"),
        ]

    # Planning ---------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Ask for the plan of the options as they are now; an older question is dropped."""
        self._know(None)
        in_background(self, partial(self._ask, self.asked.options), "plan", exclusive=True)

    async def _ask(self, options: tuple[str, ...]) -> None:
        told = await ask(self.top.world.path, options)
        if options == self.asked.options:
            self._know(told)

    def _know(self, told: Preview | tuple[str, ...] | None) -> None:
        self.asked = replace(self.asked, told=told)
        runs = tuple(told.runs) if isinstance(told, Preview) else ()
        self.top.changed(self.top.world.set_planned(runs))
        self.redraw()

    # Keys -------------------------------------------------------------------------------------------

    def action_scope_by(self, step: int) -> None:
        open_scopes = [name for name in SCOPES if name in self.asked.scopes]
        place = open_scopes.index(self.asked.scope) + step
        if 0 <= place < len(open_scopes):
            self.action_scope(open_scopes[place])

    def action_scope(self, scope: str) -> None:
        """Take in more or fewer nodes; an edited command is given up for it."""
        if scope not in self.asked.scopes or (scope == self.asked.scope and not self.asked.edited):
            return
        options = arguments(scope, self.asked.scopes[scope], self._settings)
        self.asked = replace(self.asked, scope=scope, options=options, edited=False)
        self._plan()

    def action_edit(self) -> None:
        self.typed.value = command_text(self.asked.options)
        self.typed.cursor_position = len(self.typed.value)
        self.typed.display = True
        self.set_focus(self.typed)
        self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes the command over; it never starts it."""
        options = parse_command(event.value)
        if isinstance(options, str):
            self.notify(options, severity="error", markup=False, timeout=4)
            return
        self._end_edit()
        self.asked = replace(self.asked, options=options, edited=True)
        self._plan()

    def _end_edit(self) -> None:
        self.typed.display = False
        self.set_focus(self.page)

    def _why_not(self) -> str | None:
        """Why it can't be started now."""
        told = self.asked.told
        if self.asked.only_look:
            return "this only looks: r, R, F and A start runs"
        if told is None:
            return "the plan is still being made"
        if not isinstance(told, Preview):
            return "it can't run as it is"
        if not told.runs:
            return "there is nothing to run"
        reason: str | None = self.top.main.actor.why_no_run()
        return reason

    def action_start(self) -> None:
        self._start(self.asked.options)

    def action_dry_run(self) -> None:
        options = self.asked.options
        self._start(options if "--dry-run" in options else (*options, "--dry-run"))

    def _start(self, options: tuple[str, ...]) -> None:
        if (reason := self._why_not()) is not None:
            self.notify(reason, markup=False, timeout=3)
            return
        self.dismiss(options)

    def action_leave(self) -> None:
        if self.typed.display:
            self._end_edit()
            self.redraw()
        else:
            self.dismiss(None)


# Lines ------------------------------------------------------------------------------------------------


def rerun_lines(
    asked: Asked,
    time: Duration | None,
    name: Callable[[str], str],
    cells: int,
    ascii_only: bool = False,
) -> list[Line]:
    """What the dialog says, for so many cells. `name` makes the short name of a node."""
    lines = [_scope_line(asked, cells, ascii_only), *_subject(asked, name, cells)]
    told = asked.told
    if told is None:
        lines.append(_row("runs", (("planning …", "dim"),)))
    elif isinstance(told, Preview):
        lines += _plan_lines(told, name, cells, "r" if ascii_only else "↻")
        lines += _time_lines(time, name, cells)
    else:
        lines += [line for text in told for line in wrap(text, cells - 2, "failed", indent=" ")]
    lines += _labelled("command", command_text(asked.options), cells, "accent")
    if isinstance(told, Preview):
        lines += _write_lines(told.writes, is_apart(asked.options), cells)
    return lines


def _row(label: str, line: Line) -> Line:
    return ((fit(f" {label}", _LABEL), "dim"), *line)


def _labelled(label: str, text: str, cells: int, style: str = "text") -> list[Line]:
    """A label with its text beside it, in as many lines as that takes."""
    lines = wrap(safe_line(text), max(cells - _LABEL - 1, 8), style)
    return [_row(label if number == 0 else "", line) for number, line in enumerate(lines)]


def _scope_line(asked: Asked, cells: int, ascii_only: bool) -> Line:
    on, off = ("(*)", "( )") if ascii_only else ("●", "○")
    letters = {scope: letter for letter, scope in _LETTERS.items()}
    spans: list[Span] = []
    for scope in SCOPES:
        chosen = scope == asked.scope and not asked.edited
        style = "planned" if chosen else "text" if scope in asked.scopes else "dim"
        head, letter, tail = scope.partition(letters[scope])
        key = "key" if scope in asked.scopes else "dim"
        spans += [(f"{on if chosen else off} ", style), (head, style), (letter, key)]
        spans.append((f"{tail}  ", style))
    if asked.edited:
        spans.append(("as edited", "planned"))
    line = _row("scope", tuple(spans))
    if width(line) <= cells:
        return line
    chosen_word = "as edited" if asked.edited else asked.scope
    return _row("scope", ((f"{on} {chosen_word}", "planned"), ("  ←→ others", "dim")))


def _subject(asked: Asked, name: Callable[[str], str], cells: int) -> list[Line]:
    keys = asked.scopes.get(asked.scope, ())
    if not keys or asked.edited:
        return []
    return _labelled("node" if len(keys) == 1 else "nodes", _some(keys, name), cells)


def _some(keys: Sequence[str], name: Callable[[str], str], most: int = 8) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(name(key) for key in keys[:most]) + more


def _plan_lines(plan: Preview, name: Callable[[str], str], cells: int, sign: str) -> list[Line]:
    keys = tuple(plan.runs)
    if not keys:
        lines = _labelled("runs", "nothing: no node is left to run", cells, "warning")
    else:
        count = f"{len(keys)} node{'s' if len(keys) != 1 else ''}  {sign} {_some(keys, name)}"
        lines = _labelled("runs", count, cells, "planned")
    if plan.reuses:
        said = f"{len(plan.reuses)} stored: {_some(plan.reuses, name)}"
        lines += _labelled("reuses", said, cells)
    for key, reason in plan.skips[:4]:
        lines += _labelled("skips", f"{name(key)}: {reason}", cells, "dim")
    return lines


def _time_lines(time: Duration | None, name: Callable[[str], str], cells: int) -> list[Line]:
    if time is None or (not time.total and not time.unknown):
        return []
    if not time.total:
        return _labelled("time", "unknown: none of these nodes has a history", cells, "dim")
    path = " → ".join(name(key) for key in time.path[-4:])
    alone = len(time.path) == 1 and not time.unknown
    text = (
        f"usually {duration(time.total)}"
        if alone
        else f"{duration(time.critical)} at best ({path}), {duration(time.total)} of work"
    )
    if time.unknown:
        text += f"; {time.unknown} without history not counted"
    return _labelled("time", text, cells)


def _write_lines(writes: Sequence[TableWrite], apart: bool, cells: int) -> list[Line]:
    if apart:
        return _labelled("writes", "none of the project's tables", cells, "ok")
    if not writes:
        return [_row("writes", (("no table", "dim"),))]
    return [line for number, write in enumerate(writes) for line in _write(number, write, cells)]


def _write(number: int, write: TableWrite, cells: int) -> list[Line]:
    adds = write.mode in _ADDING
    style = "warning" if adds else "text"
    text = safe_line(write.path) + ("  its rows are added to those there" if adds else "")
    heads: list[Line] = [_row("writes" if number == 0 else "", ((fit(write.mode, 12), style),))]
    tails = wrap(text, max(cells - _LABEL - 13, 8), style)
    heads += [_row("", ((" " * 12, "text"),))] * (len(tails) - 1)
    return [(*head, *tail) for head, tail in zip(heads, tails, strict=True)]
