"""Reading past shape errors: a stand-in for what is wrong, so that the rest can be checked as well.

The repaired project is only looked at, never run; nothing is reported about the stand-ins.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from pydantic import ValidationError

from odibi.config.project import ProjectConfig
from odibi.config.tree import Path_

__all__ = ["repaired"]

_ROUNDS = 8
_STAND_INS: dict[str, Any] = {
    "connections": {},
    "pipelines": [],
    "nodes": [],
    "steps": [],
    "columns": [],
    "values": [],
    "format": "parquet",
    "method": "hash",
    "metric": "mean",
}
_HARMLESS_TEST = {"type": "row_count"}


def repaired(data: Any, error: ValidationError) -> tuple[ProjectConfig | None, set[Path_]]:
    """The project with stand-ins for what `error` is about, and their paths; changes `data`.

    None when too much is wrong.
    """
    touched: set[Path_] = set()
    for _ in range(_ROUNDS):
        wrong = {_wrong(item, data, touched) for item in error.errors(include_url=False)}
        _mend_all(data, wrong)
        touched |= {path for path, _ in wrong}
        try:
            return ProjectConfig.model_validate(data), touched
        except ValidationError as again:
            error = again
    return None, touched


def _wrong(item: Any, data: Any, touched: set[Path_]) -> tuple[Path_, bool]:
    """The path of what an error is about, and whether nothing is there.

    Where a stand-in is wrong as well, what is around it has to go.
    """
    if item["type"] == "missing":
        return (*_path(item["loc"][:-1], data), item["loc"][-1]), True
    path = _path(item["loc"], data)
    while path in touched:
        path = path[:-1]
    return path, False


def _mend_all(data: Any, wrong: Set[tuple[Path_, bool]]) -> None:
    """From the outside in: below what goes there is nothing left to mend."""
    mended: set[Path_] = set()
    for path, missing in sorted(wrong, key=lambda entry: len(entry[0])):
        if path and not any(path[:n] in mended for n in range(1, len(path) + 1)):
            mended.add(path)
            _mend(data, path, missing)


def _mend(data: Any, path: Path_, missing: bool) -> None:
    holder = _at(data, path[:-1])
    step = path[-1]
    if missing and isinstance(holder, dict):
        holder[step] = _STAND_INS.get(str(step), f"stand_in_{step}")
    elif isinstance(holder, dict):
        holder.pop(step, None)
    elif isinstance(holder, list) and isinstance(step, int) and step < len(holder):
        holder[step] = _stand_in_item(path)


def _stand_in_item(path: Path_) -> Any:
    kind = str(path[-2]) if len(path) > 1 else ""
    stand_ins = {
        "tests": _HARMLESS_TEST,
        "contracts": _HARMLESS_TEST,
        "steps": {"sql": "SELECT 1"},
        "nodes": {"name": f"stand_in_{path[-1]}"},
        "pipelines": {"pipeline": f"stand_in_{path[-1]}", "nodes": []},
    }
    return stand_ins.get(kind, "")


def _path(loc: tuple[Any, ...], data: Any) -> Path_:
    """Pydantic's location without the union tags in it, which are no keys of the data."""
    path: Path_ = ()
    for step in loc:
        if (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        ):
            data = data[step]
            path = (*path, step)
    return path


def _at(data: Any, path: Path_) -> Any:
    for step in path:
        data = data[step]
    return data
