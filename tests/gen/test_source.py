"""Python source from values: what it says when read again, and how it lies on the page."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi_gen.source import Call, Code, Lines, assigned, layout, quoted, statement

_PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=50)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=20), inner, max_size=4)
        | st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


@given(st.text(max_size=300))
def test_a_text_is_read_back_as_it_was(text: str) -> None:
    written = quoted(text)
    assert ast.literal_eval(written) == text
    assert "\n" not in written


@given(_VALUES)
def test_a_value_is_read_back_as_it_was(value: object) -> None:
    assert ast.literal_eval(layout(value)) == value
    assert ast.literal_eval(assigned("name", value).partition(" = ")[2]) == value


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=6))
def test_pieces_of_a_text_are_that_text(pieces: list[str]) -> None:
    assert ast.literal_eval(layout(Lines(tuple(pieces)))) == "".join(pieces)


def test_what_fits_is_one_line_and_what_does_not_is_one_part_a_line() -> None:
    short = Call("f", (1,), {"a": "x"})
    assert assigned("n", short) == 'n = f(1, a="x")\n'
    long = Call("function", (), {"first": "x" * 40, "second": ["y" * 40, "z"]})
    assert statement(long, 4, before="with ", after=" as it:") == (
        "    with function(\n"
        f'        first="{"x" * 40}",\n'
        f'        second=["{"y" * 40}", "z"],\n'
        "    ) as it:\n"
    )


def test_only_what_generators_write_is_code() -> None:
    assert layout([Code("os.getcwd()"), "os.getcwd()"]) == '[os.getcwd(), "os.getcwd()"]'
    with pytest.raises(TypeError, match="no literal: set"):
        layout({1})


@pytest.mark.parametrize(
    ("text", "written"),
    [("it's", '"it\'s"'), ('a "b"', "'a \"b\"'"), ("both ' and \"", '"both \' and \\""')],
)
def test_quotes_are_those_that_need_fewer_escapes(text: str, written: str) -> None:
    assert quoted(text) == written


def test_formatters_leave_it_as_it_is(tmp_path: Path) -> None:
    values = [
        {"key": "v" * width, "list": ["a" * width, Call("f", (), {"x": ("one",), "y": [1, 2]})]}
        for width in range(1, 90, 3)
    ]
    values += [{"wide": "食" * width, "quote": "'\"\\" * width} for width in range(1, 30)]
    file = tmp_path / "made.py"
    made = "".join(assigned(f"name_{number}", value) for number, value in enumerate(values))
    file.write_text(made, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", "--diff", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
