"""Built-ins for text."""

from __future__ import annotations

from typing import Literal

from odibi.transforms.examples import Example, Table
from odibi.transforms.registry import BuildContext, Builtin, builtin, param
from odibi.transforms.sql import literal, text

__all__ = ["CleanText", "RegexReplace", "SplitPart", "TrimWhitespace"]

_TEXT_TYPES = ("VARCHAR", "JSON", "ENUM")
_SPACES = r"^\s+|\s+$"


def _trimmed(expression: str) -> str:
    """Without white space of any kind at both ends (`trim` alone knows only the blank)."""
    return f"regexp_replace({expression}, {literal(_SPACES)}, '', 'g')"


@builtin("clean_text", cardinality="same", summary="Trim texts and unify their case.")
class CleanText(Builtin):
    """Clean texts."""

    columns: list[str] = param("Text columns.", min_length=1)
    trim: bool = param("Remove white space at both ends.", True)
    case: Literal["lower", "upper", "preserve"] = param("Case to give the texts.", "preserve")

    EXAMPLE = Example(
        params={"columns": ["email"], "case": "lower"},
        df=Table("email", [("  Ana@X.io\t",), (None,)]),
        result=Table("email", [("ana@x.io",), (None,)]),
    )

    def build(self, ctx: BuildContext) -> str:
        return ctx.with_columns({name: self._clean(ctx.col(name)) for name in self.columns})

    def _clean(self, column: str) -> str:
        cleaned = _trimmed(text(column)) if self.trim else text(column)
        return cleaned if self.case == "preserve" else f"{self.case}({cleaned})"


@builtin("trim_whitespace", cardinality="same", summary="Remove white space around texts.")
class TrimWhitespace(Builtin):
    """Trim texts."""

    columns: list[str] | None = param("Columns to trim; all text columns when left out.", None)

    EXAMPLE = Example(
        params={},
        df=Table("id BIGINT, name", [(1, " Ana\n")]),
        result=Table("id BIGINT, name", [(1, "Ana")]),
    )

    def build(self, ctx: BuildContext) -> str:
        found = [
            column.name
            for column in ctx.columns
            if column.type.startswith(_TEXT_TYPES) and not column.type.endswith("]")
        ]
        chosen = found if self.columns is None else self.columns
        if not chosen:
            return "SELECT * FROM df"
        return ctx.with_columns({name: _trimmed(text(ctx.col(name))) for name in chosen})


@builtin(
    "regex_replace", cardinality="same", summary="Replace every match of a regular expression."
)
class RegexReplace(Builtin):
    """Replace all matches; `\\1` in the replacement is the first group. RE2 syntax."""

    column: str = param("Text column, changed in place.")
    pattern: str = param("Regular expression.")
    replacement: str = param("Text put in place of each match.")

    EXAMPLE = Example(
        params={"column": "phone", "pattern": "[^0-9]", "replacement": ""},
        df=Table("phone", [("+51 (1) 22-33",)]),
        result=Table("phone", [("5112233",)]),
    )

    def build(self, ctx: BuildContext) -> str:
        pattern, replacement = literal(self.pattern), literal(self.replacement)
        replaced = f"regexp_replace({text(ctx.col(self.column))}, {pattern}, {replacement}, 'g')"
        return ctx.with_columns({self.column: replaced})


@builtin("split_part", cardinality="same", summary="Take the nth part of a text.")
class SplitPart(Builtin):
    """Take a part; the result column is called `<col>_part_<index>`."""

    col: str = param("Text column.")
    delimiter: str = param("Text between two parts.", min_length=1)
    index: int = param("Which part, counted from 1; negative counts from the end.")

    EXAMPLE = Example(
        params={"col": "email", "delimiter": "@", "index": 2},
        df=Table("email", [("ana@x.io",)]),
        result=Table("email, email_part_2", [("ana@x.io", "x.io")]),
    )

    def build(self, ctx: BuildContext) -> str:
        part = f"split_part({text(ctx.col(self.col))}, {literal(self.delimiter)}, {self.index})"
        return ctx.with_columns({f"{self.col}_part_{self.index}": part})
