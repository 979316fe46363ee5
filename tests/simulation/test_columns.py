"""Generators one by one: stated values where they are stated, bounds and rates where they are chance."""

from __future__ import annotations

import ipaddress
import re
import statistics
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from odibi.errors import EngineError
from tests.simulation.simulating import ID, TIME, column, described, rows


def values(tmp_path: Path, text: str, kind: str = "float", **changes: Any) -> list[Any]:
    return rows(described(column(text, kind), **changes), tmp_path)["x"]


def test_times_and_names(tmp_path: Path) -> None:
    found = rows(described(ID + TIME, row_count=3), tmp_path)
    start = datetime(2026, 1, 1)
    assert found["id"] == ["a"] * 3 + ["b"] * 3
    assert found["at"] == [start + timedelta(minutes=5) * n for n in range(3)] * 2


def test_the_end_is_before_end_time(tmp_path: Path) -> None:
    simulation = described(TIME, row_count=None, end_time="2026-01-02T00:00:00Z")
    assert len(rows(simulation, tmp_path)["at"]) == 2 * 288
    uneven = described(TIME, row_count=None, end_time="2026-01-01T00:07:00Z")
    assert rows(uneven, tmp_path)["at"][:2] == [datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 5)]


def test_numbered_entities(tmp_path: Path) -> None:
    found = rows(described(ID, count=100, id_prefix="pump_", row_count=1), tmp_path)["id"]
    assert found[0] == "pump_01" and found[9] == "pump_10" and found[99] == "pump_100"
    simulation = described(ID, count=2, id_format="uuid", row_count=1)
    names = rows(simulation, tmp_path)["id"]
    assert all(re.fullmatch(r"entity_[0-9a-f]{8}", name) for name in names) and len(set(names)) == 2


def test_uniform_numbers(tmp_path: Path) -> None:
    found = values(tmp_path, "{type: range, min: 20, max: 30}", row_count=5000)
    assert 20 <= min(found) < 20.01 and 29.99 < max(found) < 30
    assert statistics.mean(found) == pytest.approx(25, abs=0.1)
    whole = values(tmp_path, "{type: range, min: 1, max: 6}", "int", row_count=3000)
    assert {n: round(whole.count(n) / 6000, 1) for n in range(1, 7)} == dict.fromkeys(
        range(1, 7), 0.2
    )


def test_normal_numbers(tmp_path: Path) -> None:
    text = "{type: range, min: 85, max: 100, distribution: normal, mean: 96, std_dev: 2.5}"
    found = values(tmp_path, text, row_count=5000)
    inside = [x for x in found if 85 < x < 100]
    assert min(found) >= 85 and max(found) <= 100
    assert statistics.median(found) == pytest.approx(96, abs=0.1)
    assert sum(93.5 < x < 98.5 for x in inside) / len(found) == pytest.approx(0.683, abs=0.02)


def test_categories_by_weight(tmp_path: Path) -> None:
    text = "{type: categorical, values: [Running, Idle, null], weights: [0.75, 0.2, 0.05]}"
    found = values(tmp_path, text, "categorical", row_count=5000)
    shares = [found.count(value) / len(found) for value in ("Running", "Idle", None)]
    assert shares == pytest.approx([0.75, 0.2, 0.05], abs=0.02)
    assert set(values(tmp_path, "{type: categorical, values: [1, 2]}", "int")) == {1, 2}


def test_booleans(tmp_path: Path) -> None:
    found = values(tmp_path, "{type: boolean, true_probability: 0.98}", "boolean", row_count=5000)
    assert found.count(True) / len(found) == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: sequential}", [1, 2, 3, 4, 5, 6]),
        ("{type: sequential, start: 1000, step: 10}", [1000, 1010, 1020, 1030, 1040, 1050]),
        ("{type: sequential, unique_across_entities: false}", [1, 2, 3, 1, 2, 3]),
    ],
)
def test_sequences(tmp_path: Path, text: str, expected: list[int]) -> None:
    assert values(tmp_path, text, "int", row_count=3) == expected


