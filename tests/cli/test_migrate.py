"""`odibi migrate check` on projects of 3.x."""

from __future__ import annotations

import shutil
from pathlib import Path

from odibi.migration import DIFFERENCES
from tests.cli.command import odibi

PROJECTS = Path(__file__).parents[1] / "compat" / "projects"


def test_each_difference_is_said_once_with_all_its_places() -> None:
    outcome = odibi("migrate", "check", cwd=PROJECTS / "star_schema" / "project")
    assert outcome.code == 0
    assert outcome.out.count("malformed CSV lines disappear") == 1
    assert "odibi.yaml:14:36: build.customers\n    odibi.yaml:36:36: build.orders" in outcome.out
    assert outcome.out.endswith("it runs here: 6 nodes, 6 differences from 3.x\n")


def test_programs_get_the_places() -> None:
    outcome = odibi("migrate", "check", "--json", cwd=PROJECTS / "scd2" / "project")
    assert outcome.json["runs"]
    (target,) = (found for found in outcome.json["differences"] if "target" in found["before"])
    assert (target["line"], target["node"]) == (26, "silver.prices_without_write")


def test_what_is_refused_is_listed_with_what_to_do(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECTS / "scd2" / "project", tmp_path / "old")
    yaml = folder / "odibi.yaml"
    yaml.write_text(yaml.read_text().replace("transformer: scd2", "transformer: psychrometrics"))
    outcome = odibi("migrate", "check", folder, cwd=tmp_path)
    assert outcome.code == 2
    assert "odibi.yaml:13:9: 'psychrometrics' of 3.x is not supported" in outcome.out
    assert "to mend before it runs" in outcome.out


def test_differences_are_said_in_words_of_a_table() -> None:
    for one in DIFFERENCES:
        assert "|" not in one.before + one.now + one.why
