"""What leaves the screen: copies, and the editor at the right line."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from odibi_tui.app import Options, TopApp
from odibi_tui.copying import copied, editor_command
from odibi_tui.starting import screen_text, settled
from perf.terminal import Terminal
from tests.runner.running import project, run

NODE = """
- name: numbers
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/numbers.parquet}
- name: again
  depends_on: [numbers]
  transform: {steps: ["SELECT * FROM numbers"]}
"""


@pytest.mark.parametrize(
    ("editor", "command"),
    [
        ("vim", ["vim", "+12", "/p/odibi.yaml"]),
        ("", ["vi", "+12", "/p/odibi.yaml"]),
        ("emacsclient -t", ["emacsclient", "-t", "+12", "/p/odibi.yaml"]),
        ("/usr/bin/code", ["/usr/bin/code", "--wait", "--goto", "/p/odibi.yaml:12"]),
        ("nvim", ["nvim", "+12", "/p/odibi.yaml"]),
        ("nano -w", ["nano", "-w", "+12", "/p/odibi.yaml"]),
        ("zed", ["zed", "/p/odibi.yaml:12"]),
        ("subl -w", ["subl", "-w", "/p/odibi.yaml:12"]),
        ("hx", ["hx", "/p/odibi.yaml:12"]),
        ("'my editor'", ["my editor", "+12", "/p/odibi.yaml"]),
    ],
)
def test_an_editor_is_called_in_its_own_way(editor: str, command: list[str]) -> None:
    assert editor_command(editor, Path("/p/odibi.yaml"), 12) == command


@pytest.mark.parametrize(
    ("text", "said"),
    [("a", "copied: SQL"), ("", "copied: SQL"), ("a\nb\n", "copied 2 lines: SQL")],
)
def test_what_was_copied_is_said(text: str, said: str) -> None:
    assert copied(("SQL", text)) == said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run(project(tmp_path, NODE))
    return tmp_path


async def appears(app: TopApp, pilot: Pilot[None], text: str) -> bool:
    """Whether the text comes on the screen: what is said there slides in a little later."""
    for _ in range(200):
        if text in screen_text(app):
            return True
        await pilot.pause(0.02)
    return False


async def test_copy_by_number(folder: Path, tmp_path: Path) -> None:
    app = TopApp(Options(folder / "odibi.yaml", view="nodes", preferences=tmp_path / "prefs"))
    async with app.run_test(size=(90, 26), notifications=True) as pilot:
        await settled(app, pilot)
        await pilot.press("y")
        await pilot.pause()
        shown = screen_text(app)
        assert "this line" in shown
        assert "view as text" in shown
        await pilot.press("1")
        await pilot.pause()
        assert app.clipboard.startswith("✓ numbers")
        await pilot.press("y", "2")
        await pilot.pause()
        lines = app.clipboard.splitlines()
        assert [name for name in ("numbers", "again") if name in app.clipboard] == [
            "numbers",
            "again",
        ]
        assert await appears(app, pilot, f"copied {len(lines)} lines: view as text")
        await pilot.press("y", "escape")
        assert app.main.why_not("edit.yaml") == "there is no terminal for an editor here"
        assert app.main.why_not("open.html") is None


async def test_where_the_story_is_until_there_are_pages(folder: Path, tmp_path: Path) -> None:
    app = TopApp(Options(folder / "odibi.yaml", preferences=tmp_path / "prefs"))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(app, pilot)
        await pilot.press("O")
        assert await appears(app, pilot, f"odibi story show {app.world.run_id}")
        assert await appears(app, pilot, "HTML pages come with a later release")


def said_by(path: Path) -> str:
    return (path.read_text() if path.exists() else "") or "none yet"


def test_the_editor_gets_the_terminal_and_the_line_of_the_node(folder: Path) -> None:
    """In a terminal of its own: the editor ends, and the screen is there again."""
    editor = folder / "editor"
    editor.write_text('#!/bin/sh\necho "$@" > called\n')
    editor.chmod(0o755)
    command = [sys.executable, "-m", "odibi", "top", "--view", "nodes"]
    terminal = Terminal(["env", f"VISUAL={editor}", *command], folder, 90, 26)
    try:
        terminal.wait_for("numbers")
        deadline = time.monotonic() + 30
        # before the project is read no node is known, and the file opens at its beginning
        while (called := said_by(folder / "called")).startswith(("+1 ", "none")):
            assert time.monotonic() < deadline, terminal.text()
            terminal.type("o")
            terminal.read(0.5)
        terminal.type("?")
        terminal.wait_for("Sort by the next column", 30)
    finally:
        terminal.close()
    line, path = called.split()
    text = (folder / "odibi.yaml").read_text().splitlines()
    assert path == str(folder / "odibi.yaml")
    assert "name: numbers" in text[int(line.removeprefix("+")) - 1]


def test_more_than_terminals_take_is_said() -> None:
    assert copied(("rows", "x" * 100_000)) == (
        "copied: rows, 97.7 KiB; some terminals take no more than 74.0 KiB"
    )


def test_an_editor_with_a_quote_left_open_is_a_name() -> None:
    assert editor_command("it's", Path("f"), 1) == ["it's", "+1", "f"]
