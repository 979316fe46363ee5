"""The reference project as it stands: loads without a word, and writes what the hand-written script writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi import config, graph
from odibi_datagen import generate
from perf import handwritten

PROJECT = Path(__file__).parents[2] / "reference_project"


@pytest.fixture(scope="module")
def loaded() -> config.Loaded:
    return config.load(PROJECT / "odibi.yaml", environ={})


def test_it_loads_without_warnings_and_its_edges_make_sense(loaded: config.Loaded) -> None:
    assert not loaded.warnings
    nodes = graph.build(loaded).nodes
    names = {key: node.upstream for key, node in nodes.items()}
    assert len(names) == 29
    assert names["gold.fact_orders"] == {
        "orders": "silver.orders",
        "dim_date": "gold.dim_date",
        "dim_restaurant": "gold.dim_restaurant",
        "dim_customer": "gold.dim_customer",
    }
    assert names["silver.sessions"] == {
        "events": "silver.events",
        "identities": "silver.identities",
    }
    assert names["gold.item_prices"]["restaurants"] == "bronze.restaurants"


def test_it_says_what_every_node_is_for(loaded: config.Loaded) -> None:
    for pipeline in loaded.project.pipelines:
        assert pipeline.description and pipeline.owner and pipeline.layer == pipeline.pipeline
        assert all(node.description and node.tags for node in pipeline.nodes)


def test_it_writes_the_same_tables_as_the_script(loaded: config.Loaded, tmp_path: Path) -> None:
    generate(tmp_path / "landing", size="1MB")
    by_hand = handwritten.run(tmp_path / "landing", tmp_path / "lake")
    nodes = [node for pipeline in loaded.project.pipelines for node in pipeline.nodes]
    targets = [node.write for node in nodes]
    targets += [node.validation.quarantine for node in nodes if node.validation]
    targets += [node.read.bad_lines for node in nodes if node.read]
    written = {target.path for target in targets if target is not None and target.path}
    assert written == {f"{name}.parquet" for name in by_hand}


def test_every_sql_file_is_used(loaded: config.Loaded) -> None:
    used = {
        step.sql_file
        for pipeline in loaded.project.pipelines
        for node in pipeline.nodes
        for step in (node.transform.steps if node.transform else ())
        if step.sql_file
    }
    assert used == {f"sql/{path.name}" for path in (PROJECT / "sql").iterdir()}
