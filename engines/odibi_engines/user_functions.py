"""Calling a user's Python function with the kind of table its annotation asks for."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from odibi.engine import UserFunction
from odibi.errors import EngineError, OdibiError

__all__ = ["Context", "Tables", "as_arrow", "call", "frame_to_pandas"]


class Tables(Protocol):
    """How a function gets at its tables; each engine has its own."""

    def convert(self, table: Any, wants: str) -> Any:
        """A frame as pandas, arrow or relation."""
        ...

    def query(self, sql: str) -> Any:
        """The result of a SELECT over the node's tables, as a pandas DataFrame."""
        ...


class Context:
    """What a function that takes a context gets first: the current rows, and SQL over the node's tables.

    `df` may be replaced; a function that returns nothing, or the context, returns `df`.
    """

    def __init__(self, tables: Tables, frame: Any, engine: str, params: Mapping[str, Any]) -> None:
        self._tables = tables
        self._frame = frame
        self._df: Any = None
        self.engine = engine
        self.params = dict(params)

    @property
    def df(self) -> Any:
        """The current rows as a pandas DataFrame with Arrow-backed columns; None when there are none."""
        if self._df is None and self._frame is not None:
            self._df = self._tables.convert(self._frame, "pandas")
        return self._df

    @df.setter
    def df(self, value: Any) -> None:
        self._df = value

    @property
    def columns(self) -> list[str]:
        """Names of the current columns."""
        return [] if self._frame is None else [column.name for column in self._frame.schema]

    def sql(self, query: str) -> Any:
        """The result of a SELECT over `df` and the node's inputs, as a pandas DataFrame."""
        return self._tables.query(query)


def call(
    function: UserFunction,
    frame: Any,
    params: Mapping[str, Any],
    inputs: Mapping[str, Any],
    tables: Tables,
    engine: str,
) -> Any:
    """What the function returns: a DataFrame, a pyarrow Table, a relation. Raises EngineError otherwise.

    Inputs go to parameters of their names.
    """
    context = Context(tables, frame, engine, params) if function.wants == "context" else None
    first = (
        [context]
        if context is not None
        else []
        if frame is None
        else [tables.convert(frame, function.wants)]
    )
    named = dict(params)
    for name in _parameters(function.function)[len(first) :]:
        if name in inputs and name not in named:
            kind = "pandas" if context is not None else function.wants
            named[name] = tables.convert(inputs[name], kind)
    try:
        inspect.signature(function.function).bind(*first, **named)
    except TypeError as error:
        raise EngineError(
            f"function {function.name}: {error}",
            hint=f"it takes: {', '.join(_parameters(function.function)) or 'nothing'}",
        ) from None
    result = _run(function, first, named)
    return context.df if context is not None and (result is None or result is context) else result


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def _run(function: UserFunction, first: list[Any], named: dict[str, Any]) -> Any:
    try:
        return function.function(*first, **named)
    except OdibiError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise EngineError(
            f"function {function.name}: {kind}: {error}{_place(function, error)}"
        ) from error


def _place(function: UserFunction, error: BaseException) -> str:
    """The line in the user's file where it went wrong, as ` (transforms.py:12)`."""
    code = getattr(inspect.unwrap(function.function), "__code__", None)
    if code is None:
        return ""
    lines = [
        step.lineno
        for step in traceback.extract_tb(error.__traceback__)
        if step.filename == code.co_filename
    ]
    return f" ({Path(code.co_filename).name}:{lines[-1]})" if lines else ""


def as_arrow(function: str, result: Any) -> Any:
    """The function's result as a pyarrow Table or reader. Raises EngineError for anything else."""
    import pyarrow as pa  # 0.2 s, only for nodes with Python functions

    if isinstance(result, pa.Table | pa.RecordBatchReader):
        return result
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    kind = type(result)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        return _pandas_to_arrow(function, result)
    if kind.__name__ == "DuckDBPyRelation":
        return result.to_arrow_table()  # a reader would keep the session's cursor busy
    raise EngineError(
        f"function {function} returned {kind.__name__}, not a table",
        hint="return a pandas DataFrame, a pyarrow Table or a DuckDB relation",
    )


def _pandas_to_arrow(function: str, frame: Any) -> Any:
    import pyarrow as pa

    unnamed = [name for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise EngineError(
            f"function {function} returned a column named {unnamed[0]!r}; names must be texts"
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise EngineError(
            f"function {function} returned a column of mixed types: {error}",
            hint="give each column one type",
        ) from None


def frame_to_pandas(table: Any) -> Any:
    """An Arrow table as a DataFrame whose columns stay Arrow's: no type is lost, next to nothing is copied."""
    import pandas as pd  # 0.4 s and more: only for functions that ask for it

    return table.to_pandas(types_mapper=pd.ArrowDtype)
