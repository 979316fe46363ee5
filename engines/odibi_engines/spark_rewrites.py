"""Expressions that Spark computes otherwise than DuckDB, written so that both give the same values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

__all__ = ["OTHER_FORM", "REWRITES", "Untranslated"]

OTHER_FORM = "odibi: a text of a form that Spark reads otherwise"
"""What Spark raises on a value whose computing is DuckDB's after all."""


class Untranslated(Exception):  # noqa: N818  # no error: somebody else computes it
    """Why a query isn't given to Spark."""


_T = exp.DataType.Type
_WHOLE = exp.DataType.INTEGER_TYPES
_FLOATS = {_T.FLOAT, _T.DOUBLE}
_TEXTS = exp.DataType.TEXT_TYPES
_DECIMALS = {_T.DECIMAL, _T.BIGDECIMAL}
_NUMBERS = {*_WHOLE, *_FLOATS, *_DECIMALS}
_STAMPS = {_T.TIMESTAMP, _T.TIMESTAMPTZ, _T.TIMESTAMPNTZ, _T.DATE}
_ORDERED = {*_NUMBERS, *_TEXTS, *_STAMPS, _T.BOOLEAN}


def _kind(node: Any) -> Any:
    return node.type.this if node.type is not None else _T.UNKNOWN


def _refuse(node: Any, why: str) -> Untranslated:
    return Untranslated(f"`{node.sql(dialect='duckdb')[:80]}`: {why}")


def _made(template: str, like: Any, **parts: Any) -> Any:
    """The Spark expression of a template, with the type of the one it replaces."""
    tree: Any = exp.maybe_parse(template, dialect="spark")
    tree = exp.replace_placeholders(tree, **{name: part.copy() for name, part in parts.items()})
    tree = exp.paren(tree, copy=False)
    tree.type = like.type
    return tree


def _divide(node: exp.Div) -> Any:
    """Always a DOUBLE, and by zero infinite or NaN, where Spark keeps decimals and raises."""
    if not {_kind(node.this), _kind(node.expression)} <= {*_NUMBERS, _T.NULL}:
        raise _refuse(node, "only numbers are divided there")
    return _made(
        "CASE WHEN CAST(:b AS DOUBLE) = 0 THEN CAST(:a AS DOUBLE) * CAST(CASE WHEN "
        "CAST(CAST(:b AS DOUBLE) AS STRING) = '-0.0' THEN '-Infinity' ELSE 'Infinity' END AS DOUBLE) "
        "ELSE try_divide(CAST(:a AS DOUBLE), CAST(:b AS DOUBLE)) END",
        node,
        a=node.this,
        b=node.expression,
    )


def _average(node: exp.Avg) -> Any:
    """A DOUBLE also of decimals, whose average Spark rounds to a few more places."""
    if _kind(node.this) in _DECIMALS:
        made = exp.Avg(this=exp.cast(node.this.copy(), "DOUBLE"))
        made.type = node.type
        return made
    return node


def _round(node: exp.Round) -> Any:
    """Doubles are scaled, rounded and scaled back; Spark rounds their decimal spelling."""
    kind = _kind(node.this)
    if kind in _WHOLE or kind in _DECIMALS:
        return node
    if kind not in _FLOATS:
        raise _refuse(node, "the type of what is rounded isn't known")
    places = node.args.get("decimals")
    if places is None or places.name == "0":
        return _signed("ROUND(:x)", node)
    if not places.is_int or int(places.name) not in range(1, 16):
        raise _refuse(node, "the number of places must be written out, from 0 to 15")
    scale = exp.cast(exp.Literal.string(f"1e{places.name}"), "DOUBLE")
    return _signed("ROUND(:x * :s) / :s", node, s=scale)


def _signed(template: str, node: Any, **parts: Any) -> Any:
    """The template, where a result of zero has the sign of what it is made from."""
    signed = f"CASE WHEN {template} = 0 THEN :x * CAST(0 AS DOUBLE) ELSE {template} END"
    return _made(signed, node, x=node.this, **parts)


