"""Laws of simulated sources: the same seed, the same rows, in any parts and with any company."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.config.simulation_options import Simulation
from odibi.simulation.plan import mistakes
from odibi_engines.simulation import landing
from tests.simulation.simulating import described, rows

PLANT = """\
columns:
  - {name: id, data_type: string, generator: {type: constant, value: "{entity_id}"}}
  - {name: at, data_type: timestamp, generator: {type: timestamp}}
  - {name: n, data_type: int, generator: {type: sequential, unique_across_entities: false}}
  - {name: power, data_type: float, null_rate: 0.1, generator: {type: range, min: 0, max: 9}}
  - {name: load, data_type: float, generator: {type: daily_profile, min: 0, max: 50, noise: 1, volatility: 2, profile: {"00:00": 5, "08:00": 40}}}
  - {name: wander, data_type: float, generator: {type: random_walk, start: 5, min: 0, max: 10, shock_rate: 0.1, mean_reversion: 0.1, mean_reversion_to: load}}
  - {name: level, data_type: float, generator: {type: derived, expression: "max(0, prev('level', 50) + coalesce(power, 0) - drain + random())"}}
  - {name: drain, data_type: float, generator: {type: derived, expression: "pid(pv=prev('level', 50), sp=40, Kp=-0.5, Ki=-0.01, dt=5, output_max=20)"}}
  - {name: smooth, data_type: float, generator: {type: derived, expression: "ema('wander', 0.3) + delay('power', 3, 0)"}}
  - {name: kind, data_type: categorical, generator: {type: categorical, values: [x, y, z]}}
  - {name: key, data_type: string, generator: {type: uuid}}
scheduled_events:
  - {type: forced_value, column: wander, value: 0, condition: "level > 45", sustain: 10m, duration: 15m, cooldown: 1h}
  - {type: setpoint_change, column: load, value: 9, start_time: "2026-01-01T01:00:00Z", recurrence: 2h, duration: 30m, jitter: 20m, transition: ramp}
chaos: {outlier_rate: 0.02, duplicate_rate: 0.05, downtime_events: [{start_time: "2026-01-01T00:30:00Z", end_time: "2026-01-01T00:50:00Z"}]}
"""


def by_entity(found: dict[str, list[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of each entity, in their order."""
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for row in zip(*found.values(), strict=True):
        parts.setdefault(row[0], []).append(row)
    return parts


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        rows(described(PLANT), tmp_path / name)
    one, two = ((tmp_path / name / "rows.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
    other = rows(described(PLANT, seed=43), tmp_path)
    assert other["power"] != pq.read_table(tmp_path / "one" / "rows.parquet")["power"].to_pylist()


def test_rows_made_today_are_those_of_every_day(tmp_path: Path) -> None:
    """Values that must never change: people have tables made of them."""
    found = rows(described(PLANT, names=["a"], row_count=2), tmp_path)
    assert found["power"] == pytest.approx(
        [1.9458088784639207, 4.822483894136336, 4.822483894136336]
    )
    assert found["wander"] == pytest.approx([5.0, 5.634112543278685, 5.634112543278685])
    assert found["kind"] == ["x", "y", "y"]
    assert found["key"][:2] == [
        "5c95bc84-51a4-4f6d-b65d-6642be519fd8",
        "e5902d3e-12d6-4410-a596-7ada9ac5ea8a",
    ]


def test_another_entity_changes_nothing(tmp_path: Path) -> None:
    two = by_entity(rows(described(PLANT, names=["a", "b"]), tmp_path))
    three = by_entity(rows(described(PLANT, names=["c", "a", "b"]), tmp_path))
    assert two == {name: three[name] for name in ("a", "b")}


def test_another_column_changes_nothing(tmp_path: Path) -> None:
    plain = rows(described(PLANT), tmp_path)
    simulation = described(PLANT)
    more = simulation.columns[3].model_copy(update={"name": "more"})
    with_more = simulation.model_copy(update={"columns": [more, *simulation.columns]})
    found = rows(with_more, tmp_path)
    assert {name: found[name] for name in plain} == plain


def in_parts(simulation: Simulation, counts: list[int], folder: Path) -> dict[str, list[Any]]:
    """Rows of several runs after one another, each going on from what the one before left."""
    since: str | None = None
    memory: dict[str, Any] = {}
    found: dict[str, list[Any]] = {}
    for count in counts:
        part = simulation.model_copy(
            update={"scope": simulation.scope.model_copy(update={"row_count": count})}
        )
        file = folder / "part.parquet"
        landed = landing.land(part, file, since=since, memory=memory, goes_on=True)
        since, memory = landed.next, json.loads(json.dumps(landed.memory))
        for name, values in pq.read_table(file).to_pydict().items():
            found.setdefault(name, []).extend(values)
    return found


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=4))
def test_runs_in_parts_are_one_run(tmp_path: Path, counts: list[int]) -> None:
    whole = by_entity(in_parts(described(PLANT), [sum(counts)], tmp_path))
    assert by_entity(in_parts(described(PLANT), counts, tmp_path)) == whole


