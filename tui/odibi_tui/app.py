"""The app: keeps the world in step with the ledger and lets the screens repaint what changed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from textual.app import App

from odibi.safe_text import safe_line
from odibi_tui import theme as themes
from odibi_tui.ascii_filter import AsciiFilter
from odibi_tui.background import in_background
from odibi_tui.narrow_update import narrowed
from odibi_tui.preferences import Preferences
from odibi_tui.screen import MainScreen

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.binding import BindingType
    from textual.command import Provider
    from textual.filter import LineFilter
    from textual.screen import Screen
    from textual.timer import Timer

    from odibi_tui.follow import Follower, News
    from odibi_tui.pane import Pane
    from odibi_tui.world import Change, World

__all__ = ["Options", "TopApp"]

_FALLBACK = 0.5  # seconds between looks when the file system rings no bell
_LIST = 15.0  # seconds between looks at the list of runs when no bell rings for it
_SETTLE = 0.4  # seconds that an edit of the YAML may take
_STEP = 200  # milliseconds between looks of the watcher, each of which wakes this process
_FRAME, _FRAME_SSH = 0.045, 0.25  # seconds between repaints at least


def _commands() -> type[Provider]:
    from odibi_tui.palette import Commands  # textual.command's widgets: on first use

    return Commands


@dataclass(frozen=True, slots=True)
class Options:
    """What `odibi top` was called with: the project's YAML file, and the whole id of the run to show."""

    path: Path
    run: str | None = None
    view: str | None = None
    read_only: bool = False
    ascii: bool = False
    preferences: Path | None = None


