"""What is hostile stays data, and what is secret stays inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_hostile_input(tmp_path: Path, name: str) -> None:
    assert CHECKS[name](tmp_path / "project") == []
