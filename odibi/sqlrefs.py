"""Which of the known names a SQL text reads as tables.

Parsing exactly costs the import of sqlglot (140 ms CPU), so a look at the words comes first: most
texts never get that far.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

__all__ = ["KnownTables", "table_names"]

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | (?P<name>"(?:[^"]|"")*" | \w+) | (?P<mark>[^\s\w])""",
    re.DOTALL | re.VERBOSE,
)
# Words and marks after which a table may stand; all but the first two have other uses as well.
_SURE = frozenset({"from", "join"})
_BEFORE_TABLE = _SURE | {",", "(", "table", "summarize", "describe", "pivot", "unpivot"}


class KnownTables:
    """Names that may be tables; one object serves many texts. Case doesn't matter."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower(): name for name in names}
        self._words = {name for name in self._names if _WORD.fullmatch(name)}
        self._others = self._names.keys() - self._words

    def read_by(self, sql: str, besides: Collection[str] = ()) -> list[str]:
        """The names that `sql` reads as tables, in order of appearance, without those in `besides`.

        A column, alias, CTE, literal or comment of the same name doesn't count.
        """
        mentioned = self._mentioned(sql.lower()) - {name.lower() for name in besides}
        candidates = list(_candidates(sql, mentioned)) if mentioned else []
        if not candidates:
            return []
        tables = _parsed(sql)
        found = [name for name, sure in candidates if (sure if tables is None else name in tables)]
        return [self._names[name] for name in dict.fromkeys(found)]

    def _mentioned(self, text: str) -> set[str]:
        words = self._words & set(_WORD.findall(text))
        return words | {name for name in self._others if name in text}


def table_names(sql: str) -> set[str]:
    """Lower-case names of the tables that `sql` reads, without CTEs and `schema.table`.

    Raises ValueError when it can't be parsed as DuckDB's SQL.
    """
    tables = _parsed(sql)
    if tables is None:
        raise ValueError("not SQL that can be parsed")
    return tables


def _candidates(sql: str, known: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Known names where a table may stand, and whether hardly anything else may stand there."""
    tokens = [_plain(token) for token in _TOKEN.finditer(sql) if token.lastgroup]
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if word in known and before in _BEFORE_TABLE and after not in (".", "("):
            yield word, before in _SURE


def _plain(token: re.Match[str]) -> str:
    text = token[0].lower()
    return text[1:-1].replace('""', '"') if text.startswith('"') and len(text) > 1 else text


def _parsed(sql: str) -> set[str] | None:
    """Names of the tables read, or None for SQL that sqlglot doesn't know."""
    import sqlglot  # 140 ms CPU, see above
    from sqlglot import exp

    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    tables = [
        table for tree in statements if tree is not None for table in tree.find_all(exp.Table)
    ]
    return {table.name.lower() for table in tables if _is_free(table)}


def _is_free(table: Any) -> bool:
    """Whether the name isn't that of a CTE in scope: of its own WITH only those written before."""
    if not table.name or table.args.get("db"):
        return False
    name, inner, outer = table.name.lower(), table, table.parent
    while outer is not None:
        if name in _visible_ctes(outer, inner):
            return False
        inner, outer = outer, outer.parent
    return True


def _visible_ctes(outer: Any, inner: Any) -> set[str]:
    """Names that the WITH at `outer` gives to its part `inner`."""
    from sqlglot import exp

    if isinstance(outer, exp.With):
        ctes = outer.expressions
        upto = [cte is inner for cte in ctes].index(True)
        return {cte.alias.lower() for cte in ctes[: upto + bool(outer.args.get("recursive"))]}
    clause = outer.args.get("with_") or outer.args.get("with")
    if clause is None or clause is inner:
        return set()
    return {cte.alias.lower() for cte in clause.expressions}
