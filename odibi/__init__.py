"""odibi: declare data pipelines in YAML, run them on DuckDB, pandas or Spark, read the story of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.functions import register, transform

__all__ = ["__version__", "register", "transform"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`from odibi import transform` for users' modules, without its cost for everybody else."""
    if name in ("register", "transform"):
        from odibi import functions

        return getattr(functions, name)
    raise AttributeError(f"module 'odibi' has no attribute {name!r}")
