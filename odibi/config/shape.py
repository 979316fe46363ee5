"""Shape errors in words: what was expected, what was found, the nearest right name."""

from __future__ import annotations

import types
import typing
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from odibi.config.problems import Problem
from odibi.config.project import ProjectConfig
from odibi.config.tree import Path_, Value

__all__ = ["problems_of"]

_MEANT = {
    "source": "read", "sink": "write", "target": "write", "outputs": "write", "output": "write",
    "sql": "transform", "dependencies": "depends_on", "depends": "depends_on", "id": "name",
}  # fmt: skip
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "int_parsing": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "bool_type": "true or false",
    "bool_parsing": "true or false", "list_type": "a list", "dict_type": "a map",
    "model_type": "a map", "model_attributes_type": "a map",
}  # fmt: skip


def problems_of(error: ValidationError, tree: Value) -> list[Problem]:
    """One problem per error of pydantic, where it stands in the YAML."""
    return [_problem(dict(item), tree) for item in error.errors(include_url=False)]


def _problem(item: dict[str, Any], tree: Value) -> Problem:
    kind = item["type"]
    path, value, model = _follow(item["loc"], tree, missing=kind == "missing")
    name = str(item["loc"][-1]) if item["loc"] else ""
    if kind == "missing":
        return Problem(value.where, f"{_named(path)} lacks the required key '{name}'")
    if kind == "extra_forbidden":
        return _unknown_key(value, path, model)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(item, value)
    if kind == "literal_error":
        return _wrong_choice(item, value, path)
    if kind in _EXPECTED:
        return Problem(
            value.position, f"'{_last(path)}' must be {_EXPECTED[kind]}, found {_found(value.data)}"
        )
    if kind == "string_pattern_mismatch":
        return Problem(
            value.position,
            f"{value.data!r} is not a name",
            "use letters, digits and _, not starting with a digit",
        )
    message = item["msg"].removeprefix("Value error, ")
    return Problem(value.position, f"'{_last(path)}': {message}")


def _follow(loc: tuple[Any, ...], tree: Value, *, missing: bool) -> tuple[Path_, Value, Any]:
    """The value that pydantic's location means (its union tags are no keys), and the model around it."""
    path: Path_ = ()
    value = tree
    model: Any = ProjectConfig
    parent: Any = ProjectConfig
    steps = loc[:-1] if missing else loc
    for step in steps:
        data = value.data
        if (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        ):
            value = data[step]
        else:
            model = _variant(model, step) or model
            continue
        parent = model
        model = _inside(model, step)
        path = (*path, step)
    return path, value, parent


def _options(annotation: Any) -> list[Any]:
    """What an annotation may be: union members, without None and wrappers."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return [option for part in typing.get_args(annotation) for option in _options(part)]
    return [] if annotation is type(None) else [annotation]


def _variant(annotation: Any, tag: Any) -> Any:
    """The member of a discriminated union that a tag names."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            kind = option.model_fields.get("type")
            if kind is not None and (
                tag in typing.get_args(kind.annotation) or kind.default == tag
            ):
                return option
    return None


def _inside(annotation: Any, step: Any) -> Any:
    """The annotation of a key or item."""
    for option in _options(annotation):
        origin = typing.get_origin(option)
        if origin is list:
            return typing.get_args(option)[0]
        if origin is dict:
            return typing.get_args(option)[1]
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, info in option.model_fields.items():
                if step in (name, info.alias):
                    return info.annotation
    return Any


def _keys(model: Any) -> list[str]:
    return [
        info.alias or name
        for option in _options(model)
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name, info in option.model_fields.items()
    ]


def _unknown_key(value: Value, path: Path_, model: Any) -> Problem:
    name = str(path[-1])
    known = _keys(model)
    near = [_MEANT[name]] if _MEANT.get(name) in known else get_close_matches(name, known, n=1)
    where = _named(path[:-1])
    if near:
        return Problem(value.where, f"unknown key '{name}' in {where} (did you mean '{near[0]}'?)")
    return Problem(
        value.where, f"unknown key '{name}' in {where}", f"known keys: {', '.join(sorted(known))}"
    )


def _wrong_tag(item: dict[str, Any], value: Value) -> Problem:
    context = item.get("ctx", {})
    key = str(context.get("discriminator", "'type'")).strip("'")
    if item["type"] == "union_tag_not_found":
        return Problem(value.where, f"expected a map with '{key}'")
    found = str(context.get("tag", ""))
    known = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
    near = get_close_matches(found, known, n=1)
    place = (
        value.data[key].position
        if isinstance(value.data, dict) and key in value.data
        else value.where
    )
    suffix = f" (did you mean '{near[0]}'?)" if near else ""
    return Problem(place, f"unknown {key} '{found}'{suffix}", f"known: {', '.join(known)}")


def _wrong_choice(item: dict[str, Any], value: Value, path: Path_) -> Problem:
    choices = [
        part.strip("' ") for part in item["ctx"]["expected"].replace(" or ", ", ").split(",")
    ]
    near = get_close_matches(str(value.data), choices, n=1)
    suffix = f" (did you mean '{near[0]}'?)" if near else ""
    return Problem(
        value.position,
        f"'{_last(path)}' can't be {value.data!r}{suffix}",
        f"one of: {', '.join(choices)}",
    )


def _found(data: Any) -> str:
    if isinstance(data, dict):
        return "a map"
    if isinstance(data, list):
        return "a list"
    return "nothing" if data is None else repr(data)


def _last(path: Path_) -> str:
    names = [str(step) for step in path if isinstance(step, str)]
    return names[-1] if names else "the file"


def _named(path: Path_) -> str:
    """The path as people say it: `pipelines[0].nodes[2].read`, or the file itself."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(
        "."
    )
    return f"'{text}'" if text else "the file"
