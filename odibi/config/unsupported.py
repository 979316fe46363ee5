"""What the language knows and this version doesn't do: refused with its place and the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "CONNECTIONS",
    "DATABASES",
    "DELTA_STORES",
    "FORMATS_READ",
    "FORMATS_WRITTEN",
    "IDLE",
    "INSTEAD",
    "KEYS",
    "REFUSED",
    "REMOTE",
    "TRANSFORMERS",
    "idle_keys",
    "refusals",
]

FORMATS_READ = ("csv", "json", "parquet", "delta", "sql", "api", "simulation")
FORMATS_WRITTEN = ("csv", "json", "parquet", "delta", "sql")
REMOTE = ("s3", "gcs", "abfs", "sftp", "memory")
DELTA_STORES = ("s3", "gcs", "abfs")
DATABASES = ("sqlite", "postgres", "postgresql")
CONNECTIONS = ("local", "http", *DATABASES, *REMOTE)

# types of connections that can't be used yet → what to do instead
INSTEAD: Mapping[str, str] = {
    "sql_server": "export its tables as Parquet or CSV (bcp, sqlcmd), or use a PostgreSQL or SQLite database",
    "azure_blob": "use type: abfs to read its files",
}

# keys of 3.x that the models don't have → why not
KEYS: Mapping[str, str] = {
    "recipes": "recipes are not supported; write the nodes out, or share parts with YAML anchors",
    "recipe": "recipes are not supported; write the node out, or share parts with YAML anchors",
    "recipe_vars": "recipes are not supported; write the node out, or share parts with YAML anchors",
}

_ENGINEERING = "compute it in a Python function (transforms.py) with a library of your choice"

# built-ins of 3.x that don't exist here → what to do instead
TRANSFORMERS: Mapping[str, str] = {
    "detect_sequential_phases": "write the phases as SQL with window functions",
    "fluid_properties": _ENGINEERING,
    "geocode": "3.x has only a stub of it; call a geocoder in a Python function (transforms.py)",
    "psychrometrics": _ENGINEERING,
    "saturation_properties": _ENGINEERING,
    "unit_convert": "write the factors as SQL in derive_columns",
}

_SET: Callable[[Any], bool] = bool

# path inside a node → (is it asked for?, why not)
REFUSED: Mapping[tuple[str, ...], tuple[Callable[[Any], bool], str]] = {
    ("streaming",): (_SET, "streaming is not supported"),
    ("read", "streaming"): (_SET, "streaming is not supported"),
    ("read", "archive_options"): (_SET, "Spark's archiving options are not supported"),
    ("read", "schema_ddl"): (
        _SET,
        "schema_ddl is not supported; declare columns in read.options.columns",
    ),
    ("write", "streaming"): (_SET, "streaming is not supported"),
    ("write", "merge_options"): (_SET, "SQL Server's merge options are not supported"),
    ("write", "overwrite_options"): (_SET, "SQL Server's overwrite options are not supported"),
    ("write", "register_table"): (
        _SET,
        "register_table is not supported; nodes are tables by their names",
    ),
    ("unit_tests",): (_SET, "unit_tests are not supported yet"),
    ("heal",): (_SET, "healing is not supported yet"),
    ("drift",): (_SET, "drift settings are not supported yet"),
    ("validation", "quarantine", "max_rows"): (
        lambda v: v is not None,
        "a quarantine keeps every row; max_rows would lose some",
    ),
    ("validation", "quarantine", "sample_fraction"): (
        lambda v: v is not None,
        "a quarantine keeps every row; sample_fraction would lose some",
    ),
}

# keys that are harmless to leave out, loaded but without effect in this version → what that means
IDLE: Mapping[str, Mapping[str, str]] = {
    "project": {
        "alerts": "alerts are not sent yet",
        "lineage": "lineage events are not sent yet",
        "semantic": "the semantic layer is not used yet",
        "metrics": "metrics are not used yet",
        "dimensions": "dimensions are not used yet",
        "relationships": "relationships are not used yet",
        "assistant": "there is no assistant yet",
        "logging": "logging settings have no effect: events hold every level",
        "system": "run metadata is kept in .odibi only; nothing is written to `system` yet",
    },
    "pipeline": {
        "freshness_sla": "freshness is not watched yet",
    },
    "node": {
        "log_level": "log_level has no effect: events hold every level",
    },
}


def idle_keys(kind: str, model: Any) -> list[tuple[str, str]]:
    """Keys that the YAML sets on a part of the project and that have no effect, each with why."""
    return [(key, why) for key, why in IDLE[kind].items() if key in model.model_fields_set]


def refusals(node: Any) -> list[tuple[tuple[str, ...], str]]:
    """Paths inside a node that ask for something unsupported, each with the reason."""
    found = [(path, why) for path, (asked, why) in REFUSED.items() if asked(_value(node, path))]
    if node.read is not None and node.read.format not in FORMATS_READ:
        found.append(
            (("read", "format"), f"reading format '{node.read.format}' is not supported yet")
        )
    if node.write is not None and node.write.format not in FORMATS_WRITTEN:
        found.append(
            (("write", "format"), f"writing format '{node.write.format}' is not supported yet")
        )
    return found


def _value(node: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        node = getattr(node, name, None)
        if node is None:
            return None
    return node
