"""YAML as a tree: scalars of YAML 1.2, exact positions, and limits that hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.config.problems import Problem
from odibi.config.tree import MAX_VALUES, Value, parse, plain

FILE = Path("odibi.yaml")


def read(text: str | bytes) -> tuple[Value | None, list[str]]:
    """The tree, and the problems as `line:column: message`."""
    problems: list[Problem] = []
    tree = parse(FILE, text.encode() if isinstance(text, str) else text, problems)
    return tree, [f"{p.line}:{p.column}: {p.message}" for p in problems]


def data(text: str) -> Any:
    tree, problems = read(text)
    assert problems == []
    assert tree is not None
    return plain(tree)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"),
        ("00501", "00501"), ("1_000", "1_000"), ("true", True), ("False", False), ("~", None),
        ("", None), ("null", None), ("0", 0), ("-12", -12), ("0o17", 15), ("0x1F", 31), ("1.5", 1.5),
        ("1e3", 1000.0), ("-.inf", float("-inf")), (".5", 0.5), ("'12'", "12"), ('"true"', "true"),
        ("!!str 12", "12"), ("1" * 50, "1" * 50), ("0.5.1", "0.5.1"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert data(f"a: {text}\n") == {"a": value}


def test_positions_are_those_of_keys_and_values() -> None:
    tree, _ = read("a:\n  - {b: 1, c: x}\n  - |\n    text\n'd' : [e]\n")
    assert tree is not None
    first = tree.data["a"].data[0].data
    places = [tree.data["a"].key, first["b"].key, first["c"].position, tree.data["a"].data[1].where]
    assert [(p.line, p.column) for p in places] == [(1, 1), (2, 6), (2, 15), (3, 5)]
    assert (tree.data["d"].position.line, tree.data["d"].position.column) == (5, 7)


def test_columns_count_characters_not_bytes() -> None:
    _, problems = read("{ä: 1, ö: 2, ö: 3}\n")
    assert problems == ["1:14: key 'ö' is given twice (first in line 1)"]


def test_merged_keys_may_be_overridden_and_aliases_share_their_value() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {y: 4, <<: [*b, {z: 5}]}\nthree: *b\n"
    assert data(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 4, "z": 5},
        "three": {"x": 1, "y": 2},
    }
    assert data("'<<': 1") == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the file is empty"),
        ("a: [1\n", "2:1: not valid YAML: did not find expected ',' or ']'"),
        ("a: b\n---\nc: d\n", "2:1: a second document begins here"),
        ("a: \x07", "1:4: not valid YAML: character U+0007 is not allowed"),
        ("? [a]\n: b\n", "1:3: a key must be plain text"),
        ("a: 1\nb: 2\na: 3\n", "3:1: key 'a' is given twice (first in line 1)"),
        ("a: !!python/object/apply:os.system [x]\n", None),
        ("a: !own {b: 1}\n", "1:4: YAML tags are not allowed (!own)"),
        ("a: &a [*a]\n", "1:8: alias *a has no anchor &a before it"),
        ("<<: 1\n", "1:1: `<<` merges maps only"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_where_it_stands(text: str, problem: str | None) -> None:
    tag = "1:4: YAML tags are not allowed (tag:yaml.org,2002:python/object/apply:os.system)"
    assert read(text)[1] == [problem or tag]


def test_bytes_that_are_no_text_are_refused() -> None:
    assert read(b"a: \xff")[1] == ["1:1: not UTF-8: invalid start byte at byte 3"]
    assert read(b"\xef\xbb\xbfa: 1")[1] == []


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 500_000,
        "? " * 500_000,
        "[ ']', " * 100_000,
        "[ #]\n" * 100_000,
        "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 1000)),
    ],
)
def test_deep_nesting_is_refused_before_it_costs_anything(text: str) -> None:
    tree, problems = read(text)
    assert tree is None
    assert "nested deeper than 64 levels" in problems[0]


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert len(bomb) < 310
    tree, problems = read(bomb)
    assert tree is None
    assert "more than 200,000 values" in problems[0]


def test_aliases_count_towards_depth() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80))
    assert "nested deeper than 64 levels" in read(chain)[1][0]


def test_many_values_and_many_bytes_are_refused() -> None:
    assert "more than 200,000 values" in read("[" + "1," * MAX_VALUES + "]")[1][0]
    assert read("# " + "x" * (4 * 2**20))[1] == ["1:1: the file is larger than 4 MiB"]


_text = st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=50)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
)
_documents = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(document=st.dictionaries(_text, _documents, min_size=1, max_size=4))
def test_json_is_read_as_it_is(document: dict[str, Any]) -> None:
    assert data(json.dumps(document, ensure_ascii=False)) == document


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet="[]{}&*!|>-?:,'\"# \na1"))
def test_any_text_gives_a_tree_or_problems(text: str) -> None:
    tree, problems = read(text.encode("utf-8", "replace"))
    assert tree is not None or problems
