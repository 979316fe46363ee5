"""Two runs compared: the nodes that differ, and below them how the chosen one does."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from odibi.errors import OdibiError
from odibi.run_state import RunState
from odibi.safe_text import safe_line
from odibi_tui.background import in_background
from odibi_tui.comparison import (
    Comparison,
    Difference,
    as_markdown,
    compared,
    detail,
    row,
    run_line,
    table_head,
)
from odibi_tui.filtering import test_of
from odibi_tui.lines import LinePane, TextPane
from odibi_tui.paint import Line, clip, plain, rule
from odibi_tui.pane import Chrome, Pane
from odibi_tui.story_page import Look
from odibi_tui.world import Change

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from odibi_tui.world import World

__all__ = ["ComparePane"]

_SETTLE = 0.3  # seconds between comparisons while one of the runs goes on


class ComparePane(Pane):
    """Runs A and B of the world's `compare`."""

    heading = "Compare"
    footer = ("open", "mode", "copy", "back")

    body: Differences

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = Differences(self)
        self.found: Comparison | None = None
        self.problem = ""
        self.all = False
        self._asked: tuple[str, str] | None = None

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        self.runs = Chrome()
        self.head = Chrome()
        self.below = Chrome()
        self.detail = TextPane()
        self.detail.can_focus = False
        yield self.rule
        yield self.runs
        yield self.head
        yield self.body
        yield self.below
        yield self.detail

    def on_mount(self) -> None:
        self.runs.styles.height = 2
        self.detail.styles.height = "1fr"

    def on_resize(self) -> None:
        super().on_resize()
        self.draw()

    # What is shown ------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        pair = self.world.compare
        if pair != self._asked:
            self._asked, self.found, self.problem = pair, None, ""
            self._read(0.0)
        elif pair is not None and change.state and self.world.run_id in pair:
            self._read(_SETTLE)
        if change.filter:
            self.body.cursor = 0 if self.nodes else None
            self.retitle()
        self.draw()

    def _read(self, after: float) -> None:
        if self._asked is not None:
            in_background(self, partial(self._load, self._asked, after), "compare", exclusive=True)

    async def _load(self, pair: tuple[str, str], after: float) -> None:
        """Read and compare both runs off the UI's thread."""
        await asyncio.sleep(after)
        try:
            self.found = await asyncio.to_thread(_compare, self.world, pair)
        except OdibiError as error:
            self.problem = error.message
        self.draw()
        self.retitle()

    @property
    def look(self) -> Look:
        return Look(max(self.size.width - 1, 20), self.top.ascii, self.top.signs)

    @property
    def nodes(self) -> tuple[Difference, ...]:
        """The rows of the table."""
        if self.found is None:
            return ()
        found = self.found.nodes if self.all else self.found.differing
        wanted = test_of(self.world, self.world.filter)
        return tuple(node for node in found if wanted(node.key))

    @property
    def chosen(self) -> Difference | None:
        """The node below the cursor."""
        place = self.body.cursor
        return self.nodes[place] if place is not None and place < len(self.nodes) else None

    def draw(self) -> None:
        """Write everything anew."""
        if not self.is_mounted or not self.size.width:
            return
        height, look = self.size.height, self.look
        small = height < 12
        self.runs.display = self.found is not None and not small
        self.below.display = self.detail.display = self.found is not None and height >= 8
        if self.found is not None:
            lines = (run_line("A", self.found.before, look), run_line("B", self.found.after, look))
            self.runs.show(*(clip(line, look.cells) for line in lines))
        self.head.show(table_head(look.cells) if self.nodes else ())
        room = max((height - 5) // 2, 2)
        self.body.styles.height = "1fr" if self.found is None else min(len(self.nodes) or 1, room)
        self.body.all_changed()
        self.draw_detail()

    def draw_detail(self) -> None:
        """Write how the chosen node differs."""
        chosen = self.chosen
        title: Line = ()
        if chosen is not None:
            words = " · ".join(chosen.changed) or "no difference"
            title = ((self.world.name(chosen.key), "title"), (f"  {words}", "dim"))
        self.below.show(rule(title, (), self.size.width))
        self.detail.show(detail(chosen, self.look) if chosen else (), keep_place=False)

    def title(self) -> tuple[Line, Line]:
        left: Line = (("Compare", "title"),)
        if self.found is None:
            return left, ()
        differ, known = len(self.found.differing), len(self.found.nodes)
        counts = zip(self.found.only_in_one(), "AB", strict=True)
        only = [f"{count} only in {run}" for count, run in counts if count]
        what = "all" if self.all else "changed"
        said = [f"{differ} of {known} nodes differ", *only, f"v {what}", "tab swaps"]
        if self.world.filter:
            said.insert(0, f"{len(self.nodes)} match {safe_line(self.world.filter, 30)}")
        return left, ((" · ".join(said), "dim"),)

    # Acting -------------------------------------------------------------------------------------------

    def can_compare(self) -> str | None:
        return "two runs are compared: tab swaps them, esc leaves"

    def do_compare(self) -> None:
        """Never done here: `can_compare` says why."""

    def do_mode(self) -> None:
        chosen = self.chosen
        self.all = not self.all
        keys = [node.key for node in self.nodes]
        self.body.cursor = keys.index(chosen.key) if chosen and chosen.key in keys else 0
        self.draw()
        self.retitle()

    def do_pane_next(self) -> None:
        """Swap A and B."""
        if (pair := self.world.compare) is not None:
            self.top.changed(self.world.set_compare((pair[1], pair[0])))

    def do_pane_previous(self) -> None:
        self.do_pane_next()

    def do_move_half_down(self) -> None:
        self.detail.move_page(0.5)

    def do_move_half_up(self) -> None:
        self.detail.move_page(-0.5)

    def do_move_page_down(self) -> None:
        self.detail.move_page(1)

    def do_move_page_up(self) -> None:
        self.detail.move_page(-1)

    def do_move_left(self) -> None:
        self.detail.move_sideways(-1)

    def do_move_right(self) -> None:
        self.detail.move_sideways(1)

    async def do_back(self) -> None:
        if self.world.filter:
            self.top.changed(self.world.set_filter(""))
            return
        self.top.changed(self.world.set_compare(None))
        await self.top.main.show_view(self.top.main.before_compare)

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        if event.pane is self.body:
            self.draw_detail()

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        """The story of the node in run B."""
        chosen = self.chosen
        if event.pane is self.body and chosen is not None and self.found is not None:
            change = self.world.show_run(self.found.after.run_id)
            self.top.changed(change | self.world.select(chosen.key))
            self.top.ring()
            await self.top.main.show_view("story")

    def copies(self) -> list[tuple[str, str]]:
        """What can be copied of the comparison: (label, text)."""
        if self.found is None:
            return []
        names = [self.world.name(node.key) for node in self.found.differing]
        table = [table_head(self.look.cells), *(self.body.line(i) for i in range(len(self.nodes)))]
        found = [("table as Markdown", as_markdown(self.found, names))]
        if self.chosen is not None:
            found.insert(0, ("name", self.chosen.key))
            lines = detail(self.chosen, self.look)
            found.append(("differences of the node", _text(lines)))
        return [*found, ("view as text", _text(table))]


def _text(lines: list[Line]) -> str:
    return "\n".join(plain(line).rstrip() for line in lines)


def _compare(world: World, pair: tuple[str, str]) -> Comparison:
    """Both runs, read from their logs unless they are followed already. Blocks. Raises OdibiError."""

    def state_of(run_id: str) -> RunState:
        return world.live.get(run_id) or world.ledger.state(run_id)

    return compared(state_of(pair[0]), state_of(pair[1]))


class Differences(LinePane):
    """One row a node."""

    def __init__(self, pane: ComparePane) -> None:
        super().__init__()
        self.pane = pane

    def count(self) -> int:
        return len(self.pane.nodes) or 1

    def line(self, index: int) -> Line:
        pane = self.pane
        if pane.nodes:
            node = pane.nodes[index]
            return row(node, pane.world.name(node.key), pane.look.cells, pane.look)
        if pane.problem:
            return ((f" {safe_line(pane.problem)}", "failed"),)
        if pane.found is not None:
            if pane.world.filter:
                text = f" No node that differs matches `{safe_line(pane.world.filter, 30)}`."
                return ((text, "text"), ("  esc clears the filter", "dim"))
            return ((" No node differs.", "text"), ("  v shows all   esc leaves", "dim"))
        if pane.world.compare is None:
            return (
                (" No runs chosen.", "text"),
                ("  c on a run marks it as A, c on another compares", "dim"),
            )
        return ((" reading …", "dim"),)
