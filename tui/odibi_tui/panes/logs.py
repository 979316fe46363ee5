"""The log of the shown run: followed, filtered by level and node, searched, wrapped."""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import ClassVar

from odibi.errors import OdibiError
from odibi.safe_text import safe_line
from odibi_tui.background import in_background
from odibi_tui.event_text import LEVELS
from odibi_tui.lines import LinePane
from odibi_tui.log_file import Entry, LogFile, wrapped
from odibi_tui.paint import Line, Span, amount, fit
from odibi_tui.pane import Pane
from odibi_tui.world import Change, World

__all__ = ["Form", "LogsPane", "Picked", "Query", "entry_line", "form_of", "highlighted", "pick"]

_BAD = ("failed", "lost", "damaged")
_STYLES = {"DEBUG": "dim", "WARNING": "warning", "ERROR": "failed"}
_WIDEST = 20_000  # cells that can be reached sideways


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted of a log: the least level, one node or all, a text to find, wrapped or not.

    `cells` is the room of a wrapped message; None when lines are not wrapped.
    """

    level: str = "INFO"
    node: str | None = None
    found: str = ""
    cells: int | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """The lines of a log that a query wants, of its first `upto` lines.

    `shown` are places in the log, ascending; `matches` those of them that hold the text to find;
    `starts` the row where each shown line begins, and the number of rows, where lines are wrapped.
    """

    query: Query
    plain: bool
    upto: int
    shown: Sequence[int]
    matches: Sequence[int]
    starts: Sequence[int] | None


def pick(log: LogFile, query: Query, before: Picked | None = None) -> Picked:
    """Read what is new in the log and pick from it; goes on from `before` where that is of use."""
    log.read_on()
    if before is None or before.query != query or before.plain != log.plain:
        before = Picked(query, log.plain, 0, array("L"), array("L"), None)
    upto, first = len(log), before.upto
    new = log.at_least(query.level, first)
    if query.node is not None:
        new = log.of_node(query.node, new)
    found = set(new).intersection(log.find(query.found, first)) if query.found else ()
    starts = None if query.cells is None else _starts(log, query.cells, new, first, before.starts)
    matches = _joined(before.matches, sorted(found))
    return Picked(query, log.plain, upto, _joined(before.shown, new), matches, starts)


def _joined(before: Sequence[int], new: Sequence[int]) -> Sequence[int]:
    if not before:
        return new
    if not new:
        return before
    if isinstance(before, range) and isinstance(new, range):
        return range(before.start, new.stop)
    return array("L", before) + array("L", new)


def _starts(
    log: LogFile, cells: int, new: Sequence[int], first: int, before: Sequence[int] | None
) -> Sequence[int]:
    rows = log.rows(cells, first) if new else array("L")
    known = before or array("L", (0,))
    added = accumulate((rows[index - first] for index in new), initial=known[-1])
    return array("L", known[:-1]) + array("L", added)


@dataclass(frozen=True, slots=True)
class Form:
    """Cells of the columns before the message: `node` is 0 when one node alone is shown."""

    precise: bool
    level: int
    node: int

    @property
    def before(self) -> int:
        """Cells before the message."""
        return (
            1 + (13 if self.precise else 9) + self.level + 1 + (self.node + 1 if self.node else 0)
        )


def form_of(cells: int, names: Iterable[str], alone: bool) -> Form:
    """The columns for a pane so wide: the message is to have half of it at least."""
    wide = cells >= 60
    longest = max((len(name) for name in names), default=0)
    node = 0 if alone else min(max(longest, 6), 28, max(cells // 5, 6))
    return Form(wide, 5 if wide else 1, node)


def entry_line(entry: Entry, form: Form, name: str, text: str, found: str, first: bool) -> Line:
    """One row of a line of the log: `text` is its message or, wrapped, the part for this row."""
    style = _STYLES.get(entry.level, "text")
    if not entry.level:
        return ((" ", "text"), *highlighted(text, "text", found))
    if not first:
        return ((" " * form.before, "text"), *highlighted(text, style, found))
    level = "WARN" if entry.level == "WARNING" else safe_line(entry.level, 10)
    columns: tuple[Span, ...] = (
        (f" {_time(entry.at, form.precise)} ", "dim"),
        (f"{fit(level if form.level > 1 else level[:1], form.level)} ", style),
    )
    if form.node:
        column = fit(name, form.node)
        columns = (*columns, *highlighted(column, "bold", found), (" ", "text"))
    return (*columns, *highlighted(text, style, found))


def _time(at: datetime | None, precise: bool) -> str:
    if at is None:
        return " " * (12 if precise else 8)
    local = at.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}" if precise else f"{local:%H:%M:%S}"


def highlighted(text: str, style: str, found: str) -> Line:
    """The text with every place that holds `found` marked, whatever the case."""
    folded, sought = text.casefold(), found.casefold()
    if not sought or len(folded) != len(text) or sought not in folded:
        return ((text, style),)
    spans: list[Span] = []
    end = 0
    while (place := folded.find(sought, end)) >= 0:
        spans += [(text[end:place], style), (text[place : place + len(sought)], "match")]
        end = place + len(sought)
    return (*((part, name) for part, name in (*spans, (text[end:], style)) if part),)


class LogsPane(Pane):
    """The log of the shown run. Reading happens in a thread, one look at a time."""

    heading = "Logs"
    footer = ("match.next", "level", "all.nodes", "wrap", "move.bottom", "error.next", "zoom")

    body: LogView

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = LogView()
        self.found = ""
        self.level = "INFO"
        self.wraps = False
        self.one_node = False
        self.trouble = ""
        self._run_id: str | None = None
        self._due = False
        self._placed = False  # whether the first line to show has been chosen
        self.reading = False

    def on_mount(self) -> None:
        looks = self.top.preferences.looks
        level = looks.get("logs.level")
        self.level = level if level in LEVELS else "INFO"
        self.wraps = looks.get("logs.wrap") is True

    def on_resize(self) -> None:
        if self.wraps:
            self.look()

    # The world ------------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        world = self.world
        if world.run_id != self._run_id:
            self._open(world.run_id)
        elif world.run_id is None:
            self.body.all_changed()
        elif world.replay is not None and self.body.picked is not None:
            self.body.show_until(world.now())
        else:
            other = change.run or (self.one_node and change.selection)
            more = (change.state or change.project) and not world.frozen
            if other or more:
                self.look()

    def _open(self, run_id: str | None) -> None:
        """Another run: its log from the end, or from its first error."""
        self._run_id, self._placed = run_id, False
        ledger = self.world.ledger
        log = None
        if run_id is not None:
            log = LogFile(ledger.run_dir(run_id), ledger.path / "logs" / f"{run_id}.log")
        self.body.open(log)
        self.look()

    def look(self) -> None:
        """Read on and pick anew, soon."""
        self._due = True
        if not self.reading and self.body.log_file is not None:
            self.reading = True
            in_background(self, self._look, "logs")

    async def _look(self) -> None:
        try:
            while self._due and (log := self.body.log_file) is not None:
                self._due = False
                query, before = self._query(), self.body.picked
                try:
                    picked = await asyncio.to_thread(pick, log, query, before)
                except (OSError, OdibiError) as error:
                    self.trouble = str(error)
                    break
                if log is self.body.log_file:
                    self._take(picked)
        finally:
            self.reading = False
        self.retitle()

    def _take(self, picked: Picked) -> None:
        world = self.world
        self.trouble = ""
        self.body.form = self._form()
        self.body.show(picked, None if world.replay is None else world.now())
        if not self._placed and (status := self._status()):
            self._placed = True
            if status in _BAD and world.replay is None:
                self.call_after_refresh(self.body.go_to_first_error)

    def _status(self) -> str:
        """How the shown run stands; empty while nothing of it has been read."""
        known = self.world.summary or self.world.live.get(self.world.run_id or "")
        return known.status if known else ""

    def _form(self) -> Form:
        names = map(self.world.name, self.world.nodes)
        return form_of(self.size.width, names, self._node() is not None)

    def _node(self) -> str | None:
        return self.world.node if self.one_node else None

    def _query(self) -> Query:
        room = max(self.size.width - self._form().before - 1, 8)  # beside the scroll bar
        return Query(self.level, self._node(), self.found, room if self.wraps else None)

    def title(self) -> tuple[Line, Line]:
        node = self._node()
        of = self.world.name(node) if node else "all nodes"
        left: Line = (("Logs", "title"), (f"  {of}  ≥{self.level}", "dim"))
        if self.wraps:
            left = (*left, ("  wrapped", "dim"))
        return left, self._note()

    def _note(self) -> Line:
        body = self.body
        if self.trouble:
            return ((safe_line(self.trouble, 60), "failed"),)
        picked = body.picked
        if picked is None:
            return ()
        lines = f"{amount(body.entries)} lines"
        if self.found:
            at = f"{body.place_of_match()} of " if body.current is not None else ""
            lines += f" · {at}{amount(len(picked.matches))} matches “{safe_line(self.found, 20)}”"
        if body.follow:
            return ((f"{lines} · follow", "dim"),)
        new = body.entries - body.seen
        said: Line = (
            ((f"+{amount(new)} new", "warning"), ("  end follows", "dim")) if new > 0 else ()
        )
        return (*said, (f"{'   ' if said else ''}{lines}", "dim"))

    # Acting ---------------------------------------------------------------------------------------------

    def find(self, text: str) -> None:
        """Mark the text wherever it is; the prompt calls this while a person types."""
        self.found = text
        self.body.found = text
        self.body.current = None
        self.body.style_changed()
        self.look()

    def can_match_next(self) -> str | None:
        return None if self.found else "/ finds in the log"

    def can_match_previous(self) -> str | None:
        return self.can_match_next()

    def do_match_next(self) -> None:
        self._step_match(1)

    def do_match_previous(self) -> None:
        self._step_match(-1)

    def _step_match(self, step: int) -> None:
        picked = self.body.picked
        if not self.body.step_to(picked.matches if picked else (), step):
            self.notify(f"no line holds “{safe_line(self.found, 40)}”", markup=False, timeout=2)
        self.retitle()

    def do_error_next(self) -> None:
        self._step_error(1)

    def do_error_previous(self) -> None:
        self._step_error(-1)

    def _step_error(self, step: int) -> None:
        if not self.body.step_to(self.body.errors(), step):
            self.notify("no errors in these lines", timeout=2)
        self.retitle()

    def do_level(self) -> None:
        self.level = LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)]
        self.top.preferences.looks["logs.level"] = self.level
        self._looks_changed()

    def do_wrap(self) -> None:
        self.wraps = not self.wraps
        self.top.preferences.looks["logs.wrap"] = self.wraps
        self._looks_changed()

    def can_all_nodes(self) -> str | None:
        return None if self.one_node or self.world.node else "no node is selected"

    def do_all_nodes(self) -> None:
        self.one_node = not self.one_node
        self._looks_changed()

    def _looks_changed(self) -> None:
        self.look()
        self.retitle()

    def do_move_bottom(self) -> None:
        self.body.follow = True
        self.body.scroll_end(animate=False, immediate=True, x_axis=False)
        self.retitle()


class LogView(LinePane):
    """The rows. `current` is the line of the log that a search or a jump stands on.

    `entries` are the lines that show (in a replay: those said by then), `seen` how many of them there
    were when a person left the end.
    """

    has_cursor: ClassVar[bool] = False
    wide: ClassVar[bool] = True
    DEFAULT_CSS = "LogView { scrollbar-size-horizontal: 0; }"

    def __init__(self) -> None:
        super().__init__()
        self.log_file: LogFile | None = None
        self.picked: Picked | None = None
        self.form = Form(True, 5, 12)
        self.found = ""
        self.current: int | None = None
        self.entries = 0
        self.seen = 0
        self.follow = True

    @property
    def world(self) -> World:
        return self.top.world

    def open(self, log: LogFile | None) -> None:
        """Another log."""
        self.log_file, self.picked, self.current = log, None, None
        self.entries = self.seen = 0
        self.follow = True
        self.all_changed()

    def show(self, picked: Picked, until: datetime | None) -> None:
        """Other lines, or more of them; what is read stays in place."""
        kept = None if self.follow else self._entry_at(int(self.scroll_offset.y))
        same = self.picked is not None and self.picked.query == picked.query
        self.picked = picked
        self._count(until)
        if not same and kept is not None:
            self.go_to(kept, 0)
        if not same:
            self.seen = self.entries

    def show_until(self, moment: datetime) -> None:
        """In a replay: the lines said by then."""
        self._count(moment)

    def _count(self, until: datetime | None) -> None:
        assert self.picked is not None and self.log_file is not None
        shown = self.picked.shown
        self.entries = len(shown) if until is None else self.log_file.until(until, shown)
        if self.follow:
            self.seen = self.entries
        self.all_changed()

    # Places ---------------------------------------------------------------------------------------------

    def _entry_at(self, row: int) -> int | None:
        """The line of the log on a row."""
        if self.picked is None or not 0 <= row < self.count() or not self.entries:
            return None
        starts = self.picked.starts
        return self.picked.shown[row if starts is None else bisect_right(starts, row) - 1]

    def _row_of(self, entry: int) -> int:
        """The first row of a line of the log, or of the next one that shows."""
        assert self.picked is not None
        place = bisect_left(self.picked.shown, entry)
        return place if self.picked.starts is None else self.picked.starts[place]

    def go_to(self, entry: int, above: int | None = None) -> None:
        """Bring a line into sight, with some lines above it."""
        height = self.scrollable_content_region.height
        margin = min(height // 3, 3) if above is None else above
        row = max(self._row_of(entry) - margin, 0)  # by force: there may be no scroll bar yet
        self.scroll_to(y=row, animate=False, immediate=True, force=True)

    def go_to_first_error(self) -> None:
        """Show the first error, if there is one among the lines."""
        errors = self.errors()
        if errors:
            self.go_to(errors[0])

    def errors(self) -> Sequence[int]:
        """The lines of level ERROR that show."""
        if self.picked is None or self.log_file is None or self.picked.plain:
            return ()
        error, levels = LEVELS.index("ERROR"), self.log_file.levels
        return [index for index in self.picked.shown[: self.entries] if levels[index] == error]

    def step_to(self, places: Sequence[int], step: int) -> bool:
        """Go to the next (or previous) of some lines, round the ends; False when there are none."""
        if self.picked is None or not self.entries:
            return False
        last = self.picked.shown[self.entries - 1]
        places = places[: bisect_right(places, last)]
        if not places:
            return False
        here = self.current if self.current is not None else self._entry_at(self.scroll_offset.y)
        here = -1 if here is None else here
        if step > 0:
            place = (
                bisect_right(places, here)
                if self.current is not None
                else bisect_left(places, here)
            )
        else:
            place = bisect_left(places, here) - 1
        self.current = places[place % len(places)]
        self.go_to(self.current)
        self.style_changed()
        return True

    def place_of_match(self) -> int:
        """The number of the current line among the matches, from 1."""
        matches = self.picked.matches if self.picked else ()
        return bisect_right(matches, self.current or 0)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # Only going up lets go of the end: on the way down to it the layout may still change the end.
        follow = new_value >= self.max_scroll_y or (self.follow and new_value >= old_value)
        if follow != self.follow:
            self.follow, self.seen = follow, self.entries
            if isinstance(self.parent, LogsPane):
                self.parent.retitle()

    def on_resize(self) -> None:
        if self.follow:
            self.call_later(
                self.scroll_end, animate=False, immediate=True, x_axis=False, force=True
            )

    def move_sideways(self, steps: int) -> None:
        """Sideways as far as one of the rows in sight goes."""
        top, height = int(self.scroll_offset.y), self.scrollable_content_region.height
        rows = range(top, min(top + height, self.count()))
        most = max((self._strip(row).cell_length for row in rows), default=0) - self.size.width + 1
        x = min(max(self.scroll_offset.x + 8 * steps, 0), max(most, 0))
        self.scroll_to(x=x, animate=False, immediate=True)

    # Rows -----------------------------------------------------------------------------------------------

    def widest(self) -> int:
        return _WIDEST if self.picked is not None and self.picked.starts is None else 0

    def count(self) -> int:
        if not self.entries or self.picked is None:
            return len(self._empty())
        starts = self.picked.starts
        return self.entries if starts is None else starts[self.entries]

    def line(self, index: int) -> Line:
        if not self.entries or self.picked is None or self.log_file is None:
            return self._empty()[index]
        starts, place, part = self.picked.starts, index, 0
        if starts is not None:
            place = bisect_right(starts, index) - 1
            part = index - starts[place]
        number = self.picked.shown[place]
        entry = self.log_file.entry(number)
        name = self.world.name(entry.node) if entry.node else ""
        if starts is None or self.picked.query.cells is None:
            text = safe_line(entry.message)
        else:
            text = wrapped(entry.message, self.picked.query.cells)[part]
        line = entry_line(entry, self.form, name, text, self.found, part == 0)
        return (
            (("▸" if part == 0 else " ", "key"), *_without_margin(line))
            if number == self.current
            else line
        )

    def _empty(self) -> list[Line]:
        world, picked = self.world, self.picked
        if world.run_id is None:
            said = "No runs yet: what they say appears here." if world.loaded else "reading …"
            return [((f" {said}", "dim"),)]
        if picked is None:
            return [((" reading …", "dim"),)]
        if not picked.upto or picked.query == Query("DEBUG", None, picked.query.found):
            return [((" This run has said nothing yet.", "dim"),)]
        of = f" of {world.name(picked.query.node)}" if picked.query.node else ""
        hint = "   m all nodes" if picked.query.node else "   L other levels"
        none = f" 0 of {amount(picked.upto)} lines{of} are ≥{picked.query.level}"
        return [((none, "text"), (hint, "dim"))]


def _without_margin(line: Line) -> Line:
    (text, style), *rest = line
    return ((text[1:], style), *rest)
