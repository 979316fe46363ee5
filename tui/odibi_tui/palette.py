"""The command palette: every action by name, and every run and node to go to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from odibi_tui.actions import ACTIONS, Action

if TYPE_CHECKING:
    from odibi_tui.app import TopApp

__all__ = ["Commands"]


class Commands(Provider):
    """Finds actions, nodes and runs."""

    @property
    def top(self) -> TopApp:
        from odibi_tui.app import TopApp  # the app imports this module

        assert isinstance(self.app, TopApp)
        return self.app

    async def discover(self) -> Hits:
        for action in self._actions():
            yield DiscoveryHit(_words(action), self._act(action), help=self._help(action))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            if (score := matcher.match(_words(action))) > 0:
                yield Hit(
                    score,
                    matcher.highlight(_words(action)),
                    self._act(action),
                    help=self._help(action),
                )
        for place, go in self._places():
            if (score := matcher.match(place)) > 0:
                yield Hit(score * 0.9, matcher.highlight(place), go)

    def _actions(self) -> list[Action]:
        return [action for action in ACTIONS if action.palette]

    def _help(self, action: Action) -> str:
        why = self.top.main.why_not(action.id)
        key = self.top.main.key_of(action.id)
        return f"key {key}" if why is None else f"key {key} · not now: {why}"

    def _act(self, action: Action) -> Callable[[], object]:
        return partial(self.top.main.act, action.id)

    def _places(self) -> list[tuple[str, Callable[[], object]]]:
        top, world = self.top, self.top.world
        nodes: list[tuple[str, Callable[[], object]]] = [
            (f"node {key}", partial(_go, top, key)) for key in world.nodes
        ]
        runs: list[tuple[str, Callable[[], object]]] = [
            (f"run {run.run_id} {run.status}", partial(_show, top, run.run_id))
            for run in world.runs[:200]
        ]
        return nodes + runs


def _words(action: Action) -> str:
    return action.help.partition(":")[0]


async def _go(top: TopApp, key: str) -> None:
    top.changed(top.world.select(key))
    await top.main.show_view("story")


def _show(top: TopApp, run_id: str) -> None:
    top.changed(top.world.show_run(run_id))
    top.ring()
