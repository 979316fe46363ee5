"""Disks that fill up, memory and time that run out, records that are damaged: all of it for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.resources import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_what_runs_out(tmp_path: Path, name: str) -> None:
    assert CHECKS[name](tmp_path / "project") == []
