"""Users' Python functions: `@transform` registers them, their annotations say what they are given."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, overload

from odibi.engine import UserFunction
from odibi.errors import UsageError

__all__ = ["get", "load_module", "register", "registered", "transform"]

F = TypeVar("F", bound=Callable[..., Any])

_WANTS = {
    "DataFrame": "pandas",
    "Table": "arrow",
    "DuckDBPyRelation": "relation",
}
_CONTEXT_NAMES = ("context", "ctx")
_FILES = ("transforms.py", "transforms/__init__.py", "plugins.py")
_registered: dict[str, UserFunction] = {}


@overload
def transform(function: F) -> F: ...


@overload
def transform(function: str | None = None) -> Callable[[F], F]: ...


def transform(function: F | str | None = None) -> F | Callable[[F], F]:
    """Register a function under its name, or under the name given: `@transform`, `@transform("name")`.

    Its first parameter decides what it is given: `pandas.DataFrame`, `pyarrow.Table`,
    `duckdb.DuckDBPyRelation`, or, when it is called `context`, the node's context. The others are
    filled from `params` by name.
    """
    if callable(function):
        _register(function.__name__, function)
        return function
    name = function

    def decorate(inner: F) -> F:
        _register(name or inner.__name__, inner)
        return inner

    return decorate


register = transform


def _register(name: str, function: Callable[..., Any]) -> None:
    _registered[name] = UserFunction(name, function, _wanted(function))


def _wanted(function: Callable[..., Any]) -> str:
    """What the first parameter asks for, by its annotation (also as text), else by its name.

    Annotations are compared by name, so that nobody's pandas has to be imported to look at them.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].name in _CONTEXT_NAMES:
        return "context"
    annotation = parameters[0].annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return _WANTS.get(text.rpartition(".")[2].strip("'\""), "pandas")


def registered() -> Mapping[str, UserFunction]:
    """All functions registered so far, by name."""
    return dict(_registered)


def get(name: str) -> UserFunction:
    """The function of that name. Raises UsageError with the nearest one there is."""
    if name in _registered:
        return _registered[name]
    near = get_close_matches(name, _registered, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "register it with @transform in transforms.py"
    raise UsageError(f"no function {name!r} is registered", hint=hint)


def load_module(root: Path) -> Mapping[str, UserFunction]:
    """Import the project's `transforms.py` (or package) and `plugins.py`; the functions they register.

    Functions of a project loaded before are forgotten. Raises UsageError with the place when the
    user's module can't be imported.
    """
    _registered.clear()
    for name in _FILES:
        if (root / name).is_file():
            _import(root / name)
    return registered()


def _import(path: Path) -> None:
    package = path.name == "__init__.py"
    name = path.parent.name if package else path.stem
    spec = importlib.util.spec_from_file_location(
        f"odibi_project_{name}",
        path,
        submodule_search_locations=[str(path.parent)] if package else None,
    )
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error


def _place(path: Path, error: BaseException) -> str:
    """file:line of the innermost frame in the user's own file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{path}:{error.lineno}:{error.offset or 1}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)
