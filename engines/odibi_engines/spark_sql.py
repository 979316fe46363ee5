"""From DuckDB's SQL to Spark's: what is known to give the same rows is translated, all else is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from odibi.engine import Schema

from .spark_rewrites import REWRITES, Untranslated
from .spark_types import carried_type

__all__ = ["translate"]

_NAMES = "Identifier Column Table TableAlias Alias Star Literal DataType DataTypeParam Var Boolean Null Dot"
_CLAUSES = (
    "Select From Where Join Group Having Order Ordered Limit Offset Distinct With CTE Subquery Union Except Intersect "
    "Window WindowSpec Qualify Values Tuple Lateral Filter IgnoreNulls ColumnDef"
)
_OPERATORS = (
    "Paren And Or Not EQ NEQ LT LTE GT GTE Is In Between NullSafeEQ NullSafeNEQ Add Sub Mul Div IntDiv Mod Neg Case If "
    "Coalesce Nullif DPipe Exists Any Cast TryCast Like PropertyEQ Interval BitwiseAnd BitwiseOr"
)
_FUNCTIONS = (
    "Count CountIf Sum Avg Min Max AnyValue LogicalOr LogicalAnd Greatest Least Abs Round Floor Ceil Sqrt "
    "RowNumber Rank DenseRank Lag Lead FirstValue LastValue Struct Explode Concat ConcatWs SHA2 IsNan DateDiff "
    "ArgMin ArgMax ArrayMin RegexpLike GenerateSeries Array Year Month Day Hour Minute Second StartsWith"
)
_UNNAMED = frozenset(("error", "to_seconds"))
_KNOWN = frozenset(f"{_NAMES} {_CLAUSES} {_OPERATORS} {_FUNCTIONS}".split())
"""Parts of a query that are held to be equal in Spark, by themselves or as rewritten; not each has a test yet."""


def translate(query: str, tables: Mapping[str, tuple[str, Schema]]) -> str:
    """The SELECT in Spark's dialect. `tables` maps names to Spark's views and their columns.

    Raises Untranslated for what isn't known to be done in the same way there.
    """
    try:
        tree = _typed(query, {name: schema for name, (_, schema) in tables.items()})
        _check(tree)
        tree = _rewritten(tree)
        _bind(tree, {name.lower(): view for name, (view, _) in tables.items()})
        return str(tree.sql(dialect="spark", unsupported_level=sqlglot.ErrorLevel.RAISE))
    except SqlglotError as error:
        raise Untranslated(f"it can't be translated: {str(error).splitlines()[0]}") from None


def _typed(query: str, schemas: Mapping[str, Schema]) -> Any:
    """The query with every column's table named and every expression's type known."""
    columns: dict[str, object] = {
        name: {f'"{column.name}"': carried_type(column.type) for column in schema}
        for name, schema in schemas.items()
    }
    known = MappingSchema(columns, dialect="duckdb")
    tree = qualify(
        sqlglot.parse_one(query, dialect="duckdb"),
        schema=known,
        dialect="duckdb",
        validate_qualify_columns=False,
    )
    return annotate_types(tree, schema=known, dialect="duckdb")


def _check(tree: Any) -> None:
    for node in tree.walk():
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise _refused("a recursive query")
        if isinstance(node, exp.Select) and _unnests(node) > 1:
            raise _refused("more than one unnest in a SELECT")
        if isinstance(node, exp.Window) and _unordered(node):
            raise _refused(f"`{node.sql(dialect='duckdb')[:60]}` in no order")
        if isinstance(node, exp.Anonymous):
            if node.name.lower() in _UNNAMED:
                continue
            raise _refused(f"function {node.name}")
        if type(node).__name__ not in _KNOWN:
            named = (
                f"function {node.sql_name().lower()}"
                if isinstance(node, exp.Func)
                else f"`{node.sql(dialect='duckdb')[:60]}`"
            )
            raise _refused(named)


def _unnests(select: exp.Select) -> int:
    """How many lists the SELECT takes apart: of two, Spark makes every pair of elements."""
    return sum(1 for item in select.expressions for _ in item.find_all(exp.Explode))


def _unordered(window: exp.Window) -> bool:
    """Whether the window's values depend on an order that nobody has stated."""
    ranked = (exp.RowNumber, exp.FirstValue, exp.LastValue, exp.Lag, exp.Lead)
    return isinstance(window.this, ranked) and not _ordered(window)


def _ordered(window: exp.Window) -> bool:
    """Whether it has an order, or the window that it names has."""
    if window.args.get("order") is not None:
        return True
    select, name = window.find_ancestor(exp.Select), window.args.get("alias")
    if select is None or name is None:
        return False
    named = select.args.get("windows") or []
    return any(other.name == name.name and _ordered(other) for other in named)


def _refused(what: str) -> Untranslated:
    return Untranslated(f"{what} isn't known to give the same rows there")


def _rewritten(tree: Any) -> Any:
    """The tree with its parts rewritten, inner ones first: what a rewrite adds is Spark's already."""
    for node in reversed(list(tree.bfs())):
        rewrite: Callable[[Any], Any] | None = REWRITES.get(type(node))
        new = node if rewrite is None else rewrite(node)
        if new is not node:
            tree = new if node is tree else tree
            node.replace(new)
    return tree


def _bind(tree: Any, views: Mapping[str, str]) -> None:
    """Put the views' names in place of the tables'."""
    for scope in traverse_scope(tree):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table) and source.name.lower() in views:
                bound = exp.to_table(views[source.name.lower()])
                source.replace(exp.alias_(bound, alias, table=True, quoted=True))
