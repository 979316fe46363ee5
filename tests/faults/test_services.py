"""A web service in trouble gives all of its rows or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.services import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_all_rows_or_none(tmp_path: Path, name: str) -> None:
    assert CHECKS[name](tmp_path / "project") == []
