"""Explaining what the YAML can say: transformers, patterns, operations, tests and keys, with examples that run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from odibi.engine import Rows
from odibi.errors import UsageError
from odibi.transforms import BuildContext, Builtin, Table, registry
from odibi.transforms.sql import ident

__all__ = ["Explanation", "Param", "ShownTable", "explain", "names"]

RUN_AT = datetime(2025, 11, 14, 12, 0, tzinfo=UTC)
"""The moment at which examples run."""


@dataclass(frozen=True, slots=True)
class Param:
    """One param or key. `default` is None when it is required or has no value by default."""

    name: str
    type: str
    required: bool
    default: str | None
    description: str


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A small table with a title; values as text, nulls as None."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one name.

    `kind`: transformer, pattern, operation, test or key. `yaml` is an example; `sql` is what it
    runs as, over the tables in `inputs`; `result` is what comes out, with `verdict` for tests.
    """

    name: str
    kind: str
    summary: str
    details: str = ""
    params: tuple[Param, ...] = ()
    yaml: str | None = None
    sql: str | None = None
    inputs: tuple[ShownTable, ...] = ()
    result: ShownTable | None = None
    verdict: str | None = None


def names() -> list[str]:
    """Everything that can be explained by name, but for the paths of keys."""
    from odibi.checks.examples import EXAMPLES

    return sorted({*registry.names(), *EXAMPLES})


def explain(name: str) -> Explanation:
    """Explain a built-in, a test type, or a key (`write.mode`). Raises UsageError with the nearest name."""
    from odibi.checks.examples import EXAMPLES

    if name in registry.names():
        return _builtin(registry.get(name))
    if name in EXAMPLES:
        return _test(name)
    return _key(name)


# --- built-ins -------------------------------------------------------------------------------------


def _builtin(model: type[Builtin]) -> Explanation:
    example = model.EXAMPLE
    inputs = {"df": example.df, **example.tables} if example.df.rows else dict(example.tables)
    return Explanation(
        name=model.NAME,
        kind=model.KIND,
        summary=model.SUMMARY,
        details=inspect.getdoc(model) or "",
        params=tuple(_params(model)),
        yaml=_yaml(_usage(model)),
        sql=_sql(model),
        inputs=tuple(_shown(title, table) for title, table in inputs.items()),
        result=_shown("result", example.result),
    )


def _usage(model: type[Builtin]) -> Mapping[str, Any]:
    """The example as part of a node."""
    params = dict(model.EXAMPLE.params)
    if model.KIND == "pattern":
        return {"pattern": {"type": model.NAME, "params": params}}
    if model.KIND == "operation":
        return {"transform": {"steps": [{"operation": model.NAME, "params": params}]}}
    return {"transformer": model.NAME, "params": params}


def _sql(model: type[Builtin]) -> str:
    """What the example runs as; the few built-ins that look at the data first find the example's."""
    example = model.EXAMPLE
    tables = {"df": example.df, **example.tables}
    context = BuildContext(
        columns=example.df.schema,
        tables={name: table.schema for name, table in example.tables.items()},
        fetch=lambda query: fetch(query, tables),
        run_at=RUN_AT,
    )
    return registry.parse(model.NAME, example.params).build(context)


def fetch(query: str, tables: Mapping[str, Table]) -> Rows:
    """Run a SELECT over example tables."""
    import duckdb  # 30 ms that most explanations don't need

    loaded = ", ".join(f"{ident(name)} AS ({table.select()})" for name, table in tables.items())
    with duckdb.connect() as connection:
        relation = connection.sql(f"WITH {loaded} SELECT * FROM (\n{query}\n)")
        return Rows(tuple(relation.columns), relation.fetchall())


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(
        value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    ).strip()


def _shown(title: str, table: Table) -> ShownTable:
    rows = tuple(
        tuple(None if value is None else str(value) for value in row) for row in table.rows
    )
    return ShownTable(title, tuple(column.name for column in table.schema), rows)


# --- params ----------------------------------------------------------------------------------------


