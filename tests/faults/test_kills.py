"""Kill -9 of real runs: a few of all the places here, more in the wide tests, each with `make faults EVERY=1`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import kills
from tests.faults.kills import Kind, Stage
from tests.faults.victim import Victims

_EVENTS = (2, 24, 333)
_STEPS = (61, 101, 150)


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as server:
        yield server


@pytest.fixture(scope="module")
def stage(victims: Victims, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return kills.prepare(tmp_path_factory.mktemp("killed"), victims)


def check(
    stage: Stage, victims: Victims, folder: Path, kind: Kind, places: range | tuple[int, ...]
) -> None:
    found = list(kills.trials(stage, victims, folder, kind, places))
    assert [trial for trial in found if trial.problems] == []
    assert sum(trial.lost + trial.doubled for trial in found) == 0


def test_the_undisturbed_run_writes_what_it_should(stage: Stage) -> None:
    rows = {name: len(found) for name, found in stage.after.items()}
    assert rows == {
        "source.parquet": 54, "rejected.parquet": 12, "lines.csv": 57, "bad_lines.parquet": 6,
        "over_delta": 54, "over_parts": 54, "over_json.json": 54, "add_parquet.parquet": 108,
        "add_parts": 108, "add_csv.csv": 108, "add_delta": 108, "up_parquet.parquet": 81,
        "up_delta": 81, "once_parquet.parquet": 81, "once_delta": 81, "merge_parquet.parquet": 81,
        "merge_delta": 81, "scd2_parquet.parquet": 108, "scd2_delta": 108,
        "sums_parquet.parquet": 3, "sums_delta": 3, "load.parquet": 90, "load_delta": 90,
    }  # fmt: skip


def test_a_kill_after_an_event_costs_nothing(
    stage: Stage, victims: Victims, tmp_path: Path
) -> None:
    check(stage, victims, tmp_path, "event", _EVENTS)


def test_a_kill_before_a_file_operation_costs_nothing(
    stage: Stage, victims: Victims, tmp_path: Path
) -> None:
    check(stage, victims, tmp_path, "step", _STEPS)


def test_a_kill_at_any_moment_costs_nothing(stage: Stage, victims: Victims, tmp_path: Path) -> None:
    check(stage, victims, tmp_path, "moment", (1, 3))


@pytest.mark.parametrize(("kind", "places"), [("broken event", (95,)), ("broken step", (40, 90))])
def test_a_node_that_is_tried_again_writes_once(
    stage: Stage, victims: Victims, tmp_path: Path, kind: Kind, places: tuple[int, ...]
) -> None:
    found = list(kills.trials(stage, victims, tmp_path, kind, places))
    assert [trial for trial in found if trial.problems] == []
    retried = [trial.retried for trial in found]
    assert 1 in retried and max(retried) == 1  # some cleaning up may fail and nobody minds


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["event", "step", "moment", "broken event", "broken step"])
@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_kills_all_over_a_run_cost_nothing(
    victims: Victims, tmp_path: Path, engine: str, kind: Kind
) -> None:
    stage = kills.prepare(tmp_path, victims, engine)
    places = {
        "event": range(1, stage.measured.events, 9),
        "step": range(1, stage.measured.steps, 5),
        "moment": range(10, 40),
        "broken event": range(20, stage.measured.events, 13),
        "broken step": range(1, stage.measured.steps, 9),
    }
    check(stage, victims, tmp_path, kind, places[kind])
