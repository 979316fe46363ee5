"""The screen: status line, tabs, the board of panes, a prompt, and the keys that work now."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from odibi_tui.actions import ACTIONS, BY_ID, display, method_of
from odibi_tui.board import ALONE, Board, arrange, size_class
from odibi_tui.chrome import footer_line, opening_lines, status_line, tabs_line
from odibi_tui.lines import InTop
from odibi_tui.pane import Chrome, Pane

if TYPE_CHECKING:
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer

    from odibi_tui.player import Player
    from odibi_tui.prompt import Prompt
    from odibi_tui.world import Change

__all__ = ["PANES", "VIEWS", "MainScreen"]

PANES = {
    "graph": "GraphPane",
    "nodes": "NodesPane",
    "runs": "RunsPane",
    "story": "StoryPane",
    "logs": "LogsPane",
    "query": "QueryPane",
    "tables": "TablesPane",
    "compare": "ComparePane",
    "gantt": "GanttPane",
    "strip": "StripPane",
}
"""Panes by id with their class in the module `odibi_tui.panes.ID`, imported when first shown."""

VIEWS = ("graph", "nodes", "runs", "story", "logs", "query", "tables")
"""Panes that a number key shows, in that order."""


# Seconds between repaints of the status line and the footer: while a run goes on, while keys are pressed.
_CHROME_NUMBERS, _CHROME_RUN, _CHROME_KEY = 1.0, 0.25, 0.05


class MainScreen(InTop, Screen[None]):
    """All panes and what stands around them; carries out what no pane does itself."""

    DEFAULT_CSS = "MainScreen { layout: vertical; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(action.keys, f"app.act('{action.id}')", action.label, id=action.id, show=False)
        for action in ACTIONS
    ]

    def compose(self) -> ComposeResult:
        self.status = Chrome(id="status")
        self.tabs = Chrome(id="tabs")
        self.board = Board()
        self.keys = Chrome(id="keys")
        yield self.status
        yield self.tabs
        yield self.board
        yield self.keys

    def on_mount(self) -> None:
        self.panes: dict[str, Pane] = {}
        self._arranging = asyncio.Lock()
        self._chrome_timer: Timer | None = None
        self._chrome_due = 0.0
        self.prompt: Prompt | None = None
        self.before_compare = "runs"
        self.player: Player | None = None
        self.scrubber: Chrome | None = None
        self.view = self.top.options.view or self.top.preferences.view
        self.zoomed = self.top.preferences.zoomed
        if self.view not in PANES:
            self.view = "graph"
        project = self.top.options.path.resolve().parent.name
        first, second = opening_lines(project, VIEWS, self.top.size.width)
        self.status.show(first)
        self.tabs.show(second)
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """The first frame stands: bring in what knows of runs, and show it."""
        await self.arrange_panes()
        self.focus_pane(self.view)
        self.refresh_chrome()
        await self.top.first_frame()

    # Arranging ------------------------------------------------------------------------------------------

    async def arrange_panes(self) -> None:
        """Put the panes of the chosen view in their places; those needed first are made now.

        One arrangement at a time: the panes that one is still making are not yet there for another.
        """
        async with self._arranging:
            await self._arrange()

    async def _arrange(self) -> None:
        from odibi_tui.world import ALL  # after the first frame

        size = self.top.size
        self.kind = size_class(size)
        board = self.board.size
        regions = arrange(self.kind, board, self.view, self.zoomed)
        new = {name: self._make(name) for name in regions if name not in self.panes}
        for name, pane in self.panes.items():
            pane.display = name in regions
        self.board.arrangement.regions = regions
        if new:
            await self.board.mount(*new.values())
            self.panes |= new  # only now have they what they are made of
        self.board.refresh(layout=True)
        self.tabs.display = self.kind != "tiny"
        for name in regions:
            self.panes[name].on_world(ALL)
            self.panes[name].retitle()

    def _make(self, name: str) -> Pane:
        module = importlib.import_module(f"odibi_tui.panes.{name}")
        pane: Pane = getattr(module, PANES[name])(name)
        return pane

    def visible_panes(self) -> list[Pane]:
        """The panes on screen, in reading order."""
        regions = self.board.arrangement.regions
        order = sorted(regions, key=lambda name: (regions[name].y, regions[name].x))
        return [self.panes[name] for name in order if name in self.panes]

    def focus_pane(self, name: str) -> None:
        """Give the keys to a pane."""
        pane = self.panes.get(name)
        if pane is not None:
            self.set_focus(pane.entry)

    @property
    def focused_pane(self) -> Pane | None:
        """The pane that keys go to."""
        widget = self.focused
        while widget is not None and not isinstance(widget, Pane):
            widget = widget.parent  # type: ignore[assignment]  # up to the screen
        return widget

    async def show_view(self, name: str) -> None:
        """Show a view: give it the focus where it is on screen already, else the place that it needs."""
        if name != self.view:
            alone = name in ALONE or self.view in ALONE
            self.view = name
            if alone or self.zoomed or name not in self.board.arrangement.regions:
                await self.arrange_panes()
        self.focus_pane(name)
        self.refresh_chrome()

    async def on_resize(self, event: events.Resize) -> None:
        if hasattr(self, "panes"):
            self.call_after_refresh(self._arrange_again)

    async def _arrange_again(self) -> None:
        await self.arrange_panes()
        self.refresh_chrome()

    # Repainting -----------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        """Let what is visible repaint what changed."""
        for pane in self.visible_panes():
            pane.on_world(change)
            pane.retitle()
        if change.run or (change.state and self.top.world.state.done):
            self.refresh_chrome()
        elif change.only_numbers:
            self._refresh_chrome_soon(_CHROME_NUMBERS)
        else:
            self._refresh_chrome_soon(_CHROME_KEY if change.selection else _CHROME_RUN)

    def _refresh_chrome_soon(self, seconds: float) -> None:
        """What changes often shows around the panes a little later, once for many changes."""
        due = time.monotonic() + seconds
        if self._chrome_timer is not None and self._chrome_due <= due:
            return
        if self._chrome_timer is not None:
            self._chrome_timer.stop()
        self._chrome_due = due
        self._chrome_timer = self.set_timer(seconds, self.refresh_chrome)

    def refresh_chrome(self) -> None:
        """Write the status line, the tabs and the footer anew."""
        if self._chrome_timer is not None:
            self._chrome_timer.stop()
            self._chrome_timer = None
        app, width = self.top, self.top.size.width
        self.status.show(status_line(app.world, app.signs, width))
        auto = app.rerun_on_edit
        self.tabs.show(tabs_line(app.world, app.signs, VIEWS, self.view, width, auto))
        self.show_footer(self.focused_pane)
        self._show_scrubber(width)

    def _show_scrubber(self, cells: int) -> None:
        """The row of a replay above the keys, while there is one."""
        if self.player is None or self.scrubber is None:
            return
        if self.scrubber.display != self.player.active:
            self.scrubber.display = self.player.active
            self.call_after_refresh(self._arrange_again)
        self.scrubber.show(self.player.scrubber(cells))

    def show_footer(self, pane: Pane | None) -> None:
        """The keys that work now."""
        wanted = (*(pane.footer if pane else ()), "filter", "help", "palette", "quit")
        shown = [
            (self.key_of(name), BY_ID[name].label)
            for name in dict.fromkeys(wanted)
            if self.why_not(name) is None
        ]
        typed = pane.typing_keys() if pane else ()
        self.keys.show(footer_line(typed or shown, self.top.size.width, self.top.ascii))

    def key_of(self, action: str) -> str:
        """The key of an action as people read it, theirs where they chose one."""
        keys = self.top.preferences.keys.get(action) or BY_ID[action].keys
        return display(keys.split(",")[0])

    def restyle(self) -> None:
        """Colours changed."""
        for pane in getattr(self, "panes", {}).values():
            pane.body.style_changed()
            pane.retitle()
        if hasattr(self, "panes"):
            self.refresh_chrome()
            self.refresh(layout=False)

    # Acting ---------------------------------------------------------------------------------------------

    def _holder(self, action: str) -> Any:
        """Who carries out an action: the focused pane, the board's main view, this screen, or the app.

        While a replay is shown its own keys come first.
        """
        name = method_of(action)
        if self.player is not None and self.player.active and hasattr(self.player, name):
            return self.player
        for holder in (self.focused_pane, self, self.actor, self.top):
            if hasattr(holder, name):
                return holder
        return None

    @property
    def actor(self) -> Any:
        """What starts and stops runs; imported with the first act."""
        if not hasattr(self, "_actor"):
            from odibi_tui.acting import Actor

            self._actor = Actor(self.top)
        return self._actor

    def why_not(self, action: str) -> str | None:
        """Why an action can't be done now; None when it can."""
        holder = self._holder(action)
        if holder is None:
            return "not in this pane"
        ask = getattr(holder, method_of(action, "can"), None)
        return ask() if ask else None

    async def act(self, action: str) -> None:
        """Carry out an action, or say why it can't be done now."""
        if (reason := self.why_not(action)) is not None:
            if reason != "not in this pane":
                self.notify(reason, markup=False, timeout=3)
            return
        result = getattr(self._holder(action), method_of(action))()
        if inspect.isawaitable(result):
            await result
        replaying = self.player is not None and self.player.active
        if action.startswith("move.") and not replaying:  # keys held down: the rest can wait
            self._refresh_chrome_soon(_CHROME_KEY)
        else:
            self.refresh_chrome()

    async def project_changed(self) -> None:
        """odibi.yaml was edited."""
        if self.top.rerun_on_edit and not self.top.world.project.problems:
            await self.actor.rerun_touched()

    async def do_view_graph(self) -> None:
        await self.show_view("graph")

    async def do_view_nodes(self) -> None:
        await self.show_view("nodes")

    async def do_view_runs(self) -> None:
        await self.show_view("runs")

    async def do_view_story(self) -> None:
        await self.show_view("story")

    async def do_view_logs(self) -> None:
        await self.show_view("logs")

    async def do_view_query(self) -> None:
        await self.show_view("query")

    async def do_view_tables(self) -> None:
        await self.show_view("tables")

    def do_pane_next(self) -> None:
        self._cycle(1)

    def do_pane_previous(self) -> None:
        self._cycle(-1)

    def _cycle(self, step: int) -> None:
        panes = [pane for pane in self.visible_panes() if pane.body.can_focus]
        if not panes:
            return
        here = panes.index(self.focused_pane) if self.focused_pane in panes else -step
        pane = panes[(here + step) % len(panes)]
        self.set_focus(pane.body)
        if pane.id in VIEWS:
            self.view = pane.id
        self.refresh_chrome()

    async def do_zoom(self) -> None:
        pane = self.focused_pane
        if pane is not None and pane.id in VIEWS:
            self.view = pane.id
        self.zoomed = not self.zoomed
        await self._arrange_again()
        self.focus_pane(self.view)

    async def do_back(self) -> None:
        world = self.top.world
        if world.filter:
            self.top.changed(world.set_filter(""))
        elif world.replay is not None:
            self.top.changed(world.show_replay(None))
        elif world.marked:
            self.top.changed(world.mark(()))
        elif self.zoomed:
            await self.do_zoom()
        elif self.view != "graph":
            await self.show_view("graph")

    async def do_filter(self) -> None:
        from odibi_tui.prompt import Prompt  # textual's Input: on first use

        if self.prompt is None:
            self.prompt = Prompt()
            await self.mount(self.prompt, before=self.keys)
        self.prompt.begin(self.focused_pane)

    def do_follow(self) -> None:
        world = self.top.world
        self.top.changed(world.set_follow(not world.follow))

    def can_freeze(self) -> str | None:
        world = self.top.world
        return None if world.frozen or not world.state.done else "nothing runs"

    def do_freeze(self) -> None:
        self.top.changed(self.top.world.freeze(not self.top.world.frozen))

    def can_replay(self) -> str | None:
        return None if self.top.world.run_id else "there is no run to replay"

    async def do_replay(self) -> None:
        if self.player is None:
            from odibi_tui.player import Player

            self.player, self.scrubber = Player(self.top), Chrome(id="scrubber")
            self.scrubber.display = False
            await self.mount(self.scrubber, before=self.keys)
        await self.player.begin()

    def do_run_previous(self) -> None:
        self._step_run(1)

    def do_run_next(self) -> None:
        self._step_run(-1)

    def _step_run(self, step: int) -> None:
        world = self.top.world
        ids = [run.run_id for run in world.runs]
        if world.run_id in ids and 0 <= (place := ids.index(world.run_id) + step) < len(ids):
            self.top.changed(world.show_run(ids[place]))
            self.top.ring()

    def can_compare(self) -> str | None:
        return None if len(self.top.world.runs) > 1 else "there is no other run to compare with"

    async def do_compare(self) -> None:
        """The first run chosen is A, the second B; a run that failed meets the last good one at once."""
        world = self.top.world
        run_id = getattr(self.focused_pane, "run_cursor", None) or world.run_id
        if run_id is None:
            return
        first = world.compare_from
        if first is None and any(r.run_id == run_id and r.status == "failed" for r in world.runs):
            first = world.last_good(run_id)
        if first is None or first == run_id:
            again = first == run_id
            self.top.changed(world.set_compare_from(None if again else run_id))
            told = "nothing is marked to compare" if again else f"A is {run_id}: c on another run"
            self.notify(told, timeout=3, markup=False)
            return
        self.top.changed(world.set_compare((first, run_id)))
        self.before_compare = self.view
        await self.show_view("compare")

    def do_error_next(self) -> None:
        self._step_error(1)

    def do_error_previous(self) -> None:
        self._step_error(-1)

    def _step_error(self, step: int) -> None:
        world = self.top.world
        bad = [key for key in world.nodes if world.status(key) in ("failed", "lost")]
        if not bad:
            self.notify("no node failed", timeout=2)
            return
        here = bad.index(world.node) if world.node in bad else (-1 if step > 0 else 0)
        self.top.changed(world.select(bad[(here + step) % len(bad)]))

    def do_mark(self) -> None:
        world = self.top.world
        if world.chosen is not None:
            self.top.changed(world.mark(world.marked ^ {world.chosen}))

    def do_copy(self) -> None:
        from odibi_tui.copying import Copy, CopyDialog, copied, copies_of_pane

        pane = self.focused_pane
        if pane is None:
            return

        def take(chosen: Copy | None) -> None:
            if chosen is not None:
                self.app.copy_to_clipboard(chosen[1])
                self.notify(copied(chosen), markup=False, timeout=2)

        self.app.push_screen(CopyDialog(copies_of_pane(pane)), take)

    def can_edit_yaml(self) -> str | None:
        if self.top.is_headless or self.top.is_web:
            return "there is no terminal for an editor here"
        return None if self._place() else "odibi.yaml does not have this node"

    def _place(self) -> tuple[Path, int] | None:
        """Where the node stands that is selected or under the cursor; of none the file's beginning."""
        world, node = self.top.world, self.actor.node
        return world.project.places.get(node) if node else (world.path, 1)

    def do_edit_yaml(self) -> None:
        """Open the node's lines in the person's editor; the screen comes back when it ends."""
        import subprocess

        from odibi_tui.copying import chosen_editor, editor_command

        place = self._place()
        assert place is not None
        command, said = editor_command(chosen_editor(), *place), ""
        with self.app.suspend():
            try:
                ended = subprocess.run(command, check=False, cwd=self.top.world.root)
                said = f"{command[0]} ended with {ended.returncode}" if ended.returncode else ""
            except OSError as error:
                said = f"{command[0]}: {error.strerror}; name another editor in $EDITOR"
        if said:
            self.notify(said, severity="error", markup=False)
        self.refresh(layout=True)

    def can_open_html(self) -> str | None:
        run_id = self.top.world.run_id
        story = self.top.world.ledger.run_dir(run_id) / "story.json" if run_id else None
        return None if story is not None and story.exists() else "this run has no story yet"

    def do_open_html(self) -> None:
        """There are no pages yet: the story is said to be where it is."""
        run_id = self.top.world.run_id or ""
        path = self.top.world.ledger.run_dir(run_id) / "story.json"
        said = f"{path}\nodibi story show {run_id}"
        self.notify(said, title="HTML pages come with a later release", markup=False, timeout=8)

    async def do_help(self) -> None:
        from odibi_tui.dialogs.help import HelpDialog

        await self.top.push_screen(HelpDialog(self.focused_pane))

    def do_palette(self) -> None:
        self.top.action_command_palette()

    def do_theme(self) -> None:
        self.top.search_themes()

    def do_quit(self) -> None:
        self.top.leave()
