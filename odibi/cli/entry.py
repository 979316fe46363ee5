"""The entry point of `odibi`: the screen that people open all day starts without the command line library."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["top"]:
        _top()
    from odibi.cli.main import main as commands

    commands()


def _top() -> None:
    """`odibi top` without options, as the command of that name does it; typer costs 60 ms of CPU."""
    from odibi.cli.exits import reported
    from odibi.discovery import find_project

    with reported():
        path = find_project(None)
        from odibi_tui.app import Options
        from odibi_tui.starting import main as top

        raise SystemExit(top(Options(path)))
