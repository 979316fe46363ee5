"""Starting and stopping runs: what a person asks for becomes a detached `odibi run`, or a request to one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from odibi import control, detach
from odibi.errors import OdibiError
from odibi.processes import lives
from odibi.run_state import NodeState, RunState
from odibi_tui.background import in_background
from odibi_tui.follow import LIVE
from odibi_tui.rerun import Preview, carried, command_text
from odibi_tui.world import Cancelling

if TYPE_CHECKING:
    from odibi.events import Writer
    from odibi_tui.app import TopApp
    from odibi_tui.world import World

__all__ = ["Actor"]

_LOOK = 0.05  # seconds between looks whether a started process has begun its run
_GOES_ON = ("failed", "cancelled", "lost")
_READ_ONLY = "read-only: `odibi top` was started with --read-only"


class Actor:
    """Carries out the actions that change something outside this program.

    `patience` are the seconds after which a run that doesn't acknowledge may be sent SIGINT, SIGKILL.
    """

    patience = (10.0, 30.0)

    def __init__(self, app: TopApp) -> None:
        self.top = app
        self._drafts: dict[str, str] = {}

    @property
    def world(self) -> World:
        return self.top.world

    @property
    def node(self) -> str | None:
        """The selected node; while none is, or the filter hides it, that under the focused pane's cursor."""
        at_cursor = getattr(self.top.main.focused_pane, "node_at_cursor", None)
        return self.world.chosen or (at_cursor() if at_cursor else None)

    # Whether it can be done -------------------------------------------------------------------------

    def why_no_run(self) -> str | None:
        """Why no run can be started now; None when one can."""
        if self.top.options.read_only:
            return _READ_ONLY
        if self.world.starting is not None:
            return f"run {self.world.starting} is starting"
        if live := self.world.live_runs():
            return f"run {live[0]} goes on and holds the project: wait for it, or X cancels it"
        return None

    def can_rerun_node(self) -> str | None:
        return self.why_no_run() or (None if self._chosen() else "no node is selected")

    def can_rerun_downstream(self) -> str | None:
        return self.can_rerun_node()

    def can_rerun_failed(self) -> str | None:
        if reason := self.why_no_run():
            return reason
        return None if self.resumable() else "the last run of the project needs no going on"

    def can_run_all(self) -> str | None:
        return self.why_no_run()

    def can_watch_rerun(self) -> str | None:
        return _READ_ONLY if self.top.options.read_only else None

    def can_edit_sql(self) -> str | None:
        if reason := self.why_no_run():
            return reason
        return None if self.node else "no node is selected"

    def can_cancel_node(self) -> str | None:
        if reason := self.can_cancel_run():
            return reason
        node = self._shown_node()
        if node is None:
            return "no node of this run is selected"
        return f"{self.world.name(node.key)} has ended: {node.status}" if node.done else None

    def can_cancel_run(self) -> str | None:
        if self.top.options.read_only:
            return _READ_ONLY
        return None if self._live_shown() else "the shown run does not go on"

    def _live_shown(self) -> RunState | None:
        """The shown run as it is now (not as a replay or a stopped display has it), if it goes on."""
        state = self.world.live.get(self.world.run_id or "")
        return state if state is not None and state.run_id and state.status in LIVE else None

    def _shown_node(self) -> NodeState | None:
        state = self._live_shown()
        return state.nodes.get(self.node or "") if state else None

    def _chosen(self) -> tuple[str, ...]:
        """The marked nodes in plan order, else the selected one."""
        if self.world.marked:
            return tuple(key for key in self.world.nodes if key in self.world.marked)
        return (self.node,) if self.node else ()

    def resumable(self) -> str | None:
        """The run that `--resume` would go on with: the latest whole one, if it didn't succeed."""
        whole = next((run for run in self.world.runs if run.whole), None)
        if whole is None:
            return None
        known = self.world.live.get(whole.run_id)  # newer than the list of runs
        status = known.status if known is not None and known.run_id else whole.status
        return whole.run_id if status in _GOES_ON else None

    # Starting ---------------------------------------------------------------------------------------

    async def do_rerun_node(self) -> None:
        await self._consider("marked" if self.world.marked else "this")

    async def do_rerun_downstream(self) -> None:
        await self._consider("downstream")

    async def do_rerun_failed(self) -> None:
        await self._consider("failed")

    async def do_run_all(self) -> None:
        await self._consider("all")

    async def do_run_plan(self) -> None:
        await self._consider("all", only_look=True)

    async def _consider(self, scope: str, *, only_look: bool = False) -> None:
        """Show what a run would do; it starts when the person says so."""
        from odibi_tui.dialogs.rerun import RerunDialog  # textual's Input: on first use

        dialog = RerunDialog(self._scopes(), scope, self._settings(), only_look=only_look)
        await self.top.push_screen(dialog, self._begin)

    def _scopes(self) -> dict[str, tuple[str, ...]]:
        """The scopes that make sense now, with the nodes that each starts from."""
        chosen = self._chosen()
        scopes: dict[str, tuple[str, ...]] = {"all": ()}
        if chosen:
            alone = (self.node,) if self.node else chosen
            scopes |= {"this": alone, "downstream": chosen, "upstream": chosen}
        if self.world.marked:
            scopes["marked"] = chosen
        if self.resumable():
            scopes["failed"] = ()
        return scopes

    def _settings(self) -> tuple[str, ...]:
        """What a new run keeps of the shown one."""
        return carried(self.world.state.plan or self.world.summary)

    def _begin(self, options: tuple[str, ...] | None) -> None:
        if options is not None:
            in_background(self.top, partial(self._start, options), "start")

    async def _start(self, options: Collection[str]) -> None:
        await self.start(options)

    async def start(self, options: Collection[str]) -> str | None:
        """Start a run of its own and show it once it has begun; its id, or None when it could not.

        What kept it from beginning is shown as its process said it.
        """
        world = self.world
        run_id = world.starting = world.ledger.new_run_id()
        self.top.main.refresh_chrome()
        try:
            if (said := await self._begun(run_id, tuple(options))) is None:
                await self._show(run_id)
                return run_id
        finally:
            world.starting = None
            self.top.main.refresh_chrome()
        await self._say_failure(options, said)
        return None

    async def _begun(self, run_id: str, options: tuple[str, ...]) -> str | None:
        """Start the process and wait until the run has records; what it said if it never has."""
        world = self.world
        try:
            started = await asyncio.to_thread(
                detach.start, world.root, options, run_id, project=world.path
            )
        except OdibiError as error:
            return error.message
        while not await asyncio.to_thread(detach.has_begun, started):
            if (said := await asyncio.to_thread(detach.failure, started)) is not None:
                return said
            await asyncio.sleep(_LOOK)
        return None

    async def _say_failure(self, options: Collection[str], said: str) -> None:
        from odibi_tui.dialogs.confirm import MessageDialog

        heading = f"Could not begin: {command_text(tuple(options))}"
        near = said.replace(f"{self.world.root}/", "")
        await self.top.push_screen(MessageDialog(heading, near, "failed"))

    async def _show(self, run_id: str) -> None:
        """Follow the run as soon as the list of runs has it."""
        while run_id not in {run.run_id for run in self.world.runs}:
            self.top.look_for_runs()
            await asyncio.sleep(_LOOK)
        self.top.changed(self.world.show_run(run_id, follow=True))
        self.top.ring()

    # Rerunning what an edit touches -----------------------------------------------------------------

    def do_watch_rerun(self) -> None:
        self.top.rerun_on_edit = not self.top.rerun_on_edit
        said = "an edit of the YAML reruns what it touches" if self.top.rerun_on_edit else "off"
        self.top.notify(f"auto rerun: {said}", markup=False, timeout=3)

    async def rerun_touched(self) -> None:
        """The YAML was edited: run the nodes that this changes, after the run that goes on."""
        if self.can_watch_rerun() is None:
            in_background(self.top, self._rerun_touched, "auto", exclusive=True)

    async def _rerun_touched(self) -> None:
        from odibi_tui.planning import ask

        options = (*self._settings(), "--select", "state:modified+")
        while self.world.live_runs():
            await asyncio.sleep(_LOOK * 5)
        told = await ask(self.world.path, options)
        if not isinstance(told, Preview):
            self.top.notify(told[0], title="auto rerun", severity="error", markup=False)
        elif told.runs and self.top.rerun_on_edit and not self.world.live_runs():
            names = ", ".join(self.world.name(key) for key in told.runs)
            self.top.notify(f"runs {names}", title="auto rerun", markup=False, timeout=4)
            self._begin(options)  # a worker of its own: the next edit must not end it half-way

    # Cancelling -------------------------------------------------------------------------------------

    async def do_cancel_run(self) -> None:
        if (state := self._live_shown()) is not None:
            running = sum(node.status in ("running", "retrying") for node in state.nodes.values())
            nodes = f"{running} node{'s' if running != 1 else ''} running"
            question = f"cancel run {state.run_id}? {nodes}, finished outputs stay"
            await self._ask(question, lambda: self._cancel(state.run_id, None))

    async def do_cancel_node(self) -> None:
        node, run_id = self._shown_node(), self.world.run_id
        if node is not None and run_id is not None:
            said = node.status if node.status != "queued" else "waiting"
            question = f"cancel {node.key}? it is {said}; what depends on it won't run"
            await self._ask(question, lambda: self._cancel(run_id, node.key))

    async def _ask(self, question: str, then: Callable[[], Any]) -> None:
        from odibi_tui.dialogs.confirm import ConfirmDialog

        await self.top.push_screen(
            ConfirmDialog(question), lambda yes: then() if yes is True else None
        )

    def _cancel(self, run_id: str, node: str | None) -> None:
        folder = self.world.ledger.run_dir(run_id)
        try:
            control.request_cancel(folder, control.user(), node)
        except OSError as error:
            said = f"run {run_id} can't be asked: {error.strerror}: {error.filename}"
            self.top.notify(said, severity="error", markup=False)
            return
        self.world.cancelling = Cancelling(run_id, node, self.world.clock())
        in_background(self.top, partial(self._until_heard, self.world.cancelling), "cancel")

    async def _until_heard(self, request: Cancelling) -> None:
        """Show the time since the request; offer a signal, then a harder one, to a deaf run."""
        offers = self._offers(request)
        while request is self.world.cancelling and not self._heard(request):
            passed = (self.world.clock() - request.asked).total_seconds()
            self.top.main.refresh_chrome()
            if offers and passed >= offers[0][0]:
                await self._offer(request, offers.pop(0)[1])
            await asyncio.sleep(0.2)
        if request is self.world.cancelling:
            self.world.cancelling = None
            self.top.main.refresh_chrome()

    def _heard(self, request: Cancelling) -> bool:
        state = self.world.live.get(request.run_id)
        return state is None or request.heard(state)

    def _offers(self, request: Cancelling) -> list[tuple[float, signal.Signals]]:
        """When which signal is offered; a signal ends the whole run, so none for a single node."""
        if request.node is not None:
            return []
        return list(zip(self.patience, (signal.SIGINT, signal.SIGKILL), strict=True))

    async def _offer(self, request: Cancelling, number: signal.Signals) -> None:
        writers = list(self._living(request.run_id))
        if not writers:
            said = f"run {request.run_id} does not answer, and its process is not on this host"
            self.top.notify(said, severity="warning", markup=False)
            return
        pids = ", ".join(str(writer.pid) for writer in writers)
        cost = "" if number is signal.SIGINT else "; the run will count as lost"
        question = (
            f"run {request.run_id} does not answer: send {number.name} to process {pids}{cost}?"
        )

        def send() -> None:
            living = () if self._heard(request) else self._living(request.run_id)
            for writer in living:  # asked again: time has passed
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(writer.pid, number)

        await self._ask(question, send)

    def _living(self, run_id: str) -> Iterator[Writer]:
        """The run's processes on this host that are the very ones that wrote its log."""
        state = self.world.live.get(run_id)
        return (writer for writer in (state.writers if state else ()) if lives(writer))

    # Trying SQL -------------------------------------------------------------------------------------

    async def do_edit_sql(self) -> None:
        from odibi_tui.dialogs.edit_sql import EditSqlDialog  # textual's TextArea: on first use

        key = self.node
        if key is not None:
            dialog = EditSqlDialog(key, self._settings(), self._drafts.get(key))
            await self.top.push_screen(dialog)

    def keep_draft(self, key: str, sql: str | None) -> None:
        """Remember SQL that was typed for a node until the program ends; None forgets it."""
        if sql is None:
            self._drafts.pop(key, None)
        else:
            self._drafts[key] = sql