def _whole(node: Any) -> Any:
    """floor and ceil of doubles stay doubles: NaN and large values don't fit Spark's BIGINT."""
    if _kind(node.this) in _WHOLE or _kind(node.this) in _DECIMALS:
        return node
    name = "FLOOR" if isinstance(node, exp.Floor) else "CEIL"
    return _signed(
        f"CASE WHEN isnan(:x) OR ABS(:x) >= 4503599627370496 THEN :x ELSE CAST({name}(:x) AS DOUBLE) END",
        node,
    )


def _is_nan(node: exp.IsNan) -> Any:
    """Of nothing it is unknown, where Spark says no."""
    return _made("CASE WHEN :x IS NOT NULL THEN isnan(:x) END", node, x=node.this)


def _like(node: exp.Like) -> Any:
    r"""No sign of the pattern escapes another, where Spark's \ does."""
    if not _is_literal(node.expression) or "\\" in node.expression.name:
        raise _refuse(node, "a pattern that may hold \\ means something else there")
    return node


def _cast(node: exp.Cast) -> Any:
    """Fractions are rounded on the way to a whole number, where Spark cuts them off."""
    to, start = node.to.this, _kind(node.this)
    if isinstance(node.this, exp.Null):
        start = to
    soft = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
    if to in _FORMS and start in _TEXTS and not _is_literal(node.this):
        none = r"[^0-9nN]*|" if to in _NUMBERS and soft == "TRY_CAST" else ""
        node.set("this", _of_form(none + _FORMS[to], node.this))
        if to in _WHOLE:
            node.set("this", _made(f"ROUND({soft}(:x AS DECIMAL(38, 18)))", node, x=node.this))
    elif to in _WHOLE and (start in _FLOATS or start in _DECIMALS):
        rounded = (
            "RINT(:x)" if start in _FLOATS else "ROUND(:x)"
        )  # doubles to even, decimals away from 0
        node.set("this", _made(rounded, node.this, x=node.this))
    elif to in _TEXTS and start in (_T.FLOAT, _T.DOUBLE, _T.TIMESTAMPTZ):
        raise _refuse(node, "it spells such values otherwise as text")
    elif to not in _WHOLE and to not in _TEXTS and start in _TEXTS and not _is_literal(node.this):
        raise _refuse(
            node, "it reads texts by other rules; give the column its type where it is read"
        )
    elif start == _T.UNKNOWN:
        raise _refuse(node, "the type of what is cast isn't known")
    return _typed_cast(node)


_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_DAY = r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]"
_DECIMAL = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_FORMS = {
    _T.DATE: _DAY,
    **dict.fromkeys((_T.TIMESTAMP, _T.TIMESTAMPNTZ), f"{_DAY}([ T]{_CLOCK})?"),
    _T.DOUBLE: r"-?[0-9]{1,17}(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,2})?",
    **dict.fromkeys(_DECIMALS, _DECIMAL),
    **dict.fromkeys(_WHOLE, _DECIMAL),
}
"""The texts that both read as the same value, by the type they are read as."""


def _of_form(form: str, text: Any) -> Any:
    """The text; one of another form ends the query, and DuckDB computes it."""
    pattern, error = exp.Literal.string(f"^({form})$"), exp.Literal.string(OTHER_FORM)
    template = "CASE WHEN :x IS NULL OR REGEXP_LIKE(:x, :p) THEN :x ELSE RAISE_ERROR(:e) END"
    return _made(template, text, x=text, p=pattern, e=error)


def _is_literal(node: Any) -> bool:
    return isinstance(node, exp.Literal)


_PLAIN = {
    _T.TIMESTAMP: "TIMESTAMP_NTZ",
    _T.TIMESTAMPNTZ: "TIMESTAMP_NTZ",
    _T.TIMESTAMPTZ: "TIMESTAMP",
    _T.TIMESTAMPLTZ: "TIMESTAMP",
    _T.UTINYINT: "SMALLINT",
    _T.USMALLINT: "INT",
    _T.UINT: "BIGINT",
    _T.UBIGINT: "DECIMAL(20, 0)",
    _T.INT128: "DECIMAL(38, 0)",
    _T.UUID: "STRING",
    _T.JSON: "STRING",
}
_EQUAL = {*_NUMBERS, *_TEXTS, _T.DATE, _T.BOOLEAN, *_PLAIN}


