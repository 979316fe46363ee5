"""The story as a document: what it says, and that it is valid against its own schema."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi import config, story
from odibi import events as ev
from odibi.errors import StateError
from odibi.history import summarise
from odibi.run_result import result
from odibi.run_state import as_lost, fold
from odibi.story import (
    Column,
    Retyped,
    SchemaChange,
    Story,
    build,
    part,
    schema_change,
)
from odibi.story_diff import compare
from odibi.story_files import publish, save, to_json
from tests.core.recorded import (
    RUN_ID,
    START,
    eventful_run,
    good_node,
    plan,
    planned,
    stamped,
)

SCHEMA = story.schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def told() -> Story:
    return build(fold(stamped(eventful_run())))


def node(told: Story, key: str) -> story.NodeStory:
    return next(node for node in told.nodes if node.key == key)


def test_the_schema_is_one(told: Story) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(to_json(told)))
    wrong = json.loads(to_json(told))
    wrong["nodes"][0]["mood"] = "good"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


@given(st.integers(0, len(eventful_run())))
@settings(max_examples=30, deadline=None)
def test_a_run_has_a_valid_story_wherever_it_stopped(events: int) -> None:
    state = fold(stamped(eventful_run()[:events]))
    for seen in (state, as_lost(state)):
        VALIDATOR.validate(json.loads(to_json(build(seen))))


def test_numbers_that_json_lacks_are_text() -> None:
    cells = (float("nan"), float("inf"), 1.5)
    payloads = [
        plan(planned("a.x")),
        ev.ProfileObserved("a.x", columns=(), sample_columns=("n",), sample=(cells,), sampled=1),
    ]
    document = json.loads(to_json(build(fold(stamped(payloads)))))
    assert document["nodes"][0]["sample"]["rows"] == [["nan", "inf", 1.5]]


def test_the_run(told: Story) -> None:
    run = told.run
    assert (run.run_id, run.status, run.exit_code, run.seconds) == (RUN_ID, "failed", 1, 5.25)
    assert run.nodes == {"reused": 1, "succeeded": 2, "failed": 1, "skipped": 1}
    assert run.environment == {"odibi": "0.1.0", "duckdb": "2.0"}
    assert run.critical_path == ("bronze.orders", "silver.orders", "gold.by_city")
    assert run.critical_seconds == 3.55
    assert (run.cpu_seconds, run.peak_rss) == (2.5, 180_000_000)


@pytest.mark.parametrize(
    ("counts", "balance", "balanced"),
    [
        (
            {"read": 100, "unreadable": 2, "rows_in": 98, "rows_out": 90, "filtered": 8},
            "100 read = 98 parsed + 2 unreadable; 98 in = 90 out + 8 filtered",
            True,
        ),
        ({"rows_in": 1000, "rows_out": 1000}, "1,000 in = 1,000 out", True),
        ({"rows_in": 5, "rows_out": 3}, "5 in = 3 out", False),
        ({"read": 9, "rows_in": 7, "rows_out": 7}, "9 read = 7 parsed; 7 in = 7 out", False),
        (
            {"rows_in": 5, "rows_out": 12, "changes_cardinality": True},
            "5 in → 12 out (joins or aggregates)",
            None,
        ),
        ({"rows_out": 4, "quarantined": 1}, "4 out + 1 quarantined", None),
        ({"rows_in": 4}, "4 in = ? out", None),
    ],
)
def test_where_the_rows_went(counts: dict[str, Any], balance: str, balanced: bool | None) -> None:
    payloads = [plan(planned("a.x")), ev.RowsCounted(node="a.x", **counts)]
    rows = build(fold(stamped(payloads))).nodes[0].rows
    assert rows is not None
    assert (rows.balance, rows.balanced) == (balance, balanced)


def test_a_schema_and_its_change(told: Story) -> None:
    silver = node(told, "silver.orders")
    assert silver.schema_change == SchemaChange(
        added=(Column("city", "VARCHAR"),),
        removed=(Column("note", "VARCHAR"),),
        retyped=(Retyped("amount", "VARCHAR", "DECIMAL(10,2)"),),
    )
    swapped = schema_change([("a", "INT"), ("b", "INT")], [("b", "INT"), ("a", "INT")])
    assert swapped == SchemaChange(reordered=True)
    assert schema_change(None, [("a", "INT")]) == SchemaChange(added=(Column("a", "INT"),))


def test_checks_quarantine_writes_and_profile(told: Story) -> None:
    silver, bronze = node(told, "silver.orders"), node(told, "bronze.orders")
    assert [(c.check, c.passed, c.failed_rows) for c in silver.checks] == [
        ("amount is positive", False, 20),
        ("order_id is unique", True, 0),
    ]
    assert silver.checks[0].sample is not None
    assert silver.checks[0].sample.rows == ((7, "-1.00"),)
    assert silver.quarantines[0].reasons == {"amount is positive": 20}
    assert (silver.writes[0].rows, silver.writes[0].version) == (950, 3)
    assert bronze.profile is not None and bronze.sample is not None
    amount, city = bronze.profile.columns
    assert [b.count for b in amount.histogram] == [700, 200, 80, 20]
    assert (city.top[0].value, city.top[0].count) == ("Porto", 700)
    assert bronze.sample.rows[1] == (2, "8.00", None)


def test_a_failure_says_where_and_what_to_do(told: Story) -> None:
    error = node(told, "gold.by_city").error
    assert error is not None
    assert (error.file, error.line, error.column) == ("odibi.yaml", 41, 9)
    assert error.hint == "did you mean 'city'?"
    assert node(told, "gold.report").because == "gold.by_city"


def test_drift_against_the_success_before() -> None:
    first = fold(stamped(good_node("a.x", rows=1000, seconds=2.0)))
    _, (before,) = summarise("first", "", first)
    other = [
        *good_node("a.x", rows=400, seconds=3.0)[:-1],
        ev.SchemaObserved(node="a.x", side="out", columns=(("order_id", "VARCHAR"),)),
        ev.NodeSucceeded(node="a.x", seconds=3.0),
    ]
    drift = build(fold(stamped(other)), {"a.x": before}).nodes[0].drift
    assert drift is not None
    assert (drift.previous_run, drift.rows_before, drift.rows_change) == ("first", 1000, -0.6)
    assert (drift.seconds_before, drift.seconds_change) == (2.0, 0.5)
    assert drift.schema_change is not None
    assert drift.schema_change.retyped == (Retyped("order_id", "BIGINT", "VARCHAR"),)
    same = build(first, {"a.x": before}).nodes[0].drift
    assert same is not None
    assert (same.rows_change, same.schema_change) == (0.0, None)


def test_one_pipeline_of_a_run(told: Story) -> None:
    silver = part(told, "silver")
    assert [n.key for n in silver.nodes] == ["silver.orders"]
    assert (silver.run.nodes, silver.run.rows_written) == ({"succeeded": 1}, 950)
    assert (silver.run.quarantined, silver.run.checks_failed) == (20, 1)
    assert silver.run.critical_path == ("silver.orders",)
    VALIDATOR.validate(json.loads(to_json(silver)))


def test_a_story_is_saved_whole_beside_its_events(told: Story, tmp_path: Path) -> None:
    (path,) = save(told, tmp_path / "run")
    assert path == tmp_path / "run" / "story.json"
    assert path.read_text(encoding="utf-8") == to_json(told) + "\n"
    assert [p.name for p in path.parent.iterdir()] == ["story.json"]
    (tmp_path / "blocked").write_text("")
    with pytest.raises(StateError, match="the story can't be written"):
        save(told, tmp_path / "blocked")


def test_stories_of_pipelines_are_published_by_day(told: Story, tmp_path: Path) -> None:
    paths = publish(told, tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in paths] == [
        f"{pipeline}/2026-03-14/run_09-26-53.json" for pipeline in ("bronze", "silver", "gold")
    ]
    assert json.loads(paths[1].read_text())["nodes"][0]["key"] == "silver.orders"
    again = publish(told, tmp_path)
    assert not set(paths) & set(again)


_PROJECT = """
project: Shop
engine: duckdb
connections:
  files: {type: local, base_path: data}
