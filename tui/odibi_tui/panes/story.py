"""The story of the selected node: sections behind tabs; without a node, the first that failed or the run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from odibi.safe_text import safe_line
from odibi_tui import eta
from odibi_tui.background import in_background
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, Span, plain, width
from odibi_tui.pane import Chrome, Pane
from odibi_tui.story_facts import Background, Facts, background, tell
from odibi_tui.story_page import Link, Look, Page
from odibi_tui.story_sections import SECTIONS, has_content, page_of
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change

if TYPE_CHECKING:
    from textual.app import ComposeResult

__all__ = ["PageBody", "StoryPane", "tabs_of"]

_REMEMBERED = 32
_EMPTY = Page(())


class PageBody(LinePane):
    """The lines of a page; wider ones scroll sideways, and its headings with them."""

    wide: ClassVar[bool] = True

    class Sideways(LinePane.Moved):
        """The page was scrolled sideways."""

    def __init__(self, *children: Widget, **options: object) -> None:
        super().__init__(*children, **options)
        self.page = _EMPTY
        self.style_page(_EMPTY)

    def style_page(self, page: Page) -> None:
        """Whether lines of the page are chosen with a cursor."""
        # a page says whether it has lines to choose; the other panes have them always or never
        self.has_cursor = page.pointed  # type: ignore[misc]

    def show(self, page: Page, keep_place: bool) -> None:
        """Put a page in place of the one before; nothing is painted when they are equal."""
        if page == self.page and keep_place:
            return
        self.page = page
        self.style_page(page)
        if not keep_place:
            self.cursor = None
            self.scroll_to(0, 0, animate=False, immediate=True)
        if not page.pointed:
            self.cursor = None
        self.all_changed()

    def count(self) -> int:
        return len(self.page.lines)

    def line(self, index: int) -> Line:
        return self.page.lines[index]

    def widest(self) -> int:
        return max(map(width, (*self.page.lines, self.page.head)), default=0)

    def move_by(self, lines: int) -> None:
        """Move, over empty lines to the one beyond."""
        if self.cursor is not None and abs(lines) == 1:
            step, place = lines, self.cursor + lines
            while 0 < place < self.count() - 1 and not self.page.lines[place]:
                place += step
            lines = place - self.cursor
        super().move_by(lines)

    def at_edge(self, step: int) -> bool:
        """Whether it can't be scrolled further sideways."""
        return self.scroll_offset.x <= 0 if step < 0 else self.scroll_offset.x >= self.max_scroll_x

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        if isinstance(self.parent, StoryPane):
            self.parent.show_head()


def tabs_of(active: str, filled: Sequence[str], cells: int) -> Line:
    """The row of tabs with the active one in sight; those without content are dim."""
    titles = list(SECTIONS)
    here = titles.index(active)
    first = last = here
    used = len(active) + 4
    while True:
        grown = False
        for place in (last + 1, first - 1):
            if 0 <= place < len(titles) and used + len(titles[place]) + 1 <= cells:
                first, last = min(first, place), max(last, place)
                used += len(titles[place]) + 1
                grown = True
        if not grown:
            break
    spans: list[Span] = [("‹" if first else " ", "dim")]
    for title in titles[first : last + 1]:
        style = "tab.active" if title == active else "text" if title in filled else "tab"
        spans += [(title, style), (" ", "text")]
    if last < len(titles) - 1:
        spans.append(("›", "dim"))
    return tuple(spans)


