"""The register of built-ins: transformers and patterns, each a params model that builds one SELECT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from odibi.config.unsupported import TRANSFORMERS
from odibi.engine import Column, Rows, Schema
from odibi.errors import NodeError, OdibiError, UsageError
from odibi.transforms.examples import Example
from odibi.transforms.sql import ident, project

__all__ = [
    "BuildContext",
    "Builtin",
    "Cardinality",
    "Kind",
    "ParamProblem",
    "TargetRef",
    "builtin",
    "check",
    "get",
    "names",
    "nearest",
    "param",
    "parse",
]

Cardinality = Literal["same", "fewer", "deduplicates", "changes"]
Kind = Literal["transformer", "pattern", "operation"]

_GROUP = "odibi.transforms"
# Where each built-in lives, so that a run imports only those it uses (all of them cost 100 ms).
_HOMES: Mapping[str, str] = {
    name: module
    for module, names in {
        "odibi.patterns.aggregation": "aggregation",
        "odibi.patterns.date_dimension": "date_dimension",
        "odibi.patterns.dimension": "dimension",
        "odibi.patterns.fact": "fact",
        "odibi.patterns.merge": "merge",
        "odibi.patterns.scd2": "scd2",
        "odibi.transforms.columns": "add_prefix add_suffix cast_columns coalesce_columns concat_columns derive_columns drop_columns normalize_column_names normalize_schema rename_columns select_columns",
        "odibi.transforms.compare": "cross_check",
        "odibi.transforms.dates": "convert_timezone date_add date_diff date_trunc extract_date_parts split_events_by_period",
        "odibi.transforms.deletes": "detect_deletes",
        "odibi.transforms.geo": "assign_zone",
        "odibi.transforms.identity": "stitch_identities",
        "odibi.transforms.keys": "generate_numeric_key generate_surrogate_key hash_columns",
        "odibi.transforms.nested": "explode_list_column flatten_struct normalize_json parse_json unpack_struct",
        "odibi.transforms.operations": "drop drop_duplicates fillna rename",
        "odibi.transforms.relational": "aggregate as_of_join join lookup_as_of pivot union unpivot",
        "odibi.transforms.rows": "deduplicate distinct filter_rows limit sample sort",
        "odibi.transforms.text": "clean_text regex_replace split_part trim_whitespace",
        "odibi.transforms.values": "apply_mapping case_when dict_based_mapping fill_nulls replace_values validate_and_flag",
        "odibi.transforms.windows": "row_number sessionize window_calculation",
    }.items()
    for name in names.split()
}


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be, or None; case doesn't count."""
    folded = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _no_fetch(query: str) -> Rows:
    raise OdibiError(f"no engine here to run: {query}")


