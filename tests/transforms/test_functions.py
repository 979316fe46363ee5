"""Users' functions: what they ask for, and what is said when their module is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi import functions
from odibi.errors import UsageError

MODULE = """
from __future__ import annotations
import pandas as pd
from odibi import transform
from odibi.functions import register

@transform
def plain(df): ...

@transform
def frame(df: pd.DataFrame, factor: int = 2) -> pd.DataFrame: ...

@transform("renamed")
def arrow(table: "pyarrow.Table"): ...

@register
def relation(rel: duckdb.DuckDBPyRelation): ...

@transform()
def old_style(context, current, x): ...
"""


def test_annotations_decide_what_a_function_is_given(tmp_path: Path) -> None:
    (tmp_path / "transforms.py").write_text(MODULE)
    found = functions.load_module(tmp_path)
    assert {name: function.wants for name, function in found.items()} == {
        "plain": "pandas",
        "frame": "pandas",
        "renamed": "arrow",
        "relation": "relation",
        "old_style": "context",
    }
    with pytest.raises(UsageError) as caught:
        functions.get("fram")
    assert caught.value.hint == "did you mean 'frame'?"


def test_a_package_works_as_a_module_and_replaces_the_last_project(tmp_path: Path) -> None:
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "__init__.py").write_text("from . import deep\n")
    (tmp_path / "transforms" / "deep.py").write_text(
        "from odibi import transform\n@transform\ndef inner(df): ...\n"
    )
    assert set(functions.load_module(tmp_path)) == {"inner"}
    assert functions.load_module(tmp_path / "transforms") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = 1 / 0\n", r"transforms.py:2: ZeroDivisionError: division by zero"),
        ("def broken(:\n", r"transforms.py:1:12: SyntaxError"),
        ("import not_there_at_all\n", r"transforms.py:1: ModuleNotFoundError"),
    ],
)
def test_a_module_that_fails_is_placed(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "transforms.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        functions.load_module(tmp_path)
