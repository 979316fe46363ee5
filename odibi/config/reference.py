"""The language as data: JSON Schema for editors, and one entry per key for `explain` and the docs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from odibi.config.project import ProjectConfig

__all__ = ["KeyDoc", "reference", "schema"]


@dataclass(frozen=True, slots=True)
class KeyDoc:
    """One key: where it stands, what it takes, what it means when absent, and why it exists."""

    path: str
    type: str
    default: str | None
    required: bool
    description: str
    choices: tuple[str, ...] = ()


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of odibi.yaml."""
    made = ProjectConfig.model_json_schema(by_alias=True, mode="validation")
    _allow_short_forms(made["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "odibi.yaml",
        **made,
    }


def _allow_short_forms(definitions: dict[str, Any]) -> None:
    """The forms that the loader writes out: a bare SQL step, `pattern:`, `$pipeline.node`.

    And the one kind of connection that is all others is made not to be the known ones as well.
    """
    known = [
        kind
        for name, branch in _kinds(definitions)
        if name != "OtherConnection"
        for kind in branch.get("enum") or [branch["const"]]
    ]
    definitions["OtherConnection"]["properties"]["type"]["not"] = {"enum": known}
    steps = definitions["TransformConfig"]["properties"]["steps"]
    steps["items"] = {
        "anyOf": [steps["items"], {"type": "string", "description": "SELECT over df."}]
    }
    definitions["NodeConfig"]["properties"]["pattern"] = {
        "type": "object",
        "description": "Pattern applied before the steps: the same as transformer and params.",
        "properties": {"type": {"type": "string"}, "params": {"type": "object"}},
        "required": ["type"],
        "additionalProperties": False,
    }
    definitions["NodeRef"] = {
        "type": "string",
        "pattern": r"^\$[A-Za-z_]\w*\.[A-Za-z_]\w*$",
        "description": "$pipeline.node",
    }


def _kinds(definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The `type` of every kind of connection."""
    for name, definition in definitions.items():
        if name.endswith("Connection"):
            yield name, definition["properties"]["type"]


def reference() -> list[KeyDoc]:
    """Every key of the language, parents before children, as dotted paths (`nodes.write.mode`)."""
    made = schema()
    return list(_keys(made, made["$defs"], "", ()))


def _keys(
    node: dict[str, Any], definitions: dict[str, Any], path: str, above: tuple[str, ...]
) -> Iterator[KeyDoc]:
    for name, raw in node.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield KeyDoc(
            path=here,
            type=_type(raw, definitions),
            default=_default(raw),
            required=name in node.get("required", ()),
            description=raw.get("description", ""),
            choices=tuple(_choices(raw)),
        )
        for reference_ in dict.fromkeys(_references(raw)):
            if reference_ not in above:
                short = (
                    here.removeprefix("pipelines.") if here.startswith("pipelines.nodes") else here
                )
                yield from _keys(definitions[reference_], definitions, short, (*above, reference_))


def _choices(raw: dict[str, Any]) -> Iterator[str]:
    """Values to choose from, also those of one kind of value among others."""
    for option in (raw, *raw.get("anyOf", ())):
        yield from map(str, option.get("enum", ()))


def _references(raw: Any) -> Iterator[str]:
    if isinstance(raw, dict):
        if "$ref" in raw:
            yield raw["$ref"].rpartition("/")[2]
        for key, value in raw.items():
            if key in ("anyOf", "oneOf", "items", "additionalProperties", "allOf"):
                yield from _references(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from _references(item)


def _type(raw: dict[str, Any], definitions: dict[str, Any]) -> str:
    names = {
        "string": "text",
        "integer": "int",
        "number": "number",
        "boolean": "bool",
        "null": "null",
    }
    if "enum" in raw:
        return " | ".join(str(choice) for choice in raw["enum"])
    if "const" in raw:
        return str(raw["const"])
    if "$ref" in raw:
        return "$pipeline.node" if raw["$ref"].endswith("/NodeRef") else "map"
    if options := raw.get("anyOf") or raw.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(option, definitions) for option in options))
    if raw.get("type") == "array":
        return f"list of {_type(raw.get('items', {}), definitions)}"
    if raw.get("type") == "object":
        inner = raw.get("additionalProperties")
        return f"map of {_type(inner, definitions)}" if isinstance(inner, dict) else "map"
    return names.get(raw.get("type", ""), "anything")


def _default(raw: dict[str, Any]) -> str | None:
    """The default as YAML writes it."""
    value = raw.get("default")
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
