"""The command palette: every action by name, and every run and node to go to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from odibi_tui.actions import ACTIONS, Action
from odibi_tui.paint import fit

if TYPE_CHECKING:
    from textual.fuzzy import Matcher

    from odibi_tui.app import TopApp

__all__ = ["Commands"]

_KEY_CELLS = 9


class Commands(Provider):
    """Finds actions, nodes and runs."""

    @property
    def top(self) -> TopApp:
        from odibi_tui.app import TopApp  # the app imports this module

        assert isinstance(self.app, TopApp)
        return self.app

    async def discover(self) -> Hits:
        for action in self._actions():
            words = _words(action)
            yield DiscoveryHit(self._line(Content(words), action), self._act(action), words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            words = _words(action)
            if (score := matcher.match(words)) > 0:
                line = self._line(_matched(matcher, words), action)
                yield Hit(score, line, self._act(action), words)
        for place, go in self._places():
            if (score := matcher.match(place)) > 0:
                yield Hit(score * 0.9, _matched(matcher, place), go, place)

    def _actions(self) -> list[Action]:
        return [action for action in ACTIONS if action.palette]

    def _line(self, words: Content, action: Action) -> Content:
        """The action in one line: its key, what it does, and why it can't be done now."""
        key = Content.styled(fit(self.top.main.key_of(action.id), _KEY_CELLS), "bold $text-accent")
        why = self.top.main.why_not(action.id)
        after = Content() if why is None else Content.styled(f"   {why}", "dim")
        return Content.assemble(key, "  ", words, after)

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


def _matched(matcher: Matcher, text: str) -> Content:
    """The text with what was typed of it underlined. (`Matcher.highlight` would read it as markup.)"""
    content = Content(text)
    for offset in matcher.fuzzy_search.match(matcher.query, text)[1]:
        content = content.stylize("underline", offset, offset + 1)
    return content


def _words(action: Action) -> str:
    return action.help.partition(":")[0]


async def _go(top: TopApp, key: str) -> None:
    top.changed(top.world.select(key))
    await top.main.show_view("story")


def _show(top: TopApp, run_id: str) -> None:
    top.changed(top.world.show_run(run_id))
    top.ring()
