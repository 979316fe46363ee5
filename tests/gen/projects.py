"""Projects with names and texts of all kinds, and what generated Python may hold."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from odibi import config, graph
from odibi_gen.project import Project, describe

__all__ = ["HOSTILE", "SHOP", "described", "functions_called", "parts"]

HOSTILE = (
    'it\'s "quoted" \\ and more',
    '"""); import os; os.system("true")  #',
    "{{ dag_run.conf }}{% raw %}",
    "${{ github.token }} $(id) `id` ; rm -rf x",
    "line\nbreak\ttab\r\nend.sh",
    "naïve 食事 🦆 \u2028 \u202e",
    "x" * 200,
)
"""Texts that would be code, markup or trouble where they aren't data."""

SHOP: dict[str, Any] = {
    "project": "corner shop",
    "description": "Orders of the shop.",
    "owner": "data@shop.example",
    "engine": "duckdb",
    "vars": {"partition": "", "limit": 5},
    "connections": {"data": {"type": "local", "base_path": "./data"}},
    "orchestration": {"schedule": "30 2 * * *", "timezone": "Europe/Lisbon", "retries": 2},
    "pipelines": [
        {
            "pipeline": "bronze",
            "layer": "bronze",
            "description": "As it arrived.",
            "tags": ["daily"],
            "nodes": [
                {
                    "name": "orders",
                    "description": "Each order once.",
                    "tags": ["orders"],
                    "read": {"connection": "data", "format": "csv", "path": "orders.csv"},
                    "validation": {
                        "tests": [
                            {"type": "unique", "columns": ["id"]},
                            {"type": "range", "column": "amount", "min": 0, "on_fail": "warn"},
                        ]
                    },
                    "write": {"connection": "data", "format": "parquet", "path": "orders.parquet"},
                },
            ],
        },
        {
            "pipeline": "gold",
            "layer": "gold",
            "freshness_sla": "1d",
            "nodes": [
                {
                    "name": "cities",
                    "inputs": {"orders": "$bronze.orders"},
                    "transform": {"steps": ["SELECT DISTINCT city FROM orders"]},
                    "orchestration": {
                        "owner": "geo",
                        "retries": 0,
                        "timeout": "90m",
                        "retry_delay": "30s",
                    },
                },
                {
                    "name": "revenue",
                    "depends_on": ["cities"],
                    "inputs": {"orders": "$bronze.orders"},
                    "transform": {"steps": ["SELECT city, sum(amount) AS amount FROM orders JOIN cities USING (city) GROUP BY city"]},
                    "write": {"connection": "data", "format": "parquet", "path": "revenue.parquet"},
                },
            ],
        },
    ],
}  # fmt: skip
"""A small project with what generators tell: layers, checks, a schedule, settings of a node."""


def described(folder: Path, project: Mapping[str, Any]) -> Project:
    """The project as generators see it; its YAML is written to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "odibi.yaml"
    file.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")
    return describe(graph.build(config.load(file, environ={})))


def parts(source: str) -> list[str]:
    """What the module's own statements are: their kinds, with the names that they bind."""
    return [_kind(statement) for statement in ast.parse(source).body]


def _kind(statement: ast.stmt) -> str:
    match statement:
        case ast.Import(names=names):
            return f"import {', '.join(alias.name for alias in names)}"
        case ast.ImportFrom(module=module):
            return f"from {module}"
        case ast.FunctionDef(name=name):
            return f"def {name}"
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return f"{name} ="
    return type(statement).__name__


def functions_called(source: str) -> set[str]:
    """Everything that is called anywhere in the module, by its dotted name."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {ast.unparse(call.func) for call in calls}