@dataclass(frozen=True, slots=True)
class TargetRef:
    """A stored table that a built-in continues.

    `path` is a place in `connection`; without a connection it says both (`connection.table`), or
    names a place where the node's own write goes. `query` selects from a SQL connection instead of
    a path. With nothing set it is the table which the node itself writes.
    """

    path: str | None = None
    connection: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a built-in may know when it writes its SQL.

    `columns` are those of `df`; `tables` are the other inputs the SQL may name, and the targets
    that exist already; `fetch` runs one small SELECT over them; `run_at` is the run's logical time
    (UTC); `source_system` names where the rows came from; `warn` shows a warning with the node.
    """

    columns: Schema
    tables: Mapping[str, Schema] = field(default_factory=dict)
    fetch: Callable[[str], Rows] = _no_fetch
    run_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    source_system: str | None = None
    warn: Callable[[str], object] = lambda _message: None

    @property
    def now(self) -> str:
        """The run's time as SQL: a TIMESTAMP in UTC."""
        return f"TIMESTAMP '{self.run_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"

    @property
    def names(self) -> list[str]:
        """Column names of `df`, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str, table: str | None = None) -> Column:
        """The column of `df` (or of another table) that `name` means; case is forgiven.

        Raises NodeError that names the nearest column.
        """
        columns = self.columns if table is None else self.schema(table)
        for column in columns:
            if column.name == name:
                return column
        for column in columns:
            if column.name.casefold() == name.casefold():
                return column
        where = f" in table {table!r}" if table else ""
        raise NodeError(
            f"no column {name!r}{where}{_meant(name, [column.name for column in columns])}",
            hint="columns: " + ", ".join(column.name for column in columns),
        )

    def col(self, name: str, table: str | None = None) -> str:
        """The column, quoted for SQL. Raises NodeError when it doesn't exist."""
        return ident(self.column(name, table).name)

    def cols(self, names: Iterable[str], table: str | None = None) -> list[str]:
        """The columns, quoted for SQL. Raises NodeError for the first that doesn't exist."""
        return [self.col(name, table) for name in names]

    def has(self, name: str, table: str | None = None) -> bool:
        """Whether `df` (or another table) has the column."""
        columns = self.columns if table is None else self.schema(table)
        return any(column.name.casefold() == name.casefold() for column in columns)

    def schema(self, table: str) -> Schema:
        """Columns of another input. Raises NodeError that names the nearest table."""
        if table not in self.tables:
            raise NodeError(
                f"no table {table!r}{_meant(table, self.tables)}",
                hint="add it to the node's `depends_on` or `inputs`; tables here: "
                + (", ".join(sorted(self.tables)) or "none but df"),
            )
        return self.tables[table]

    def with_columns(self, new: Mapping[str, str]) -> str:
        """SELECT all of `df`, where the expressions in `new` replace columns of that name or are added."""
        given = {name.casefold(): expression for name, expression in new.items()}
        if not any(column.name.casefold() in given for column in self.columns):
            added = project([(expression, name) for name, expression in new.items()])
            return f"SELECT *, {added} FROM df"
        items = [
            (given.get(column.name.casefold(), ident(column.name)), column.name)
            for column in self.columns
        ]
        items += [(expression, name) for name, expression in new.items() if not self.has(name)]
        return f"SELECT {project(items)} FROM df"

    def without(self, *names: str) -> list[str]:
        """The other columns of `df`, quoted, in order."""
        gone = {name.casefold() for name in names}
        return [ident(column.name) for column in self.columns if column.name.casefold() not in gone]

    def reserve(self, *names: str) -> None:
        """Make sure that no column of `df` has a name which the SQL uses for itself. Raises NodeError."""
        for name in names:
            if self.has(name):
                raise NodeError(
                    f"the step uses the column name {name!r} itself",
                    hint="rename that column first",
                )

    def fresh(self, name: str) -> str:
        """`name`, or a variation of it that no column of `df` has."""
        while self.has(name):
            name += "_"
        return name


def _meant(name: str, candidates: Iterable[str]) -> str:
    near = nearest(name, candidates)
    return f" (did you mean {near!r}?)" if near else ""


def param(description: str, default: Any = ..., **constraints: Any) -> Any:
    """A param of a built-in: required unless it has a default; the description is for users."""
    if isinstance(default, list | dict):
        return Field(
            default_factory=lambda: type(default)(default), description=description, **constraints
        )
    return Field(default, description=description, **constraints)


class Builtin(BaseModel):
    """Base of all built-ins: its fields are the YAML params, `build` writes the SQL."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, defer_build=True, validate_by_name=True
    )

    NAME: ClassVar[str]
    KIND: ClassVar[Kind]
    SUMMARY: ClassVar[str]
    CARDINALITY: ClassVar[Cardinality]
    EXAMPLE: ClassVar[Example]
    REFUSED: ClassVar[Mapping[str, str]] = {}
    """Params of old projects that odibi knows and doesn't carry out, with the reason."""

    @model_validator(mode="after")
    def _nothing_refused(self) -> Builtin:
        for name, reason in self.REFUSED.items():
            if getattr(self, name):
                raise ValueError(f"`{name}` is not supported: {reason}")
        return self

    @property
    def cardinality(self) -> Cardinality:
        """What it may do to the number of rows."""
        return self.CARDINALITY

    def build(self, ctx: BuildContext) -> str:
        """One SELECT over `df`. Raises NodeError when the params don't fit the columns."""
        raise NotImplementedError

    def rejected(self, ctx: BuildContext) -> str | None:
        """One SELECT with the rows that go to quarantine, with `_rejection_reason`; None if none can."""
        return None

    def targets(self) -> Mapping[str, TargetRef]:
        """Stored tables which the SQL reads, by the name under which it sees them."""
        return {}