class TopApp(App[None]):
    """`odibi top`. Reads the ledger and the logs, and never talks to a runner."""

    TITLE = "odibi top"
    COMMANDS = {_commands}
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS = None
    CSS = """
    Screen { layers: base overlay; }
    Toast { background: $surface; padding: 0 1; margin-top: 0; width: auto; max-width: 70; }
    CommandPalette > Vertical { width: 90%; max-width: 100; height: auto; margin-top: 2; }
    CommandPalette #--input { height: 1; border: none; }
    CommandPalette SearchIcon { display: none; }
    CommandInput, CommandInput:focus { height: 1; border: none; padding: 0 1; }
    CommandPalette #--results { height: auto; }
    CommandList, CommandList:focus, CommandList.--populating { border: none; max-height: 75vh; }
    CommandList > .option-list--option { padding: 0 1; text-style: none; }
    CommandPalette LoadingIndicator { display: none; }
    """

    def __init__(self, options: Options, **driver: Any) -> None:
        super().__init__(**driver)
        self.options = options
        self.ascii = options.ascii or themes.ascii_wanted()
        self.signs = themes.ASCII_SIGNS if self.ascii else themes.SIGNS
        self._in_ascii = AsciiFilter()
        self.preferences = Preferences.load(options.preferences)
        self.rerun_on_edit = False
        self.crash: Exception | None = None
        self.history_depth = 50
        self._styles: Mapping[str, Style] = {}
        self._bell = asyncio.Event()
        self._news_of_runs = True
        self._runs_read = time.monotonic()
        self._runs_changed = 0
        self._over_ssh = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
        self._clock: Timer | None = None
        self._watched: tuple[Path, ...] = ()
        self._stop_watching: asyncio.Event | None = None

    @cached_property
    def world(self) -> World:
        """The model that all panes show."""
        from odibi.ledger import Ledger  # with all events, half as much again as Textual: after the
        from odibi_tui.world import World  # first frame

        path = self.options.path.resolve()
        return World(path, Ledger(path.parent))

    @cached_property
    def follower(self) -> Follower:
        """What reads the logs."""
        from odibi_tui.follow import Follower

        return Follower(self.world.ledger)

    # Starting -----------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        return MainScreen()

    def on_mount(self) -> None:
        self.animation_level = "none"
        for theme in themes.own_themes():
            self.register_theme(theme)
        chosen = self.preferences.theme or ("ansi-dark" if self._few_colours() else themes.DARK)
        if chosen in self.available_themes:
            self.theme = chosen
        self.set_keymap(self.preferences.keys)
        self.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        self._restyle()
        if not self.is_headless:
            self._leave_when_told()

    def _leave_when_told(self) -> None:
        """A terminal that closes, or `kill`, ends the app as a key would: the screen is restored."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    def _few_colours(self) -> bool:
        return self.console.color_system == "standard"

    async def first_frame(self) -> None:
        """The screen stands: read the ledger, then go on following."""
        for problem in self.preferences.problems:
            self.notify(problem, title="keys", severity="error", markup=False)
        if self.options.run is not None:
            self.world.show_run(self.options.run)
        in_background(self, self._follow, "follow", exclusive=True)
        in_background(self, self.reload_project, "project", exclusive=True)

    @property
    def main(self) -> MainScreen:
        """The screen below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, self._in_ascii] if self.ascii else filters

    # Colours ------------------------------------------------------------------------------------------

    def style_of(self, name: str) -> Style:
        """The Rich style behind a name that lines use."""
        return self._styles.get(name) or Style.null()

    def _restyle(self) -> None:
        current = self.current_theme
        ansi = self.theme.startswith("ansi")
        variables = self.theme_variables
        self._styles = themes.styles(
            current.dark,
            ansi,
            variables.get("accent", "#56b4e9"),
            variables.get("primary-muted", "#333333"),
        )
        self.main.restyle()

    def sign(self, status: str) -> str:
        """The sign of a status in one cell."""
        return self.signs.get(status, "·" if not self.ascii else " ")

    # Following ----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Look whenever there is news, at most once per frame; now and then without any."""
        frame = _FRAME_SSH if self._over_ssh else _FRAME
        while True:
            await self.look()
            if self.world.live_runs():
                await self._until_a_log_grows(frame)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), 4 * _FALLBACK)
            self._bell.clear()

    async def _until_a_log_grows(self, frame: float) -> None:
        """Asking for the size of a log at each frame costs less than a watcher's thread that rings."""
        end = time.monotonic() + _FALLBACK
        await asyncio.sleep(frame)
        while not (self._bell.is_set() or self.follower.grown() or time.monotonic() > end):
            await asyncio.sleep(frame)

    async def look(self) -> None:
        """Take in what is new and repaint what it touches."""
        runs = self._news_of_runs or self._runs_due() or not self.world.runs
        self._news_of_runs = False
        if runs:
            self._runs_changed = self._time_of_runs()
        ended = len(self.world.live_runs())
        news: News = await asyncio.to_thread(
            self.follower.look, self.world.followed(), runs=runs or not self.world.loaded
        )
        first = not self.world.loaded
        change = self.world.accept(news) if news else None
        if first or (change is not None and change.run):
            self._bell.set()  # another run is to be read: at once
        if len(self.world.live_runs()) != ended:
            self._news_of_runs = True
        self.changed(change)
        if news.runs is not None:
            await self._load_history()
        self._watch_folders()
        self._wind_clock()

    def _runs_due(self) -> bool:
        """Without a bell (network file systems) the list of runs is read when its folder changed."""
        if time.monotonic() - self._runs_read < _LIST:
            return False
        self._runs_read = time.monotonic()
        return self._time_of_runs() != self._runs_changed

    def _time_of_runs(self) -> int:
        """When a run last came or went, in nanoseconds of the file system's clock."""
        try:
            return (self.world.ledger.path / "runs").stat().st_mtime_ns
        except OSError:
            return 0

    async def _load_history(self) -> None:
        cells = await asyncio.to_thread(self.world.ledger.matrix, self.history_depth)
        self.changed(self.world.set_cells(cells))

    def want_history(self, runs: int) -> None:
        """Have the nodes of so many runs at hand, now and later."""
        if runs > self.history_depth:
            self.history_depth = runs
            in_background(self, self._load_history, "history", exclusive=True)

    def changed(self, change: Change | None) -> None:
        """Let all visible panes repaint what changed."""
        if change:
            self.main.on_world(change)

    async def reload_project(self) -> None:
        """Read the YAML again."""
        from odibi_tui.project import load_project

        project = await asyncio.to_thread(load_project, self.world.path)
        before = self.world.project
        self.changed(self.world.set_project(project))
        if project.problems and not before.problems:
            self.notify(project.problems[0], title="odibi.yaml", severity="error", markup=False)

    # The clock ------------------------------------------------------------------------------------------

    def _wind_clock(self) -> None:
        """Elapsed times and estimates go on by themselves while the shown run does, and only then."""
        world = self.world
        going = world.mode in ("FOLLOW", "LIVE")
        if going and self._clock is None:
            self._clock = self.set_interval(4.0 if self._over_ssh else 1.0, self._tick)
        elif not going and self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _tick(self) -> None:
        from odibi_tui.world import Change

        self.changed(Change(time=True))

    # Bells ----------------------------------------------------------------------------------------------

    def _watch_folders(self) -> None:
        """Watch the project and the list of runs, when the folders to watch changed."""
        ledger = self.world.ledger
        sources = sorted({file.parent for file in self.world.project.files} - {self.world.root})
        wanted = [self.world.root, *sources, ledger.path, ledger.path / "runs"]
        folders = tuple(folder for folder in wanted if folder.is_dir())
        if folders != self._watched:
            self._watched = folders
            if self._stop_watching is not None:
                self._stop_watching.set()
            self._stop_watching = asyncio.Event()
            in_background(self, partial(self._listen, folders, self._stop_watching), "bell")
            self.set_timer(2 * _SETTLE, self.look_for_runs)  # what began before the watch did

    async def _listen(self, folders: tuple[Path, ...], stop: asyncio.Event) -> None:
        """Ring when something changes in the folders. Their own changes only, not those below."""
        from watchfiles import awatch  # 40 ms of import: after the first frame

        runs = str(self.world.ledger.path / "runs")
        with suppress(OSError, RuntimeError):  # no watch to be had: the fallback goes on looking
            async for changes in awatch(
                *folders, step=_STEP, debounce=_STEP, recursive=False, stop_event=stop
            ):
                paths = [Path(path) for _, path in changes]
                if any(str(path.parent) == runs or path.name == "runs" for path in paths):
                    self._news_of_runs = True
                if any(self._is_source(path) for path in paths):
                    in_background(self, self._reload_soon, "project", exclusive=True)
                self._bell.set()

    def _is_source(self, path: Path) -> bool:
        if path in self.world.project.files:
            return True
        return path.parent == self.world.root and path.suffix in (".yaml", ".yml")

    async def _reload_soon(self) -> None:
        await asyncio.sleep(_SETTLE)  # editors write in several steps
        await self.reload_project()
        await self.main.project_changed()

    # Writing --------------------------------------------------------------------------------------------

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Over ssh every byte counts: of rows that changed only the cells that did are written."""
        super()._display(screen, narrowed(renderable))

    # Breaking -------------------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """Remember what broke the app; what it says comes after the terminal is itself again."""
        self.crash = self.crash or error
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        """Textual's page of source code is for its authors; ours goes to a file."""
        self._exit_renderables.clear()

    def crash_summary(self) -> str:
        """What broke, in a line, and the file with the traceback."""
        import traceback

        assert self.crash is not None
        said = f"{type(self.crash).__name__}: {safe_line(self.crash, 200)}"
        name = f"top-{datetime.now():%Y%m%d-%H%M%S}.txt"
        path = self.world.ledger.path / "logs" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(traceback.format_exception(self.crash)), encoding="utf-8")
        except OSError:
            return said
        return f"{said} (traceback in {path})"

    # What panes ask for ---------------------------------------------------------------------------------

    def focus_moved(self, pane: Pane) -> None:
        """Another pane has the focus."""
        self.main.show_footer(pane)

    async def action_act(self, action: str) -> None:
        """Carry out an action by its id."""
        await self.main.act(action)

    def ring(self) -> None:
        """Look for news at once."""
        self._bell.set()

    def look_for_runs(self) -> None:
        """Read the list of runs at once: there may be a new one."""
        self._news_of_runs = True
        self._bell.set()

    def leave(self) -> None:
        """Leave; runs go on."""
        self.remember()
        self.exit()

    def remember(self) -> None:
        """Keep what the person chose for next time."""
        chosen = self.preferences
        chosen.theme, chosen.view, chosen.zoomed = self.theme, self.main.view, self.main.zoomed
        chosen.save()
