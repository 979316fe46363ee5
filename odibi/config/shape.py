"""Shape errors in words: what was expected, what was found, the nearest right name."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Tag, ValidationError

from odibi.config.near import did_you_mean, nearest
from odibi.config.problems import Problem
from odibi.config.project import ProjectConfig
from odibi.config.tree import Path_, Value, plain, renamed
from odibi.config.unsupported import KEYS

__all__ = ["misshapen", "shaped"]

_MEANT = {
    "source": "read", "sink": "write", "target": "write", "outputs": "write", "output": "write",
    "sql": "transform", "dependencies": "depends_on", "depends": "depends_on", "id": "name",
}  # fmt: skip
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "int_parsing": "a whole number",
    "int_from_float": "a whole number", "int_parsing_size": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "bool_type": "true or false",
    "finite_number": "a finite number",
    "bool_parsing": "true or false", "list_type": "a list", "dict_type": "a map",
    "model_type": "a map", "model_attributes_type": "a map",
}  # fmt: skip
_LONGEST = 80
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
}


def shaped(
    tree: Value, problems: list[Problem]
) -> tuple[Value, ProjectConfig | None, ValidationError | None]:
    """The tree read as a project, or the error that keeps it from being one.

    A mistyped key is reported and then read as the one that was meant, so that what stands below
    it is checked as well; the tree that comes back has such keys put right.
    """
    guessed: set[Path_] = set()
    while True:
        try:
            return tree, ProjectConfig.model_validate(plain(tree)), None
        except ValidationError as error:
            mistakes = _mistakes(error, tree, ProjectConfig)
            slips = [(mistake, slip) for mistake in mistakes if (slip := _slip(mistake, tree))]
            if not slips:
                problems += _problems([m for m in mistakes if m.path not in guessed])
                return tree, None, error
        for mistake, (path, right) in slips:
            problems.append(_problem(mistake))
            tree = renamed(tree, path, right)
            guessed.add((*path[:-1], right))


def misshapen(model: type[BaseModel], tree: Value) -> list[Problem]:
    """What keeps a part of the YAML from being of this model."""
    try:
        model.model_validate(plain(tree))
    except ValidationError as error:
        return _problems(_mistakes(error, tree, model))
    return []


def _mistakes(error: ValidationError, tree: Value, root: type[BaseModel]) -> list[_Mistake]:
    return [_Mistake.of(dict(item), tree, root) for item in error.errors(include_url=False)]


def _slip(mistake: _Mistake, tree: Value) -> tuple[Path_, str] | None:
    """The path of a key that is only mistyped, and the key that was meant."""
    holder, right = mistake.path, "type"
    if mistake.kind == "extra_forbidden":
        *above, wrong = mistake.path
        holder, right = tuple(above), _meant(str(wrong), mistake.model) or ""
        if not _surely_meant(str(wrong), right, mistake.model):
            return None
    elif mistake.kind == "union_tag_not_found" and isinstance(mistake.value.data, dict):
        wrong = nearest(right, mistake.value.data) or ""
    else:
        return None
    found = tree
    for step in holder:
        found = found.entry(step) or found
    return None if not wrong or right in found.data else ((*holder, wrong), right)


def _surely_meant(wrong: str, right: str, model: Any) -> bool:
    """Whether the one key may be read as the other: very like it, or a required one is missing."""
    if not right or wrong == "sql":  # a text where steps are expected
        return False
    required = any(
        right == (info.alias or name) and info.is_required()
        for option, _ in _members(model)
        if _is_model(option)
        for name, info in option.model_fields.items()
    )
    return required or nearest(wrong, [right], cutoff=0.8) is not None


def _problems(mistakes: list[_Mistake]) -> list[Problem]:
    """One problem per mistake, where it stands in the YAML."""
    unions: dict[Path_ | None, list[_Mistake]] = {}
    for mistake in mistakes:
        unions.setdefault(mistake.union, []).append(mistake)
    alone = unions.pop(None, [])
    return [*map(_problem, alone), *(p for group in unions.values() for p in _of_union(group))]


@dataclass(frozen=True, slots=True)
class _Mistake:
    """An error of pydantic, found in the tree.

    `union` is the path of the value around it that may be of several types, if there is one:
    pydantic reports an error for every type that it tried.
    """

    kind: str
    item: Mapping[str, Any]
    path: Path_
    value: Value
    model: Any
    union: Path_ | None

    @classmethod
    def of(cls, item: dict[str, Any], tree: Value, root: type[BaseModel]) -> _Mistake:
        missing = item["type"] == "missing"
        return cls(item["type"], item, *_follow(item["loc"], tree, root, missing=missing))


def _of_union(group: list[_Mistake]) -> list[Problem]:
    """Problems of the branch that the value was meant for; one for all when none is."""
    at = group[0].union or ()
    inner = [mistake for mistake in group if mistake.path != at or mistake.kind not in _EXPECTED]
    if inner:
        return [_problem(mistake) for mistake in inner]
    value = group[0].value
    expected = dict.fromkeys(_EXPECTED[mistake.kind] for mistake in group)
    if "a number" in expected:
        expected.pop("a whole number", None)
    words = f"{_subject(at)} must be {' or '.join(expected)}, found {_found(value.data)}"
    return [Problem(value.position, words)]


def _problem(mistake: _Mistake) -> Problem:
    kind, value, path, item = mistake.kind, mistake.value, mistake.path, mistake.item
    if kind == "missing":
        return Problem(value.where, f"{_named(path)} lacks the required key '{item['loc'][-1]}'")
    if kind == "extra_forbidden":
        return _unknown_key(value, path, mistake.model)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(item, value, path)
    if kind == "literal_error":
        return _wrong_choice(item, value, path)
    if kind in _EXPECTED:
        return _wrong_type(_EXPECTED[kind], value, path)
    if kind in _BOUNDS:
        bound, context = _BOUNDS[kind]
        limit = item["ctx"][context]
        words = f"{_subject(path)} must be {bound} {limit:g}, found {_found(value.data)}"
        return Problem(value.position, words)
    if kind == "too_short":
        return Problem(value.position, f"{_subject(path)} must not be empty")
    if kind == "string_pattern_mismatch":
        return _wrong_form(value, path)
    message, _, hint = item["msg"].removeprefix("Value error, ").partition("; ")
    return Problem(value.position, f"{_subject(path)}: {_short(message)}", hint or None)


def _wrong_type(expected: str, value: Value, path: Path_) -> Problem:
    """With how to write it, where the value only lacks quotes or brackets."""
    hint = None
    if isinstance(value.data, str | int | float):
        if expected == "text":
            hint = f"put it in quotes: '{_found(value.data)}'"
        elif expected == "a list":
            hint = f"write a list: [{value.data}]"
    if _last(path) == "transform" and isinstance(value.data, list):
        hint = "write transform: {steps: […]}"
    words = f"{_subject(path)} must be {expected}, found {_found(value.data)}"
    return Problem(value.position, words, hint)


def _wrong_form(value: Value, path: Path_) -> Problem:
    if _last(path) == "threshold":
        hint = "write a comparison, such as '> 100' or '<= 0.05'"
        return Problem(value.position, f"{_found(value.data)} is not a comparison", hint)
    hint = "use letters, digits and _, not starting with a digit"
    return Problem(value.position, f"{_found(value.data)} is not a name", hint)


def _follow(
    loc: tuple[Any, ...], tree: Value, root: type[BaseModel], *, missing: bool
) -> tuple[Path_, Value, Any, Path_ | None]:
    """The path and value that pydantic's location means, the model around it, and its union.

    Below a value that may be of several types, the location's next step names one of them.
    """
    path: Path_ = ()
    value = tree
    model: Any = root
    parent: Any = root
    union: Path_ | None = None
    for step in loc[:-1] if missing else loc:
        members = _members(model)
        if len(members) > 1:
            tagged = _tags(members)
            union = union if step in tagged or union is not None else path
            model = tagged.get(step) or _branch(members, str(step))
            parent = model
        elif (inner := value.entry(step)) is not None:
            parent = model
            model = _inside(model, step)
            value = inner
            path = (*path, step)
    return path, value, parent, union


def _members(annotation: Any, tag: str | None = None) -> list[tuple[Any, str | None]]:
    """What an annotation may be, without None and wrappers, each with its tag."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *marks = typing.get_args(annotation)
        tags = [mark.tag for mark in marks if isinstance(mark, Tag)]
        return _members(inner, tags[0] if tags else tag)
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [] if annotation is type(None) else [(annotation, tag)]


