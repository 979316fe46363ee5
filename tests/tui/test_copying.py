"""What leaves the screen: copies, and the editor at the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi_tui.app import Options, TopApp
from odibi_tui.copying import editor_command
from odibi_tui.starting import screen_text, settled
from tests.runner.running import project, run

NODE = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/numbers.parquet}
"""


@pytest.mark.parametrize(
    ("editor", "command"),
    [
        ("vim", ["vim", "+12", "/p/odibi.yaml"]),
        ("", ["vi", "+12", "/p/odibi.yaml"]),
        ("emacsclient -t", ["emacsclient", "-t", "+12", "/p/odibi.yaml"]),
        ("/usr/bin/code", ["/usr/bin/code", "--wait", "--goto", "/p/odibi.yaml:12"]),
        ("hx", ["hx", "/p/odibi.yaml:12"]),
        ("'my editor'", ["my editor", "+12", "/p/odibi.yaml"]),
    ],
)
def test_an_editor_is_called_in_its_own_way(editor: str, command: list[str]) -> None:
    assert editor_command(editor, Path("/p/odibi.yaml"), 12) == command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run(project(tmp_path, NODE))
    return tmp_path


async def test_copy_by_number(folder: Path, tmp_path: Path) -> None:
    app = TopApp(Options(folder / "odibi.yaml", view="nodes", preferences=tmp_path / "prefs"))
    async with app.run_test(size=(90, 26)) as pilot:
        await settled(app, pilot)
        await pilot.press("j", "y")
        await pilot.pause()
        shown = screen_text(app)
        assert "this line" in shown
        assert "view as text" in shown
        await pilot.press("1")
        await pilot.pause()
        assert app.clipboard.startswith("✓ numbers")
        await pilot.press("y", "escape")
        assert app.main.why_not("edit.yaml") == "there is no terminal for an editor here"
        assert app.main.why_not("open.html") is None
