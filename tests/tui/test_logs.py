"""The log pane: what is picked, how rows look, and what keys do on a real run's log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi import events as ev
from odibi_tui.app import Options, TopApp
from odibi_tui.event_text import LEVELS
from odibi_tui.log_file import Entry, LogFile
from odibi_tui.paint import plain, width
from odibi_tui.panes.logs import LogsPane, Query, entry_line, form_of, highlighted, pick
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project, run

AT = datetime(2026, 11, 22, 12, 30, 1, 480_000, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
lines = st.builds(
    ev.LogLine, st.sampled_from(LEVELS), texts, st.none() | st.sampled_from(("p.a", "p.b"))
)
queries = st.builds(
    Query,
    st.sampled_from(LEVELS),
    st.none() | st.just("p.a"),
    st.sampled_from(("", "a", "zz")),
    st.none() | st.integers(8, 20),
)


def encoded(said: list[ev.LogLine], first: int = 1) -> bytes:
    stamp = AT.isoformat(timespec="microseconds").replace("+00:00", "Z")
    events = (ev.Event(seq, stamp, 1.0, line) for seq, line in enumerate(said, start=first))
    return "".join(ev.encode(event) + "\n" for event in events).encode()


@given(st.lists(lines, max_size=20), st.lists(lines, max_size=20), queries)
def test_picking_from_what_was_added_equals_picking_from_all(
    before: list[ev.LogLine], after: list[ev.LogLine], query: Query
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "events.jsonl").write_bytes(encoded(before))
        log = LogFile(folder)
        half = pick(log, query)
        (folder / "events.jsonl").write_bytes(encoded([*before, *after]))
        grown, whole = pick(log, query, half), pick(LogFile(folder), query)
        for name in ("shown", "matches", "starts"):
            assert list(getattr(grown, name) or ()) == list(getattr(whole, name) or ())
        assert (grown.upto, whole.upto) == (len(before) + len(after),) * 2


@given(st.lists(lines, max_size=20), queries)
def test_what_is_picked_is_wanted(said: list[ev.LogLine], query: Query) -> None:
    with TemporaryDirectory() as name:
        (Path(name) / "events.jsonl").write_bytes(encoded(said))
        picked = pick(LogFile(Path(name)), query)
    wanted = [
        place
        for place, line in enumerate(said)
        if LEVELS.index(line.level) >= LEVELS.index(query.level) and query.node in (None, line.node)
    ]
    assert list(picked.shown) == wanted
    assert set(picked.matches) <= set(wanted)
    if picked.starts is not None:
        assert len(picked.starts) == len(wanted) + 1
        assert all(a < b for a, b in zip(picked.starts, picked.starts[1:], strict=False))


@given(texts, texts)
def test_marking_matches_changes_no_text(text: str, found: str) -> None:
    line = highlighted(text, "text", found)
    assert plain(line) == text
    marked = [part for part, style in line if style == "match"]
    assert all(part.casefold() == found.casefold() for part in marked)


def test_every_match_is_marked_whatever_the_case() -> None:
    assert highlighted("Amount, amount", "text", "AMOUNT") == (
        ("Amount", "match"),
        (", ", "text"),
        ("amount", "match"),
    )


@given(st.integers(20, 200), st.lists(texts, max_size=5), st.booleans())
def test_the_message_begins_where_the_columns_end(
    cells: int, names: list[str], alone: bool
) -> None:
    form = form_of(cells, names, alone)
    entry = Entry(AT, "WARNING", "p.a", "message")
    line = entry_line(entry, form, "p.a", "message", "", True)
    assert width(line) == form.before + len("message")
    assert width(entry_line(entry, form, "p.a", "message", "", False)) == width(line)
    assert form.before < max(cells * 3 // 4, 23)


def test_a_row_in_full() -> None:
    line = entry_line(
        Entry(AT, "WARNING", "p.a", ""),
        form_of(80, ["orders"], False),
        "orders",
        "new column",
        "",
        True,
    )
    local = AT.astimezone()
    assert plain(line) == f" {local:%H:%M:%S}.480 WARN  orders new column"
    assert line[1][1] == line[-1][1] == "warning"


# On a real project ------------------------------------------------------------------------------------

NODES = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT nothing FROM a"]}
  write: {connection: data, format: parquet, path: out/b.parquet}
- name: c
  depends_on: [b]
  transform: {steps: ["SELECT id FROM b"]}
  write: {connection: data, format: parquet, path: out/c.parquet}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that failed, and one that goes on and has said a lot."""
    root = tmp_path_factory.mktemp("logs")
    run(project(root, NODES))
    return root


@asynccontextmanager
async def top(
    folder: Path, tmp_path: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[TopApp, Pilot[None], LogsPane]]:
    app = TopApp(Options(folder / "odibi.yaml", view="logs", preferences=tmp_path))
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        pane = app.main.panes["logs"]
        assert isinstance(pane, LogsPane)
        await caught_up(pane, pilot)
        yield app, pilot, pane


async def caught_up(pane: LogsPane, pilot: Pilot[None]) -> None:
    """Wait until everything that was asked for has been read."""
    await pilot.pause()
    while pane.reading:
        await pilot.pause(0.01)
    await pilot.pause()


def said(app: TopApp) -> list[str]:
    """The rows of the log, without their times and the scroll bar."""
    rows = screen_text(app).splitlines()
    return [text[14:].rstrip(" ▁▂▃▄▅▆▇█") for text in rows if text[3:4] == ":"]


