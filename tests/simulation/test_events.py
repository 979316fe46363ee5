"""Scheduled events and chaos: what they change, when, and that nothing else changes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.simulating import ID, TIME, column, described, rows

START = "2026-01-01T"


def walked(
    tmp_path: Path, event: str, base: str = "{type: constant, value: 10}", **changes: Any
) -> list[Any]:
    """Column x of entity a, one row an hour, with an event on it; `{start}` is midnight."""
    text = f"columns:\n{_indented(TIME + column(base))}scheduled_events:\n  - {event}\n"
    changes = {"timestep": "1h", "row_count": 12, **changes}
    return rows(described(text, **changes), tmp_path)["x"][: changes["row_count"]]


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("kind", ["forced_value", "setpoint_change", "parameter_override"])
def test_a_value_for_a_while(tmp_path: Path, kind: str) -> None:
    event = f'{{type: {kind}, column: x, value: 0, start_time: "{START}02:00:00Z", end_time: "{START}05:00:00Z"}}'
    assert walked(tmp_path, event) == [10, 10, 0, 0, 0] + [10] * 7


def test_from_a_time_on_and_for_one_entity(tmp_path: Path) -> None:
    event = f'{{type: setpoint_change, column: x, value: 20, entity: a, start_time: "{START}10:00:00Z"}}'
    assert walked(tmp_path, event)[-3:] == [10, 20, 20]
    other = event.replace("entity: a", "entity: b")
    assert walked(tmp_path, other) == [10] * 12


def test_a_ramp_and_what_it_reached(tmp_path: Path) -> None:
    event = f'{{type: setpoint_change, column: x, value: 30, start_time: "{START}02:00:00Z", duration: 4h, transition: ramp}}'
    assert walked(tmp_path, event) == [10, 10, 10, 15, 20, 25] + [30] * 6


def test_again_and_again(tmp_path: Path) -> None:
    event = f'{{type: forced_value, column: x, value: 0, start_time: "{START}01:00:00Z", recurrence: 4h, duration: 2h}}'
    assert walked(tmp_path, event) == [10, 0, 0, 10, 10, 0, 0, 10, 10, 0, 0, 10]
    twice = event.replace("}", ", max_occurrences: 2}")
    assert walked(tmp_path, twice) == [10, 0, 0, 10, 10, 0, 0, 10, 10, 10, 10, 10]


def test_recurrences_are_moved_by_no_more_than_their_jitter(tmp_path: Path) -> None:
    event = f'{{type: forced_value, column: x, value: 0, start_time: "{START}12:00:00Z", recurrence: 1d, duration: 1h, jitter: 2h}}'
    found = walked(tmp_path, event, timestep="1m", row_count=1440 * 30)
    begins = [n for n in range(1, len(found)) if found[n] == 0 and found[n - 1] == 10]
    offs = [begin - 1440 * day - 720 for day, begin in enumerate(begins)]
    assert len(begins) == 30 and all(-120 <= off <= 120 for off in offs)
    assert len(set(offs)) > 20 and found.count(0) == 30 * 60


def test_the_highest_priority_wins_wherever_it_stands(tmp_path: Path) -> None:
    high = (
        f'{{type: forced_value, column: x, value: 1, priority: 1, start_time: "{START}02:00:00Z"}}'
    )
    low = f'{{type: forced_value, column: x, value: 2, start_time: "{START}01:00:00Z"}}'
    for events in (f"{high}\n  - {low}", f"{low}\n  - {high}"):
        assert walked(tmp_path, events)[:4] == [10, 2, 1, 1]


COUNTING = '{type: derived, expression: "_row_index % 6"}'


def test_a_condition_of_another_column(tmp_path: Path) -> None:
    text = f"""\
columns:
{_indented(column("{type: constant, value: 10}") + column(COUNTING, "int", "n"))}\
scheduled_events:
  - {{type: forced_value, column: x, value: 0, condition: "n >= 3 and n < 5"}}
"""
    found = rows(described(text, timestep="1h", row_count=12), tmp_path)["x"][:12]
    assert found == [10, 10, 10, 0, 0, 10] * 2


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("sustain: 30m", "..........XX......XX......XX"),
        ("duration: 1h", "........XXXX....XXXX....XXXX"),
        ("duration: 90m, cooldown: 4h", "........XXXXXX..........XXXXXX"),
        ("sustain: 30m, duration: 30m, cooldown: 3h", "..........XX..............XX"),
    ],
)
def test_conditions_that_hold_a_while(tmp_path: Path, more: str, expected: str) -> None:
    """A row each quarter of an hour; the condition holds from row 8 on, four rows of eight."""
    text = f"""\
