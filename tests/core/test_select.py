"""Choosing nodes in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi.fingerprint import fingerprints
from odibi.graph import Graph
from odibi.plan import LastState, NodeLast
from odibi.select import select
from tests.core.projects import MEDALLION, RAW, graph_of


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return graph_of(tmp_path_factory.mktemp("project"), MEDALLION, RAW)


def chosen(graph: Graph, *include: str, exclude: tuple[str, ...] = ()) -> str:
    """Chosen keys in order, in one line."""
    found = select(graph, include, exclude)
    return " ".join(key for key in graph.order() if key in found)


ALL = "bronze.orders bronze.shops silver.orders silver.links silver.people gold.sales gold.top"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("silver.links", "silver.links"),
        ("orders", "bronze.orders silver.orders"),
        ("silver.*", "silver.orders silver.links silver.people"),
        ("*s", "bronze.orders bronze.shops silver.orders silver.links gold.sales"),
        ("gold.[st]*", "gold.sales gold.top"),
        ("top links", "silver.links gold.top"),
        ("orders,layer:silver", "silver.orders"),
        ("tag:report,top bronze.shops", "bronze.shops gold.top"),
        ("+people", "bronze.orders silver.orders silver.links silver.people"),
        ("1+people", "silver.links silver.people"),
        ("shops+", "bronze.shops gold.sales gold.top"),
        ("silver.orders+1", "silver.orders silver.links gold.sales"),
        ("+links+", "bronze.orders silver.orders silver.links silver.people"),
        ("1+links+1", "silver.orders silver.links silver.people"),
        ("@shops", "bronze.orders bronze.shops silver.orders gold.sales gold.top"),
        ("tag:lookup", "bronze.shops"),
        ("tag:d*", "bronze.orders bronze.shops silver.orders silver.links silver.people"),
        ("layer:gold", "gold.sales gold.top"),
        ("pipeline:silver", "silver.orders silver.links silver.people"),
        ("1+layer:gold", "bronze.shops silver.orders gold.sales gold.top"),
        ("path:gold/*.csv", "gold.sales"),
        ("path:lake/gold/*", "gold.sales gold.top"),
    ],
)
def test_the_grammar(graph: Graph, selector: str, expected: str) -> None:
    assert chosen(graph, selector) == expected


def test_separate_arguments_are_a_union_and_exclusions_come_last(graph: Graph) -> None:
    assert chosen(graph, "top", "links") == chosen(graph, "top links")
    assert chosen(graph, "layer:silver", exclude=("links", "people")) == "silver.orders"
    assert chosen(graph, exclude=("+gold.top",)) == "silver.links silver.people"


@pytest.mark.parametrize(
    ("selector", "message", "hint"),
    [
        ("", "a selector is empty", "leave the option out to run everything"),
        ("silver.link", "no node is named 'silver.link'", "did you mean 'silver.links'?"),
        ("silver", "no node is named 'silver'", "for the pipeline: pipeline:silver"),
        ("gould.*", "no node matches 'gould.*'", None),
        ("tag:reprot", "no node has tag 'reprot'", "did you mean 'report'?"),
        ("layer:platinum", "no node has layer 'platinum'", "layers: bronze, gold, silver"),
        ("pipeline:slver", "no node has pipeline 'slver'", "did you mean 'silver'?"),
        ("path:silver/*.csv", "no node has path 'silver/*.csv'", None),
        ("state:broken", "state:broken is not a state", "states: failed, modified, new"),
        ("tga:report", "tga: is not a way to select nodes", "did you mean 'tag'?"),
        ("top,,links", "selector 'top,,links' can't be read at ''", None),
        ("top,+", "selector 'top,+' can't be read at '+'", None),
        ("@+top", "selector '@+top' can't be read", None),
        ("@top+", "selector '@top+' can't be read", None),
        ("a+b", "selector 'a+b' can't be read", None),
    ],
)
def test_what_means_nothing_is_refused_with_the_nearest_name(
    graph: Graph, selector: str, message: str, hint: str | None
) -> None:
    for include, exclude in (([selector], []), ([], [selector])):
        with pytest.raises(UsageError) as caught:
            select(graph, include, exclude)
        assert caught.value.message == message
        assert caught.value.hint
        assert hint is None or caught.value.hint == hint


def test_states_compare_with_the_last_runs(graph: Graph) -> None:
    now = fingerprints(graph, "duckdb")

    def success(key: str, fingerprint: str | None = None) -> NodeLast:
        return NodeLast("succeeded", "r1", "r1", fingerprint=fingerprint or now[key])

    last = LastState(
        {
            "bronze.orders": success("bronze.orders"),
            "bronze.shops": success("bronze.shops", "other"),
            "silver.orders": NodeLast("failed", "r2", "r1", fingerprint=now["silver.orders"]),
            "silver.links": NodeLast("lost", "r2"),
            "silver.people": NodeLast("skipped", "r2"),
            "gone.node": success("gone.node", "x"),
        }
    )

    def state(name: str) -> set[str]:
        return select(graph, [f"state:{name}"], [], last, engine="duckdb")

    assert state("failed") == {"silver.orders", "silver.links"}
    assert state("new") == {"silver.links", "silver.people", "gold.sales", "gold.top"}
    assert state("modified") == state("new") | {"bronze.shops"}
    assert select(graph, ["state:modified"], [], last, engine="pandas") == set(graph.nodes)


def test_before_the_first_run_everything_is_new_and_nothing_failed(graph: Graph) -> None:
    assert select(graph, ["state:failed"]) == set()
    assert select(graph, ["state:new"]) == set(graph.nodes)
    assert select(graph, ["state:modified"]) == set(graph.nodes)


NAMES = st.sampled_from(
    [*ALL.split(), "orders", "*s", "tag:daily", "layer:gold", "pipeline:silver"]
)
ITEMS = st.builds(
    lambda before, name, after: f"{before}{name}{after}",
    st.sampled_from(["", "+", "1+", "2+"]),
    NAMES,
    st.sampled_from(["", "+", "+1"]),
) | NAMES.map(lambda name: f"@{name}")
PARTS = st.lists(ITEMS, min_size=1, max_size=3).map(",".join)


@given(PARTS, PARTS, PARTS)
def test_laws_of_sets(graph: Graph, a: str, b: str, c: str) -> None:
    def find(*parts: str) -> set[str]:
        return select(graph, parts)

    assert find(a, b) == find(b, a) == find(f"{b} {a}") == find(a) | find(b)
    assert find(a, a) == find(a)
    assert find(f"{a},{b}") == find(f"{b},{a}") == find(a) & find(b)
    assert find(f"{a},{a}") == find(a)
    assert select(graph, [a, b], [c]) == find(a, b) - find(c) <= find(a, b)
    assert select(graph, [], [c]) == set(graph.nodes) - find(c)


@given(NAMES, st.integers(0, 5))
def test_laws_of_neighbourhoods(graph: Graph, name: str, depth: int) -> None:
    def find(*parts: str) -> set[str]:
        return select(graph, parts)

    above, below, around = find(f"+{name}"), find(f"{name}+"), find(f"@{name}")
    assert find(*(f"+{key}" for key in above)) == above
    assert find(*(f"{key}+" for key in below)) == below
    assert find(f"+{name}+") == above | below
    assert above | below <= around
    assert find(*(f"+{key}" for key in around)) == around  # it can run as it is
    assert find(name) <= find(f"{depth}+{name}") <= find(f"{depth + 1}+{name}") <= above
    assert find(f"9+{name}") == above


@given(st.text(alphabet="ab.*+@:,12 []?-", max_size=12))
def test_any_text_is_a_selection_or_a_usage_error(graph: Graph, text: str) -> None:
    try:
        found, hint = select(graph, [text]), "not needed"
    except UsageError as error:
        found, hint = set(), error.hint or ""
    assert found <= set(graph.nodes)
    assert hint