def _tags(members: list[tuple[Any, str | None]]) -> dict[Any, Any]:
    """Members of a union by what tells them apart: a tag, or the value of their `type`."""
    tagged: dict[Any, Any] = {}
    for member, tag in members:
        if tag is not None:
            tagged[tag] = member
        elif _is_model(member) and "type" in member.model_fields:
            kinds = typing.get_args(member.model_fields["type"].annotation)
            tagged.update(dict.fromkeys(kinds, member))
    return tagged


def _branch(members: list[tuple[Any, str | None]], label: str) -> Any:
    """The member that pydantic calls `label`: a model, or `list[str]` and the like."""
    for member, _ in members:
        name = typing.get_origin(member) or member
        if label.startswith(getattr(name, "__name__", "?")):
            return member
    return Any


def _inside(annotation: Any, step: Any) -> Any:
    """The annotation of a key or item."""
    for option, _ in _members(annotation):
        origin = typing.get_origin(option)
        if origin is list:
            return typing.get_args(option)[0]
        if origin is dict:
            return typing.get_args(option)[1]
        if _is_model(option):
            for name, info in option.model_fields.items():
                if step in (name, info.alias):
                    return info.annotation
    return Any


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _keys(model: Any) -> list[str]:
    keys = [
        info.alias or name
        for option, _ in _members(model)
        if _is_model(option)
        for name, info in option.model_fields.items()
    ]
    return [*keys, "pattern"] if "transformer" in keys else keys


