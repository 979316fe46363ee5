"""Whole files for people to review: what generators make of the shop, as it stands in golden/.

After a change that is meant: `python -m tests.gen.test_golden` writes them anew.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi_gen import airflow, dagster, github
from odibi_gen.files import Header, signed

from .projects import SHOP, described

GOLDEN = Path(__file__).parent / "golden"
PARTITIONED = {
    **SHOP,
    "orchestration": {"schedule": "30 2 * * *", "partition": "daily", "start_date": "2026-01-01"},
}


def made(folder: Path) -> Iterator[tuple[str, str]]:
    """Paths below golden/ and what belongs there."""
    shop = described(folder / "shop", SHOP)
    partitioned = described(folder / "partitioned", PARTITIONED)
    airflow_ways = {
        "": airflow.Options(),
        " --airflow-version 2": airflow.Options(version=2),
        " --operator python": airflow.Options(operator="python"),
        " --layout single": airflow.Options(layout="single"),
    }
    wanted = {
        ("airflow", f"odibi gen airflow{words}"): airflow.render(shop, options)
        for words, options in airflow_ways.items()
    }
    wanted["airflow", "odibi gen airflow (partitioned)"] = airflow.render(
        partitioned, airflow.Options()
    )
    wanted["dagster", "odibi gen dagster"] = dagster.render(shop, dagster.Options())
    wanted["dagster", "odibi gen dagster (partitioned)"] = dagster.render(
        partitioned, dagster.Options()
    )
    wanted["github", "odibi gen github"] = github.render(shop, github.Options("lake", "prod"))
    for (target, command), files in wanted.items():
        home = "".join(c if c.isalnum() else "_" for c in command.removeprefix("odibi gen "))
        for name, text in signed(Header("corner shop", target, command), files).items():
            yield f"{home.strip('_')}/{name}", text


def test_files_are_those_that_were_reviewed(tmp_path: Path) -> None:
    wanted = dict(made(tmp_path))
    stored = {
        path.relative_to(GOLDEN).as_posix(): path.read_text(encoding="utf-8")
        for path in itertools.chain(GOLDEN.rglob("*.py"), GOLDEN.rglob("*.yml"))
    }
    assert sorted(wanted) == sorted(stored)
    for name, text in wanted.items():
        assert text == stored[name], name


@pytest.mark.parametrize("name", ["airflow___operator_python", "dagster"])
def test_a_reviewed_file_says_who_made_it(name: str) -> None:
    first = next((GOLDEN / name).glob("*.py")).read_text().splitlines()[:2]
    assert (
        first[0] == "# Made by odibi from odibi.yaml: change that, and run the command below again."
    )
    assert first[1].startswith('# odibi-gen: {"project": "corner shop", "target": ')


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, text in made(Path(folder)):
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text, encoding="utf-8")
