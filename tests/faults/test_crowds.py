"""Several processes on one project at once: real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.crowds import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_many_at_once(tmp_path: Path, name: str) -> None:
    assert CHECKS[name](tmp_path / "project") == []
