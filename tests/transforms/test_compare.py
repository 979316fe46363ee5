"""Two inputs that must agree."""

from __future__ import annotations

import pytest

from odibi.errors import NodeError
from odibi.transforms import Table
from tests.transforms.duck import Duck

DF = Table("id BIGINT", [(1,)])
TEN = Table("id BIGINT, name", [(n, "x") for n in range(10)])
NINE = Table("name, id BIGINT", [("x", n) for n in range(9)])
TEXT = Table("id, name", [("1", "x")])


def check(kind: str, one: Table, other: Table, threshold: float = 0.0) -> list[dict[str, object]]:
    params = {"type": kind, "inputs": ["one", "other"], "threshold": threshold}
    return Duck().run("cross_check", params, DF, {"one": one, "other": other})


def test_row_counts_may_differ_by_the_threshold_and_no_more() -> None:
    assert check("row_count_diff", TEN, NINE, 0.1) == [{"id": 1}]
    with pytest.raises(NodeError, match="one has 10 rows, other 9; 1 may differ"):
        check("row_count_diff", TEN, NINE, 0.09)


def test_schemas_match_in_any_order() -> None:
    assert check("schema_match", TEN, NINE) == [{"id": 1}]
    with pytest.raises(NodeError, match="id is BIGINT in one, VARCHAR in other"):
        check("schema_match", TEN, TEXT)
