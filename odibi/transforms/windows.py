"""Built-ins over ordered groups of rows: numbers, windows, sessions."""

from __future__ import annotations

from odibi.transforms.dates import timestamp
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import ident, order_by, text

__all__ = ["RowNumber", "Sessionize", "WindowCalculation"]


def _ordering(ctx: BuildContext, keys: list[str]) -> list[str]:
    """Order expressions from YAML entries: a column, alone or followed by ASC or DESC."""
    expressions = []
    for key in keys:
        name, _, direction = key.rpartition(" ")
        if direction.upper() in ("ASC", "DESC") and not ctx.has(key):
            expressions.append(f"{ctx.col(name.strip())} {direction.upper()} NULLS LAST")
        else:
            expressions.append(f"{ctx.col(key)} NULLS LAST")
    return expressions


@builtin("row_number", cardinality="same", summary="Number the rows, in each group from 1.")
class RowNumber(Builtin):
    """Number rows; ties are settled by the values of all columns."""

    output: str = param("Name of the number's column.", "row_num")
    partition_by: list[str] | None = param(
        "Columns whose combinations are numbered separately.", None
    )
    order_by: list[str] | None = param(
        "Columns that order the rows, each optionally with `DESC`.", None
    )

    EXAMPLE = Example(
        params={"partition_by": ["city"], "order_by": ["amount DESC"]},
        df=Table("city, amount BIGINT", [("Lima", 5), ("Lima", 9), ("Quito", 1)]),
        result=Table(
            "city, amount BIGINT, row_num BIGINT", [("Lima", 5, 2), ("Lima", 9, 1), ("Quito", 1, 1)]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        parts = ctx.cols(self.partition_by or ())
        partition = f"PARTITION BY {', '.join(parts)}" if parts else ""
        settled = [
            *_ordering(ctx, self.order_by or []),
            *(f"{n} NULLS LAST" for n in ctx.cols(ctx.names)),
        ]
        return ctx.with_columns(
            {self.output: f"row_number() OVER ({partition}{order_by(settled)})"}
        )


@builtin("window_calculation", cardinality="same", summary="A window function as a new column.")
class WindowCalculation(Builtin):
    """Compute any window or aggregate function over groups of rows."""

    target_col: str = param("Name of the result.")
    function: str = param("SQL call, such as `sum(amount)` or `lag(price)`.")
    partition_by: list[str] = param("Columns that form the groups.", [])
    order_by: str | None = param("SQL order inside a group, such as `day DESC`.", None)

    EXAMPLE = Example(
        params={"target_col": "so_far", "function": "sum(amount)", "order_by": "day"},
        df=Table("day BIGINT, amount BIGINT", [(1, 5), (2, 7)]),
        result=Table("day BIGINT, amount BIGINT, so_far BIGINT", [(1, 5, 5), (2, 7, 12)]),
    )

    def build(self, ctx: BuildContext) -> str:
        parts = ctx.cols(self.partition_by)
        partition = f"PARTITION BY {', '.join(parts)}" if parts else ""
        order = order_by([self.order_by] if self.order_by else [])
        return ctx.with_columns({self.target_col: f"{self.function} OVER ({partition}{order})"})


@builtin("sessionize", cardinality="same", summary="Group each user's events into sessions.")
class Sessionize(Builtin):
    """A new session starts with a user's first event and after every gap longer than the threshold.

    The session's name is `<user>-<n>`, n counting from 1 in time order. An event without a user or
    without a time belongs to no session: null.
    """

    timestamp_col: str = param("Column with the time of the event.")
    user_col: str = param("Column with the user.")
    threshold_seconds: int = param("Longest gap inside a session, in seconds.", 1800, ge=0)
    session_col: str = param("Name of the result.", "session_id")

    EXAMPLE = Example(
        params={"timestamp_col": "at", "user_col": "who"},
        df=Table(
            "who, at TIMESTAMP",
            [
                ("ana", "2025-01-01 23:50:00"),
                ("ana", "2025-01-02 00:20:00"),
                ("ana", "2025-01-02 00:50:01"),
                (None, "2025-01-01 10:00:00"),
            ],
        ),
        result=Table(
            "who, at TIMESTAMP, session_id",
            [
                ("ana", "2025-01-01 23:50:00", "ana-1"),
                ("ana", "2025-01-02 00:20:00", "ana-1"),
                ("ana", "2025-01-02 00:50:01", "ana-2"),
                (None, "2025-01-01 10:00:00", None),
            ],
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        user, time = ctx.col(self.user_col), timestamp(ctx, self.timestamp_col)
        ctx.reserve("_time", "_new", "_session")
        session = (
            f"CASE WHEN _time IS NOT NULL THEN {text(user)} || '-' || CAST(_session AS VARCHAR) END"
        )
        kept = ctx.without(self.session_col)
        return f"""SELECT {", ".join(kept)}, {session} AS {ident(self.session_col)} FROM (
  SELECT *, sum(_new) OVER (PARTITION BY {user} ORDER BY _time RANGE UNBOUNDED PRECEDING) AS _session FROM (
    SELECT *, CASE WHEN _time - lag(_time) OVER (PARTITION BY {user} ORDER BY _time)
      <= to_seconds({self.threshold_seconds}) THEN 0 ELSE 1 END AS _new
    FROM (SELECT *, {time} AS _time FROM df)))"""
