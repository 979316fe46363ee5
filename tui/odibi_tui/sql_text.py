"""SQL in colours: a tokenizer for looking, not for understanding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from odibi.safe_text import safe
from odibi_tui.paint import Line, Span

__all__ = ["sql_lines"]

_WORDS = """
    all and anti any as asc asof between by case cast columns copy create cross cube default delete
    desc distinct drop else end escape except exclude exists false fetch filter first following for
    from full glob group grouping having ilike in inner insert intersect interval into is join last
    lateral left like limit macro materialized merge natural not null nulls offset on or order outer
    over partition pivot positional preceding qualify range recursive replace returning right rollup
    row rows sample select semi set sets similar table tablesample temp temporary then to true
    unbounded union unnest unpivot update using values view when where window with within
"""
_KEYWORDS = frozenset(_WORDS.split())
_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<string> '(?:[^']|'')*(?:'|\Z) )
  | (?P<quoted> "(?:[^"]|"")*(?:"|\Z) )
  | (?P<number> (?<!\w)\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w) )
  | (?P<word> [^\W\d]\w* )
    """,
    re.VERBOSE | re.DOTALL,
)
_STYLES = {"comment": "sql.comment", "string": "sql.string", "number": "sql.number"}


@lru_cache(maxsize=64)  # a page is made anew with every event of its node
def sql_lines(sql: str) -> tuple[Line, ...]:
    """The statement line by line; its text is as written, without control characters."""
    lines: list[list[Span]] = [[]]
    for text, style in _spans(safe(sql).expandtabs(4).strip("\n")):
        first, *others = text.split("\n")
        lines[-1].append((first, style))
        lines += [[(other, style)] for other in others]
    return tuple(tuple(span for span in line if span[0]) for line in lines)


def _spans(sql: str) -> Iterator[Span]:
    """The text cut into pieces of one style."""
    end = 0
    for token in _TOKEN.finditer(sql):
        if token.start() > end:
            yield sql[end : token.start()], "text"
        end = token.end()
        yield token[0], _style(token, sql[end : end + 1])
    if end < len(sql):
        yield sql[end:], "text"


def _style(token: re.Match[str], after: str) -> str:
    kind = token.lastgroup or ""
    if kind != "word":
        return _STYLES.get(kind, "text")
    if token[0].lower() in _KEYWORDS:
        return "sql.keyword"
    return "sql.function" if after == "(" else "text"