def _params(model: type[BaseModel], above: str = "") -> Iterator[Param]:
    """The params of a model, those of nested maps behind them as `cases[].value`."""
    for name, info in model.model_fields.items():
        yield _param(f"{above}{name}", info)
        inner = _model_in(info.annotation)
        if inner is not None:
            listed = get_origin(_present(info.annotation)) is list
            yield from _params(inner, f"{above}{name}{'[]' if listed else ''}.")


def _param(name: str, info: FieldInfo) -> Param:
    return Param(
        name, type_text(info.annotation), info.is_required(), _default(info), info.description or ""
    )


def _default(info: FieldInfo) -> str | None:
    value = (
        info.get_default(call_default_factory=True)
        if not info.default_factory_takes_validated_data
        else None
    )
    if value is None or value is PydanticUndefined:
        return None
    if isinstance(value, BaseModel):
        return "its defaults"
    return (
        str(value).lower()
        if isinstance(value, bool)
        else repr(value)
        if value == ""
        else str(value)
    )


def _present(annotation: Any) -> Any:
    """The annotation without `| None`."""
    if get_origin(annotation) in (Union, UnionType):
        kept = [part for part in get_args(annotation) if part is not NoneType]
        return kept[0] if len(kept) == 1 else annotation
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a param holds, alone or in a list."""
    bare = _present(annotation)
    if get_origin(bare) is list:
        bare = get_args(bare)[0]
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "int",
    float: "number",
    bool: "bool",
    NoneType: "null",
    Any: "anything",
}


def type_text(annotation: Any) -> str:
    """The type as users know it: `list of text`, `'sum' or 'avg'`, `map of int`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in parts)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_text(part) for part in parts if part is not NoneType))
    if origin is list:
        return f"list of {type_text(parts[0])}"
    if origin is dict:
        return f"map of {type_text(parts[1])}"
    return _WORDS.get(annotation, "map")


# --- tests -----------------------------------------------------------------------------------------


def _test(name: str) -> Explanation:
    from odibi.checks.examples import EXAMPLES
    from odibi.checks.predicates import ROW_LEVEL, failed_condition

    example = EXAMPLES[name]
    model = _test_model(name)
    test = model.model_validate(example.test)
    sql = None
    if name in ROW_LEVEL:
        window = " QUALIFY " if name == "unique" else " WHERE "
        sql = f"SELECT * FROM df{window}{failed_condition(test, example.df.schema)}"
    return Explanation(
        name=name,
        kind="test",
        summary=example.summary,
        params=tuple(_params(model)),
        yaml=_yaml({"validation": {"tests": [dict(example.test)]}}),
        sql=sql,
        inputs=(_shown("df", example.df),),
        result=_shown("failing rows", example.failing) if example.failing else None,
        verdict=example.message,
    )


def _test_model(name: str) -> type[BaseModel]:
    from odibi.config.validation import TestConfig

    union = get_args(TestConfig)[0]
    models: Sequence[type[BaseModel]] = get_args(union)
    return next(model for model in models if model.model_fields["type"].default == name)


# --- keys ------------------------------------------------------------------------------------------


def _key(name: str) -> Explanation:
    """A key by its path, or by the end of it; with the keys below."""
    from odibi.config.reference import reference

    docs = reference()
    found = [doc for doc in docs if doc.path == name] or [
        doc for doc in docs if doc.path.endswith(f".{name}")
    ]
    if not found:
        near = registry.nearest(name, [*names(), *(doc.path.rpartition(".")[2] for doc in docs)])
        raise UsageError(
            f"nothing here is called {name!r}" + (f" (did you mean {near!r}?)" if near else ""),
            hint="`odibi list transformers`, `odibi list patterns`; keys go by path, such as `write.mode`",
        )
    first = found[0]
    below = [doc for doc in docs if doc.path.startswith(f"{first.path}.")]
    children = [doc for doc in below if doc.path.count(".") == first.path.count(".") + 1]
    shown = [*found, *children] if len(found) == 1 else found
    return Explanation(
        name=first.path if len(found) == 1 else name,
        kind="key",
        summary=first.description if len(found) == 1 else f"{len(found)} keys have this name.",
        params=tuple(
            Param(doc.path, _choices(doc), doc.required, doc.default, doc.description)
            for doc in shown
        ),
    )


def _choices(doc: Any) -> str:
    return " or ".join(repr(choice) for choice in doc.choices) if doc.choices else doc.type
