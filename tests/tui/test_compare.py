"""Two runs compared: what differs, said as it is, and the keys that lead there and away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from odibi.ledger import Ledger
from odibi_tui.app import Options, TopApp
from odibi_tui.comparison import Comparison, as_markdown, compared, detail, row, table_head
from odibi_tui.paint import plain
from odibi_tui.panes.compare import ComparePane
from odibi_tui.starting import screen_text, settled
from odibi_tui.story_page import Look
from odibi_tui.story_sections.drift import text_diff
from tests.runner.running import project, run

NODES = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT id, kind FROM a WHERE id < 6"]}
  write: {connection: data, format: parquet, path: out/b.parquet}
- name: c
  depends_on: [b]
  write: {connection: data, format: parquet, path: out/c.parquet}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, oldest first: good; good with another SQL; failed."""
    made = project(tmp_path_factory.mktemp("compare"), NODES)
    run(made)
    project(made, NODES.replace("id, kind FROM a WHERE id < 6", "id FROM a WHERE id < 3"))
    run(made)
    project(made, NODES.replace("FROM a WHERE", "FROM a WHERE gone AND"))
    run(made)
    return made


def comparison(folder: Path, before: str, after: str) -> Comparison:
    ledger = Ledger(folder)
    return compared(*(ledger.state(ledger.resolve(name)) for name in (before, after)))


def test_what_a_partial_run_was_not_asked_for_is_no_difference(tmp_path: Path) -> None:
    made = project(tmp_path, NODES)
    run(made)
    run(made, select=("a",))
    found = {node.key: node.changed for node in comparison(made, "last~1", "last").nodes}
    assert found["p.b"] == found["p.c"] == ()


def test_a_node_that_the_project_lost_is_only_in_one_run(tmp_path: Path) -> None:
    made = project(tmp_path, NODES)
    run(made)
    project(made, NODES[: NODES.index("- name: c")])
    run(made)
    found = {node.key: node.changed for node in comparison(made, "last~1", "last").nodes}
    assert found["p.c"] == ("only in A",)


def test_what_differs(folder: Path) -> None:
    found = {node.key: node.changed for node in comparison(folder, "last~2", "last~1").nodes}
    assert found["p.a"] == ()
    assert found["p.b"] == ("rows", "schema", "sql")
    assert found["p.c"] == ("rows", "schema", "input")


def test_a_run_against_itself(folder: Path) -> None:
    assert comparison(folder, "last", "last").differing == ()


def test_the_other_way_round_the_same_nodes_differ(folder: Path) -> None:
    there = comparison(folder, "last~2", "last").differing
    back = comparison(folder, "last", "last~2").differing
    assert {node.key for node in there} == {node.key for node in back}


def test_detail_says_how(folder: Path) -> None:
    b = comparison(folder, "last~2", "last~1").differing[0]
    said = "\n".join(plain(line) for line in detail(b, Look(78)))
    assert "- kind BIGINT" in said
    assert "- SELECT id, kind FROM a WHERE id < 6" in said
    assert "+ SELECT id FROM a WHERE id < 3" in said
    failed = comparison(folder, "last~2", "last").differing
    said = "\n".join(plain(line) for line in detail(failed[0], Look(78)))
    assert "✓ succeeded → ✗ failed" in said and "gone" in said
    assert [node.diff.status for node in failed] == [
        ("succeeded", "failed"),
        ("succeeded", "skipped"),
    ]


@pytest.mark.parametrize("cells", [40, 79, 119, 199])
def test_rows_stand_below_their_headings(folder: Path, cells: int) -> None:
    found = comparison(folder, "last~2", "last~1").differing
    head = table_head(cells)
    line = plain(row(found[0], "b", cells, Look(cells)))
    place = plain(head).index("ROWS B") + len("ROWS B")
    assert line[place - 2 : place] == " 3"
    assert line[plain(head).index("CHANGED") :] == "rows schema sql"


def test_markdown(folder: Path) -> None:
    found = comparison(folder, "last~2", "last~1")
    lines = as_markdown(found, ["b", "c"]).splitlines()
    assert lines[4] == "| b | succeeded | succeeded | 6 | 3 | rows schema sql |"