def _meant(name: str, model: Any) -> str | None:
    """The key that was probably meant by an unknown one."""
    known = _keys(model)
    return meant if (meant := _MEANT.get(name)) in known else nearest(name, known)


def _unknown_key(value: Value, path: Path_, model: Any) -> Problem:
    name = str(path[-1])
    where = _named(path[:-1])
    if name in KEYS:
        return Problem(value.where, f"'{name}' in {where}: {KEYS[name]}")
    if (meant := _meant(name, model)) is not None:
        return Problem(value.where, f"unknown key '{name}' in {where} (did you mean '{meant}'?)")
    hint = f"known keys: {', '.join(sorted(_keys(model)))}"
    return Problem(value.where, f"unknown key '{name}' in {where}", hint)


def _wrong_tag(item: Mapping[str, Any], value: Value, path: Path_) -> Problem:
    context = item.get("ctx", {})
    key = str(context.get("discriminator", "'type'")).strip("'")
    if item["type"] == "union_tag_not_found":
        wrong = nearest(key, value.data)
        if wrong is not None:
            words = f"unknown key '{wrong}' in {_named(path)} (did you mean '{key}'?)"
            return Problem(value.data[wrong].where, words)
        return Problem(value.where, f"{_named(path)} lacks the required key '{key}'")
    known = [tag.strip("' ") for tag in str(context.get("expected_tags", "")).split(",")]
    tag = value.entry(key)
    if tag is None or not isinstance(tag.data, str):
        place, found = (tag.position, tag.data) if tag else (value.where, None)
        words = f"'{key}' must be text, found {_found(found)}"
        return Problem(place, words, f"one of: {', '.join(known)}")
    words = f"unknown {key} {_found(tag.data)}{did_you_mean(tag.data, known)}"
    return Problem(tag.position, words, f"one of: {', '.join(known)}")


def _wrong_choice(item: Mapping[str, Any], value: Value, path: Path_) -> Problem:
    choices = [
        part.strip("' ") for part in item["ctx"]["expected"].replace(" or ", ", ").split(",")
    ]
    words = (
        f"{_subject(path)} can't be {_found(value.data)}{did_you_mean(str(value.data), choices)}"
    )
    return Problem(value.position, words, f"one of: {', '.join(choices)}")


def _found(data: Any) -> str:
    """The value as its YAML says it."""
    if isinstance(data, dict):
        return "a map"
    if isinstance(data, list):
        return "a list"
    if isinstance(data, bool):
        return "true" if data else "false"
    return "nothing" if data is None else _short(repr(data))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _last(path: Path_) -> str:
    names = [str(step) for step in path if isinstance(step, str)]
    return names[-1] if names else "the file"


def _subject(path: Path_) -> str:
    """What a message is about: a key, or an entry of its list."""
    name = f"'{_last(path)}'" if path else "the file"
    return f"an entry of {name}" if path and isinstance(path[-1], int) else name


def _named(path: Path_) -> str:
    """The path as people say it: `pipelines[0].nodes[2].read`, or the file itself."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(
        "."
    )
    return f"'{text}'" if text else "the file"
