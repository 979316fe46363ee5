"""Pattern `scd2`: keep every version of a row with the time in which it was true."""

from __future__ import annotations

from collections.abc import Mapping

from odibi.patterns.versions import History
from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, TargetRef, builtin, param
from odibi.transforms.sql import ident

__all__ = ["Scd2"]

_STORED = "_target"


@builtin(
    "scd2",
    kind="pattern",
    cardinality="changes",
    summary="Keep a history: a new version whenever a tracked column changes.",
)
class Scd2(Builtin):
    """Slowly changing dimension, type 2. The result is the whole new table; write it with `overwrite`.

    A version lasts from `valid_from` until just before `valid_to`; the current one has no end. The
    input may hold many times per key at once, in any order, and times before those stored. A row
    that repeats what is known changes nothing; columns that aren't tracked keep the value that the
    version began with. Two rows of one key at one time: the newer batch wins, inside a batch the
    first by the values of all columns.
    """

    keys: list[str] = param("Columns that identify the thing.", min_length=1)
    track_cols: list[str] = param("Columns whose change makes a new version.", min_length=1)
    effective_time_col: str = param("Date or time since when a row is true.")
    target: str | None = param(
        "The history so far: `connection.table`, or a path; what the node writes when left out.",
        None,
    )
    connection: str | None = param("Connection of the history so far, with `path`.", None)
    path: str | None = param("Its path.", None)
    start_time_col: str = param("Result column: true since.", "valid_from")
    end_time_col: str = param(
        "Result column: true until (not included); null for the current version.", "valid_to"
    )
    current_flag_col: str = param(
        "Result column: whether the version is the current one.", "is_current"
    )
    delete_col: str | None = param(
        "Input column that is true when the row says: ended at this time.", None
    )
    deletes: bool = param(
        "Each time in the input is a complete snapshot: a key that is missing from it ended then.",
        False,
    )
    use_delta_merge: bool = param("Accepted from old projects; the result is the same.", True)
    register_table: str | None = param("Not supported.", None)
    vacuum_hours: int | None = param("Not supported.", None)

    REFUSED = {
        "register_table": "no metastore is attached",
        "vacuum_hours": "set `auto_optimize: {vacuum_retention_hours: …}` on the write",
    }
    EXAMPLE = Example(
        params={
            "keys": ["item"],
            "track_cols": ["price"],
            "effective_time_col": "day",
            "target": "lake.menu",
        },
        df=Table(
            "item, price BIGINT, day DATE", [("tea", 4, "2025-02-01"), ("pie", 9, "2025-02-01")]
        ),
        tables={
            _STORED: Table(
                "item, price BIGINT, day DATE, valid_from DATE, valid_to DATE, is_current BOOLEAN",
                [("tea", 3, "2025-01-01", "2025-01-01", None, True)],
            )
        },
        result=Table(
            "item, price BIGINT, day DATE, valid_from DATE, valid_to DATE, is_current BOOLEAN",
            [
                ("tea", 3, "2025-01-01", "2025-01-01", "2025-02-01", False),
                ("tea", 4, "2025-02-01", "2025-02-01", None, True),
                ("pie", 9, "2025-02-01", "2025-02-01", None, True),
            ],
        ),
    )

    def targets(self) -> Mapping[str, TargetRef]:
        return {_STORED: TargetRef(path=self.path or self.target, connection=self.connection)}

    def build(self, ctx: BuildContext) -> str:
        time = ctx.column(self.effective_time_col)
        history = History(
            keys=self.keys,
            tracked=self.track_cols,
            time=ident(time.name),
            time_type=time.type,
            start=self.start_time_col,
            end=self.end_time_col,
            current=self.current_flag_col,
            stored=_STORED if _STORED in ctx.tables else None,
            gone=ctx.col(self.delete_col) if self.delete_col else "FALSE",
            hidden=[self.delete_col] if self.delete_col else [],
            snapshots=self.deletes,
        )
        return history.build(ctx)
