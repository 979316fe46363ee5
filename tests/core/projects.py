"""Small projects on disk for tests of the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

from odibi import config
from odibi.config import Loaded
from odibi.graph import Graph, build

HEAD = """\
project: test
engine: duckdb
connections:
  raw: {type: local, base_path: ./raw}
  lake: {type: local, base_path: ./lake}
  shop: {type: sqlite, path: ./raw/shop.db}
pipelines:
"""


def project(root: Path, pipelines: str, files: Mapping[str, str] | None = None) -> Loaded:
    """A project in `root` with the given pipelines (YAML list) and further files by path."""
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    yaml = root / "odibi.yaml"
    yaml.write_text(HEAD + indent(dedent(pipelines).strip("\n"), "  ") + "\n", encoding="utf-8")
    return config.load(yaml, environ={})


def graph_of(root: Path, pipelines: str, files: Mapping[str, str] | None = None) -> Graph:
    return build(project(root, pipelines, files))


MEDALLION = """
- pipeline: bronze
  layer: bronze
  tags: [daily]
  nodes:
    - name: orders
      read: {connection: raw, format: csv, path: orders.csv}
      write: {connection: lake, format: parquet, path: bronze/orders.parquet}
    - name: shops
      read: {connection: raw, format: csv, path: shops.csv}
      write: {connection: lake, format: parquet, path: bronze/shops.parquet}
      tags: [lookup]
- pipeline: silver
  layer: silver
  tags: [daily]
  nodes:
    - name: orders
      inputs: {orders: $bronze.orders}
      write: {connection: lake, format: parquet, path: silver/orders.parquet}
    - name: links
      depends_on: [orders]
    - name: people
      depends_on: [links]
      write: {connection: lake, format: parquet, path: silver/people.parquet}
- pipeline: gold
  layer: gold
  nodes:
    - name: sales
      inputs: {orders: $silver.orders, shops: $bronze.shops}
      write: {connection: lake, format: csv, path: gold/sales.csv}
      tags: [report]
    - name: top
      depends_on: [sales]
      write: {connection: lake, format: parquet, path: gold/top.parquet}
      tags: [report]
"""
"""bronze.orders → silver.orders → links (keeps nothing) → people; orders and shops → gold.sales → top."""

RAW = {"raw/orders.csv": "id\n1\n", "raw/shops.csv": "id\n1\n"}


def store(graph: Graph, *keys: str) -> None:
    """Put something where these nodes write."""
    from odibi import places

    for key in keys:
        path = places.output_of(graph.loaded, graph.nodes[key])
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stored")
