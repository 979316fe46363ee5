"""Names in generated code: whatever the text, an identifier that is valid, harmless and its own."""

from __future__ import annotations

import ast
import keyword

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odibi_gen.names import identifier, identifiers, slug

HOSTILE = (
    "",
    " ",
    "a.b-c",
    "class",
    "match",
    "None",
    "1st",
    "день",
    "Straße",
    "zażółć",
    "🦆",
    'a"b',
    "a'b",
    "x" * 200,
    "a\nimport os",
    "); __import__('os').system('true')  #",
    "{{ ti }}",
    "__class__",
    "\ud800",
    "e\u0301",
    "\u2028",
)


@given(st.text(max_size=250))
@example("class")
@example("")
def test_any_text_becomes_one_plain_identifier(text: str) -> None:
    name = identifier(text)
    assert name.isidentifier() and name.isascii() and len(name) <= 170
    assert not keyword.iskeyword(name) and not keyword.issoftkeyword(name)
    assert ast.unparse(ast.parse(f"{name} = 1")) == f"{name} = 1"
    assert identifier(text) == name


@given(st.lists(st.text(max_size=60), max_size=20))
@example(list(HOSTILE))
@example(["a.b", "a-b", "a b", "a_b"])
@example(["x" * 150, "x" * 151])
def test_each_text_has_its_own_identifier(texts: list[str]) -> None:
    names = identifiers(texts)
    assert set(names) == set(texts)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_that_are_taken_are_left_alone(text: str) -> None:
    first = identifier(text)
    second = identifier(text, {first})
    assert second != first and second.isidentifier() and not keyword.iskeyword(second)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("orders", "orders"),
        ("_private", "_private"),
        ("a.b-c", "a_b_c"),
        ("class", "n_class"),
        ("1st", "n_1st"),
        ("Zürich orders", "Zurich_orders"),
        ("день", "n"),
        ("range(amount)", "range_amount"),
    ],
)
def test_names_tell_what_the_text_is(text: str, name: str) -> None:
    assert identifier(text) == name


def test_texts_of_the_same_letters_differ_by_a_digest_that_stays() -> None:
    names = identifiers(["a.b", "a-b"])
    assert names == {"a.b": "a_b", "a-b": "a_b_" + names["a-b"][-6:]}
    assert identifiers(["a.b", "a-b"]) == names
    assert slug("a.b") == slug("a-b") == "a_b"