columns:
{_indented(column("{type: constant, value: 1}") + column('{type: derived, expression: "_row_index % 8 < 4 and _row_index >= 8"}', "boolean", "hot"))}\
scheduled_events:
  - {{type: forced_value, column: x, value: 0, condition: hot, {more}}}
"""
    found = rows(described(text, timestep="15m", row_count=len(expected)), tmp_path)["x"]
    said = "".join("X" if value == 0 else "." for value in found[: len(expected)])
    assert said == expected


def test_an_event_acts_on_what_its_condition_reads(tmp_path: Path) -> None:
    """A tank is drained as soon as it is over 5: the condition reads the level of the row before."""
    text = f"""\
columns:
{_indented(column('{type: derived, expression: "prev(' + "'level', 0) + 1 - drain" + '"}', name="level") + column("{type: constant, value: 0}", name="drain"))}\
scheduled_events:
  - {{type: forced_value, column: drain, value: 4, condition: "level > 5"}}
"""
    found = rows(described(text, row_count=9), tmp_path)
    assert found["level"][:9] == [1, 2, 3, 4, 5, 6, 3, 4, 5]
    assert found["drain"][:9] == [0, 0, 0, 0, 0, 0, 4, 0, 0]


def test_a_forced_walk_goes_on_where_it_would_have_been(tmp_path: Path) -> None:
    walk = "{type: random_walk, start: 50, min: 0, max: 100}"
    event = f'{{type: forced_value, column: x, value: 0, start_time: "{START}02:00:00Z", end_time: "{START}04:00:00Z"}}'
    free = rows(described(column(walk), timestep="1h", row_count=12), tmp_path)["x"][:12]
    forced = walked(tmp_path, event, walk)
    assert forced[2:4] == [0, 0] and forced[:2] + forced[4:] == free[:2] + free[4:]


def test_derived_columns_see_events(tmp_path: Path) -> None:
    text = f"""\
columns:
{_indented(column("{type: constant, value: 10}") + column('{type: derived, expression: "x * 2"}', name="y"))}\
scheduled_events:
  - {{type: forced_value, column: x, value: 0, start_time: "{START}00:05:00Z"}}
"""
    assert rows(described(text, row_count=3), tmp_path)["y"][:3] == [20, 0, 0]


# Chaos


PLAIN = (
    ID
    + TIME
    + column("{type: constant, value: 10}")
    + column("{type: constant, value: 10}", "int", "n")
)


def chaotic(tmp_path: Path, chaos: str, **changes: Any) -> dict[str, list[Any]]:
    text = f"columns:\n{_indented(PLAIN)}chaos: {chaos}\n"
    return rows(described(text, **changes), tmp_path)


def test_outliers(tmp_path: Path) -> None:
    found = chaotic(tmp_path, "{outlier_rate: 0.05, outlier_factor: 3}", row_count=5000)
    for name in ("x", "n"):
        assert set(found[name]) == {10, 30}
        assert found[name].count(30) / 10_000 == pytest.approx(0.05, abs=0.01)
    assert set(found["id"]) == {"a", "b"}
    both = sum(x == 30 and n == 30 for x, n in zip(found["x"], found["n"], strict=True))
    assert both < 60  # each column has outliers of its own


def test_rows_that_come_twice(tmp_path: Path) -> None:
    found = chaotic(tmp_path, "{duplicate_rate: 0.02}", row_count=5000)
    seen = Counter(zip(found["id"], found["at"], strict=True))
    assert set(seen.values()) == {1, 2} and len(seen) == 10_000
    assert sum(n == 2 for n in seen.values()) / 10_000 == pytest.approx(0.02, abs=0.005)


def test_times_without_rows(tmp_path: Path) -> None:
    down = f'{{downtime_events: [{{entity: a, start_time: "{START}00:10:00Z", end_time: "{START}00:20:00Z"}}, {{start_time: "{START}00:25:00Z", end_time: "{START}00:30:00Z"}}]}}'
    found = chaotic(tmp_path, down, row_count=7)
    minutes = {
        name: [at.minute for who, at in zip(found["id"], found["at"], strict=True) if who == name]
        for name in "ab"
    }
    assert minutes == {"a": [0, 5, 20, 30], "b": [0, 5, 10, 15, 20, 30]}
    assert found["at"][0] == datetime(2026, 1, 1)