def test_constants(tmp_path: Path) -> None:
    text = '{type: constant, value: "{entity_id}/{entity_index}/{row_number}/{timestamp}"}'
    found = values(tmp_path, text, "string", row_count=2)
    assert found[0] == "a/0/0/2026-01-01T00:00:00Z"
    assert found[3] == "b/1/1/2026-01-01T00:05:00Z"
    assert values(tmp_path, "{type: constant, value: 75}", row_count=1) == [75.0, 75.0]
    assert values(tmp_path, "{type: constant, value: null}", row_count=1) == [None, None]
    time = values(tmp_path, "{type: constant, value: '2026-02-03T01:00:00+01:00'}", "timestamp")
    assert time[0] == datetime(2026, 2, 3)


def test_uuids(tmp_path: Path) -> None:
    found = values(tmp_path, "{type: uuid}", "string")
    assert len(set(found)) == 576
    assert {uuid.UUID(text).version for text in found} == {4}
    assert {str(uuid.UUID(text).variant) for text in found} == {"specified in RFC 4122"}
    five = values(
        tmp_path, "{type: uuid, version: 5, namespace: com.factory}", "string", row_count=2
    )
    space = uuid.uuid5(uuid.NAMESPACE_DNS, "com.factory")
    assert five == [str(uuid.uuid5(space, name)) for name in ("a_0", "a_1", "b_0", "b_1")]


def test_addresses(tmp_path: Path) -> None:
    mails = values(tmp_path, "{type: email, domain: acme.com}", "string", row_count=2)
    assert mails == ["a_0@acme.com", "a_1@acme.com", "b_0@acme.com", "b_1@acme.com"]
    text = '{type: email, pattern: "user_{row}"}'
    assert values(tmp_path, text, "string", row_count=1)[0] == "user_0@example.com"
    network = ipaddress.IPv4Network("10.0.1.0/24")
    found = values(tmp_path, "{type: ipv4, subnet: 10.0.1.0/24}", "string")
    assert all(ipaddress.IPv4Address(text) in network for text in found)
    assert len(set(found)) > 200 and not {"10.0.1.0", "10.0.1.255"} & set(found)


def test_places(tmp_path: Path) -> None:
    text = "{type: geo, bbox: [33.7, -84.5, 34.0, -84.2]}"
    for place in values(tmp_path, text, "string"):
        lat, lon = map(float, place.strip("()").split(", "))
        assert 33.7 <= lat <= 34.0 and -84.5 <= lon <= -84.2
    text = "{type: geo, bbox: [33.7, -84.5, 34.0, -84.2], format: lat_lon_separate}"
    found = rows(described(column(text, "string")), tmp_path)
    assert list(found) == ["x_lat", "x_lon"]
    assert all(33.7 <= lat <= 34.0 for lat in found["x_lat"])


PROFILE = "{type: daily_profile, min: 0, max: 100, profile: {'06:00': 10, '12:00': 40}"


def test_profiles_between_their_points(tmp_path: Path) -> None:
    found = values(tmp_path, PROFILE + "}", timestep="3h", row_count=9)[:9]
    # from 40 at noon down to 10 at six the next day
    assert found == pytest.approx([20, 15, 10, 25, 40, 35, 30, 25, 20])
    stepped = values(tmp_path, PROFILE + ", interpolation: step}", timestep="3h", row_count=5)[:5]
    assert stepped == [40, 40, 10, 10, 40]


def test_profiles_on_weekends_and_days_that_differ(tmp_path: Path) -> None:
    # 2026-01-01 is a Thursday
    found = values(tmp_path, PROFILE + ", weekend_scale: 0.5}", timestep="12h", row_count=8)[:8]
    assert found == pytest.approx([20, 40, 20, 40, 10, 20, 10, 20])
    moved = values(tmp_path, PROFILE + ", volatility: 5}", timestep="12h", row_count=400)[1:400:2]
    assert statistics.mean(moved) == pytest.approx(40, abs=1.5)
    assert statistics.stdev(moved) == pytest.approx(5, abs=1)
    whole = values(tmp_path, PROFILE + ", noise: 2, precision: 0}", "int", row_count=288)
    assert all(isinstance(x, int) and 8 <= x <= 42 for x in whole)


