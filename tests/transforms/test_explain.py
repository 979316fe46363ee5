"""What `explain` says is true: SQL, results and verdicts are those of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from odibi import checks
from odibi.checks.examples import EXAMPLES
from odibi.config.validation import TestConfig
from odibi.errors import UsageError
from odibi.explain import RUN_AT, explain, fetch, names
from odibi.node import Past
from tests.transforms.duck import canonical


def test_every_test_type_has_an_example() -> None:
    types = {model.model_fields["type"].default for model in get_args(get_args(TestConfig)[0])}
    assert set(EXAMPLES) == types


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_verdict_is_the_one_that_checks_give(name: str) -> None:
    example = EXAMPLES[name]
    model = next(
        m for m in get_args(get_args(TestConfig)[0]) if m.model_fields["type"].default == name
    )
    [verdict] = checks.judge(
        [model.model_validate(example.test)],
        example.df.schema,
        lambda query: fetch(query, {"df": example.df}),
        declared=example.declared,
        past=Past(tuple((RUN_AT - timedelta(days=1), rows) for rows in example.past)),
        now=RUN_AT,
    )
    assert not verdict.passed
    assert verdict.message == example.message


@pytest.mark.parametrize("name", [name for name in sorted(EXAMPLES) if EXAMPLES[name].failing])
def test_the_failing_rows_are_those_shown(name: str) -> None:
    example, sql = EXAMPLES[name], explain(name).sql
    assert example.failing is not None
    assert sql is not None
    assert canonical(fetch(sql, {"df": example.df}).rows) == canonical(list(example.failing.rows))


@pytest.mark.parametrize("name", names())
def test_everything_can_be_explained(name: str) -> None:
    found = explain(name)
    assert found.summary
    assert found.yaml
    assert all(param.description for param in found.params)
    assert found.result or found.verdict


def test_an_explanation_is_complete() -> None:
    found = explain("case_when")
    assert [(param.name, param.type, param.required) for param in found.params] == [
        ("cases", "list of map", True),
        ("cases[].condition", "text", True),
        ("cases[].value", "text", True),
        ("default", "text", False),
        ("output_col", "text", True),
    ]
    assert found.sql is not None
    assert found.sql.startswith("SELECT *, CASE WHEN")
    assert found.yaml is not None
    assert found.yaml.startswith("transformer: case_when\nparams:")
    assert found.inputs[0].rows == (("9",), ("40",))


def test_keys_are_found_by_path_or_by_their_end() -> None:
    mode = explain("nodes.write.mode")
    assert (mode.kind, mode.params[0].default) == ("key", "overwrite")
    assert explain("write.mode").params[0].name == "nodes.write.mode"
    assert "nodes.write.path" in {param.name for param in explain("nodes.write").params}


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"nothing here is called 'dedupliate' \(did you mean 'deduplicate'\?\)"
    ):
        explain("dedupliate")
