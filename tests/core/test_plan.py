"""What a run will do, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi.fingerprint import fingerprints
from odibi.graph import Graph
from odibi.plan import LastState, Mode, NodeLast, Plan, PlannedWrite, make, writes_of
from odibi.select import select
from tests.core.projects import MEDALLION, RAW, graph_of, store


def plan(graph: Graph, *include: str, last: LastState | None = None, mode: Mode = "run") -> Plan:
    chosen = select(graph, include, [], last)
    return make(graph, chosen, last=last, loaded=graph.loaded, engine="duckdb", mode=mode)


def told(made: Plan) -> list[tuple[str, str, str]]:
    return [(step.key, step.action, step.reason) for step in made.steps]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return graph_of(tmp_path, MEDALLION, RAW)


def test_everything_runs_in_order_when_nothing_is_said(graph: Graph) -> None:
    made = plan(graph)
    assert made.order == made.runs == graph.order()
    assert {step.reason for step in made.steps} == {"selected"}
    assert made.waves == (
        ("bronze.orders", "bronze.shops"),
        ("silver.orders",),
        ("silver.links", "gold.sales"),
        ("silver.people", "gold.top"),
    )
    assert (made.left_out, made.critical_seconds, made.total_seconds) == (0, None, None)


def test_a_step_says_all_that_is_known_of_its_node(graph: Graph) -> None:
    step = plan(graph).steps[-2]
    assert (step.key, step.layer, step.tags) == ("gold.sales", "gold", ("report",))
    assert step.upstream == ("silver.orders", "bronze.shops")
    assert step.outputs == ("lake/gold/sales.csv",)
    assert step.fingerprint == fingerprints(graph, "duckdb")["gold.sales"]
    assert plan(graph).steps[3].outputs == ()


def test_what_a_node_would_write_is_known_before_it_runs(graph: Graph) -> None:
    assert writes_of(graph, "gold.sales") == (
        PlannedWrite("lake/gold/sales.csv", "csv", "overwrite"),
    )
    assert writes_of(graph, "silver.links") == ()


def test_what_was_never_stored_is_computed_again_for_those_who_need_it(graph: Graph) -> None:
    store(graph, "silver.orders")
    assert told(plan(graph, "people")) == [
        ("silver.orders", "reuse", "not selected: its stored output is read"),
        ("silver.links", "run", "needed by silver.people: has no stored output"),
        ("silver.people", "run", "selected"),
    ]
    assert plan(graph, "people").left_out == 4


def test_a_stored_result_that_is_not_there_is_asked_for(graph: Graph) -> None:
    store(graph, "bronze.shops")
    with pytest.raises(UsageError) as caught:
        plan(graph, "people", "sales")
    assert caught.value.message.splitlines() == [
        "silver.links needs silver.orders: not selected, and nothing stored yet",
        "gold.sales needs silver.orders: not selected, and nothing stored yet",
    ]
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("--select '+silver.links +gold.sales'")
    assert plan(graph, "+gold.sales", "+silver.links", "people").runs == graph.order()[:-1]


def test_stored_csv_may_be_read_in_a_run_that_does_not_select_it(graph: Graph) -> None:
    store(graph, "gold.sales")
    assert [step.action for step in plan(graph, "top").steps] == ["reuse", "run"]


DISABLED = """
- pipeline: p
  nodes:
    - {name: off, enabled: false, write: {connection: lake, format: parquet, path: off.parquet}}
    - {name: below, depends_on: [off]}
    - {name: further, depends_on: [below, on]}
    - {name: on}
    - {name: by_file, read: {connection: lake, format: parquet, path: off.parquet}}
