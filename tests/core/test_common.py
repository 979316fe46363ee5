"""The project is found where a person expects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.cli.common import find_project, open_ledger
from odibi.errors import UsageError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "shop" / "odibi.yaml"
    (path.parent / "sql" / "deep").mkdir(parents=True)
    path.write_text("project: Shop\n")
    return path


@pytest.mark.parametrize("place", ["shop", "shop/odibi.yaml"])
def test_a_folder_or_a_file(project: Path, place: str) -> None:
    assert find_project(project.parent.parent / place) == project


@pytest.mark.parametrize("folder", [".", "sql/deep"])
def test_from_here_upwards(project: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent / folder)
    assert find_project(None) == project
    assert open_ledger(None).root == project.parent


def test_no_project_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no odibi\.yaml here or above") as none:
        find_project(None)
    assert none.value.hint is not None and "odibi init" in none.value.hint
    (tmp_path / "other.yml").write_text("project: Other\n")
    with pytest.raises(UsageError) as other:
        find_project(tmp_path)
    assert "--project other.yml" in str(other.value.hint)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_project(tmp_path / "nowhere")
