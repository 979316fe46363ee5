"""`odibi explain` and the lists of built-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.explain import names
from tests.cli.command import odibi


def test_a_transformer_shows_params_example_and_result(tmp_path: Path) -> None:
    lines = odibi("explain", "drop_columns", cwd=tmp_path).out.splitlines()
    assert lines[:2] == ["drop_columns · transformer", "Remove these columns."]
    for heading in ("params", "example", "df", "result", "as SQL"):
        assert heading in lines


def test_for_programs_it_says_the_same(tmp_path: Path) -> None:
    found = odibi("explain", "not_null", "--json", cwd=tmp_path).json
    assert (found["name"], found["kind"]) == ("not_null", "test")
    assert {param["name"] for param in found["params"]} >= {"columns", "on_fail"}


@pytest.mark.parametrize("name", ["nodes.write.mode", "write.mode"])
def test_a_key_is_found_by_its_path_or_the_end_of_it(name: str, tmp_path: Path) -> None:
    outcome = odibi("explain", name, cwd=tmp_path)
    assert outcome.out.startswith("nodes.write.mode · key\n")
    assert "append_once" in outcome.out


def test_a_slip_names_the_nearest(tmp_path: Path) -> None:
    outcome = odibi("explain", "dedup", cwd=tmp_path)
    assert outcome.code == 2
    assert "did you mean 'deduplicate'?" in outcome.err


def test_without_a_name_it_lists_what_there_is(tmp_path: Path) -> None:
    groups = odibi("explain", "--json", cwd=tmp_path).json
    assert sorted(name for group in groups.values() for name in group) == names()
    assert "scd2" in odibi("explain", cwd=tmp_path).out


@pytest.mark.parametrize("name", names())
def test_everything_fits_80_columns_or_is_code(name: str, tmp_path: Path) -> None:
    text = odibi("explain", name, cwd=tmp_path).out
    prose = text.split("\nexample\n")[0]
    assert all(len(line) <= 80 for line in prose.splitlines() if " · " not in line)


@pytest.mark.parametrize("what", ["transformers", "patterns", "tests"])
def test_lists_name_what_can_be_explained(what: str, tmp_path: Path) -> None:
    rows = odibi("list", what, "--json", cwd=tmp_path).json
    assert rows
    assert {row[what.removesuffix("s")] for row in rows} <= set(names())
    assert all(row["summary"] for row in rows)
