"""Built-ins that fill, replace, map and judge values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import condition, ident, literal, project, table, text

__all__ = [
    "ApplyMapping",
    "CaseWhen",
    "CaseWhenCase",
    "DictBasedMapping",
    "FillNulls",
    "ReplaceValues",
    "ValidateAndFlag",
]

Scalar = str | int | float | bool


def _whens(mapping: Mapping[Any, Any]) -> str:
    """WHEN branches over the texts of values; YAML keys may be numbers or true and false."""
    olds = (str(old).lower() if isinstance(old, bool) else str(old) for old in mapping)
    return " ".join(
        f"WHEN {literal(old)} THEN {literal(new)}"
        for old, new in zip(olds, mapping.values(), strict=True)
    )


@builtin("fill_nulls", cardinality="same", summary="Put values where there are none.")
class FillNulls(Builtin):
    """Fill nulls."""

    values: dict[str, Scalar] = param("Column → value for its nulls.")

    EXAMPLE = Example(
        params={"values": {"city": "unknown", "qty": 0}},
        df=Table("city, qty BIGINT", [(None, None), ("Lima", 2)]),
        result=Table("city, qty BIGINT", [("unknown", 0), ("Lima", 2)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns(
            {
                name: f"COALESCE({ctx.col(name)}, {literal(value)})"
                for name, value in self.values.items()
            }
        )


@builtin("replace_values", cardinality="same", summary="Replace certain values by others.")
class ReplaceValues(Builtin):
    """Replace values in several columns; what the mapping doesn't name stays."""

    columns: list[str] = param("Columns to change.", min_length=1)
    mapping: dict[Scalar, str | None] = param(
        "Old value → new value (null removes it).", min_length=1
    )

    EXAMPLE = Example(
        params={"columns": ["status"], "mapping": {"N/A": None, "ok": "good"}},
        df=Table("status", [("N/A",), ("ok",), ("bad",)]),
        result=Table("status", [(None,), ("good",), ("bad",)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns({name: self._replaced(ctx.col(name)) for name in self.columns})

    def _replaced(self, column: str) -> str:
        return f"CASE {text(column)} {_whens(self.mapping)} ELSE {column} END"


class CaseWhenCase(BaseModel):
    """One branch."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    condition: str = param("SQL condition.")
    value: str = param("SQL expression for the rows that meet it (texts in single quotes).")


@builtin(
    "case_when", cardinality="same", summary="Choose a value by the first condition that holds."
)
class CaseWhen(Builtin):
    """Compute a column from conditions."""

    cases: list[CaseWhenCase] = param("Branches, tried in order.", min_length=1)
    default: str = param("SQL expression when no condition holds.", "NULL")
    output_col: str = param("Name of the result.")

    EXAMPLE = Example(
        params={
            "cases": [{"condition": "age < 18", "value": "'minor'"}],
            "default": "'adult'",
            "output_col": "group",
        },
        df=Table("age BIGINT", [(9,), (40,)]),
        result=Table("age BIGINT, group", [(9, "minor"), (40, "adult")]),
    )

    def build(self, ctx: BuildContext) -> str:
        whens = " ".join(
            f"WHEN {condition(c.condition)} THEN {condition(c.value)}" for c in self.cases
        )
        return ctx.with_columns(
            {self.output_col: f"CASE {whens} ELSE {condition(self.default)} END"}
        )


@builtin("dict_based_mapping", cardinality="same", summary="Translate values by a map in the YAML.")
class DictBasedMapping(Builtin):
    """Map values; one that the map doesn't name becomes the default."""

    column: str = param("Column to translate.")
    mapping: dict[Scalar, Scalar | None] = param("Old value → new value.", min_length=1)
    default: Scalar | None = param("Value for what the map doesn't name.", None)
    output_column: str | None = param("Name of the result; replaces `column` when left out.", None)

    EXAMPLE = Example(
        params={"column": "code", "mapping": {"1": "new", "2": "paid"}, "default": "other"},
        df=Table("code", [("1",), ("9",)]),
        result=Table("code", [("new",), ("other",)]),
    )

    def build(self, ctx: BuildContext) -> str:
        mapped = f"CASE {text(ctx.col(self.column))} {_whens(self.mapping)} ELSE {literal(self.default)} END"
        return ctx.with_columns({self.output_column or self.column: mapped})


@builtin("apply_mapping", cardinality="same", summary="Translate values by a lookup table.")
class ApplyMapping(Builtin):
    """Map values by another input. A source key with two different values fails the node."""

    column: str = param("Column to translate.")
    mapping_source: str = param("Input (node or input name) that holds the pairs.")
    source_key: str = param("Its column with the old values.")
    source_value: str = param("Its column with the new values.")
    output: str | None = param("Name of the result; replaces `column` when left out.", None)
    default: Scalar | None = param("Value for what the table doesn't name.", None)

    EXAMPLE = Example(
        params={
            "column": "city",
            "mapping_source": "cities",
            "source_key": "id",
            "source_value": "name",
        },
        df=Table("id BIGINT, city BIGINT", [(1, 10), (2, 99)]),
        tables={"cities": Table("id BIGINT, name", [(10, "Lima"), (20, "Quito")])},
        result=Table("id BIGINT, city", [(1, "Lima"), (2, None)]),
    )

    def build(self, ctx: BuildContext) -> str:
        column = ctx.col(self.column)
        key, value = ctx.cols([self.source_key, self.source_value], self.mapping_source)
        found = (
            f"COALESCE(_map._value, {literal(self.default)})"
            if self.default is not None
            else "_map._value"
        )
        output = self.output or self.column
        items = [
            (f"df.{ident(n)}" if n.casefold() != output.casefold() else found, n) for n in ctx.names
        ]
        items += [] if ctx.has(output) else [(found, output)]
        return f"""SELECT {project(items)} FROM df LEFT JOIN (
  SELECT {key} AS _key, CASE WHEN count(DISTINCT {value}) > 1
    THEN error('apply_mapping: ' || {text(key)} || ' has more than one value in ' || {literal(self.mapping_source)})
    ELSE min({value}) END AS _value
  FROM {table(self.mapping_source)} WHERE {key} IS NOT NULL GROUP BY {key}
) AS _map ON _map._key = df.{column}"""


@builtin("validate_and_flag", cardinality="same", summary="List the rules that each row breaks.")
class ValidateAndFlag(Builtin):
    """Flag rows: a text of the broken rules' names, null for a good row.

    A condition that is null breaks nothing: add `x IS NOT NULL` where it should.
    """

    rules: dict[str, str] = param("Name → SQL condition that good rows meet.")
    flag_col: str = param("Name of the result.", "_issues")

    EXAMPLE = Example(
        params={"rules": {"positive": "amount > 0", "named": "name IS NOT NULL"}},
        df=Table("amount BIGINT, name", [(5, "x"), (-1, None)]),
        result=Table(
            "amount BIGINT, name, _issues", [(5, "x", None), (-1, None, "positive, named")]
        ),
    )

    def build(self, ctx: BuildContext) -> str:
        if not self.rules:
            return ctx.with_columns({self.flag_col: "CAST(NULL AS VARCHAR)"})
        broken = ", ".join(
            f"CASE WHEN {condition(rule)} IS FALSE THEN {literal(name)} END"
            for name, rule in self.rules.items()
        )
        return ctx.with_columns({self.flag_col: f"NULLIF(concat_ws(', ', {broken}), '')"})