async def test_the_log_of_a_run_in_words(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, _, pane):
        levels = [text.split()[0] for text in said(app)]
        assert levels.count("ERROR") == 2
        assert next(text.split()[1:3] for text in said(app) if "failed after" in text) == [
            "b",
            "failed",
        ]
        assert "skipped" in next(text for text in said(app) if text.split()[1] == "c")
        assert pane.body.follow


async def test_levels_and_nodes_and_wrapping(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, (60, 24)) as (app, pilot, pane):
        await pilot.press("L", "L")
        await caught_up(pane, pilot)
        assert {text.split()[0] for text in said(app)} == {"ERROR"}
        app.changed(app.world.select("p.b"))
        await pilot.press("m")
        await caught_up(pane, pilot)
        (only,) = said(app)
        assert only.startswith("ERROR failed after")
        assert "  b  ≥ERROR" in screen_text(app)
        await pilot.press("w")
        await caught_up(pane, pilot)
        assert pane.body.count() > 1
        whole = pane.body.log_file.entry(pane.body.picked.shown[0]).message  # type: ignore[union-attr]
        shown = [text[20:] for text in pane.body.text().splitlines()]
        assert "".join(shown).replace(" ", "") == "".join(whole.split())
    assert app.preferences.looks == {"logs.level": "ERROR", "logs.wrap": True}


async def test_finding_goes_round(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot, pane):
        await pilot.press("slash", *"started", "enter")
        await caught_up(pane, pilot)
        matches = pane.body.picked.matches if pane.body.picked else ()
        assert len(matches) == 3  # the run, a and b
        seen = []
        for _ in range(4):
            await pilot.press("n")
            seen.append(pane.body.current)
        assert seen == [*matches, matches[0]]
        await pilot.press("N")
        assert pane.body.current == matches[-1]
        assert "3 of 3 matches “started”" in screen_text(app)
        await pilot.press("slash", "escape")
        await caught_up(pane, pilot)
        assert pane.found == ""


async def test_the_next_error(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (_, pilot, pane):
        await pilot.press("e")
        assert pane.body.log_file is not None
        assert pane.body.current == pane.body.log_file.first_error()


async def test_scrolling_up_stops_following_until_the_end(tmp_path: Path) -> None:
    root = project(tmp_path / "live", NODES)
    log = root / ".odibi" / "runs" / "20261122-000000-0" / "events.jsonl"
    log.parent.mkdir(parents=True)
    spoken = [ev.LogLine("INFO", f"line {number}", "p.a") for number in range(300)]
    log.write_bytes(encoded(spoken))
    async with top(root, tmp_path) as (app, pilot, pane):
        assert said(app)[-1].endswith("line 299")
        await pilot.press("pageup")
        assert not pane.body.follow
        before = said(app)
        with log.open("ab") as file:
            file.write(encoded([ev.LogLine("INFO", f"more {n}") for n in range(12)], 301))
        await app.look()
        await caught_up(pane, pilot)
        assert said(app) == before
        assert "+12 new" in screen_text(app)
        await pilot.press("G")
        await pilot.pause()
        assert said(app)[-1].endswith("more 11")
        assert pane.body.follow


async def test_the_log_of_a_failed_run_opens_at_its_first_error(tmp_path: Path) -> None:
    root = project(tmp_path / "failed", NODES)
    log = root / ".odibi" / "runs" / "20261122-000000-0" / "events.jsonl"
    log.parent.mkdir(parents=True)
    spoken = [ev.LogLine("INFO", f"line {number}", "p.a") for number in range(200)]
    spoken[60] = ev.LogLine("ERROR", "the first", "p.a")
    spoken[90] = ev.LogLine("ERROR", "the second", "p.a")
    end = ev.Event(201, "2026-11-22T12:40:00.000000Z", 9.0, ev.RunFinished("failed", 1, 9.0))
    log.write_bytes(encoded(spoken) + ev.encode(end).encode() + b"\n")
    async with top(root, tmp_path) as (app, _, pane):
        assert any("the first" in text for text in said(app))
        assert not pane.body.follow


async def test_a_replay_shows_only_what_was_said_by_then(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (app, pilot, pane):
        everything = pane.body.entries
        await pilot.press("T")
        while app.main.player is None or app.main.player.head is None:
            await pilot.pause(0.01)
        head = app.main.player.head
        head.playing = False
        head.seek(0.0)
        await pilot.press("left")
        assert pane.body.entries == 0
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        assert [text.split()[1:3] for text in said(app)] == [["run", "started"]]
        await pilot.press("escape")
        await caught_up(pane, pilot)
        assert pane.body.entries == everything


async def test_what_a_process_said_that_never_began_its_run(tmp_path: Path) -> None:
    root = project(tmp_path / "silent", NODES)
    (root / ".odibi" / "runs" / "20261122-000000-0").mkdir(parents=True)
    text = root / ".odibi" / "logs" / "20261122-000000-0.log"
    text.parent.mkdir()
    text.write_text("odibi: the project is locked\n")
    async with top(root, tmp_path) as (app, pilot, pane):
        app.changed(app.world.show_run("20261122-000000-0"))
        await caught_up(pane, pilot)
        assert " odibi: the project is locked" in screen_text(app).splitlines()
