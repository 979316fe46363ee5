"""Screens as text: the recorded runs in every view must look as in tests/tui/screens.

`ODIBI_UPDATE_SCREENS=1 pytest tests/tui/test_screens.py` writes them anew; look at the diff before
you commit it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest
from textual.pilot import Pilot

from odibi_tui.starting import screen_text
from tests.tui.recordings import (
    CANCELLED,
    FAILED,
    LAST,
    LOST,
    QUARANTINED,
    RUNS,
    WARNED,
    app_of,
    log_of,
    put_log,
    recorded_app,
    recorded_project,
)

SCREENS = Path(__file__).parent / "screens"
UPDATE = os.environ.get("ODIBI_UPDATE_SCREENS") == "1"
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
_STILL = 0.5  # seconds without a change after which a screen to keep is taken to stand
_BUSY = re.compile("planning …|reading …")
_KNOWN = 12  # characters of a path that are enough to know it by
_LONG = 4.0  # the same for a screen that is not as it should be


def damaged(folder: Path) -> None:
    """The newest run's log holds half a line in its middle."""
    lines = log_of(LAST).splitlines(keepends=True)
    put_log(folder, LAST, b"".join([*lines[:40], lines[40][:50] + b"\n", *lines[41:]]))


def broken_yaml(folder: Path) -> None:
    """A node depends on one that isn't there, and an output has no path."""
    path = folder / "odibi.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("$bronze.raw_orders", "$bronze.raw_order"), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Shot:
    """One screen: the view and run to begin with and the keys to press before it is taken."""

    name: str
    view: str = "graph"
    size: tuple[int, int] = SMALL
    keys: tuple[str, ...] = ()
    run: str | None = None
    runs: tuple[str, ...] = RUNS
    ascii: bool = False
    prepare: Callable[[Path], None] | None = None

    @property
    def path(self) -> Path:
        """Where the screen is kept."""
        return SCREENS / f"{self.name}-{self.size[0]}x{self.size[1]}.txt"


def sections() -> list[Shot]:
    """Every section of the failed node's story, in the order in which tab goes through them."""
    names = ("summary", "error", "rows", "schema", "profile", "sample", "sql", "checks", "timing")
    return [
        Shot(f"story-{name}", "story", SMALL, ("e", "z", *(["tab"] * place)), FAILED)
        for place, name in enumerate((*names, "config", "drift"))
    ]


def of_sizes(name: str, view: str, *keys: str, run: str | None = None) -> list[Shot]:
    return [Shot(name, view, size, keys, run) for size in (SMALL, MEDIUM, LARGE)]


SHOTS = [
    *of_sizes("graph", "graph"),
    *of_sizes("nodes", "nodes"),
    *of_sizes("runs", "runs"),
    *of_sizes("logs", "logs", run=FAILED),
    *of_sizes("story", "story", "e", run=FAILED),
    *sections(),
    *of_sizes("tables", "tables"),
    Shot("query", "query", SMALL),
    Shot("query", "query", MEDIUM),
    Shot("story-of-run", "story", MEDIUM, ("z",), QUARANTINED),
    Shot("graph-tiny", "graph", (40, 10)),
    Shot("graph-down", "graph", MEDIUM, ("z", "d")),
    Shot("graph-zoomed", "graph", LARGE, ("z",), FAILED),
    Shot("nodes-grouped", "nodes", SMALL, ("b",), WARNED),
    Shot("nodes-filtered", "nodes", SMALL, ("slash", *"d:clean_orders+", "enter")),
    Shot("nodes-no-match", "nodes", SMALL, ("slash", *"nothing", "enter")),
    Shot("runs-older", "runs", MEDIUM, ("z", "left_square_bracket", "left_square_bracket")),
    Shot("logs-all", "logs", SMALL, ("z", "L"), FAILED),
    Shot("help", "nodes", SMALL, ("question_mark",)),
    Shot("help", "graph", LARGE, ("question_mark",)),
    Shot("ascii", "graph", SMALL, ascii=True),
    Shot("ascii", "nodes", MEDIUM, ascii=True, run=FAILED),
    Shot("lost", "nodes", SMALL, run=LOST),
    Shot("lost", "graph", MEDIUM, run=LOST),
    Shot("cancelled", "nodes", SMALL, run=CANCELLED),
    Shot("cancelled", "graph", MEDIUM, run=CANCELLED),
    Shot("compare", "runs", SMALL, ("c",), FAILED),
    Shot("compare", "runs", MEDIUM, ("c",), FAILED),
    Shot("replay", "nodes", SMALL, ("T", *["left_curly_bracket"] * 40)),
    Shot("rerun", "nodes", SMALL, ("e", "r"), FAILED),
    Shot("rerun", "nodes", MEDIUM, ("e", "r"), FAILED),
    *(Shot("empty", view, size, runs=()) for view, size in (("graph", SMALL), ("graph", MEDIUM))),
    *(Shot(f"empty-{view}", view, SMALL, ("z",), runs=()) for view in ("runs", "story", "logs")),
    Shot("damaged", "graph", SMALL, prepare=damaged),
    Shot("damaged-runs", "runs", MEDIUM, ("z",), prepare=damaged),
    Shot("broken-yaml", "graph", SMALL, prepare=broken_yaml),
    Shot("broken-yaml", "graph", MEDIUM, prepare=broken_yaml),
]


def text_of(pilot: Pilot[None]) -> str:
    """The screen's text, without the folder that the test happens to run in."""
    app = app_of(pilot)
    folder = re.escape(str(app.world.root)[:_KNOWN])  # its end may be cut off
    return re.sub(rf"{folder}\S*", "<folder>", screen_text(app))


async def becomes(pilot: Pilot[None], wanted: str | None) -> str:
    """The screen's text as soon as it is as wanted, else when it has not changed for a while."""
    loop = asyncio.get_running_loop()
    patience = _STILL if wanted is None else _LONG
    text, since = text_of(pilot), loop.time()
    while text != wanted and (loop.time() - since < patience or _BUSY.search(text)):
        await pilot.pause(0.05)
        if (now := text_of(pilot)) != text:
            text, since = now, loop.time()
    return text


def difference(wanted: str, found: str, name: str) -> str:
    """How the screen differs from the one kept, line by line."""
    lines = unified_diff(
        wanted.splitlines(), found.splitlines(), f"screens/{name}", "the screen now", "", "", 2, ""
    )
    return "\n".join(lines)


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.path.stem)
async def test_the_screen_looks_as_kept(shot: Shot, tmp_path: Path) -> None:
    folder = recorded_project(tmp_path, shot.runs)
    if shot.prepare is not None:
        shot.prepare(folder)
    kept = shot.path.read_text(encoding="utf-8")[:-1] if shot.path.exists() else ""
    async with recorded_app(
        tmp_path, shot.size, shot.view, run=shot.run, ascii=shot.ascii
    ) as pilot:
        for key in shot.keys:
            await pilot.press(key)
        async with asyncio.timeout(60):
            found = await becomes(pilot, None if UPDATE else kept)
    if UPDATE:
        SCREENS.mkdir(exist_ok=True)
        shot.path.write_text(found + "\n", encoding="utf-8")
    elif found != kept:
        pytest.fail(difference(kept, found, shot.path.name), pytrace=False)


def test_every_kept_screen_is_of_a_shot() -> None:
    assert {path.name for path in SCREENS.glob("*")} == {shot.path.name for shot in SHOTS}


def test_a_difference_is_readable() -> None:
    assert difference("a\nb\nc", "a\nx\nc", "s").splitlines()[3:] == [" a", "-b", "+x", " c"]
