"""Long running: nothing grows from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.ledger import Ledger
from tests.faults.soak import NODES, problems, soak
from tests.runner.running import project, run


def test_a_few_runs_leave_nothing_open(tmp_path: Path) -> None:
    soaked = soak(tmp_path / "project", 16)
    assert problems(soaked) == []
    assert (soaked.shown, soaked.kept) == (17, 10)


@pytest.mark.wide
def test_two_hundred_runs_leave_nothing_open(tmp_path: Path) -> None:
    soaked = soak(tmp_path / "project", 200)
    assert problems(soaked) == []


def test_retention_bounds_the_ledger(tmp_path: Path) -> None:
    story = "story: {connection: data, path: stories, retention_count: 3}\n"
    folder = project(tmp_path / "bounded", NODES, extra=story)
    ids = [run(folder).run_id for _ in range(6)]
    assert [each.run_id for each in Ledger(folder).runs()] == ids[:2:-1]
    left = {path.name for path in (folder / ".odibi" / "runs").iterdir()}
    assert left == set(ids[3:])


def test_without_a_word_on_retention_all_runs_stay(tmp_path: Path) -> None:
    folder = project(tmp_path / "free", NODES, extra="story: {connection: data, path: stories}\n")
    ids = [run(folder).run_id for _ in range(3)]
    assert {each.run_id for each in Ledger(folder).runs()} == set(ids)