def _typed_cast(node: exp.Cast) -> Any:
    to = node.to.this
    if to not in _EQUAL or to in (_T.UUID, _T.JSON):
        raise _refuse(node, f"it has no {node.to.sql(dialect='duckdb')}")
    if to in _PLAIN:
        node.set("to", exp.DataType.build(_PLAIN[to], dialect="spark"))
    elif to in _DECIMALS and not node.to.expressions:
        node.set("to", exp.DataType.build("DECIMAL(18, 3)", dialect="spark"))
    return node


def _subtract(node: exp.Sub) -> Any:
    """The days between two dates are a number, where Spark makes an interval."""
    if _kind(node.this) == _T.DATE and _kind(node.expression) == _T.DATE:
        return _made("CAST(datediff(:a, :b) AS BIGINT)", node, a=node.this, b=node.expression)
    return node


_MICROS = {
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1_000,
    "MICROSECOND": 1,
}


def _between(node: exp.DateDiff) -> Any:
    """Boundaries crossed are counted, where Spark counts whole units."""
    unit = (node.args["unit"].name if node.args.get("unit") else "DAY").upper()
    if unit == "DAY":
        return _made(
            "CAST(datediff(CAST(:b AS DATE), CAST(:a AS DATE)) AS BIGINT)",
            node,
            b=node.this,
            a=node.expression,
        )
    if unit not in _MICROS:
        raise _refuse(node, f"it counts {unit.lower()}s otherwise")
    n = _MICROS[unit]

    def count(name: str) -> str:
        micros = f"unix_micros(CAST(:{name} AS TIMESTAMP))"
        return f"(({micros} - pmod({micros}, {n})) div {n})"

    return _made(f"{count('b')} - {count('a')}", node, b=node.this, a=node.expression)


def _join_texts(node: Any) -> Any:
    """Only texts are joined as they are; others are spelled as the cast does, or refused."""
    for name in ("this", "expression"):
        part = node.args.get(name)
        if part is not None and _kind(part) not in _TEXTS:
            node.set(name, _cast(exp.cast(part.copy(), "VARCHAR", copy=False)))
    return node


def _concatenate(node: exp.Concat) -> Any:
    """Nulls are nothing, where Spark's result is null; each part is text."""
    if not all(_kind(part) in _TEXTS or _kind(part) in _WHOLE for part in node.expressions):
        raise _refuse(node, "only texts and whole numbers are joined alike")
    parts = ", ".join(f"COALESCE(CAST(:p{n} AS STRING), '')" for n in range(len(node.expressions)))
    named = {f"p{n}": part for n, part in enumerate(node.expressions)}
    return _made(f"CONCAT({parts})", node, **named)


_TOKEN = re.compile(
    r"\\[dDwW.\-+*?()\[\]{}|^$/@]|\\[sS]|\(\?:|\[(?:[^\[\]\\&]|\\[dw.\-/])+\]|[^\\\[\]]"
)
_SPACES = {"\\s": r"[\t\n\f\r ]", "\\S": r"[^\t\n\f\r ]", "$": r"\z"}


def _matches(node: exp.RegexpLike) -> Any:
    """A pattern of the parts that RE2 and Java have in common."""
    pattern = node.expression
    if not _is_literal(pattern) or node.args.get("flag") is not None:
        raise _refuse(node, "the pattern must be written out, without flags")
    tokens = _TOKEN.findall(pattern.name)
    if "".join(tokens) != pattern.name or "(?" in pattern.name.replace("(?:", ""):
        raise _refuse(node, "such a pattern means something else there")
    same = "(?d)" + "".join(_SPACES.get(token, token) for token in tokens)
    return _made("REGEXP_LIKE(:x, :p)", node, x=node.this, p=exp.Literal.string(same))


def _series(node: exp.GenerateSeries) -> Any:
    """range() and generate_series() of whole numbers; Spark's sequence counts down when its end is lower."""
    if node.args.get("step") is not None and node.args["step"].name != "1":
        raise _refuse(node, "only steps of 1 are counted alike")
    start, end = node.args["start"], node.args["end"]
    if not {_kind(start), _kind(end)} <= _WHOLE:
        raise _refuse(node, "only whole numbers are counted alike")
    last = "- 1" if node.args.get("is_end_exclusive") else ""
    if isinstance(node.parent, exp.Table):
        return _made_plain(f"range(:a, :b {'' if last else '+ 1'})", a=start, b=end)
    return _made(
        f"CASE WHEN :b {last} >= :a THEN sequence(CAST(:a AS BIGINT), CAST(:b AS BIGINT) {last}) "
        "ELSE CAST(array() AS ARRAY<BIGINT>) END",
        node,
        a=start,
        b=end,
    )


