"""Built-ins that make keys and hashes."""

from __future__ import annotations

from typing import Literal

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import literal, text

__all__ = ["GenerateNumericKey", "GenerateSurrogateKey", "HashColumns"]


@builtin("hash_columns", cardinality="same", summary="Replace values by their hash.")
class HashColumns(Builtin):
    """Hash columns in place, as hexadecimal text; nulls stay null."""

    columns: list[str] = param("Columns to hash.", min_length=1)
    algorithm: Literal["sha256", "md5"] = param("Hash function.", "sha256")

    EXAMPLE = Example(
        params={"columns": ["email"], "algorithm": "md5"},
        df=Table("id BIGINT, email", [(1, "a"), (2, None)]),
        result=Table("id BIGINT, email", [(1, "0cc175b9c0f1b6a831c399e269772661"), (2, None)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns(
            {name: f"{self.algorithm}({text(ctx.col(name))})" for name in self.columns}
        )


@builtin("generate_surrogate_key", cardinality="same", summary="A text key from columns (MD5).")
class GenerateSurrogateKey(Builtin):
    """MD5 of the columns' texts; a null counts as an empty text."""

    columns: list[str] = param("Columns that identify a row, in order.", min_length=1)
    separator: str = param("Text between two values.", "-")
    output_col: str = param("Name of the key.", "surrogate_key")

    EXAMPLE = Example(
        params={"columns": ["city", "id"], "output_col": "key"},
        df=Table("city, id BIGINT", [("Lima", 7)]),
        result=Table("city, id BIGINT, key", [("Lima", 7, "5770c22e3d16b3b5566aa67b13657006")]),
    )

    def build(self, ctx: BuildContext) -> str:
        parts = ", ".join(f"COALESCE({text(column)}, '')" for column in ctx.cols(self.columns))
        return ctx.with_columns(
            {self.output_col: f"md5(concat_ws({literal(self.separator)}, {parts}))"}
        )


@builtin("generate_numeric_key", cardinality="same", summary="A BIGINT key from columns.")
class GenerateNumericKey(Builtin):
    """The first 60 bits of the MD5 of the columns' trimmed texts: positive, the same on every engine.

    With 60 bits, two of 10 million keys collide with a chance of about 1 in 20,000.
    """

    columns: list[str] = param("Columns that identify a row, in order.", min_length=1)
    separator: str = param("Text between two values.", "|")
    output_col: str = param("Name of the key.", "numeric_key")
    coalesce_with: str | None = param(
        "Existing numeric column whose values win where there are any.", None
    )

    EXAMPLE = Example(
        params={"columns": ["city"], "coalesce_with": "key", "output_col": "key"},
        df=Table("city, key BIGINT", [("Lima", 7), ("Quito", None)]),
        result=Table("city, key BIGINT", [("Lima", 7), ("Quito", 769496649059900662)]),
    )

    def build(self, ctx: BuildContext) -> str:
        parts = ", ".join(
            f"COALESCE(trim({text(column)}), '')" for column in ctx.cols(self.columns)
        )
        digest = f"md5(concat_ws({literal(self.separator)}, {parts}))"
        key = f"CAST('0x' || left({digest}, 15) AS BIGINT)"
        if self.coalesce_with:
            key = f"COALESCE(CAST({ctx.col(self.coalesce_with)} AS BIGINT), {key})"
        return ctx.with_columns({self.output_col: key})