def test_walks_stay_within_bounds_and_near_their_start(tmp_path: Path) -> None:
    text = "{type: random_walk, start: 350, min: 300, max: 400, volatility: 2, mean_reversion: 0.1, precision: 1}"
    found = values(tmp_path, text, row_count=4000)[:4000]
    assert found[0] == 350 and all(300 <= x <= 400 for x in found)
    assert all(x == round(x, 1) for x in found)
    assert statistics.mean(found) == pytest.approx(350, abs=1.5)
    # a stationary process of this kind has the deviation volatility / sqrt(1 - (1 - reversion)²)
    assert statistics.stdev(found) == pytest.approx(2 / (1 - 0.9**2) ** 0.5, rel=0.15)


def test_walks_with_trend_and_shocks(tmp_path: Path) -> None:
    text = "{type: random_walk, start: 0, min: 0, max: 1000, volatility: 0, trend: 0.5}"
    assert values(tmp_path, text, row_count=5)[:5] == [0, 0.5, 1.0, 1.5, 2.0]
    text = "{type: random_walk, start: 50, min: 0, max: 100, volatility: 0, mean_reversion: 1, shock_rate: 0.1, shock_magnitude: 30, shock_bias: 1}"
    found = values(tmp_path, text, row_count=3000)
    hit = [x for x in found if x != 50]
    assert len(hit) / len(found) == pytest.approx(0.1, abs=0.02)
    assert min(hit) > 50 and max(hit) <= 80


def test_a_walk_follows_another_column(tmp_path: Path) -> None:
    text = column(
        "{type: random_walk, start: 10, min: 0, max: 100, volatility: 0, mean_reversion: 0.5, mean_reversion_to: goal}"
    )
    text += column("{type: constant, value: 90}", name="goal")
    assert rows(described(text, row_count=4), tmp_path)["x"][:4] == [10, 50, 70, 80]


def test_nulls_at_their_rate(tmp_path: Path) -> None:
    text = "- {name: x, data_type: float, null_rate: 0.1, generator: {type: range, min: 0, max: 1}}"
    found = rows(described(text, row_count=5000), tmp_path)["x"]
    assert found.count(None) / len(found) == pytest.approx(0.1, abs=0.01)


def test_a_sensor_that_drops_out_forgets_nothing(tmp_path: Path) -> None:
    text = """\
- name: total
  data_type: int
  null_rate: 0.3
  generator: {type: derived, expression: "prev('total', 0) + 1"}
- {name: seen, data_type: string, generator: {type: derived, expression: "'no' if total is None else 'yes'"}}
"""
    found = rows(described(text, row_count=50), tmp_path)
    assert all(n in (None, place % 50 + 1) for place, n in enumerate(found["total"]))
    assert [n is None for n in found["total"]] == [word == "no" for word in found["seen"]]


def test_derived_columns_in_any_order(tmp_path: Path) -> None:
    text = column("{type: derived, expression: 'celsius * 1.8 + 32'}", name="f")
    text += column("{type: constant, value: 100}", name="celsius")
    text += column('{type: derived, expression: "entity_id + str(_row_index)"}', "string", "who")
    text += column(
        "{type: derived, expression: \"'night' if not 6 <= _timestamp.hour < 18 else 'day'\"}",
        "string",
        "shift",
    )
    found = rows(described(text, row_count=3, timestep="6h"), tmp_path)
    assert found["f"] == [212.0] * 6
    assert found["who"] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert found["shift"] == ["night", "day", "day"] * 2


