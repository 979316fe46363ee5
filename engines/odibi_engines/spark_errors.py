"""Spark's errors in the user's terms."""

from __future__ import annotations

import re
from typing import Any

from odibi.errors import EngineError

__all__ = ["spark_error"]

_VIEW = re.compile(r"`?odibi_[0-9a-f]+_\d+`?")
_MEMORY = re.compile(r"OutOfMemory|Java heap space|Cannot allocate")


def spark_error(error: Exception) -> EngineError:
    """The EngineError that says in one line what Spark said."""
    message = _message(error)
    line = _VIEW.sub("the input", message.strip().splitlines()[0])
    hint = (
        "raise performance.memory_limit, or spark.executor.memory in performance.spark_config"
        if _MEMORY.search(message)
        else None
    )
    return EngineError(f"Spark: {line}", hint=hint)


def _message(error: Exception) -> str:
    """What Spark says; an error that Java raised while rows came here has it deepest inside."""
    cause: Any = getattr(error, "java_exception", None)
    if cause is None:
        return str(error)
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getMessage() or cause.toString())
