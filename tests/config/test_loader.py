"""Reading YAML safely: limits, scalars, substitution, imports, environments, secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.config import ConfigError, Loaded, load

MINIMAL = """\
project: {project}
engine: duckdb
connections:
  data: {{type: local, base_path: {base}}}
pipelines:
  - pipeline: p
    nodes:
      - name: a
        read: {{connection: data, format: parquet, path: a.parquet}}
{more}"""


def write(folder: Path, more: str = "", project: str = "demo", base: str = ".") -> Path:
    path = folder / "odibi.yaml"
    path.write_text(MINIMAL.format(project=project, base=base, more=more))
    return path


def messages(path: Path, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, **options)
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    path = write(tmp_path, "        description: NO\n        tags: [12:30, 2024-01-01, on, 0777]\n")
    text = path.read_text().replace("[12:30, 2024-01-01, on, 0777]", "[12:30, 2024-01-01, on]")
    path.write_text(text)
    node = load(path).project.pipelines[0].nodes[0]
    assert node.description == "NO"
    assert node.tags == ["12:30", "2024-01-01", "on"]


def test_an_alias_bomb_is_refused_fast(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    path = tmp_path / "odibi.yaml"
    path.write_text("\n".join(levels))
    assert any("more than 200,000 values" in message for message in messages(path))


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{a: " * 5000, "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 400))]
)
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odibi.yaml"
    path.write_text(text)
    assert any("deep" in message for message in messages(path))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odibi.yaml"
    path.write_text("# " + "x" * (4 * 2**20))
    assert messages(path) == ["1:1: the file is larger than 4 MiB"]


def test_tags_and_repeated_keys_are_problems(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "        description: !!python/name:os.system x\n        enabled: true\n        enabled: false\n",
    )
    found = messages(path)
    assert found[0].startswith("10:22: YAML tags are not allowed")
    assert found[1] == "12:9: key 'enabled' is given twice (first in line 11)"


def test_a_value_from_the_environment_cannot_add_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "        description: ${TEXT}\n")
    loaded = load(path, environ={"TEXT": "x\n        enabled: false"})
    node = loaded.project.pipelines[0].nodes[0]
    assert node.description == "x\n        enabled: false"
    assert node.enabled is True


def test_placeholders_in_comments_do_not_matter_and_missing_ones_do(tmp_path: Path) -> None:
    path = write(
        tmp_path, "        # ${NOT_SET}\n        description: ${HOME_DIR:-none} ${HOMEE}\n"
    )
    assert messages(path, environ={"HOME": "/h"}) == [
        "11:22: environment variable HOMEE is not set"
    ]


def test_variables_keep_their_type_and_can_be_given(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "        sensitive: ${vars.hide}\n        description: on ${vars.day}\nvars: {hide: true, day: 2024-01-01}\n",
    )
    node = load(path, variables={"day": "2024-02-02"}).project.pipelines[0].nodes[0]
    assert node.sensitive is True
    assert node.description == "on 2024-02-02"
    path = write(tmp_path, "        description: ${vars.dya}\nvars: {day: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.problems[0].hint == "did you mean vars.day?"


def test_the_importing_file_wins_and_pipelines_join(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        "connections: {data: {type: local, base_path: elsewhere}, other: {type: local}}\n"
        "pipelines: [{pipeline: q, nodes: [{name: b, depends_on: []}]}]\n"
    )
    loaded = load(write(tmp_path, "imports: more.yaml\n"))
    assert [p.pipeline for p in loaded.project.pipelines] == ["q", "p"]
    assert loaded.project.connections["data"].base_path == "."  # type: ignore[union-attr]
    assert set(loaded.project.connections) == {"data", "other"}
    assert loaded.positions.at(("pipelines", 0, "pipeline")).file.name == "more.yaml"


def test_circular_and_missing_imports_are_problems(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("imports: [odibi.yaml]\n")
    found = messages(write(tmp_path, "imports: [b.yaml, c.yaml]\n"))
    assert any("imports go in a circle: odibi.yaml → b.yaml → odibi.yaml" in m for m in found)
    assert any("imported file c.yaml does not exist" in m for m in found)


def test_environments_override_what_they_may(tmp_path: Path) -> None:
    more = "environments: {prod: {connections: {data: {type: local, base_path: /srv}}}}\n"
    path = write(tmp_path, more)
    assert load(path).project.connections["data"].base_path == "."  # type: ignore[union-attr]
    assert load(path, env="prod").project.connections["data"].base_path == "/srv"  # type: ignore[union-attr]
    assert messages(path, env="prd") == [
        "10:1: environment 'prd' is not defined (did you mean 'prod'?)"
    ]


def test_secrets_are_known_to_the_redactor(tmp_path: Path) -> None:
    more = (
        "        privacy: {method: hash, salt: pepper-123}\n        description: ${SECRET_TEXT}\n"
    )
    loaded = load(write(tmp_path, more), environ={"SECRET_TEXT": "hunter22"})
    assert loaded.secrets.text("pepper-123 and hunter22 (aHVudGVyMjI=)") == "*** and *** (***)"


def test_what_is_known_but_unsupported_is_refused_where_it_stands(tmp_path: Path) -> None:
    found = messages(
        write(
            tmp_path,
            "        streaming: true\n        write: {connection: data, format: avro, path: x}\n",
        )
    )
    assert found == [
        "10:9: streaming is not supported",
        "11:35: writing format 'avro' is not supported yet",
    ]


def test_a_text_form_of_pattern_and_steps_is_written_out(tmp_path: Path) -> None:
    more = "        pattern: {type: dimension, params: {natural_key: id}}\n        transform: {steps: ['SELECT 1']}\n"
    node = load(write(tmp_path, more)).project.pipelines[0].nodes[0]
    assert (node.transformer, node.params) == ("dimension", {"natural_key": "id"})
    assert node.transform is not None
    assert node.transform.steps[0].sql == "SELECT 1"


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_keys = st.sampled_from(
    [
        "project",
        "pipelines",
        "nodes",
        "name",
        "read",
        "write",
        "connections",
        "type",
        "tests",
        "steps",
        "sql",
        "vars",
    ]
) | st.text(max_size=8)
_documents = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(document=_documents)
def test_any_document_loads_or_is_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    try:
        assert isinstance(load(path, environ={}), Loaded)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is fine, silence is not
