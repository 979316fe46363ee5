"""The language as data: a schema that accepts what loads, and every key explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from odibi.config import reference, schema
from tests.config.whole import WHOLE

REFERENCE = Path(__file__).parents[2] / "reference_project" / "odibi.yaml"


class _Core(yaml.SafeLoader):
    """PyYAML without its dates, as JSON Schema has none."""


_Core.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(yaml.load(text, Loader=_Core))]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "text", [WHOLE.replace("${vars.hide}", "true"), REFERENCE.read_text(encoding="utf-8")]
)
def test_the_schema_accepts_what_loads(text: str) -> None:
    assert _errors(text) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("engine: duckdb", "engine: duck"),
        ("owner: data", "ownr: data"),
        ("type: unique", "type: uniq"),
        ("$bronze.orders", "bronze.orders"),
        ("max_rate: 0.1", "max_rate: 2"),
    ],
)
def test_the_schema_refuses_what_does_not(right: str, wrong: str) -> None:
    assert right in WHOLE
    assert _errors(WHOLE.replace("${vars.hide}", "true").replace(right, wrong)) != []


def test_every_key_is_explained() -> None:
    keys = reference()
    assert [key.path for key in keys if not key.description] == []
    assert len(keys) > 200
    by_path: dict[str, Any] = {key.path: key for key in keys}
    mode = by_path["nodes.write.mode"]
    assert mode.choices == ("overwrite", "append", "upsert", "append_once", "merge")
    assert (mode.default, mode.required) == ("overwrite", False)
    assert by_path["project"].required
    assert by_path["nodes.log_level"].choices == ("DEBUG", "INFO", "WARNING", "ERROR")
    assert "nodes.pattern" in by_path
