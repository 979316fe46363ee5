"""Projects for the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import odibi


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A fresh project of two nodes, as `odibi init` makes it."""
    folder = tmp_path / "hello"
    assert odibi("init", folder, cwd=tmp_path).code == 0
    return folder


@pytest.fixture
def medallion(tmp_path: Path) -> Path:
    """A fresh project with bronze, silver and gold, as `odibi init` makes it."""
    folder = tmp_path / "shop"
    assert odibi("init", folder, "--template", "medallion", cwd=tmp_path).code == 0
    return folder