class StoryPane(Pane):
    """One node of the shown run, section by section; it fills while the node runs."""

    heading = "Story"
    footer = (
        "open",
        "copy",
        "rerun.node",
        "edit.yaml",
        "compare",
        "error.next",
        "run.previous",
        "back",
    )

    body: PageBody

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = PageBody()
        self.section = "Summary"
        self.key: str | None = None
        self.facts: Facts | None = None
        self._behind: dict[tuple[str, str], Background] = {}

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        self.tabs = Chrome()
        self.head = Chrome()
        yield self.rule
        yield self.tabs
        yield self.head
        yield self.body

    def on_mount(self) -> None:
        self.head.display = False

    def on_resize(self) -> None:
        super().on_resize()
        self.rebuild()

    # What is shown ------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        key = self.subject()
        if change.history or change.project or change.runs:
            self._forget(key)
        if change.run or change.project or change.history or key != self.key:
            self.rebuild(keep_place=key == self.key)
        elif key is None:
            if change.state or change.time:
                self.rebuild()
        elif self._touched(key, change):
            self.rebuild()

    def _touched(self, key: str, change: Change) -> bool:
        """Whether a change shows in this node's story: its own state, or a neighbour's sign."""
        if key in change.nodes or (change.state and not change.nodes):
            return True
        node = self.world.node_state(key)
        if change.time:
            return node is not None and node.status in ("running", "retrying")
        near = self.world.state.nodes
        return any(
            other in near
            and (key in near[other].plan.upstream or (node and other in node.plan.upstream))
            for other in change.nodes
        )

    def subject(self) -> str | None:
        """The selected node, else the first that failed; None for the run."""
        world = self.world
        if world.chosen is not None:
            return world.chosen
        return next((key for key in world.nodes if world.status(key) in ("failed", "lost")), None)

    def rebuild(self, keep_place: bool = True) -> None:
        """Make the page of the section anew."""
        if not self.is_mounted or not self.size.width:
            return
        self.key = self.subject()
        look = Look(max(self.size.width - 1, 20), self.top.ascii, self.top.signs)
        page = self._run_page(look) if self.key is None else self._node_page(self.key, look)
        self.tabs.display = self.key is not None and self.size.height > 3
        self.body.show(page, keep_place)
        self.show_head()
        self.retitle()

    def _run_page(self, look: Look) -> Page:
        from odibi_tui.story_sections import run  # most stories are those of nodes

        world = self.world
        self.facts = None
        ids = [one.run_id for one in world.runs]
        here = ids.index(world.run_id) if world.run_id in ids else -1
        past = [one for one in world.runs[here + 1 : here + 21] if one.whole]
        names = {key: world.name(key) for key in world.nodes}
        return run.page(world.state, past, world.critical, names, look, world.now())

    def _node_page(self, key: str, look: Look) -> Page:
        world = self.world
        behind = self._behind.get((world.state.run_id, key))
        if behind is None:
            in_background(self, partial(self._load, key), "story", exclusive=True)
        names = {other: world.name(other) for other in world.nodes}
        usual = eta.usual(world.past, key, world.node_state(key))
        self.facts = facts = tell(
            world.state, key, world.now(), behind or Background(), names, usual
        )
        filled = [section for section in SECTIONS if has_content(section, facts)]
        self.tabs.show(tabs_of(self.section, filled, self.size.width))
        return page_of(self.section, facts, look)

    def show_head(self) -> None:
        """The headings of a table stay while its rows scroll, and go sideways with them."""
        head = self.body.page.head if self.size.height > 4 else ()
        self.head.display = bool(head)
        self.head.show(_without(head, self.body.scroll_offset.x))

    def title(self) -> tuple[Line, Line]:
        facts, world = self.facts, self.world
        if facts is None or self.key is None:
            return (("Story", "title"), ("  the run", "text")), ()
        node = facts.node
        left: list[Span] = [("Story", "title"), (f"  {world.name(self.key)}", "text")]
        if facts.part:
            said = node.error.kind if node.error and node.status == "failed" else node.status
            style = style_of_status(world.status(self.key))
            left.append((f"  {self.top.sign(world.status(self.key))} {safe_line(said)}", style))
        note = f"try {node.attempt}" if node.attempt > 1 else ""
        if self.has_focus_within and self.size.width >= 60:
            note = f"{note} · tab section" if note else "tab section"
        if self.size.height <= 3:
            note = f"{self.section} {note}".strip()
        return tuple(left), (((note, "dim"),) if note else ())

    # What is on disk ----------------------------------------------------------------------------------

    async def _load(self, key: str) -> None:
        """Read the past of a node off the UI's thread, then show it."""
        await asyncio.sleep(0.05)  # a cursor that hurries over nodes reads nothing
        world = self.world
        state, place = world.state, world.project.places.get(key)
        known = {one.good.run_id: one.good for one in self._behind.values() if one.good is not None}
        found = await asyncio.to_thread(
            background, world.ledger, state, key, place, world.root, known
        )
        while len(self._behind) >= _REMEMBERED:
            self._behind.pop(next(iter(self._behind)))
        self._behind[state.run_id, key] = found
        if key == self.key and state.run_id == world.state.run_id:
            self.rebuild()

    def _forget(self, key: str | None) -> None:
        """What is on disk is another now; what is shown stays until the new is read."""
        kept = (self.world.state.run_id, key or "")
        shown = self._behind.get(kept)
        self._behind.clear()
        if shown is not None and key is not None:
            self._behind[kept] = shown
            in_background(self, partial(self._load, key), "story", exclusive=True)

    # Acting -------------------------------------------------------------------------------------------

    def show_section(self, section: str) -> None:
        """Show a section; it stays the chosen one when another node is selected."""
        if self.key is not None and section != self.section:
            self.section = section
            self.rebuild(keep_place=False)

    def _step_section(self, step: int) -> bool:
        """Go to the section beside; False where there is none."""
        titles = list(SECTIONS)
        place = titles.index(self.section) + step
        if self.key is None or not 0 <= place < len(titles):
            return False
        self.show_section(titles[place])
        return True

    def do_move_left(self) -> None:
        self._sideways(-1)

    def do_move_right(self) -> None:
        self._sideways(1)

    def _sideways(self, step: int) -> None:
        if self.body.at_edge(step):
            self._step_section(step)
        else:
            self.body.move_sideways(step)

    def do_pane_next(self) -> None:
        self._leave(1)

    def do_pane_previous(self) -> None:
        self._leave(-1)

    def _leave(self, step: int) -> None:
        """To the section beside; from the last on to the next pane, or around where there is no other."""
        if self._step_section(step):
            return
        main = self.top.main
        if len([pane for pane in main.visible_panes() if pane.body.can_focus]) > 1:
            main.do_pane_next() if step > 0 else main.do_pane_previous()
        else:
            self.show_section(list(SECTIONS)[0 if step > 0 else -1])

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        link = self.body.page.links.get(event.index)
        if link is not None:
            self.follow_link(link)

    def follow_link(self, link: Link) -> None:
        """Go where a line leads."""
        kind, name = link
        if kind == "section":
            self.show_section(name)
        elif kind == "node":
            self.top.changed(self.world.select(name))
        else:
            self.top.changed(self.world.show_run(name))
            self.top.ring()

    def copies(self) -> list[tuple[str, str]]:
        """What can be copied of the story: (label, text)."""
        from odibi_tui.story_copies import copies_of  # on the first copy

        found = copies_of(self.facts, self.world.state) if self.facts is not None else []
        lines = [self.body.page.head] if self.body.page.head else []
        view = [plain(line).rstrip() for line in (*lines, *self.body.page.lines)]
        return [*found, ("view as text", "\n".join(view))]


def _without(line: Line, cells: int) -> Line:
    """The line without its first so many cells."""
    kept: list[Span] = []
    for text, style in line:
        size = width(((text, style),))
        if cells >= size:
            cells -= size
            continue
        kept.append((text[cells:] if cells else text, style))
        cells = 0
    return tuple(kept)
