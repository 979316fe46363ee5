"""A file full of different mistakes gives one message for each, all at once, where they stand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from odibi.config import ConfigError, load
from tests.config.conftest import HERE

REFERENCE = Path(__file__).parents[2] / "reference_project"

# what the reference project says → what is written instead, and the message
MISTAKES = [
    ("engine: duckdb", f"engine: {HERE}duckdbb", "'engine' can't be 'duckdbb' (did you mean 'duckdb'?)"),
    ("max_sample_rows: 10", f"max_sample_rows: {HERE}ten", "'max_sample_rows' must be a whole number, found 'ten'"),
    ("tags: [events, geo]", f"{HERE}tag: [events, geo]", "unknown key 'tag' in 'pipelines[0].nodes[1]' (did you mean 'tags'?)"),
    ("          connection: oltp", f"          {HERE}connection: oltpp", "connection 'oltpp' is not defined (did you mean 'oltp'?)"),
    ("sql_file: sql/zones.sql", f"{HERE}sql_file: sql/zone.sql", "file sql/zone.sql does not exist (did you mean 'zones.sql'?)"),
    ("type: regex_match", f"type: {HERE}regex_mach", "unknown type 'regex_mach' (did you mean 'regex_match'?)"),
    ("clickstream: $bronze.clickstream", f"{HERE}clickstream: $bronze.clickstreams", "input 'clickstream': no node $bronze.clickstreams (did you mean '$bronze.clickstream'?)"),
    ("- name: time_on_site", f"- {HERE}name: session_conversion", "node 'session_conversion' is defined twice in pipeline 'gold' (first in line {first})"),
    ("salt: ${ODIBIEATS_SALT:-salted-eats}", f"salt: {HERE}${{ODIBIEATS_SALT}}", "environment variable ODIBIEATS_SALT is not set"),
    ("depends_on: [events]", "depends_on: [events, identities]", "nodes wait for each other: silver.identity_links → silver.identities → silver.identity_links"),
    ("depends_on: [menu_changes]", f"depends_on: [{HERE}menu_change]", "depends_on: no node 'menu_change' in pipeline 'silver' (did you mean 'menu_changes'?)"),
    ("require_pass_rate: 0.99", f"require_pass_rate: {HERE}99", "'require_pass_rate' must be at most 1, found 99"),
    ("path: gold/session_conversion.parquet", f"path: gold/session_conversion.parquet\n          {HERE}mode: upsert", "mode 'upsert' needs keys"),
]  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(REFERENCE, tmp_path / "eats", ignore=shutil.ignore_patterns("data", ".odibi"))
    return tmp_path / "eats" / "odibi.yaml"


def test_the_reference_project_has_no_problems(copy: Path) -> None:
    loaded = load(copy, environ={})
    assert sum(len(pipeline.nodes) for pipeline in loaded.project.pipelines) == 29


def test_every_mistake_of_a_broken_copy_is_one_message(copy: Path) -> None:
    text = copy.read_text(encoding="utf-8")
    for right, wrong, _ in MISTAKES:
        assert right in text
        text = text.replace(right, wrong, 1)
    first = _line(text, "      - name: session_conversion")
    expected = {message.replace("{first}", str(first)) for _, _, message in MISTAKES}
    places = [*_places(text), (_line(text, "      - name: identity_links"), 9)]
    copy.write_text(text.replace(HERE, ""), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(copy, environ={})
    problems = caught.value.problems
    assert {problem.message for problem in problems} == expected
    assert len(problems) == len(MISTAKES)
    assert [(p.line, p.column) for p in problems] == sorted(places)


def _line(text: str, line: str) -> int:
    return text.splitlines().index(line) + 1


def _places(text: str) -> list[tuple[int, int]]:
    """Line and column of every marker, as they are without the markers."""
    return [
        (number, part.index(HERE) + 1)
        for number, part in enumerate(text.splitlines(), 1)
        if HERE in part
    ]


def test_messages_name_the_file_from_where_the_user_stands(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.write_text("project: [\n", encoding="utf-8")
    monkeypatch.chdir(copy.parent.parent)
    with pytest.raises(ConfigError) as caught:
        load(copy)
    assert str(caught.value).startswith("eats/odibi.yaml:2:1: not valid YAML")
    monkeypatch.chdir("/")
    assert str(caught.value.problems[0]).startswith(str(copy).lstrip("/"))
