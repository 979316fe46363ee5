"""Records in an answer: finding them by their path, making each one flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from odibi.errors import EngineError

from .settings import Response

__all__ = ["at_path", "flat", "records"]


def at_path(document: Any, path: str) -> Any:
    """The value at a dotted path (`data.items`, `pages.0.rows`), None where there is none."""
    for name in filter(None, path.split(".")):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def records(document: Any, response: Response) -> Iterator[dict[str, Any]]:
    """The records of one answer, flat, with `add_fields`. Raises EngineError when there are none to find."""
    for item in _items(document, response):
        yield record(item, response)


def record(item: Any, response: Response) -> dict[str, Any]:
    """One record, flat, with `add_fields`. Raises EngineError when it isn't an object."""
    if isinstance(item, list) and response.array_row_fields:
        item = _named(item, response.array_row_fields)
    if not isinstance(item, dict):
        raise EngineError(
            f"the records are no objects: one is {_kind(item)}",
            hint="name the values of array rows in response.array_row_fields"
            if isinstance(item, list)
            else "see that response.items_path leads to a list of objects",
        )
    return {**flat(item), **response.add_fields}


def _items(document: Any, response: Response) -> list[Any]:
    found = at_path(document, response.items_path)
    if isinstance(found, list):
        return found
    if isinstance(found, dict) and response.dict_to_list:
        return [{"_key": key, **_as_map(value)} for key, value in found.items()]
    if isinstance(found, dict) and response.wrap_single:
        return [found]
    if found is None and response.items_path and _ends_at_null(document, response.items_path):
        return []
    where = f"at '{response.items_path}'" if response.items_path else "in the answer"
    raise EngineError(f"there is no list {where}: it is {_kind(found)}", hint=_advice(document))


def _as_map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


def _ends_at_null(document: Any, path: str) -> bool:
    """Whether the last name of the path is there and null: an empty list to many servers."""
    parent, _, name = path.rpartition(".")
    holder = at_path(document, parent)
    return isinstance(holder, dict) and name in holder


def _advice(document: Any) -> str:
    lists = list(_lists(document, ""))[:5]
    if lists:
        return f"lists are at: {', '.join(lists)}; say response.items_path"
    return "say response.items_path, or wrap_single: true when the answer is one record"


def _lists(document: Any, path: str) -> Iterator[str]:
    if isinstance(document, list) and path:
        yield path
    elif isinstance(document, dict) and path.count(".") < 3:
        for name, value in document.items():
            yield from _lists(value, f"{path}.{name}" if path else name)


def _named(values: list[Any], names: tuple[str, ...]) -> dict[str, Any]:
    if len(values) != len(names):
        raise EngineError(
            f"a row has {len(values)} values and response.array_row_fields {len(names)} names",
            hint="name every value of a row, in order",
        )
    return dict(zip(names, values, strict=True))


def flat(item: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The record without maps inside: `{a: {b: 1}}` is `{a_b: 1}`. Lists stay as they are.

    Raises EngineError when two fields would get one name.
    """
    made: dict[str, Any] = {}
    for name, value in item.items():
        parts = (
            flat(value, f"{prefix}{name}_")
            if isinstance(value, dict) and value
            else {f"{prefix}{name}": None if value == {} else value}
        )
        if shared := made.keys() & parts.keys():
            raise EngineError(
                f"two fields of a record would be column {min(shared)!r}",
                hint="nested names are joined by '_'; this answer can't be read as a flat table",
            )
        made |= parts
    return made


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {dict: "a map", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")