def test_what_columns_remember(tmp_path: Path) -> None:
    text = column("{type: derived, expression: \"prev('n', 0) + 1\"}", "int", "n")
    text += column("{type: derived, expression: \"delay('n', 2, -1)\"}", "int", "late")
    text += column("{type: derived, expression: \"prev('late')\"}", "int", "later")
    text += column("{type: derived, expression: \"ema('n', 0.5, 0)\"}", name="smooth")
    found = rows(described(text, row_count=4, names=["a"]), tmp_path)
    assert found == {
        "n": [1, 2, 3, 4],
        "late": [-1, -1, 1, 2],
        "later": [None, -1, -1, 1],
        "smooth": [0.5, 1.25, 2.125, 3.0625],
    }


def test_a_controller(tmp_path: Path) -> None:
    text = column('{type: derived, expression: "pid(pv=60.0, sp=50, Kp=-2, Ki=-0.1, Kd=-1, dt=1)"}')
    # error -10; gathered -10, -20, …; rate 0
    assert rows(described(text, row_count=3), tmp_path)["x"][:3] == pytest.approx([21, 22, 23])
    text = column(
        '{type: derived, expression: "pid(pv=0, sp=50, Kp=1, Ki=1, dt=1, output_max=60)"}'
    )
    # 50 + 50 is more than 60, so nothing is gathered
    assert rows(described(text, row_count=3), tmp_path)["x"][:3] == [60, 60, 60]


def test_a_closed_loop_settles_at_its_setpoint(tmp_path: Path) -> None:
    text = column(
        "{type: derived, expression: \"prev('t', 80.0) + 0.05 * (90 - prev('valve', 50) * 0.3 - prev('t', 80.0))\"}",
        name="t",
    )
    text += column(
        '{type: derived, expression: "pid(pv=t, sp=75, Kp=-2.0, Ki=-0.01, dt=60)"}', name="valve"
    )
    found = rows(described(text, row_count=600, timestep="1m"), tmp_path)
    assert found["t"][-1] == pytest.approx(75, abs=0.01)
    assert found["valve"][-1] == pytest.approx(50, abs=0.1)


LINE = """\
- {name: feed, data_type: float, generator: {type: range, min: 80, max: 120}}
- {name: outlet, data_type: float, generator: {type: derived, expression: "inflow * 0.5"}}
- name: inflow
  data_type: float
  generator: {type: derived, expression: feed}
  entity_overrides:
    c: {type: derived, expression: b.outlet + 1}
    b: {type: derived, expression: a.outlet * 2}
"""


def test_one_entity_feeds_another(tmp_path: Path) -> None:
    found = rows(described(LINE, names=["c", "b", "a"], row_count=4), tmp_path)
    c, b, a = (
        dict(zip(found, part, strict=True))
        for part in zip(*([v[n : n + 4] for n in (0, 4, 8)] for v in found.values()), strict=True)
    )
    assert b["inflow"] == [x * 2 for x in a["outlet"]]
    assert c["inflow"] == [x + 1 for x in b["outlet"]]


def test_an_entity_of_its_own_kind(tmp_path: Path) -> None:
    text = """\
- name: x
  data_type: float
  generator: {type: range, min: 0, max: 1}
  entity_overrides: {b: {type: constant, value: 7}}
"""
    found = rows(described(text, names=["a", "b", "c"], row_count=3), tmp_path)["x"]
    assert found[3:6] == [7.0] * 3 and max(found[:3] + found[6:]) < 1


@pytest.mark.parametrize(
    ("kind", "expression", "said"),
    [
        ("float", "'a' + 1", "simulated column 'x': text and a number can't be added"),
        ("float", "entity_id", "'a' is no number; the column's data_type is float"),
        ("int", "int('seven')", "invalid literal"),
        ("timestamp", "entity_id", "'a' is no time"),
        ("float", "prev('x', 'none')", "'none' is no number"),
    ],
)
def test_values_that_a_column_cannot_take(
    tmp_path: Path, kind: str, expression: str, said: str
) -> None:
    text = column(f'{{type: derived, expression: "{expression}"}}', kind)
    with pytest.raises(EngineError) as caught:
        rows(described(text), tmp_path)
    assert said in caught.value.message
