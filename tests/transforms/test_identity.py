"""stitch_identities against a union-find in Python."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.transforms import Table
from tests.transforms.duck import Duck

DUCK = Duck()
nodes = st.one_of(
    st.none(), st.integers(0, 12).map(lambda n: f"n{n}"), st.sampled_from(["é", "", "Z"])
)


def components(links: list[tuple[Any, Any]]) -> dict[str, str]:
    """Node → smallest node it is linked with (texts compare by their bytes)."""
    group: dict[str, set[str]] = {}
    for link in links:
        known = [node for node in link if node is not None]
        merged = set(known).union(*(group.get(node, set()) for node in known))
        group.update(dict.fromkeys(merged, merged))
    return {node: min(members, key=str.encode) for node, members in group.items()}


def stitched(links: list[tuple[Any, Any]]) -> dict[str, str]:
    rows = DUCK.run("stitch_identities", {"left": "a", "right": "b"}, Table("a, b", links))
    assert len({row["node"] for row in rows}) == len(rows)
    return {row["node"]: row["component"] for row in rows}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(nodes, nodes), max_size=25))
def test_components_are_those_of_a_union_find(links: list[tuple[Any, Any]]) -> None:
    assert stitched(links) == components(links)


def test_a_long_chain_is_one_component() -> None:
    links = [(f"{n:04}", f"{n + 1:04}") for n in range(400)]
    assert set(stitched(links).values()) == {"0000"}


def test_columns_may_be_named_anything_and_hold_numbers() -> None:
    rows = DUCK.run(
        "stitch_identities",
        {"left": "a b", "right": 'q"', "node_col": "select", "component_col": "from"},
        Table('"a b" BIGINT, "q""" BIGINT', [(10, 9)]),
    )
    assert sorted(row["select"] for row in rows) == ["10", "9"]
    assert {row["from"] for row in rows} == {"10"}