"""


def test_disabled_nodes_and_all_that_need_them_are_skipped(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, DISABLED)
    assert told(plan(graph)) == [
        ("p.off", "skip", "disabled"),
        ("p.below", "skip", "needs p.off, which is disabled"),
        ("p.on", "run", "selected"),
        ("p.further", "skip", "needs p.off, which is disabled"),
        ("p.by_file", "run", "selected"),
    ]
    assert told(plan(graph, "below")) == [("p.below", "skip", "needs p.off, which is disabled")]


def history(**seconds: list[float]) -> LastState:
    nodes = {
        name.replace("__", "."): NodeLast("succeeded", "r1", "r1", seconds=tuple(values))
        for name, values in seconds.items()
    }
    return LastState(nodes)


def test_expected_times_are_medians_and_the_longest_path_is_found(graph: Graph) -> None:
    last = history(
        bronze__orders=[1, 9, 1, 1, 9, 50, 50],
        silver__orders=[2, 4],
        silver__links=[10],
        gold__sales=[4],
        gold__top=[7],
    )
    made = plan(graph, last=last)
    expected = {step.key: step.expected_seconds for step in made.steps}
    assert expected == {
        "bronze.orders": 1,
        "bronze.shops": None,
        "silver.orders": 3,
        "silver.links": 10,
        "silver.people": None,
        "gold.sales": 4,
        "gold.top": 7,
    }
    assert made.critical_path == ("bronze.orders", "silver.orders", "gold.sales", "gold.top")
    assert (made.critical_seconds, made.total_seconds) == (15, 25)


def past(graph: Graph, run: str = "r1", **outcomes: str) -> LastState:
    """All nodes as they ended in `run`, which can be resumed."""
    prints = fingerprints(graph, "duckdb")
    nodes = {}
    for key in graph.nodes:
        outcome = outcomes.get(key.replace(".", "__"), "succeeded")
        done = outcome == "succeeded"
        nodes[key] = NodeLast(
            outcome, run, run if done else None, fingerprint=prints[key] if done else None
        )
    return LastState(nodes, resumes=(run,))


def test_resume_runs_what_failed_and_what_did_not_come_to_run(graph: Graph) -> None:
    last = past(graph, gold__sales="failed", gold__top="skipped")
    store(graph, "bronze.orders", "bronze.shops", "silver.orders", "silver.people")
    assert told(plan(graph, last=last, mode="resume")) == [
        ("bronze.orders", "reuse", "unchanged since run r1 (resume)"),
        ("bronze.shops", "reuse", "unchanged since run r1 (resume)"),
        ("silver.orders", "reuse", "unchanged since run r1 (resume)"),
        ("silver.links", "reuse", "unchanged since run r1 (resume)"),
        ("silver.people", "reuse", "unchanged since run r1 (resume)"),
        ("gold.sales", "run", "failed in run r1"),
        ("gold.top", "run", "skipped in run r1"),
    ]
    assert plan(graph, last=last).runs == graph.order()  # a plain run knows no resume


def test_resume_computes_again_what_others_need_and_nobody_stored(graph: Graph) -> None:
    last = past(graph, silver__people="lost")
    store(graph, "bronze.orders", "bronze.shops", "silver.orders", "gold.sales", "gold.top")
    made = plan(graph, last=last, mode="resume")
    assert told(made)[3:5] == [
        ("silver.links", "run", "needed by silver.people: has no stored output"),
        ("silver.people", "run", "lost in run r1"),
    ]
    assert made.runs == ("silver.links", "silver.people")


def test_resume_computes_again_what_changed_and_what_is_gone(graph: Graph) -> None:
    last = past(graph)
    store(graph, "bronze.orders", "silver.orders", "silver.people", "gold.top")
    nodes = dict(last.nodes)
    nodes["silver.orders"] = replace(nodes["silver.orders"], fingerprint="other")
    nodes["silver.people"] = NodeLast("succeeded", "r0", "r0")
    reasons = {
        key: (action, reason)
        for key, action, reason in told(plan(graph, last=replace(last, nodes=nodes), mode="resume"))
    }
    assert reasons["bronze.orders"][0] == reasons["gold.top"][0] == "reuse"
    assert reasons["bronze.shops"] == ("run", "what run r1 stored is gone")
    assert reasons["silver.orders"] == ("run", "changed since run r1")
    assert reasons["silver.people"] == ("run", "not finished in run r1")


def test_resume_of_a_resumed_run_knows_the_runs_before(graph: Graph) -> None:
    last = past(graph, run="r1", gold__top="failed")
    store(graph, "bronze.orders", "bronze.shops", "silver.orders", "silver.people")
    again = replace(
        last,
        nodes={
            **last.nodes,
            "gold.sales": replace(
                last.nodes["gold.sales"], run_id="r2", outcome="failed", success_run=None
            ),
        },
        resumes=("r2", "r1"),
    )
    made = plan(graph, last=again, mode="resume")
    assert made.runs == ("gold.sales", "gold.top")
    assert made.steps[0].reason == "unchanged since run r1 (resume)"


def test_resume_keeps_to_what_the_first_run_was_to_do(graph: Graph) -> None:
    last = past(graph, silver__people="failed", gold__sales="failed", gold__top="failed")
    store(graph, "bronze.orders", "silver.orders")
    planned = frozenset({"silver.orders", "silver.people"})
    made = plan(graph, last=replace(last, planned=planned), mode="resume")
    assert told(made) == [
        ("silver.orders", "reuse", "unchanged since run r1 (resume)"),
        ("silver.links", "run", "needed by silver.people: has no stored output"),
        ("silver.people", "run", "failed in run r1"),
    ]


def test_resume_does_not_take_a_table_for_a_result_that_it_is_not(graph: Graph) -> None:
    """Types of a CSV are guessed, and an appended table holds the rows of other runs."""
    last = past(graph, gold__top="failed")
    store(graph, "bronze.orders", "bronze.shops", "silver.orders", "silver.people", "gold.sales")
    made = plan(graph, last=last, mode="resume")
    why = "needed by gold.top: its stored output (csv, overwrite) is not just its result"
    assert told(made)[-2:] == [("gold.sales", "run", why), ("gold.top", "run", "failed in run r1")]


def test_resume_reads_a_table_that_is_asked_for_as_a_table(tmp_path: Path) -> None:
    """`inputs` mean what a node has stored, whatever its latest run added to it."""
    graph = graph_of(
        tmp_path,
        """
        - pipeline: a
          nodes:
            - name: log
              write: {connection: lake, format: parquet, path: log.parquet, mode: append}
        - pipeline: b
          nodes:
            - {name: by_input, inputs: {log: $a.log}}
        """,
    )
    store(graph, "a.log")
    made = plan(graph, last=past(graph, b__by_input="failed"), mode="resume")
    assert [(step.key, step.action) for step in made.steps] == [
        ("a.log", "reuse"),
        ("b.by_input", "run"),
    ]


@given(
    selected=st.sets(st.sampled_from(range(7))),
    stored=st.sets(st.sampled_from(range(7))),
    ended=st.lists(st.sampled_from(["succeeded", "failed", "skipped"]), min_size=7, max_size=7),
    mode=st.sampled_from(["run", "resume", "dry-run"]),
)
def test_every_plan_can_be_carried_out(
    tmp_path_factory: pytest.TempPathFactory,
    selected: set[int],
    stored: set[int],
    ended: list[str],
    mode: Mode,
) -> None:
    graph = graph_of(tmp_path_factory.mktemp("p"), MEDALLION, RAW)
    order = graph.order()
    there = {order[n] for n in stored if graph.nodes[order[n]].stores}
    store(graph, *there)
    outcomes = {key.replace(".", "__"): word for key, word in zip(order, ended, strict=True)}
    keys = {order[n] for n in selected}
    last = past(graph, **outcomes)
    try:
        made = make(graph, keys, last=last, loaded=graph.loaded, engine="duckdb", mode=mode)
    except UsageError:
        assert not all(graph.ancestors(key) <= keys for key in keys)  # it asks for one of these
        return
    actions = {step.key: step.action for step in made.steps}
    assert keys <= actions.keys()
    assert mode == "resume" or all(actions[key] == "run" for key in keys)
    for key in made.runs:
        for above in graph.upstream(key):
            assert actions[above] == "run" or above in there
    assert sorted(key for wave in made.waves for key in wave) == sorted(made.runs)
    place = {key: number for number, wave in enumerate(made.waves) for key in wave}
    for key in made.runs:
        assert all(place[above] < place[key] for above in graph.upstream(key) if above in place)
