"""Built-in transformers: each is a params model that writes one SELECT in DuckDB's dialect."""

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin

__all__ = ["BuildContext", "Builtin", "Example", "Table", "TargetRef", "builtin"]