B = TypeVar("B", bound=Builtin)
_registered: dict[str, type[Builtin]] = {}


def builtin(
    name: str, *, cardinality: Cardinality, summary: str, kind: Kind = "transformer"
) -> Callable[[type[B]], type[B]]:
    """Register a params model under its YAML name."""

    def register(model: type[B]) -> type[B]:
        model.NAME, model.KIND = name, kind
        model.SUMMARY, model.CARDINALITY = summary, cardinality
        _registered[name] = model
        return model

    return register


@cache
def _plugins() -> Mapping[str, EntryPoint]:
    """What other packages offer: entry points named like the built-in that their module registers."""
    return {point.name: point for point in entry_points(group=_GROUP)}


def names(kind: Kind | None = None) -> list[str]:
    """Names of all built-ins, sorted; of one kind only when asked."""
    known = sorted({*_HOMES, *_plugins(), *_registered})
    return known if kind is None else [name for name in known if kind == get(name).KIND]


def get(name: str) -> type[Builtin]:
    """The params model of a built-in. Raises UsageError that names the nearest one."""
    if name not in _registered:
        if name in _HOMES:
            import_module(_HOMES[name])
        elif name in _plugins():
            _plugins()[name].load()
    if name not in _registered and name in TRANSFORMERS:
        raise UsageError(f"{name!r} of 3.x is not supported", hint=TRANSFORMERS[name])
    if name not in _registered:
        raise UsageError(
            f"no transformer, pattern or function {name!r}{_meant(name, names())}",
            hint="`odibi list transformers` names the built-ins; your own come from transforms.py",
        )
    return _registered[name]


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """What is wrong with one param; `path` leads to it inside `params`."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.path)
        return f"{where}: {self.message}" if where else self.message


def parse(name: str, params: Mapping[str, Any]) -> Builtin:
    """The built-in with its params. Raises UsageError with every problem at once."""
    model = get(name)
    try:
        return model.model_validate(dict(params))
    except ValidationError as error:
        problems = _problems(model, error)
    raise UsageError(
        f"params of {name}: " + "; ".join(str(problem) for problem in problems),
        hint=f"`odibi explain {name}` shows all params and an example",
    )


def check(name: str, params: Mapping[str, Any]) -> tuple[ParamProblem, ...]:
    """What is wrong with the params of a built-in; empty when nothing is. Raises UsageError for its name."""
    model = get(name)
    try:
        model.model_validate(dict(params))
    except ValidationError as error:
        return _problems(model, error)
    return ()


def _problems(model: type[Builtin], error: ValidationError) -> tuple[ParamProblem, ...]:
    best: dict[tuple[str | int, ...], ParamProblem] = {}
    for found in error.errors(include_url=False):
        path = _yaml_path(model, found["loc"])
        best.setdefault(path, ParamProblem(path, _message(model, path, found)))
    return tuple(best.values())


def _yaml_path(model: type[Builtin], loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The path without the names of the union members that pydantic puts into it."""
    known = set(model.model_fields)
    tail = (
        part
        for part in loc[1:]
        if isinstance(part, int) or (part not in known and not _is_type(part))
    )
    return (*loc[:1], *tail)


def _is_type(part: str) -> bool:
    return part in {"str", "int", "float", "bool", "none"} or part.startswith(
        ("list[", "dict[", "literal[")
    )


def _message(model: type[Builtin], path: Sequence[str | int], found: Mapping[str, Any]) -> str:
    kind = found["type"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return f"is not a param of {model.NAME}{_meant(str(path[-1]), model.model_fields)}"
    if kind == "value_error":
        return str(found["ctx"]["error"])
    given = found["input"]
    shown = f"{type(given).__name__} {given!r}" if not isinstance(given, dict) else "a map"
    return f"{found['msg'].removeprefix('Input ')}, not {shown[:80]}"
