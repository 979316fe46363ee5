"""Placeholders: environment, variables, dates; only in values, never in keys or comments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.config.problems import Position, Problem
from odibi.config.substitute import Substitution
from odibi.config.tree import Value, parse, plain
from tests.config.conftest import MINIMAL, Folder

NOW = datetime(2024, 3, 31, 15, 30, tzinfo=UTC)


def filled(text: str, **environ: str) -> tuple[Any, list[Problem]]:
    """A document after substitution, and what was wrong."""
    problems: list[Problem] = []
    tree = parse(Path("odibi.yaml"), text.encode(), problems)
    assert tree is not None
    return plain(Substitution(environ, NOW, problems).project(tree, {})), problems


def test_environment_with_and_without_default() -> None:
    text = "a: ${ONE}\nb: x-${env:ONE}-${TWO:-two}\nc: ${THREE:-}\nd: ${THREE:-a:-b}\n"
    found, problems = filled(text, ONE="1", TWO="II")
    assert problems == []
    assert found == {"a": "1", "b": "x-1-II", "c": "", "d": "a:-b"}


def test_a_value_cannot_add_keys_and_is_not_filled_again(folder: Folder) -> None:
    node = folder.node(
        "        description: ${TEXT}\n", environ={"TEXT": "${HOME}\n        enabled: false"}
    )
    assert node.description == "${HOME}\n        enabled: false"
    assert node.enabled is True


def test_comments_do_not_matter_and_missing_names_do(folder: Folder) -> None:
    more = "        # ${NOT_SET}\n        description: ${HOMEE}\n        owner: x\n"
    (missing, unknown) = folder.problems(MINIMAL + more, environ={"HOME": "/h"})
    assert (missing.line, missing.column) == (11, 22)
    assert missing.message == "environment variable HOMEE is not set"
    assert missing.hint is not None
    assert missing.hint.startswith("did you mean HOME?")
    assert "owner" in unknown.message


def test_dotenv_fills_what_the_environment_lacks(folder: Folder) -> None:
    folder.write(
        "# settings\nexport ONE=from-file\nTWO='a # b' # why\nTHREE=x # why\n=y\nFOUR = 4\n", ".env"
    )
    text = "        description: ${ONE} ${TWO} ${THREE} ${FOUR}\n"
    assert folder.node(text).description == "from-file a # b x 4"
    assert folder.node(text, environ={"ONE": "given"}).description == "given a # b x 4"


def test_a_dotenv_that_is_no_text_is_a_problem(folder: Folder) -> None:
    (folder.path / ".env").write_bytes(b"A=\xff")
    assert "can't be read" in folder.said_of_node("")[0]


def test_variables_keep_their_type_and_use_those_above(folder: Folder) -> None:
    text = (
        "        sensitive: ${vars.hide}\n        description: on ${vars.day} at ${vars.limit}\n"
        "        tags: ${vars.tags}\n"
        "vars: {hide: true, base: '2024', day: '${vars.base}-01', limit: 10, tags: [x, '${vars.day}']}\n"
    )
    node = folder.node(text)
    assert (node.sensitive, node.tags) == (True, ["x", "2024-01"])
    assert node.description == "on 2024-01 at 10"
    assert folder.node(text, variables={"base": "2025"}).description == "on 2025-01 at 10"
    assert folder.load(MINIMAL + text, variables={"limit": "5"}).project.vars["limit"] == "5"


def test_an_unknown_variable_is_a_problem_with_the_nearest_name(folder: Folder) -> None:
    (problem,) = folder.problems(MINIMAL + "        enabled: ${vars.dya}\nvars: {day: 1}\n")
    assert problem.message == "variable 'dya' is not defined"
    assert problem.hint == "did you mean vars.day?"


def test_a_list_cannot_be_part_of_a_text() -> None:
    _, problems = filled("vars: {l: [1]}\na: x${vars.l}\n")
    assert [p.message for p in problems] == ["'vars.l' is a list: it can't be part of a text"]


@pytest.mark.parametrize("double", ["'${vars.v%d}${vars.v%d}'", "['${vars.v%d}', '${vars.v%d}']"])
def test_variables_of_variables_have_a_limit_like_aliases(double: str) -> None:
    lines = [f"  v{n}: {double % (n - 1, n - 1)}" for n in range(1, 60)]
    _, problems = filled("\n".join(["vars:", "  v0: xxxxxxxxxx", *lines]))
    assert {p.message for p in problems} == {"placeholders make the project too large"}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("today", "2024-03-31"), ("now", "2024-03-31T15:30:00"), ("yesterday", "2024-03-30"),
        ("tomorrow", "2024-04-01"), ("start_of_month", "2024-03-01"), ("end_of_month", "2024-03-31"),
        ("start_of_year", "2024-01-01"), ("-7d", "2024-03-24"), ("+2w", "2024-04-14"),
        ("-1m", "2024-02-29"), ("-1y", "2023-03-31"), ("-3h:%H:%M", "12:30"),
        ("today:%Y%m%d", "20240331"),
    ],
)  # fmt: skip
def test_dates(expression: str, value: str) -> None:
    assert filled(f"a: ${{date:{expression}}}\n") == ({"a": value}, [])


@pytest.mark.parametrize("expression", ["someday", "", "-99999y", "-999999999999999d", "+1q"])
def test_what_is_no_date_is_a_problem(expression: str) -> None:
    _, problems = filled(f"a: ${{date:{expression}}}\n")
    assert [p.message for p in problems] == [f"'{expression}' is not a date expression"]


@given(
    st.text(
        alphabet=st.sampled_from("${}abc:-._ envdatevars0179%"),
        max_size=40,
    )
)
def test_any_text_is_filled_or_refused_in_words(text: str) -> None:
    problems: list[Problem] = []
    value = Value(text, Position(Path("odibi.yaml"), 1, 1))
    result = Substitution({"abc": "1"}, NOW, problems).apply(value)
    assert problems or "${" not in text or isinstance(result.data, str)


def test_environments_that_were_not_chosen_need_nothing(folder: Folder) -> None:
    text = MINIMAL + "environments: {prod: {connections: {data: {base_path: '${LAKE}'}}}}\n"
    assert folder.load(text).project.connections["data"].base_path == "."  # type: ignore[union-attr]
    found = folder.load(text, env="prod", environ={"LAKE": "/srv"}).project.connections["data"]
    assert found.base_path == "/srv"  # type: ignore[union-attr]
    assert folder.said(text, env="prod") == ["10:55: environment variable LAKE is not set"]
