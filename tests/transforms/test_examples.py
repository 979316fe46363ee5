"""Every built-in's example does on DuckDB what it says: the docs can't lie."""

from __future__ import annotations

import pytest

from odibi.transforms import Table, registry
from tests.transforms.duck import Duck, canonical


def wanted(table: Table) -> list[list[object]]:
    """Rows as the example writes them."""
    return sorted((list(row) for row in table.rows), key=repr)


@pytest.mark.parametrize("name", registry.names())
def test_the_example_comes_out_as_written(name: str) -> None:
    duck = Duck()
    example = registry.get(name).EXAMPLE
    rows = duck.example(registry.parse(name, example.params), example)
    assert list(rows.columns) == [column.name for column in example.result.schema]
    assert canonical(rows.rows) == wanted(example.result)


def test_every_module_registers_what_the_index_says_and_nothing_else() -> None:
    for name in registry.names():
        registry.get(name)
    assert {
        name: model.__module__ for name, model in registry._registered.items()
    } == registry._HOMES


@pytest.mark.parametrize("name", registry.names())
def test_every_param_is_described(name: str) -> None:
    model = registry.get(name)
    assert model.SUMMARY.endswith(".")
    for param, field in model.model_fields.items():
        assert field.description, f"{name}.{param}"
