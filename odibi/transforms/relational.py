"""Built-ins that combine and reshape tables: join, union, aggregate, pivot, point-in-time lookups."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, model_validator

from odibi.errors import NodeError
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, Cardinality, builtin, param
from odibi.transforms.sql import ident, literal, project, table, text
from odibi.transforms.types import is_number

__all__ = ["Aggregate", "AsOfJoin", "Join", "LookupAsOf", "Pivot", "Union", "Unpivot"]

Function = Literal["sum", "avg", "min", "max", "count", "first"]


_MOST = 1000  # columns a pivot makes without being told which


def _aggregated(ctx: BuildContext, function: str, name: str, where: str = "") -> str:
    """The aggregate of a column over a group.

    `first` means the smallest by all columns: a choice that doesn't depend on how rows were read.
    """
    column = ctx.column(name)
    if function == "first":
        order = ", ".join(f"{other} NULLS LAST" for other in ctx.cols(ctx.names))
        return f"first({ident(column.name)} ORDER BY {order}){where}"
    result = f"{function}({ident(column.name)}){where}"
    # sums of integers are HUGEINT in DuckDB, which files would store as floats
    whole = column.type.endswith(("INT", "INTEGER"))
    return f"CAST({result} AS BIGINT)" if function == "sum" and whole else result


def _plain(ctx: BuildContext, names: list[str]) -> list[tuple[str, str]]:
    """The columns as they are, for `project`."""
    found = [ctx.column(name).name for name in names]
    return [(ident(name), name) for name in found]


@builtin(
    "aggregate", cardinality="changes", summary="One row a group, with sums, counts and the like."
)
class Aggregate(Builtin):
    """Aggregate; each result keeps the name of its column. Nulls form a group of their own."""

    group_by: list[str] = param("Columns that form the groups; none for one row in all.")
    aggregations: dict[str, Function] = param("Column → function.", min_length=1)

    EXAMPLE = Example(
        params={"group_by": ["city"], "aggregations": {"amount": "sum", "id": "count"}},
        df=Table("city, id BIGINT, amount DOUBLE", [("Lima", 1, 5), ("Lima", 2, 7), (None, 3, 1)]),
        result=Table("city, amount DOUBLE, id BIGINT", [("Lima", 12.0, 2), (None, 1.0, 1)]),
    )

    def build(self, ctx: BuildContext) -> str:
        groups = _plain(ctx, self.group_by)
        results = [
            (_aggregated(ctx, function, name), name) for name, function in self.aggregations.items()
        ]
        grouping = f" GROUP BY {', '.join(name for name, _ in groups)}" if groups else ""
        return f"SELECT {project([*groups, *results])} FROM df{grouping}"


@builtin("join", cardinality="changes", summary="Put the columns of another input beside the rows.")
class Join(Builtin):
    """Join with another input on equal columns; null keys match nothing.

    The join columns come once (with the right side's value where the left has none). A right column
    whose name the left has already is called `<prefix>_<name>`.
    """

    right_dataset: str = param("The other input: a node or input name.")
    on: str | list[str] | None = param("Columns that both have; not for a cross join.", None)
    how: Literal["inner", "left", "right", "full", "cross", "anti", "semi"] = param(
        "Kind of join.", "left"
    )
    prefix: str | None = param(
        "Prefix for right columns with a taken name; `right_dataset` when left out.", None
    )

    EXAMPLE = Example(
        params={"right_dataset": "users", "on": "user_id"},
        df=Table("user_id BIGINT, name", [(1, "order a"), (9, "order b")]),
        tables={"users": Table("user_id BIGINT, name", [(1, "Ana")])},
        result=Table(
            "user_id BIGINT, name, users_name", [(1, "order a", "Ana"), (9, "order b", None)]
        ),
    )

    @model_validator(mode="after")
    def _keys_given(self) -> Join:
        if not self._keys and self.how != "cross":
            raise ValueError(f"a {self.how} join needs `on`")
        if self._keys and self.how == "cross":
            raise ValueError("a cross join has no `on`")
        return self

    @property
    def _keys(self) -> list[str]:
        return [self.on] if isinstance(self.on, str) else self.on or []

    @property
    def cardinality(self) -> Cardinality:
        return "fewer" if self.how in ("anti", "semi") else "changes"

    def build(self, ctx: BuildContext) -> str:
        right = self.right_dataset
        pairs = [(f"df.{ctx.col(key)}", f"_right.{ctx.col(key, right)}") for key in self._keys]
        if self.how in ("anti", "semi"):
            columns = "df.*"
        else:
            columns = project(self._columns(ctx, [column.name for column in ctx.schema(right)]))
        on = f" ON {' AND '.join(f'{left} = {other}' for left, other in pairs)}" if pairs else ""
        return f"SELECT {columns} FROM df {self.how.upper()} JOIN {table(right)} AS _right{on}"

    def _columns(self, ctx: BuildContext, right: list[str]) -> list[tuple[str, str]]:
        keys = {key.casefold() for key in self._keys}
        items = [(self._left(name, name.casefold() in keys), name) for name in ctx.names]
        prefix = self.prefix or self.right_dataset
        for name in right:
            if name.casefold() not in keys:
                items.append(
                    (f"_right.{ident(name)}", f"{prefix}_{name}" if ctx.has(name) else name)
                )
        return items

    def _left(self, name: str, key: bool) -> str:
        column = ident(name)
        return (
            f"COALESCE(df.{column}, _right.{column})"
            if key and self.how in ("right", "full")
            else f"df.{column}"
        )


@builtin("union", cardinality="changes", summary="Put the rows of other inputs below.")
class Union(Builtin):
    """Union all, duplicates included."""

    datasets: list[str] = param("Other inputs: node or input names.", min_length=1)
    by_name: bool = param(
        "Match columns by name (missing ones become null) instead of by position.", True
    )

    EXAMPLE = Example(
        params={"datasets": ["older"]},
        df=Table("id BIGINT, name", [(1, "Ana")]),
        tables={"older": Table("name, note, id BIGINT", [("Bo", "x", 2)])},
        result=Table("id BIGINT, name, note", [(1, "Ana", None), (2, "Bo", "x")]),
    )

    def build(self, ctx: BuildContext) -> str:
        for name in self.datasets:
            width = len(ctx.schema(name))
            if not self.by_name and width != len(ctx.columns):
                raise NodeError(
                    f"union by position: df has {len(ctx.columns)} columns, {name} has {width}",
                    hint="use `by_name: true`, or select the same columns first",
                )
        word = "\nUNION ALL BY NAME\n" if self.by_name else "\nUNION ALL\n"
        return word.join(
            ["SELECT * FROM df", *(f"SELECT * FROM {table(name)}" for name in self.datasets)]
        )


@builtin("pivot", cardinality="changes", summary="Turn the values of a column into columns.")
class Pivot(Builtin):
    """Pivot: one row a group, one column for each value (a null value is called `null`)."""

    group_by: list[str] = param("Columns that identify a result row.")
    pivot_col: str = param(
        "Column whose values become columns.",
        validation_alias=AliasChoices("pivot_col", "pivot_column"),
    )
    agg_col: str = param(
        "Column that fills them.", validation_alias=AliasChoices("agg_col", "value_column")
    )
    agg_func: Literal["sum", "count", "avg", "max", "min", "first"] = param(
        "How several values become one.", "sum"
    )
    values: list[str] | None = param(
        "Values to make columns of, in order; all, sorted, when left out.", None
    )

    EXAMPLE = Example(
        params={
            "group_by": ["city"],
            "pivot_col": "year",
            "agg_col": "amount",
            "values": ["2024", "2025"],
        },
        df=Table(
            "city, year BIGINT, amount DOUBLE",
            [("Lima", 2024, 5), ("Lima", 2024, 1), ("Quito", 2025, 2)],
        ),
        result=Table("city, 2024 DOUBLE, 2025 DOUBLE", [("Lima", 6.0, None), ("Quito", None, 2.0)]),
    )

    @model_validator(mode="before")
    @classmethod
    def _operation_form(cls, data: Any) -> Any:
        """As `operation: pivot` (with `value_column`) the function is `first` unless said."""
        if isinstance(data, dict) and "value_column" in data:
            return {"agg_func": "first", **data}
        return data

    def build(self, ctx: BuildContext) -> str:
        pivot = ctx.col(self.pivot_col)
        groups = _plain(ctx, self.group_by)
        results = [
            (_aggregated(ctx, self.agg_func, self.agg_col, _only(pivot, value)), name)
            for value, name in self._columns(ctx, pivot)
        ]
        grouping = f" GROUP BY {', '.join(name for name, _ in groups)}" if groups else ""
        return f"SELECT {project([*groups, *results])} FROM df{grouping}"

    def _columns(self, ctx: BuildContext, pivot: str) -> list[tuple[str | None, str]]:
        if self.values is not None:
            return [(value, value) for value in self.values]
        query = f"SELECT DISTINCT {text(pivot)} AS value, {pivot} AS sorted FROM df ORDER BY 2 NULLS LAST LIMIT {_MOST + 1}"
        found = [row[0] for row in ctx.fetch(query).rows]
        if len(found) > _MOST:
            raise NodeError(
                f"pivot: {self.pivot_col!r} has more than {_MOST} different values",
                hint="name the ones you want in `values`",
            )
        return [(value, "null" if value is None else value) for value in found]


def _only(pivot: str, value: str | None) -> str:
    return f" FILTER (WHERE {text(pivot)} IS NOT DISTINCT FROM {literal(value)})"


@builtin("unpivot", cardinality="changes", summary="Turn columns into rows of name and value.")
class Unpivot(Builtin):
    """Unpivot; nulls stay, as rows with a null value. Columns of different types become text."""

    id_cols: list[str] = param("Columns repeated on each row.")
    value_vars: list[str] = param("Columns to turn into rows.", min_length=1)
    var_name: str = param("Column for the names.", "variable")
    value_name: str = param("Column for the values.", "value")

    EXAMPLE = Example(
        params={"id_cols": ["city"], "value_vars": ["jan", "feb"], "var_name": "month"},
        df=Table("city, jan BIGINT, feb BIGINT", [("Lima", 5, None)]),
        result=Table("city, month, value BIGINT", [("Lima", "jan", 5), ("Lima", "feb", None)]),
    )

    def build(self, ctx: BuildContext) -> str:
        columns = [ctx.column(name) for name in self.value_vars]
        mixed = len({column.type for column in columns}) > 1 and not all(
            is_number(column.type) for column in columns
        )
        ids = _plain(ctx, self.id_cols)
        values = ", ".join(text(ident(c.name)) if mixed else ident(c.name) for c in columns)
        names = ", ".join(literal(column.name) for column in columns)
        items = [
            *ids,
            (f"unnest([{names}])", self.var_name),
            (f"unnest([{values}])", self.value_name),
        ]
        return f"SELECT {project(items)} FROM df"


@builtin("as_of_join", cardinality="same", summary="Add the latest earlier row of another input.")
class AsOfJoin(Builtin):
    """For each row, the other input's row with the same keys and the latest time not after its own.

    Rows without one keep nulls. Of several other rows with one time, the greatest by all columns counts.
    """

    right_dataset: str = param("The other input: a node or input name.")
    by: list[str] = param("Columns that must be equal; both sides have them.", [])
    left_time: str = param("Time column of `df`.")
    right_time: str | None = param("Time column of the other input; same name when left out.", None)
    columns: list[str] | None = param(
        "Columns to take from it; all but keys and time when left out.", None
    )
    prefix: str | None = param("Prefix for taken names; `right_dataset` when left out.", None)

    EXAMPLE = Example(
        params={"right_dataset": "rates", "by": ["coin"], "left_time": "day", "columns": ["rate"]},
        df=Table("coin, day BIGINT", [("EUR", 5), ("EUR", 1), ("USD", 5)]),
        tables={
            "rates": Table("coin, day BIGINT, rate DOUBLE", [("EUR", 2, 1.1), ("EUR", 4, 1.2)])
        },
        result=Table(
            "coin, day BIGINT, rate DOUBLE", [("EUR", 5, 1.2), ("EUR", 1, None), ("USD", 5, None)]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        right = self.right_dataset
        time = ctx.col(self.right_time or self.left_time, right)
        keys = ctx.cols(self.by, right)
        equal = [
            f"df.{left} = _right.{key}" for left, key in zip(ctx.cols(self.by), keys, strict=True)
        ]
        on = " AND ".join([*equal, f"df.{ctx.col(self.left_time)} >= _right.{time}"])
        order = ", ".join(f"{ident(column.name)} DESC NULLS LAST" for column in ctx.schema(right))
        once = f"SELECT DISTINCT ON ({', '.join([*keys, time])}) * FROM {table(right)} ORDER BY {', '.join([*keys, time])}, {order}"
        return (
            f"SELECT {project(self._items(ctx))} FROM df ASOF LEFT JOIN ({once}) AS _right ON {on}"
        )

    def _items(self, ctx: BuildContext) -> list[tuple[str, str]]:
        right = self.right_dataset
        left_out = {name.casefold() for name in [*self.by, self.right_time or self.left_time]}
        everything = [column.name for column in ctx.schema(right)]
        taken = (
            self.columns
            if self.columns is not None
            else [n for n in everything if n.casefold() not in left_out]
        )
        prefix = self.prefix or right
        items = [(f"df.{ident(name)}", name) for name in ctx.names]
        for name in taken:
            column = ctx.column(name, right).name
            items.append(
                (f"_right.{ident(column)}", f"{prefix}_{column}" if ctx.has(column) else column)
            )
        return items


@builtin(
    "lookup_as_of",
    cardinality="same",
    summary="Values of a history (SCD2) as they were at each row's time.",
)
class LookupAsOf(Builtin):
    """For each row, the version of its key that was valid at its time: `from <= time < to`.

    A version without an end is valid for ever. Rows that no version covers keep nulls; a key with
    two versions at one time fails the node.
    """

    history: str = param("Input with the versions: a node or input name.")
    keys: list[str] = param("Columns that identify the thing; both sides have them.", min_length=1)
    time: str = param("Date or time column of `df`.")
    columns: list[str] = param("Columns to take from the version.", min_length=1)
    start_time_col: str = param("Start of validity in the history.", "valid_from")
    end_time_col: str = param("End of validity in the history; null is open.", "valid_to")
    prefix: str | None = param("Prefix for taken names; `history` when left out.", None)

    EXAMPLE = Example(
        params={"history": "prices", "keys": ["item"], "time": "day", "columns": ["price"]},
        df=Table(
            "item, day DATE", [("tea", "2025-01-05"), ("tea", "2025-02-01"), ("tea", "2024-01-01")]
        ),
        tables={
            "prices": Table(
                "item, price BIGINT, valid_from DATE, valid_to DATE",
                [("tea", 3, "2025-01-01", "2025-02-01"), ("tea", 4, "2025-02-01", None)],
            )
        },
        result=Table(
            "item, day DATE, price BIGINT",
            [("tea", "2025-01-05", 3), ("tea", "2025-02-01", 4), ("tea", "2024-01-01", None)],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        history = self.history
        start, end = ctx.cols([self.start_time_col, self.end_time_col], history)
        keys = ctx.cols(self.keys, history)
        columns = ctx.cols(self.columns, history)
        equal = [
            f"df.{left} = _version.{key}"
            for left, key in zip(ctx.cols(self.keys), keys, strict=True)
        ]
        time = ctx.col(self.time)
        on = " AND ".join([*equal, f"df.{time} >= _version._from"])
        inside = f"(_version._to IS NULL OR df.{time} < _version._to)"
        taken = [
            (f"CASE WHEN {inside} THEN _version.{column} END", self._name(ctx, name))
            for column, name in zip(columns, self.columns, strict=True)
        ]
        items = [(f"df.{ident(name)}", name) for name in ctx.names] + taken
        return f"""WITH _versions AS (
  SELECT {", ".join(dict.fromkeys([*keys, *columns]))}, {start} AS _from, {end} AS _to,
    lead({start}) OVER (PARTITION BY {", ".join(keys)} ORDER BY {start}, {end} NULLS LAST) AS _next
  FROM {table(history)} WHERE {end} IS NULL OR {end} > {start}
), _checked AS (
  SELECT * EXCLUDE (_next) REPLACE (CASE WHEN _next < _to OR (_to IS NULL AND _next IS NOT NULL)
    THEN error('lookup_as_of: two versions of ' || {" || ', ' || ".join(text(key) for key in keys)} || ' are valid at ' || {text("_next")})
    ELSE _from END AS _from) FROM _versions
)
SELECT {project(items)} FROM df ASOF LEFT JOIN _checked AS _version ON {on}"""

    def _name(self, ctx: BuildContext, name: str) -> str:
        return f"{self.prefix or self.history}_{name}" if ctx.has(name) else name
