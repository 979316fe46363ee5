"""The story of a node: what its sections say, and how a person moves through them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi.events import RowsCounted
from odibi.ledger import Ledger
from odibi.safe_text import safe
from odibi_tui.app import Options, TopApp
from odibi_tui.paint import plain, width
from odibi_tui.panes.story import StoryPane, tabs_of
from odibi_tui.sql_text import sql_lines
from odibi_tui.starting import screen_text, settled
from odibi_tui.story_copies import as_csv, as_markdown
from odibi_tui.story_facts import Background, Facts, background, config_text, tell
from odibi_tui.story_page import Look, data_table, fine
from odibi_tui.story_sections import SECTIONS, has_content, page_of
from odibi_tui.story_sections.config import yaml_line
from odibi_tui.story_sections.rows import waterfall
from odibi_tui.story_sections.schema import merged
from tests.runner.running import project, run

NODES = """\
- name: a
  description: Numbers as they came.
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT id, kind, id * 2 AS twice FROM a WHERE id < 6"]}
  validation:
    tests:
      - {type: custom_sql, name: small, condition: "id < 4", on_fail: ON_FAIL}
  write: {connection: data, format: parquet, path: out/b.parquet}
- name: c
  depends_on: [b]
  write: {connection: data, format: parquet, path: out/c.parquet}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: one that warns, and one in which b fails a test and its SQL is another."""
    made = project(tmp_path_factory.mktemp("story"), NODES.replace("ON_FAIL", "warn"))
    run(made)
    changed = NODES.replace("ON_FAIL", "fail").replace("id * 2 AS twice", "id * 3 AS thrice")
    project(made, changed)
    run(made)
    return made


def facts_of(folder: Path, key: str, which: str = "last") -> Facts:
    ledger = Ledger(folder)
    state = ledger.state(ledger.resolve(which))
    place = (folder / "odibi.yaml", 1)
    behind = background(ledger, state, key, place, folder)
    assert state.last_at is not None
    return tell(state, key, state.last_at, behind, {key: key for key in state.nodes}, 1.0)


def text_of(section: str, facts: Facts, cells: int = 78) -> str:
    page = page_of(section, facts, Look(cells))
    return "\n".join(plain(line) for line in (page.head, *page.lines))


# What the sections say ----------------------------------------------------------------------------------


def test_summary_of_a_failure_says_why_where_and_what_it_blocks(folder: Path) -> None:
    said = text_of("Summary", facts_of(folder, "p.b"))
    assert "test small failed: 2 of 6 rows fail" in said
    assert "odibi.yaml:" in said
    assert "blocks 1 downstream: p.c –" in said
    assert "SQL of step 1" in said
    assert "failing rows  2 of 2 · small" in said


def test_lines_of_the_summary_lead_to_their_sections(folder: Path) -> None:
    page = page_of("Summary", facts_of(folder, "p.b"), Look(78))
    leads = {plain(page.lines[place]).split()[0]: link for place, link in page.links.items()}
    assert leads["why"] == ("section", "Error")
    assert leads["where"] == ("section", "Config")
    assert leads["time"] == ("section", "Timing")
    assert leads["checks"] == ("section", "Checks")
    assert leads["blocks"] == ("node", "p.c")
    assert page.pointed


def test_a_skipped_node_leads_to_the_one_that_failed(folder: Path) -> None:
    facts = facts_of(folder, "p.c")
    assert page_of("Error", facts, Look(78)).links == {0: ("node", "p.b")}
    assert "p.b failed" in text_of("Summary", facts)


def test_sections_of_a_success(folder: Path) -> None:
    facts = facts_of(folder, "p.b", "last~1")
    assert "No error." in text_of("Error", facts)
    rows = text_of("Rows", facts).splitlines()
    assert [line.split()[:2] for line in rows[1:4]] == [
        ["in", "9"],
        ["joins,", "groups"],
        ["out", "6"],
    ]
    assert "+  twice" in text_of("Schema", facts)
    assert "twice" in text_of("Profile", facts) and "█" in text_of("Profile", facts)
    assert text_of("Sample", facts).splitlines()[0].split() == ["id", "kind", "twice"]
    assert "id * 2 AS twice" in text_of("SQL", facts)
    assert "▲" not in text_of("Checks", facts) and "2 33.3%" in text_of("Checks", facts)
    assert "transform" in text_of("Timing", facts)
    assert "never succeeded before" in text_of("Drift", facts)


def test_drift_shows_the_sql_that_changed(folder: Path) -> None:
    said = text_of("Drift", facts_of(folder, "p.b"))
    assert "- SELECT id, kind, id * 2 AS twice" in said
    assert "+ SELECT id, kind, id * 3 AS thrice" in said


def test_drift_rows_lead_to_their_runs(folder: Path) -> None:
    facts = facts_of(folder, "p.a")
    first = Ledger(folder).resolve("last~1")
    assert page_of("Drift", facts, Look(78)).links == {1: ("run", first)}
    assert "nothing" not in text_of("Summary", facts)


def test_a_node_that_the_run_does_not_know(folder: Path) -> None:
    facts = facts_of(folder, "p.elsewhere")
    assert "not part of this run" in text_of("Summary", facts)
    assert "see Summary" in text_of("Rows", facts)


@pytest.mark.parametrize("cells", [20, 38, 78, 198])
@pytest.mark.parametrize("which", ["last", "last~1"])
def test_every_section_of_every_node_at_every_width(folder: Path, cells: int, which: str) -> None:
    for key in ("p.a", "p.b", "p.c", "p.elsewhere"):
        facts = facts_of(folder, key, which)
        for section in SECTIONS:
            page = page_of(section, facts, Look(cells, ascii=cells == 38))
            assert page.lines, section
            assert all("\n" not in plain(line) for line in page.lines)
            if section == "Summary":
                assert max(map(width, page.lines)) <= cells


def test_the_story_fills_with_the_events(folder: Path) -> None:
    from odibi import event_log, run_state

    ledger = Ledger(folder)
    events = list(event_log.read(ledger.run_dir(ledger.resolve("last~1"))))
    filled: set[str] = set()
    for count in range(0, len(events) + 1, 3):
        state = run_state.fold(events[:count])
        if "p.b" in state.nodes and state.last_at is not None:
            facts = tell(state, "p.b", state.last_at, Background(), {})
            assert all(page_of(section, facts, Look(60)).lines for section in SECTIONS)
            now = {section for section in SECTIONS if has_content(section, facts)}
            assert filled <= now
            filled = now
    assert {"Rows", "Schema", "Sample", "SQL", "Checks", "Timing"} <= filled


# Laws ---------------------------------------------------------------------------------------------------


@given(st.text())
def test_coloured_sql_is_the_sql(sql: str) -> None:
    shown = "\n".join(plain(line) for line in sql_lines(sql))
    assert shown == safe(sql).expandtabs(4).strip("\n")


def test_sql_in_colours() -> None:
    spans = dict(sql_lines("select sum(x1) from t where a = 'it''s' -- why\n and b > 1.5")[0])
    assert spans["select"] == "sql.keyword"
    assert spans["sum"] == "sql.function"
    assert spans["'it''s'"] == "sql.string"
    assert spans["-- why"] == "sql.comment"
    assert "x1" not in spans or spans["x1"] == "text"


@given(
    st.integers(0, 10**9),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.booleans(),
)
def test_the_waterfall_ends_with_what_came_out(
    out: int, quarantined: int, filtered: int, doubled: int, unreadable: int, odd: int, joins: bool
) -> None:
    rows_in = out + quarantined + filtered + doubled + (odd if joins else 0)
    steps = waterfall(
        RowsCounted(
            "n",
            rows_in + unreadable,
            unreadable,
            rows_in,
            out,
            quarantined,
            filtered,
            doubled,
            joins,
        )
    )
    assert steps[-1].left == out
    assert steps[-2].left == out
    left = None
    for step in steps:
        if step.change and step.count is not None and left is not None:
            assert abs((step.left or 0) - left) == abs(step.count)
        left = step.left


_SCHEMA = st.dictionaries(st.text(max_size=3), st.sampled_from(["INT", "TEXT"]), max_size=6)


@given(_SCHEMA, _SCHEMA)
def test_merged_columns_are_those_of_both_sides(
    before: dict[str, str], after: dict[str, str]
) -> None:
    rows = merged(before, after)
    assert [name for name, _, new in rows if new] == list(after)
    assert {name for name, old, _ in rows if old} == set(before)
    assert len({name for name, _, _ in rows}) == len(rows)


@given(st.sampled_from(list(SECTIONS)), st.integers(12, 120))
def test_the_active_tab_is_always_in_sight(active: str, cells: int) -> None:
    line = tabs_of(active, list(SECTIONS), cells)
    assert (active, "tab.active") in line
    assert width(line) <= cells + 1


_VALUES = st.one_of(st.none(), st.text(max_size=8), st.integers(), st.floats(allow_nan=False))


@given(st.lists(st.tuples(_VALUES, _VALUES), max_size=5))
def test_columns_of_data_are_aligned(rows: list[tuple[object, object]]) -> None:
    head, lines = data_table(("one", "two"), rows)
    assert {width(line) for line in lines} <= {width(head)}


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_copied_csv_reads_back(rows: list[tuple[str, str]]) -> None:
    found = list(csv.reader(io.StringIO(as_csv(("a", "b"), rows), newline="")))
    plainly = [[safe(value) for value in row] for row in rows]
    assert [[c.replace("\r", "") for c in row] for row in found] == [["a", "b"], *plainly]


def test_copied_markdown() -> None:
    assert as_markdown(("a", "b"), [(None, "x|y")]) == "| a | b |\n| --- | --- |\n|  | x\\|y |\n"


@given(st.text(alphabet=st.characters(exclude_characters="\n\r")))
def test_coloured_yaml_is_the_yaml(text: str) -> None:
    assert plain(yaml_line(text)) == text


def test_the_lines_of_a_node_end_where_the_next_begins(tmp_path: Path) -> None:
    path = tmp_path / "odibi.yaml"
    path.write_text("nodes:\n  - name: a\n    read:\n      x: 1\n\n  # next\n  - name: b\n")
    found = config_text((path, 2), tmp_path)
    assert found is not None
    assert found.lines == ("  - name: a", "    read:", "      x: 1")
    assert (found.file, found.first) == ("odibi.yaml", 2)
    assert config_text((tmp_path / "gone.yaml", 2), tmp_path) is None
    assert config_text((path, 99), tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "—"),
        (2.2e-05, "22 µs"),
        (0.00199, "1.99 ms"),
        (0.0713, "71.3 ms"),
        (0.25, "250 ms"),
        (3.0, "3.00 s"),
        (69, "1:09"),
    ],
)
def test_fine_times(seconds: float | None, said: str) -> None:
    assert fine(seconds) == said


# In the app ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def top(
    folder: Path, tmp_path: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[None], StoryPane]]:
    app = TopApp(Options(folder / "odibi.yaml", view="story", preferences=tmp_path))
    async with app.run_test(size=size) as pilot:
        await asyncio.wait_for(settled(app, pilot), 20)
        pane = app.main.panes["story"]
        assert isinstance(pane, StoryPane)
        await read(pilot, pane)
        yield pilot, pane


async def read(pilot: Pilot[None], pane: StoryPane) -> None:
    """Wait until what is on disk about the node is shown."""
    async with asyncio.timeout(20):
        while pane.facts is None or not pane.facts.behind.loaded:
            await asyncio.sleep(0.01)
    await pilot.pause()


def screen(pilot: Pilot[None]) -> str:
    assert isinstance(pilot.app, TopApp)
    return screen_text(pilot.app)


async def test_without_a_selection_the_first_failure_is_told(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (pilot, pane):
        assert pane.key == "p.b"
        assert "─ Story  b  ✗" in screen(pilot)
        assert "why    test small failed" in screen(pilot)


async def test_keys_go_through_the_sections_and_the_section_stays(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path) as (pilot, pane):
        await pilot.press("tab", "l", "right")
        assert pane.section == "Schema"
        await pilot.press("h", "shift+tab")
        assert pane.section == "Error"
        pane.top.changed(pane.world.select("p.a"))
        await read(pilot, pane)
        assert pane.section == "Error"
        assert "No error." in screen(pilot)
        await pilot.press("shift+tab", "shift+tab")
        assert pane.section == "Drift"  # around, where no other pane is in sight
        await pilot.press("tab")
        assert pane.section == "Summary"


async def test_enter_opens_what_a_line_speaks_of(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (pilot, pane):
        await pilot.press("enter")
        assert pane.section == "Error"
        pane.show_section("Drift")
        await pilot.press("j", "enter")
        assert pane.world.run_id == Ledger(folder).resolve("last~1")


async def test_the_cursor_steps_over_empty_lines(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (pilot, pane):
        met = [pane.body.cursor or 0]
        for _ in range(pane.body.count()):
            await pilot.press("j")
            met.append(pane.body.cursor or 0)
        assert met[-1] == pane.body.count() - 1
        assert all(pane.body.page.lines[place] for place in met)


async def test_wide_tables_scroll_sideways_before_the_section_ends(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path, (40, 14)) as (pilot, pane):
        await pilot.press("left_square_bracket")
        pane.top.changed(pane.world.select("p.b"))
        await read(pilot, pane)
        pane.show_section("Profile")
        await pilot.pause()
        assert " COLUMN" in screen(pilot)
        await pilot.press("right")
        assert pane.section == "Profile"
        await pilot.pause()
        assert pane.body.scroll_offset.x == 8
        assert "DISTINCT" in screen(pilot) and " COLUMN" not in screen(pilot)
        for _ in range(8):
            await pilot.press("right")
        assert pane.section != "Profile"


async def test_what_can_be_copied(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (_, pane):
        found = dict(pane.copies())
        assert found["name"] == "p.b"
        assert "test small failed" in found["error"]
        assert found["SQL"].startswith("SELECT id, kind, id * 3 AS thrice")
        assert found["failing rows as CSV"].splitlines()[0] == "id,kind,thrice"
        assert found["YAML"].splitlines()[0].strip() == "- name: b"
        assert "why    test small failed" in found["view as text"]


async def test_the_run_is_told_when_nothing_failed(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path) as (pilot, pane):
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert pane.key is None
        said = screen(pilot)
        assert "Story  the run" in said and "3 succeeded" in said and "slowest" in said
        await pilot.press("G", "enter")
        assert pane.world.node is not None


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40)])
async def test_it_stands_in_every_size(folder: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    async with top(folder, tmp_path, size) as (pilot, pane):
        for section in SECTIONS:
            pane.show_section(section)
            await pilot.pause()
            assert section in screen(pilot)
