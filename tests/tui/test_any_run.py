"""Whatever a log holds and wherever it ends: every view shows it, in as many cells as there are."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot

from odibi import events as ev
from odibi.processes import this_writer
from odibi_tui.app import TopApp
from odibi_tui.screen import VIEWS
from tests.tui.recordings import RUNS, app_of, log_of, put_log, recorded_app

SHOWN = [view for view in (*VIEWS, "compare") if find_spec(f"odibi_tui.panes.{view}")]
KEYS = (
    "j",
    "k",
    "h",
    "l",
    "G",
    "g",
    "v",
    "b",
    "d",
    "s",
    "u",
    "z",
    "e",
    "tab",
    "w",
    "pagedown",
    "T",
)
HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2Jgone",
    "[red]x[/]",
    "[@click=app.quit]quit[/]",
    "[/nothing",
    "\u202etxet\u202c \u200f\u2067",
    "名前のとても長いノード",
    "👩‍👩‍👧‍👦🏳️‍🌈e\u0301\u200b\u200d\ufeff",
    "a" * 250,  # with more, hypothesis warns of examples that are too long to print
    "one\ntwo\r\nthree\ttab\x0b\x0c\x85\u2028",
    "\x00\x01\x7f",
    "",
)
texts = st.sampled_from(HOSTILE) | st.text(max_size=40)
_NO_SHRINK = (Phase.explicit, Phase.reuse, Phase.generate)  # of apps: it would take minutes
sizes = st.tuples(st.integers(20, 200), st.integers(5, 60))


def check(app: TopApp, size: tuple[int, int]) -> None:
    """The screen has its size to the cell, and nothing in it that a terminal would obey."""
    strips = app.screen._compositor.render_strips()
    assert len(strips) == size[1]
    assert [strip.text for strip in strips if cell_len(strip.text) != size[0]] == []
    for strip in strips:
        orders = [char for char in strip.text if category(char) in ("Cc", "Cs", "Zl", "Zp")]
        assert not orders, (app.main.view, strip.text)


async def resized(pilot: Pilot[None], size: tuple[int, int]) -> None:
    """The terminal has another size and the panes stand in it."""
    await pilot.resize_terminal(*size)
    await pilot.pause()


async def show(app: TopApp, run_id: str) -> None:
    """Show a run that is only just there."""
    async with asyncio.timeout(20):
        while all(run.run_id != run_id for run in app.world.runs):
            app.look_for_runs()
            await app.look()
    app.changed(app.world.show_run(run_id, follow=False))
    await app.look()


# Every prefix of a log --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """A run's log up to some byte, and how it is looked at. `alive`: its process still lives."""

    run: str
    share: float
    alive: bool
    size: tuple[int, int]
    view: str
    key: str


steps = st.builds(
    Step,
    st.sampled_from(RUNS),
    st.floats(0, 1),
    st.booleans(),
    sizes,
    st.sampled_from(SHOWN),
    st.sampled_from(KEYS),
)


@cache
def _own_writer() -> bytes:
    """This process as the first line of a log names it."""
    line = ev.encode(ev.Event(1, "", 0.0, ev.WriterOpened(this_writer(), "")))
    return line.partition('"writer":')[2].partition("}")[0].encode() + b"}"


def prefix(step: Step, run_id: str) -> bytes:
    """The beginning of a recorded log, as that of another run; an empty one is none yet."""
    log = log_of(step.run).replace(step.run.encode(), run_id.encode())
    if step.alive:
        begin, rest = log.split(b'"writer":', 1)
        log = begin + b'"writer":' + _own_writer() + rest.partition(b"}")[2]
    return log[: max(1, round(len(log) * step.share))]


async def walk(steps: list[Step], parent: Path) -> None:
    """One app that looks at one log after the other."""
    async with recorded_app(parent, (80, 24), runs=RUNS[:3]) as pilot:
        app = app_of(pilot)
        for number, step in enumerate(steps):
            run_id = f"20261123-02{number:02}00-0000"
            put_log(parent / "retail", run_id, prefix(step, run_id))
            await show(app, run_id)
            await resized(pilot, step.size)
            await app.main.show_view(step.view)
            await pilot.pause()
            check(app, step.size)
            await pilot.press(step.key)
            check(app, step.size)


