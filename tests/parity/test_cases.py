"""The stated cases on every engine, and that there is one for everything that a node can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.checks.examples import EXAMPLES
from odibi.config.unsupported import FORMATS_READ, FORMATS_WRITTEN
from odibi.transforms import registry
from tests.machine import needs_java

from .harness import Case, cases_of, names_in, run

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def told(wrong: dict[str, list[str]]) -> str:
    return "\n".join(f"{name}: {problem}" for name, all_ in wrong.items() for problem in all_)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_case_is_as_stated(file: Path, engine: str, tmp_path: Path) -> None:
    wrong = run(cases_of(file), tmp_path / engine, engine)
    assert not wrong, told(wrong)


@pytest.mark.wide
def test_every_case_is_as_stated_on_spark(tmp_path: Path) -> None:
    """All of them in one test, and so in one process: a JVM takes seconds to start."""
    needs_java()
    wrong: dict[str, list[str]] = {}
    for file in FILES:
        wrong |= run(cases_of(file), tmp_path / file.stem, "spark")
    assert not wrong, told(wrong)


def all_cases() -> list[Case]:
    return [case for file in FILES for case in cases_of(file)]


def test_everything_that_a_node_can_say_has_a_case() -> None:
    known = {(registry.get(name).KIND, name) for name in registry.names()}
    known |= {("test", name) for name in EXAMPLES}
    known |= {("read format", name) for name in FORMATS_READ}
    known |= {("write format", name) for name in FORMATS_WRITTEN}
    shown = {used for case in all_cases() for used in names_in(case.node)}
    shown |= {("read format", "parquet"), ("write format", "parquet")}  # where a case says nothing
    shown |= {("write format", "sql")}  # needs a server for the half of it: tests/databases
    assert sorted(known - shown) == []


def test_names_of_cases_are_their_own() -> None:
    names = [case.name for case in all_cases()]
    assert sorted(set(names)) == sorted(names)