def test_blocks_are_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = by_entity(rows(described(PLANT), tmp_path))
    monkeypatch.setattr(landing, "_ROWS", 50)
    assert by_entity(rows(described(PLANT), tmp_path)) == whole


def test_sequences_go_on_without_a_number_twice(tmp_path: Path) -> None:
    text = "- {name: n, data_type: int, generator: {type: sequential}}"
    found = in_parts(described(text), [3, 4, 2], tmp_path)["n"]
    assert sorted(found) == list(range(1, 19))


def test_an_end_is_an_end(tmp_path: Path) -> None:
    simulation = described(PLANT, row_count=None, end_time="2026-01-01T01:00:00Z")
    file = tmp_path / "rows.parquet"
    first = landing.land(simulation, file, goes_on=True)
    assert (first.next, first.rows > 0) == ("2026-01-01T01:00:00Z", True)
    again = landing.land(simulation, file, since=first.next, memory=first.memory, goes_on=True)
    assert (again.next, again.rows) == (first.next, 0)
    assert pq.read_table(file).column_names[:3] == ["id", "at", "n"]


# Mistakes


def said(text: str, **changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(mistake.path, mistake.message) for mistake in mistakes(described(text, **changes))]


def derived(expression: str, kind: str = "float") -> str:
    return f'- {{name: x, data_type: {kind}, generator: {{type: derived, expression: "{expression}"}}}}\n'


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (derived("y + 1"), ("columns", 0, "generator", "expression"), "unknown column 'y'"),
        (
            derived("x + 1"),
            ("columns",),
            "column 'x' needs itself; its earlier value is prev('x', …)",
        ),
        (derived("ema('x', 0.1)"), ("columns",), "column 'x' needs itself"),
        (derived("c.x"), ("columns", 0, "generator", "expression"), "unknown entity 'c'"),
        (derived("a.y"), ("columns", 0, "generator", "expression"), "unknown column 'y'"),
        (derived("a.x + b.x"), ("columns",), "entities need each other: a → b → a"),
        (derived("prev('y')"), ("columns", 0, "generator", "expression"), "unknown column 'y'"),
        (derived("1 +"), ("columns", 0, "generator", "expression"), "expected a value"),
        (derived("1") * 2, ("columns", 1, "name"), "column 'x' is there twice"),
        (
            "- {name: x, data_type: string, generator: {type: range, min: 0, max: 1}}",
            ("columns", 0, "generator"),
            "a range column is float or int, not string",
        ),
        (
            "- {name: x, data_type: int, generator: {type: constant, value: 1}, entity_overrides: {c: {type: constant, value: 2}}}",
            ("columns", 0, "entity_overrides", "c"),
            "unknown entity 'c'",
        ),
        (
            f"columns:\n  {derived('1')}scheduled_events: [{{type: forced_value, column: y, value: 1, condition: 'x > z'}}]",
            ("scheduled_events", 0, "column"),
            "unknown column 'y'",
        ),
        (
            f"columns:\n  {derived('1')}chaos: {{downtime_events: [{{entity: q, start_time: '2026-01-01', end_time: '2026-01-02'}}]}}",
            ("chaos", "downtime_events", 0, "entity"),
            "unknown entity 'q'",
        ),
    ],
)
def test_mistakes_are_told_where_they_are(text: str, path: tuple[Any, ...], words: str) -> None:
    found = said(text)
    assert found[0][0] == path
    assert words in found[0][1]


def test_two_columns_in_a_circle() -> None:
    text = derived("y") + derived("x").replace("name: x", "name: y")
    assert "columns 'x' and 'y' need each other in the same row" in said(text)[0][1]
    open_ = derived("prev('y', 0) + 1") + derived("x").replace("name: x", "name: y")
    assert said(open_) == []