walks = st.lists(steps, min_size=4, max_size=8)


@settings(max_examples=4, phases=_NO_SHRINK)
@given(walks)
def test_any_beginning_of_a_log_is_shown_in_any_view(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(steps, Path(folder)))


@pytest.mark.wide
@settings(max_examples=60, phases=_NO_SHRINK)
@given(walks)
def test_many_beginnings_of_logs_are_shown(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(steps, Path(folder)))


# Any text --------------------------------------------------------------------------------------------


@st.composite
def hostile_runs(draw: st.DrawFn) -> list[ev.Payload]:
    """A run whose every text comes from somebody who means harm."""
    pipeline, one, two = draw(texts), draw(texts), draw(texts)
    first, second = f"{pipeline}.{one}", f"{pipeline}.{two}_2"
    columns = (draw(texts), draw(texts) + "_2")
    error = ev.ErrorInfo(
        draw(texts), draw(texts), draw(texts), draw(texts), 1, 2, draw(texts), draw(texts)
    )
    sample = ((draw(texts), draw(texts)), (None, 1.5))
    plan = (
        ev.PlannedNode(first, "run", draw(texts), draw(texts), (draw(texts),)),
        ev.PlannedNode(
            second, "run", "", upstream=(first,), outputs=(draw(texts),), description=draw(texts)
        ),
    )
    return [
        ev.WriterOpened(ev.Writer("recorder", 1, 1, "recorded"), draw(texts)),
        ev.RunPlanned(
            RUN, draw(texts), draw(texts), plan, draw(texts), (draw(texts),), env=draw(texts)
        ),
        ev.RunStarted(1),
        ev.NodeStarted(first),
        ev.NodeProgress(first, draw(texts), 0.5),
        ev.SchemaObserved(first, "in", ((columns[0], draw(texts)), (columns[1], draw(texts)))),
        ev.SqlExecuted(first, draw(texts), draw(texts)),
        ev.RowsQuarantined(first, "validation", 3, draw(texts), {draw(texts): 3}),
        ev.CheckEvaluated(
            first,
            draw(texts),
            draw(texts),
            "test",
            "warn",
            False,
            draw(texts),
            1,
            2,
            columns,
            sample,
        ),
        ev.ProfileObserved(first, (), columns, sample, 2),
        ev.LogLine("ERROR", draw(texts), first),
        ev.LogLine(draw(texts), draw(texts)),
        ev.NodeFailed(first, 0.1, error),
        ev.NodeSkipped(second, draw(texts), first),
        ev.RunFinished("failed", 1, 0.2),
    ]


RUN = "20261123-020000-0000"


def as_log(payloads: list[ev.Payload]) -> bytes:
    """The payloads as a log, a millisecond apart."""
    lines = [
        ev.encode(ev.Event(place, f"2026-11-23T02:00:00.{place:03}000Z", place / 1000, payload))
        for place, payload in enumerate(payloads, 1)
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


async def look_at(payloads: list[ev.Payload], size: tuple[int, int], parent: Path) -> None:
    """One app that shows the run in every view, the story by all its sections."""
    async with recorded_app(parent, size, "nodes", runs=RUNS[:1]) as pilot:
        app = app_of(pilot)
        put_log(parent / "retail", RUN, as_log(payloads))
        await show(app, RUN)
        assert app.world.state.status == "failed"
        app.changed(app.world.select(app.world.nodes[0]))
        for view in SHOWN:
            await app.main.show_view(view)
            for key in ("tab", "tab", "tab", "j") if view == "story" else ("b", "b", "v"):
                await pilot.press(key)
                check(app, size)


@settings(max_examples=4, phases=_NO_SHRINK)
@given(hostile_runs(), sizes)
def test_no_text_gets_out_of_its_cells(payloads: list[ev.Payload], size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(look_at(payloads, size, Path(folder)))


@pytest.mark.wide
@settings(max_examples=60, phases=_NO_SHRINK)
@given(hostile_runs(), sizes)
def test_many_texts_stay_in_their_cells(payloads: list[ev.Payload], size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(look_at(payloads, size, Path(folder)))
