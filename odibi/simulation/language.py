"""The language of simulated columns: arithmetic, conditions and a closed list of functions.

It looks like Python, as the expressions of Odibi 3.x do, and is no Python: a text becomes a tree of the
classes below or an ExpressionError. Nothing else can be written in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from odibi.config.near import did_you_mean

__all__ = [
    "FUNCTIONS",
    "MOMENT_FIELDS",
    "Binary",
    "Call",
    "Compare",
    "Conditional",
    "Constant",
    "ExpressionError",
    "Logic",
    "Member",
    "Moment",
    "Name",
    "Other",
    "Tree",
    "Unary",
    "parse",
    "walk",
]


class ExpressionError(ValueError):
    """A text that is no expression. `at` is the place of the mistake in it, counted from 0."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, True, False or None."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Name:
    """A column of the same row, or `entity_id`, `_row_index`, `_timestamp`."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A part of the row's time: `_timestamp.hour`."""

    field: str


@dataclass(frozen=True, slots=True)
class Other:
    """A column of another entity at the same time: `reactor_01.flow`."""

    entity: str
    column: str
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x`, `not x`."""

    op: str
    operand: Tree


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * / // % **`."""

    op: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b <= c`: all of its comparisons hold."""

    first: Tree
    rest: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True, slots=True)