@given(st.lists(st.sampled_from("ab")), st.lists(st.sampled_from("ab")))
def test_a_difference_of_texts_is_empty_only_for_equal_ones(old: list[str], new: list[str]) -> None:
    lines = list(text_diff("\n".join(old), "\n".join(new)))
    assert bool(lines) == (old != new)


@asynccontextmanager
async def top(folder: Path, tmp_path: Path, view: str) -> AsyncIterator[Pilot[None]]:
    app = TopApp(Options(folder / "odibi.yaml", view=view, preferences=tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await asyncio.wait_for(settled(app, pilot), 20)
        yield pilot


async def shown(pilot: Pilot[None]) -> ComparePane:
    """The compare pane once it has compared."""
    app = pilot.app
    assert isinstance(app, TopApp)
    async with asyncio.timeout(20):
        while not isinstance(pane := app.main.panes.get("compare"), ComparePane) or not pane.found:
            await asyncio.sleep(0.01)
    await pilot.pause()
    return pane


def said(pilot: Pilot[None]) -> str:
    assert isinstance(pilot.app, TopApp)
    return screen_text(pilot.app)


async def test_a_failed_run_meets_the_last_good_one(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "story") as pilot:
        await pilot.press("c")
        pane = await shown(pilot)
        ledger = Ledger(folder)
        assert pane.world.compare == (ledger.resolve("last~1"), ledger.resolve("last"))
        assert "2 of 3 nodes differ" in said(pilot)
        await pilot.press("escape")
        assert pane.world.compare is None
        assert pane.top.main.view == "story"


async def test_first_a_then_b_then_swapped(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "story") as pilot:
        await pilot.press("left_square_bracket", "left_square_bracket", "c")
        await pilot.press("right_square_bracket", "c")
        pane = await shown(pilot)
        ledger = Ledger(folder)
        first, second = ledger.resolve("last~2"), ledger.resolve("last~1")
        assert pane.world.compare == (first, second)
        await pilot.press("tab")
        await shown(pilot)
        assert pane.world.compare == (second, first)
        assert pane.found is not None and pane.found.before.run_id == second


async def test_all_nodes_and_the_story_of_one(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "story") as pilot:
        await pilot.press("c")
        pane = await shown(pilot)
        assert [node.key for node in pane.nodes] == ["p.b", "p.c"]
        await pilot.press("v")
        assert [node.key for node in pane.nodes] == ["p.a", "p.b", "p.c"]
        assert pane.chosen is not None and pane.chosen.key == "p.b"
        await pilot.press("j", "enter")
        assert pane.world.node == "p.c"
        assert pane.top.main.view == "story"
        assert dict(pane.copies())["name"] == "p.c"


async def test_the_filter_narrows_it_and_esc_clears_the_filter_first(
    folder: Path, tmp_path: Path
) -> None:
    async with top(folder, tmp_path, "story") as pilot:
        await pilot.press("c")
        pane = await shown(pilot)
        assert " COMPARE" in said(pilot)
        await pilot.press("slash", *"p.c", "enter")
        assert [node.key for node in pane.nodes] == ["p.c"]
        assert "1 match p.c" in said(pilot)
        await pilot.press("slash", *"x", "enter")
        assert "matches `p.cx`" in said(pilot)
        await pilot.press("escape")
        assert len(pane.nodes) == 2 and pane.world.compare is not None
        await pilot.press("escape")
        assert pane.world.compare is None


def test_nodes_that_only_one_run_knows_are_counted(tmp_path: Path) -> None:
    made = project(tmp_path, NODES)
    run(made)
    run(made, select=("a",))
    assert comparison(made, "last~1", "last").only_in_one() == (2, 0)
    assert comparison(made, "last", "last~1").only_in_one() == (0, 2)


async def test_the_same_run_twice_unmarks_it(folder: Path, tmp_path: Path) -> None:
    async with top(folder, tmp_path, "story") as pilot:
        assert isinstance(pilot.app, TopApp)
        await pilot.press("left_square_bracket", "c")
        assert pilot.app.world.compare_from == pilot.app.world.run_id
        await pilot.press("c")
        assert pilot.app.world.compare_from is None
        assert pilot.app.world.compare is None