def _made_plain(template: str, **parts: Any) -> Any:
    tree: Any = exp.maybe_parse(template, dialect="spark")
    return exp.replace_placeholders(tree, **{name: part.copy() for name, part in parts.items()})


def _by_key(node: exp.ArgMin | exp.ArgMax) -> Any:
    """Of the rows with a value; of several keys in a row, nothing is greater than something."""
    several = isinstance(node.expression, exp.Tuple)
    keys = node.expression.expressions if several else [node.expression]
    if node.args.get("count") or not {_kind(key) for key in keys} <= _ORDERED:
        raise _refuse(node, "only one value by plain keys is picked there")
    places = {f"k{n}": key for n, key in enumerate(keys)}
    key = ", ".join(f":{name} IS NULL, :{name}" for name in places) if several else ":k0"
    picked = _made_plain(
        f"{'min' if isinstance(node, exp.ArgMin) else 'max'}_by("
        f":x, CASE WHEN :x IS NOT NULL THEN {f'struct({key})' if several else key} END)",
        x=node.this,
        **places,
    )
    picked.type = node.type
    return picked


def _named_function(node: exp.Anonymous) -> Any:
    """Functions that sqlglot doesn't know; others have been refused before."""
    template = {"error": "raise_error(:x)", "to_seconds": "make_dt_interval(0, 0, 0, :x)"}
    return _made(template[node.name.lower()], node, x=node.expressions[0])


def _named_query(node: exp.CTE) -> Any:
    """Without the hint to keep its rows, which Spark has no word for."""
    node.set("materialized", None)
    return node


_AROUND = ("with_", "distinct", "order", "limit", "offset")


def _qualified(node: exp.Select) -> Any:
    """QUALIFY as a condition of a query around the one that computes its parts."""
    if node.args.get("qualify") is None:
        return node
    node = node.copy()
    condition = node.args["qualify"]
    names = [part.alias_or_name for part in node.selects]
    around = {name: node.args[name] for name in _AROUND if name in node.args}
    outer = exp.select(*(exp.column(name, quoted=True) for name in names))
    outer.set("where", exp.Where(this=condition.this))
    for name, clause in around.items():
        node.set(name, None)
        outer.set(name, clause)
    node.set("qualify", None)
    parts = [part for name in ("where", "order") for part in _outermost(outer.args.get(name))]
    for number, part in enumerate(parts):
        name = f"_odibi_{number}"
        part.replace(exp.column(name, quoted=True))
        node.select(exp.alias_(part, name, quoted=True), copy=False)
    return outer.from_(node.subquery("_odibi_q", copy=False), copy=False)


def _outermost(clause: Any) -> list[Any]:
    """The windows and columns of a clause that lie in no other of them."""
    if clause is None:
        return []
    found = (
        part for part in clause.find_all(exp.Window, exp.Column) if not _names_result(clause, part)
    )
    return [part for part in found if part.find_ancestor(exp.Window, exp.Column) is None]


def _names_result(clause: Any, part: Any) -> bool:
    """ORDER BY of a column that the query gives."""
    return isinstance(clause, exp.Order) and isinstance(part, exp.Column) and not part.table


REWRITES: dict[type[Any], Callable[[Any], Any]] = {
    exp.CTE: _named_query,
    exp.Select: _qualified,
    exp.Div: _divide,
    exp.Avg: _average,
    exp.Round: _round,
    exp.Floor: _whole,
    exp.IsNan: _is_nan,
    exp.Like: _like,
    exp.Ceil: _whole,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Sub: _subtract,
    exp.DateDiff: _between,
    exp.DPipe: _join_texts,
    exp.Concat: _concatenate,
    exp.RegexpLike: _matches,
    exp.GenerateSeries: _series,
    exp.ArgMin: _by_key,
    exp.ArgMax: _by_key,
    exp.Anonymous: _named_function,
}