class Member:
    """`x in (1, 2)`, `x not in ['a', 'b']`."""

    operand: Tree
    options: tuple[Tree, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Logic:
    """`and`, `or`: the value of one side, as in Python."""

    op: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if test else otherwise`."""

    test: Tree
    then: Tree
    otherwise: Tree


@dataclass(frozen=True, slots=True)
class Call:
    """A function. `arguments` are in the order of its parameters, those not given are None.

    `site` counts the calls of one expression: what a function remembers belongs to its call.
    """

    name: str
    arguments: tuple[Tree | None, ...]
    site: int
    at: int


Tree = (
    Constant
    | Name
    | Moment
    | Other
    | Unary
    | Binary
    | Compare
    | Member
    | Logic
    | Conditional
    | Call
)


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters of a function; the first `needed` must be given. `many` takes any number of them."""

    parameters: tuple[str, ...]
    needed: int
    many: bool = False


def _signature(text: str, needed: int, many: bool = False) -> Signature:
    return Signature(tuple(text.split()), needed, many)


FUNCTIONS = {
    "abs": _signature("x", 1),
    "round": _signature("x n", 1),
    "min": _signature("x", 1, many=True),
    "max": _signature("x", 1, many=True),
    "int": _signature("x", 1),
    "float": _signature("x", 1),
    "str": _signature("x", 1),
    "bool": _signature("x", 1),
    "coalesce": _signature("x", 1, many=True),
    "safe_div": _signature("a b default", 2),
    "safe_mul": _signature("a b default", 2),
    "sqrt": _signature("x", 1),
    "exp": _signature("x", 1),
    "log": _signature("x base", 1),
    "log10": _signature("x", 1),
    "pow": _signature("x y", 2),
    "floor": _signature("x", 1),
    "ceil": _signature("x", 1),
    "sin": _signature("x", 1),
    "cos": _signature("x", 1),
    "tan": _signature("x", 1),
    "random": _signature("", 0),
    "prev": _signature("column default", 1),
    "delay": _signature("column steps default", 2),
    "ema": _signature("column alpha default", 2),
    "pid": _signature("pv sp Kp Ki Kd dt output_min output_max anti_windup", 3),
}
"""Every function and its parameters."""

MOMENT_FIELDS = ("year", "month", "day", "hour", "minute", "second", "weekday", "isoweekday")
"""Parts of `_timestamp`; the last two are called: `_timestamp.weekday()`, 0 for Monday."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],.=])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "not", "if", "else", "in", "is"}
_CONSTANTS: dict[str, Scalar] = {"True": True, "False": False, "None": None}
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
_ESCAPES = {"n": "\n", "t": "\t"}
_NESTED, _DEEPEST = 40, 200  # brackets in brackets, and operators on operators
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, text, name, word, sign, end
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"{text[at]!r} means nothing here", at)
        kind = str(found.lastgroup)
        said, start = found[kind], found.start(kind)
        if kind == "name" and said in _WORDS:
            kind = "word"
        yield _Token(kind, said, start)
        if kind == "end":
            return
        at = found.end()


def parse(text: str) -> Tree:
    """The tree of an expression. Raises ExpressionError for anything that is none."""
    parser = _Parser(list(_tokens(text)))
    tree = parser.expression()
    parser.expect("end", "")
    if _depth(tree) > _DEEPEST:
        raise ExpressionError("the expression is too long; split it into columns", 0)
    return tree


def _depth(tree: Tree) -> int:
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [part for node in level for part in _parts(node)]
    return depth


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree's nodes, itself first."""
    yield tree
    for part in _parts(tree):
        yield from walk(part)


def _parts(tree: Tree) -> tuple[Tree, ...]:
    match tree:
        case Unary():
            return (tree.operand,)
        case Binary() | Logic():
            return (tree.left, tree.right)
        case Compare():
            return (tree.first, *(operand for _, operand in tree.rest))
        case Member():
            return (tree.operand, *tree.options)
        case Conditional():
            return (tree.test, tree.then, tree.otherwise)
        case Call():
            return tuple(part for part in tree.arguments if part is not None)
        case _:
            return ()


class _Parser:
    """Precedence climbing; one method a level, the loosest first."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.sites = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def take(self, kind: str, *texts: str) -> _Token | None:
        """The next token if it is such a one."""
        token = self.now
        if token.kind != kind or (texts and token.text not in texts):
            return None
        self.place += 1
        return token

    def expect(self, kind: str, text: str) -> _Token:
        found = self.take(kind, text) if text else self.take(kind)
        if found is None:
            wanted = f"'{text}'" if text else "the end"
            raise ExpressionError(f"expected {wanted}, found {_shown(self.now)}", self.now.at)
        return found

    def expression(self) -> Tree:
        self.deeper()
        then = self.either()
        if self.take("word", "if"):
            test = self.either()
            self.expect("word", "else")
            then = Conditional(test, then, self.expression())
        self.depth -= 1
        return then

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _NESTED:
            raise ExpressionError("the expression is nested too deeply", self.now.at)

    def either(self) -> Tree:
        left = self.both()
        while self.take("word", "or"):
            left = Logic("or", left, self.both())
        return left

    def both(self) -> Tree:
        left = self.negation()
        while self.take("word", "and"):
            left = Logic("and", left, self.negation())
        return left

    def negation(self) -> Tree:
        turns = 0
        while self.take("word", "not"):
            turns += 1
        tree = self.comparison()
        for _ in range(turns):
            tree = Unary("not", tree)
        return tree

    def comparison(self) -> Tree:
        first = self.sum(1)
        rest: list[tuple[str, Tree]] = []
        while True:
            if (sign := self.take("sign", *_COMPARISONS)) is not None:
                rest.append((sign.text, self.sum(1)))
            elif self.take("word", "is"):
                rest.append(("!=" if self.take("word", "not") else "==", self.none()))
            elif not rest and (member := self.member(first)) is not None:
                return member
            else:
                return Compare(first, tuple(rest)) if rest else first

    def none(self) -> Tree:
        token = self.now
        if self.take("name", "None"):
            return Constant(None)
        raise ExpressionError(f"'is' only goes with None, found {_shown(token)}", token.at)

    def member(self, operand: Tree) -> Tree | None:
        negated = False
        if self.now.text == "not" and self.tokens[self.place + 1].text == "in":
            self.place += 1
            negated = True
        if not self.take("word", "in"):
            return None
        opened = self.take("sign", "(", "[")
        if opened is None:
            raise ExpressionError("'in' needs a list: x in ('a', 'b')", self.now.at)
        options = self.listed(")" if opened.text == "(" else "]")
        return Member(operand, options, negated)

    def listed(self, closing: str) -> tuple[Tree, ...]:
        found: list[Tree] = []
        while not self.take("sign", closing):
            found.append(self.expression())
            if self.now.text != closing:
                self.expect("sign", ",")
        return tuple(found)

    def sum(self, level: int) -> Tree:
        if level > 2:
            return self.sign()
        left = self.sum(level + 1)
        operators = [text for text, binding in _BINDING.items() if binding == level]
        while (operator := self.take("sign", *operators)) is not None:
            left = Binary(operator.text, left, self.sum(level + 1))
        return left

    def sign(self) -> Tree:
        signs = []
        while (sign := self.take("sign", "-", "+")) is not None:
            signs.append(sign.text)
        tree = self.power()
        for text in reversed(signs):
            tree = Unary(text, tree)
        return tree

    def power(self) -> Tree:
        base = self.atom()
        if self.take("sign", "**"):
            self.deeper()
            base = Binary("**", base, self.sign())
            self.depth -= 1
        return base

    def atom(self) -> Tree:
        token = self.now
        if self.take("number"):
            return Constant(_number(token))
        if self.take("text"):
            return Constant(re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token.text[1:-1]))
        if self.take("sign", "("):
            tree = self.expression()
            self.expect("sign", ")")
            return tree
        if self.take("name"):
            return self.named(token)
        raise ExpressionError(f"expected a value, found {_shown(token)}", token.at)

    def named(self, token: _Token) -> Tree:
        if token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text])
        if self.take("sign", "("):
            return self.call(token)
        if not self.take("sign", "."):
            return Name(token.text, token.at)
        field = self.expect_name()
        if token.text == "_timestamp":
            return self.moment(field)
        return Other(token.text, field.text, token.at)

    def expect_name(self) -> _Token:
        token = self.take("name")
        if token is None:
            raise ExpressionError(f"expected a name, found {_shown(self.now)}", self.now.at)
        return token

    def moment(self, field: _Token) -> Tree:
        if field.text not in MOMENT_FIELDS:
            near = did_you_mean(field.text, MOMENT_FIELDS)
            raise ExpressionError(f"_timestamp has no '{field.text}'{near}", field.at)
        if field.text.endswith("weekday"):
            self.expect("sign", "(")
            self.expect("sign", ")")
        return Moment(field.text)

    def call(self, token: _Token) -> Tree:
        signature = FUNCTIONS.get(token.text)
        if signature is None:
            near = did_you_mean(token.text, FUNCTIONS)
            known = near or f"; there are {', '.join(FUNCTIONS)}"
            raise ExpressionError(f"unknown function '{token.text}'{known}", token.at)
        site, self.sites = self.sites, self.sites + 1
        given, named = self.arguments()
        if signature.many:
            if named or not given:
                raise ExpressionError(f"{token.text}() takes one value or more", token.at)
            return Call(token.text, tuple(given), site, token.at)
        return Call(token.text, _bound(token, signature, given, named), site, token.at)

    def arguments(self) -> tuple[list[Tree], dict[str, Tree]]:
        given: list[Tree] = []
        named: dict[str, Tree] = {}
        while not self.take("sign", ")"):
            if self.now.kind == "name" and self.tokens[self.place + 1].text == "=":
                name = self.now
                self.place += 2
                if name.text in named:
                    raise ExpressionError(f"'{name.text}' is given twice", name.at)
                named[name.text] = self.expression()
            elif named:
                raise ExpressionError("a value without a name follows a named one", self.now.at)
            else:
                given.append(self.expression())
            if self.now.text != ")":
                self.expect("sign", ",")
        return given, named


def _bound(
    token: _Token, signature: Signature, given: list[Tree], named: dict[str, Tree]
) -> tuple[Tree | None, ...]:
    """The arguments in the order of the parameters. Raises ExpressionError when they don't fit."""
    name, parameters = token.text, signature.parameters
    if len(given) > len(parameters):
        most = len(parameters)
        raise ExpressionError(f"{name}() takes {most} values at most, found {len(given)}", token.at)
    values: dict[str, Tree] = dict(zip(parameters, given, strict=False))
    for key, tree in named.items():
        if key not in parameters:
            near = did_you_mean(key.capitalize(), parameters) or did_you_mean(key, parameters)
            raise ExpressionError(f"{name}() has no parameter '{key}'{near}", token.at)
        if key in values:
            raise ExpressionError(f"{name}() is given '{key}' twice", token.at)
        values[key] = tree
    if missing := [key for key in parameters[: signature.needed] if key not in values]:
        raise ExpressionError(f"{name}() needs '{missing[0]}'", token.at)
    bound = tuple(values.get(key) for key in parameters)
    if name in ("prev", "delay", "ema"):
        _quoted(token, bound[0])
    if name == "delay":
        _steps(token, bound[1])
    return bound


def _quoted(token: _Token, column: Tree | None) -> None:
    if isinstance(column, Constant) and isinstance(column.value, str):
        return
    unquoted = isinstance(column, Name)
    said = f"{token.text}('{column.name}', …)" if isinstance(column, Name) else "a quoted name"
    why = "without quotes its value would be meant" if unquoted else "it names a column"
    raise ExpressionError(f"write {said}: {why}", token.at)


def _steps(token: _Token, steps: Tree | None) -> None:
    value = steps.value if isinstance(steps, Constant) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise ExpressionError("delay() needs a whole number of rows, 1 to 100000", token.at)


def _number(token: _Token) -> int | float:
    text = token.text.replace("_", "")
    return int(text) if text.isdigit() else float(text)


def _shown(token: _Token) -> str:
    return f"'{token.text}'" if token.text else "the end"
