"""`--ascii`: nothing but ASCII on any screen whose data is ASCII."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.segment import Segment
from textual.color import Color

from odibi_tui.ascii_filter import AsciiFilter
from odibi_tui.screen import PANES
from odibi_tui.starting import screen_text
from tests.tui.recordings import app_of, recorded_app

SIZES = ((80, 24), (120, 40), (200, 60))


@pytest.mark.parametrize("size", SIZES)
async def test_every_view_is_ascii(tmp_path: Path, size: tuple[int, int]) -> None:
    async with recorded_app(tmp_path, size, ascii=True) as pilot:
        for view in PANES:
            await app_of(pilot).main.show_view(view)
            await pilot.pause()
            shown = screen_text(app_of(pilot))
            assert {sign for sign in shown if not sign.isascii()} == set(), view


DIALOGS = (
    ("question_mark",),
    ("ctrl+p",),
    ("ctrl+p", *"theme"),
    ("r",),
    ("R",),
    ("x",),
    ("slash", *"s:failed"),
    ("colon",),
    ("t",),
    ("i",),
    ("P",),
    ("X",),
)


@pytest.mark.parametrize("keys", DIALOGS, ids=" ".join)
@pytest.mark.parametrize("size", SIZES[:2])
async def test_dialogs_palette_and_prompt_are_ascii(
    tmp_path: Path, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    async with recorded_app(tmp_path, size, ascii=True) as pilot:
        await pilot.press("j", *keys)
        await pilot.pause(0.3)
        shown = screen_text(app_of(pilot))
        assert {sign for sign in shown if not sign.isascii()} == set()


async def test_toasts_are_ascii(tmp_path: Path) -> None:
    async with recorded_app(tmp_path, SIZES[0], ascii=True, toasts=True) as pilot:
        app_of(pilot).notify("something was copied", title="copied", severity="error")
        await pilot.pause(0.1)
        shown = screen_text(app_of(pilot))
        assert "something was copied" in shown
        assert shown.isascii()


def test_signs_keep_their_cells() -> None:
    signs = Segment("─ a … b → c ▁▄█ 🔎x é")
    (drawn,) = AsciiFilter().apply([signs], Color(0, 0, 0))
    assert drawn.text == "- a ~ b > c _.# ? x é"
    assert drawn.cell_length == signs.cell_length
