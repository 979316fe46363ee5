"""The model behind the panes: which run is shown, what changed, what a filter means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from odibi.events import ErrorInfo, PlannedNode, RowsCounted
from odibi.history import NodeCell, RunSummary
from odibi.ledger import Ledger
from odibi.run_state import NodeState, RunState
from odibi_tui.filtering import matching, rows_before
from odibi_tui.follow import News
from odibi_tui.preferences import Preferences
from odibi_tui.project import ProjectView
from odibi_tui.world import Change, World

BEGAN = datetime(2026, 11, 22, 23, tzinfo=UTC)


def summary(run_id: str, status: str = "succeeded") -> RunSummary:
    return RunSummary(run_id, "stamp", status, started=BEGAN)


def node(key: str, status: str = "succeeded", **facts: object) -> NodeState:
    plan = PlannedNode(
        key, "run", "", layer=key.split(".")[0], tags=("pii",) if "cust" in key else ()
    )
    return replace(NodeState(key, plan), status=status, **facts)  # type: ignore[arg-type]


def state(run_id: str, status: str, *nodes: NodeState) -> RunState:
    return RunState(run_id, status=status, nodes={n.key: n for n in nodes})  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "odibi.yaml", Ledger(tmp_path), clock=lambda: BEGAN)


def test_the_newest_run_is_shown(world: World) -> None:
    change = world.accept(News(runs=(summary("2"), summary("1"))))
    assert (world.run_id, change.run, change.runs) == ("2", True, True)


def test_a_run_that_starts_is_shown_by_itself(world: World) -> None:
    world.accept(News(runs=(summary("1"),)))
    change = world.accept(News(runs=(summary("2", "running"), summary("1"))))
    assert (world.run_id, change.run) == ("2", True)
    assert world.followed() == ["2"]


def test_a_chosen_old_run_stays_when_another_starts(world: World) -> None:
    world.accept(News(runs=(summary("2"), summary("1"))))
    world.show_run("1")
    world.accept(News(runs=(summary("3", "running"), summary("2"), summary("1"))))
    assert (world.run_id, world.follow) == ("1", False)
    assert world.followed() == ["1", "3"]
    world.set_follow(True)
    assert world.run_id == "3"


def test_a_removed_run_makes_room_for_the_newest(world: World) -> None:
    world.accept(News(runs=(summary("2"), summary("1"))))
    world.show_run("1")
    world.accept(News(runs=(summary("2"),)))
    assert world.run_id == "2"


def test_only_nodes_that_changed_are_named(world: World) -> None:
    first = state("1", "running", node("b.x", "running"), node("b.y", "queued"))
    world.accept(News(runs=(summary("1", "running"),)))
    assert world.accept(News(states={"1": first})).run
    second = replace(first, nodes={**first.nodes, "b.x": node("b.x")})
    assert world.accept(News(states={"1": second})) == Change(
        nodes=frozenset({"b.x"}), state=True, turned=True
    )
    third = replace(second, nodes={**second.nodes, "b.y": node("b.y", "queued", rows_done=5)})
    change = world.accept(News(states={"1": third}))
    assert change == Change(nodes=frozenset({"b.y"}), state=True)
    assert change.only_numbers


def test_a_frozen_display_stands_while_reading_goes_on(world: World) -> None:
    world.accept(
        News(
            runs=(summary("1", "running"),),
            states={"1": state("1", "running", node("b.x", "running"))},
        )
    )
    world.freeze(True)
    world.accept(News(states={"1": state("1", "succeeded", node("b.x"))}))
    assert (world.status("b.x"), world.mode) == ("running", "FROZEN")
    world.freeze(False)
    assert (world.status("b.x"), world.mode) == ("succeeded", "FINISHED")


def test_a_broken_yaml_keeps_the_nodes_of_before(world: World) -> None:
    world.set_project(ProjectView("shop", ("b.x",), ()))
    world.set_project(ProjectView(problems=("odibi.yaml:3:1: no",)))
    assert (world.nodes, world.project.problems) == (("b.x",), ("odibi.yaml:3:1: no",))


def test_names_carry_their_pipeline_only_where_they_must(world: World) -> None:
    world.set_project(ProjectView("shop", ("b.orders", "s.orders", "s.users"), ()))
    assert [world.name(key) for key in world.nodes] == ["b.orders", "s.orders", "users"]


@pytest.fixture
def filled(world: World) -> World:
    nodes = (
        node("bronze.customers", seconds=40.0, counts=RowsCounted("", rows_out=90)),
        node("bronze.orders", "failed", seconds=2.0, error=ErrorInfo("E", "no")),
        node("silver.clean_orders", "skipped"),
        node("gold.sales", "running"),
    )
    world.set_project(
        ProjectView(
            "shop",
            tuple(n.key for n in nodes),
            (
                ("bronze.customers", "gold.sales"),
                ("bronze.orders", "silver.clean_orders"),
                ("silver.clean_orders", "gold.sales"),
            ),
        )
    )
    world.accept(News(runs=(summary("2", "running"),), states={"2": state("2", "running", *nodes)}))
    return world


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["customers", "orders", "clean_orders", "sales"]),
        ("ORD", ["orders", "clean_orders"]),
        ("ord !clean", ["orders"]),
        ("s:failed", ["orders"]),
        ("s:fail,run", ["orders", "sales"]),
        ("!s:ok", ["orders", "clean_orders", "sales"]),
        ("t>30", ["customers"]),
        ("t<30", ["orders"]),
        ("tag:pii", ["customers"]),
        ("layer:bronze", ["customers", "orders"]),
        ("pipeline:silver", ["clean_orders"]),
        ("orders+", ["orders", "clean_orders", "sales"]),
        ("d:orders+", ["orders", "clean_orders", "sales"]),
        ("+clean_orders", ["orders", "clean_orders"]),
        ("1+sales", ["customers", "clean_orders", "sales"]),
        ("orders+1", ["orders", "clean_orders"]),
        ("nobody", []),
    ],
)
def test_filters(filled: World, text: str, found: list[str]) -> None:
    assert [key.partition(".")[2] for key in matching(filled, text)] == found


def cell(run_id: str, rows: int | None, status: str = "succeeded") -> NodeCell:
    return NodeCell(
        run_id, "bronze.customers", "run", status, True, BEGAN, 1.0, rows, 0, 0, 0, None, None
    )


def test_rows_are_compared_with_the_success_before(filled: World) -> None:
    filled.set_cells([cell("2", None, "running"), cell("1", None, "failed"), cell("0", 100)])
    assert rows_before(filled, "bronze.customers") == 100
    assert [*matching(filled, "rows<0")] == ["bronze.customers"]
    assert matching(filled, "rows>0") == ()


def test_in_an_old_run_later_runs_are_not_before(world: World) -> None:
    world.accept(News(runs=(summary("2"), summary("1"), summary("0"))))
    world.show_run("1")
    world.set_project(ProjectView("shop", ("bronze.customers",), ()))
    world.set_cells([cell("2", 200), cell("1", 100), cell("0", 50)])
    assert rows_before(world, "bronze.customers") == 50


def test_preferences_come_back_and_damaged_ones_do_no_harm(tmp_path: Path) -> None:
    chosen = Preferences.load(tmp_path)
    chosen.theme, chosen.view, chosen.looks = "nord", "runs", {"nodes.sort": "time"}
    chosen.save()
    again = Preferences.load(tmp_path)
    assert (again.theme, again.view, again.looks) == ("nord", "runs", {"nodes.sort": "time"})
    (tmp_path / "top.json").write_text("[1,")
    assert Preferences.load(tmp_path).view == "graph"


def test_keys_of_unknown_actions_are_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text('[keys]\n"rerun.nod" = "u"\n"quit" = "Q"\n')
    found = Preferences.load(tmp_path)
    assert found.keys == {"quit": "Q"}
    assert found.problems == (
        f"{tmp_path}/keys.toml: there is no action 'rerun.nod' (did you mean 'rerun.node'?)",
    )


def test_elapsed_time_of_a_lost_run_stops_with_its_last_event(world: World) -> None:
    from odibi_tui.chrome import elapsed

    lost = replace(state("1", "lost"), started=BEGAN, last_at=BEGAN + timedelta(seconds=5))
    assert elapsed(lost, BEGAN + timedelta(hours=1)) == 5


def test_a_run_that_only_tried_sql_is_left_when_it_has_ended(tmp_path: Path) -> None:
    world = World(tmp_path / "odibi.yaml", Ledger(tmp_path))
    trial = replace(summary("2", "running"), command=("odibi", "run", "--scratch", "--sql=x.sql"))
    world.accept(News((summary("1"),)))
    world.accept(News((trial, summary("1"))))
    assert world.run_id == "2"
    world.accept(News((replace(trial, status="failed"), summary("1"))))
    assert world.run_id == "1"


def test_a_trial_that_a_dialog_watches_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path / "odibi.yaml", Ledger(tmp_path))
    world.accept(News((summary("1"),)))
    world.trials |= {"2"}
    world.accept(News((summary("2", "running"), summary("1"))))
    assert world.run_id == "1"
    world.show_run("2")
    world.accept(News((summary("2"), summary("1"))))
    assert world.run_id == "2"


def test_the_list_of_runs_changes_when_a_run_that_is_not_shown_turns(world: World) -> None:
    world.accept(News(runs=(summary("2", "running"), summary("1"))))
    world.show_run("1")
    assert world.accept(News(states={"2": state("2", "running", node("p.a", "running"))})).runs
    assert not world.accept(News(states={"2": state("2", "running", node("p.a"))})).runs
    assert world.accept(News(states={"2": state("2", "lost", node("p.a"))})).runs


def test_a_replay_has_a_clock_of_its_own_and_is_left_in_peace(world: World) -> None:
    world.accept(News(runs=(summary("1"),)))
    then = BEGAN - timedelta(hours=1)
    world.show_replay(state("1", "running", node("p.a", "running")), then)
    assert world.now() == then
    world.accept(News(runs=(summary("2", "running"), summary("1"))))
    assert (world.run_id, world.mode) == ("1", "REPLAY")
    world.show_replay(None)
    assert world.now() == BEGAN
