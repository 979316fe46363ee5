"""Imports and environments: what wins, what joins, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.config import ConfigError, load
from tests.config.conftest import MINIMAL, Folder

MORE = """\
connections: {data: {type: local, base_path: elsewhere}, other: {type: local}}
pipelines: [{pipeline: q, nodes: [{name: b}]}]
"""


def test_the_importing_file_wins_and_pipelines_join(folder: Folder) -> None:
    folder.write(MORE, "more.yaml")
    loaded = folder.load(MINIMAL + "imports: more.yaml\n")
    assert [p.pipeline for p in loaded.project.pipelines] == ["q", "p"]
    assert loaded.project.connections["data"].base_path == "."  # type: ignore[union-attr]
    assert set(loaded.project.connections) == {"data", "other"}
    assert [path.name for path in loaded.sources] == ["odibi.yaml", "more.yaml"]
    position = loaded.positions.at(("pipelines", 0, "nodes", 0, "name"))
    assert (position.file.name, position.line, position.column) == ("more.yaml", 2, 36)


def test_files_named_in_an_import_are_relative_to_it(folder: Folder) -> None:
    (folder.path / "sub" / "sql").mkdir(parents=True)
    folder.write("SELECT 1", "sub/sql/one.sql")
    step = "{transform: {steps: [{sql_file: sql/one.sql}]}, name: b}"
    folder.write(f"pipelines: [{{pipeline: q, nodes: [{step}]}}]\n", "sub/more.yaml")
    loaded = folder.load(MINIMAL + "imports: [sub/more.yaml]\n")
    path = ("pipelines", 0, "nodes", 0, "transform", "steps", 0, "sql_file")
    assert loaded.file_of(path).parent == (folder.path / "sub").resolve()


def test_a_file_imported_twice_is_read_once(folder: Folder) -> None:
    folder.write(MORE, "leaf.yaml")
    folder.write("imports: leaf.yaml\n", "b.yaml")
    folder.write("imports: [b.yaml, leaf.yaml]\n", "c.yaml")
    loaded = folder.load(MINIMAL + "imports: [b.yaml, c.yaml]\n")
    assert [p.pipeline for p in loaded.project.pipelines] == ["q", "p"]


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        ("c.yaml", "10:10: imported file c.yaml does not exist"),
        ("[3]", "10:11: expected the path of a YAML file"),
        ('"a\\0b"', "10:10: a NUL character can be no part of a value"),
        ("x" * 5000, f"10:10: imported file {'x' * 5000} does not exist"),
    ],
)
def test_what_cannot_be_imported(folder: Folder, imports: str, message: str) -> None:
    assert folder.said(f"{MINIMAL}imports: {imports}\n") == [message]


def test_imports_in_a_circle(folder: Folder) -> None:
    folder.write("imports: [odibi.yaml]\n", "b.yaml")
    found = folder.problems(MINIMAL + "imports: [b.yaml]\n")
    assert [p.message for p in found] == [
        "imports go in a circle: odibi.yaml → b.yaml → odibi.yaml"
    ]
    assert found[0].file.name == "b.yaml"


def test_a_name_defined_in_two_files_names_both(folder: Folder) -> None:
    folder.write("pipelines: [{pipeline: p, nodes: []}]\n", "b.yaml")
    (found,) = folder.problems(MINIMAL + "imports: [b.yaml]\n")
    assert (found.file.name, found.line) == ("odibi.yaml", 6)
    assert "b.yaml:1:14)" in found.message


ENVIRONMENTS = (
    MINIMAL
    + """\
environments:
  prod:
    engine: pandas
    connections: {data: {base_path: /srv}}
    pipelines: [{pipeline: p, nodes: [{name: other}]}]
"""
)


def test_an_environment_overrides_and_replaces_pipelines_by_name(folder: Folder) -> None:
    assert folder.load(ENVIRONMENTS).project.engine == "duckdb"
    project = folder.load(ENVIRONMENTS, env="prod").project
    assert project.engine == "pandas"
    assert project.connections["data"].base_path == "/srv"  # type: ignore[union-attr]
    assert [(p.pipeline, [n.name for n in p.nodes]) for p in project.pipelines] == [
        ("p", ["other"])
    ]


def test_a_file_beside_the_yaml_is_an_environment_as_well(folder: Folder) -> None:
    folder.write("engine: pandas\n", "env.test.yaml")
    assert folder.load(MINIMAL, env="test").project.engine == "pandas"
    assert folder.load(MINIMAL).project.engine == "duckdb"


def test_a_connection_of_another_type_keeps_nothing_of_the_former(folder: Folder) -> None:
    yaml = MINIMAL.replace("pipelines:", "  shop: {type: sqlite, path: shop.db}\npipelines:") + (
        "environments:\n  prod:\n    connections:\n"
        "      shop: {type: postgres, host: db.example, database: shop}\n"
    )
    shop = folder.load(yaml, env="prod").project.connections["shop"]
    assert (shop.type, hasattr(shop, "path")) == ("postgres", False)
    assert folder.load(yaml).project.connections["shop"].type == "sqlite"


def test_unknown_environments_and_what_they_may_not_override(folder: Folder) -> None:
    assert folder.said(ENVIRONMENTS, env="prd") == [
        "10:1: environment 'prd' is not defined (did you mean 'prod'?)"
    ]
    wrong = MINIMAL + "environments: {a: {project: x, enginne: pandas}, b: 3}\n"
    assert folder.said(wrong) == [
        "10:20: an environment can't override 'project'",
        "10:32: an environment can't override 'enginne' (did you mean 'engine'?)",
        "10:53: environment 'b': expected a map of overrides",
    ]


def test_files_that_are_no_project(folder: Folder) -> None:
    assert folder.said("- 1\n") == [
        "1:1: expected a map with `project`, `connections`, `pipelines`"
    ]
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(folder.path / "absent.yaml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(folder.path)
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load(Path("/dev/zero"))
