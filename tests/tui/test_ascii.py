"""`--ascii`: nothing but ASCII on any screen whose data is ASCII."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi_tui.paint import in_ascii, plain
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


def test_signs_keep_their_cells() -> None:
    line = (("─ a … b → c ", "text"), ("▁▄█", "dim"))
    assert plain(in_ascii(line)) == "- a ~ b > c _.#"
