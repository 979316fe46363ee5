"""Broken files, one of each kind, on both engines; and files with bad lines planted by chance."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.bad_data import CASES, Case, try_case


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("name", CASES)
def test_a_broken_file_loses_no_row_silently(tmp_path: Path, name: str, engine: str) -> None:
    assert try_case(tmp_path, CASES[name], engine) == []


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00\r\n"),
    max_size=8,
)
GOOD = st.tuples(st.integers(-(2**63), 2**63 - 1), TEXTS.filter(bool))
BAD_CSV = st.sampled_from(["x,y", "1", "1,a,b", "1.5,a", "9223372036854775808,a", "--,"])
BAD_JSON = st.sampled_from(
    ["{", "[1]", '"x"', '{"id":"x","t":"a"}', '{"id":1.5,"t":"a"}', '{"id":1', "nul", '{"a":}']
)


def planted(bad: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[int, str] | str]]:
    """Lines in any order: rows as (id, text), bad ones as they stand in the file."""
    return st.lists(st.one_of(GOOD, GOOD, bad), min_size=1, max_size=30)


def quoted(row: tuple[int, str]) -> str:
    return f'{row[0]},"{row[1].replace(chr(34), chr(34) * 2)}"'


def check(name: str, lines: list[tuple[int, str] | str], content: str, engine: str) -> None:
    good = tuple(line for line in lines if not isinstance(line, str))
    case = Case(
        name, content.encode(), {"id": "BIGINT", "t": "VARCHAR"}, good, {"": len(lines) - len(good)}
    )
    with TemporaryDirectory() as folder:
        assert try_case(Path(folder) / "p", case, engine) == []


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@settings(max_examples=15)
@given(lines=planted(BAD_CSV))
def test_planted_lines_of_csv_are_all_accounted_for(
    engine: str, lines: list[tuple[int, str] | str]
) -> None:
    texts = [line if isinstance(line, str) else quoted(line) for line in lines]
    check("a.csv", lines, "\n".join(["id,t", *texts]) + "\n", engine)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@settings(max_examples=15)
@given(lines=planted(BAD_JSON))
def test_planted_lines_of_json_are_all_accounted_for(
    engine: str, lines: list[tuple[int, str] | str]
) -> None:
    texts = [
        line if isinstance(line, str) else json.dumps({"id": line[0], "t": line[1]})
        for line in lines
    ]
    check("a.ndjson", lines, "\n".join(texts) + "\n", engine)