story: {connection: files, path: stories, retention_days: null, retention_count: 2}
pipelines:
  - pipeline: silver
    nodes:
      - name: orders
        read: {connection: files, format: csv, path: orders.csv}
"""


def test_a_project_that_asks_for_stories_gets_the_newest(tmp_path: Path) -> None:
    yaml = tmp_path / "odibi.yaml"
    yaml.write_text(_PROJECT)
    loaded = config.load(yaml)
    for day in range(4):
        start = START + timedelta(days=day)
        payloads = [plan(planned("silver.orders")), *good_node("silver.orders")]
        save(build(fold(stamped(payloads, start=start))), tmp_path / "run", loaded)
    kept = sorted(p.parent.name for p in (tmp_path / "data" / "stories").rglob("*.json"))
    assert kept == ["2026-03-16", "2026-03-17"]
    assert len(list((tmp_path / "data" / "stories" / "silver").iterdir())) == 2


def test_the_result_for_schedulers() -> None:
    document = result(fold(stamped(eventful_run())))
    assert json.loads(json.dumps(document)) == document
    assert (document["status"], document["exit_code"]) == ("failed", 1)
    assert document["story"].endswith(f".odibi/runs/{RUN_ID}/story.json")
    silver, failed = document["nodes"]["silver.orders"], document["nodes"]["gold.by_city"]
    assert (silver["status"], silver["rows"], silver["quarantined"]) == ("succeeded", 950, 20)
    told = silver["checks"].pop("all")
    assert silver["checks"] == {"passed": 1, "failed": ["amount is positive"]}
    assert [(each["name"], each["passed"]) for each in told if not each["passed"]] == [
        ("amount is positive", False)
    ]
    assert silver["columns"][0] == ["order_id", "BIGINT"]
    assert silver["outputs"] == ["data/silver/orders"]
    assert len(silver["schema_hash"]) == 12
    assert silver["error"] is None
    assert failed["error"]["hint"] == "did you mean 'city'?"


def test_two_runs_compared(told: Story) -> None:
    payloads = [
        plan(planned("silver.orders", fingerprint="other"), planned("gold.new"), run_id="later"),
        *good_node("silver.orders", rows=700),
        ev.CheckEvaluated("silver.orders", "has rows", "row_count", "test", "fail", passed=False),
        ev.RunFinished(outcome="succeeded", exit_code=0, seconds=4.0),
    ]
    found = compare(told, build(fold(stamped(payloads))))
    assert (found.status, found.seconds) == (("failed", "succeeded"), (5.25, 4.0))
    nodes = {n.key: n for n in found.nodes}
    silver = nodes["silver.orders"]
    assert (silver.rows, silver.set_aside) == ((950, 700), (40, 0))
    assert (silver.newly_failing, silver.mended) == (("has rows",), ("amount is positive",))
    assert (silver.fingerprint_changed, silver.schema_change, silver.only) == (True, None, None)
    assert (nodes["gold.new"].only, nodes["gold.report"].only) == ("after", "before")
    assert not any(n.changed for n in compare(told, told).nodes)
