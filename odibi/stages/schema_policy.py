"""Part of stage `write`: the result's columns made to fit the table that is there, as the YAML allows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from odibi.engine import Column, Frame, Schema, Target
from odibi.errors import NodeError
from odibi.transforms.sql import ident, literal

if TYPE_CHECKING:
    from odibi.config.nodes import SchemaPolicyConfig
    from odibi.node import Work

__all__ = ["fitted"]

_UNTYPED = ("csv", "json")


def fitted(work: Work, frame: Frame, target: Target) -> tuple[Frame, Target]:
    """The frame with the stored table's columns in their order, then new ones that may join them.

    A node without `schema_policy`, and the first write of a table, are left alone. Raises NodeError
    for columns that the policy refuses.
    """
    policy = work.node.config.schema_policy
    stored = _stored_schema(work) if policy is not None else None
    if policy is None or stored is None:
        return frame, target
    own = {column.name.casefold(): column for column in frame.schema}
    known = {column.name.casefold() for column in stored}
    new = [column for name, column in own.items() if name not in known]
    missing = [column for column in stored if column.name.casefold() not in own]
    _check_missing(policy, missing)
    added = _allowed(work, policy, new)
    typed = policy.mode == "enforce" and target.format not in _UNTYPED
    values = [_value(column, own.get(column.name.casefold()), typed) for column in stored]
    values += [ident(column.name) for column in added]
    if values != [ident(column.name) for column in frame.schema]:
        frame = work.sql("schema_policy", f"SELECT {', '.join(values)} FROM df", frame)
    if added:
        target = replace(target, merge_schema=True, overwrite_schema=target.mode == "overwrite")
    return frame, target


def _stored_schema(work: Work) -> Schema | None:
    """The columns of the table that is there; read apart, for its rows are none of the node's input."""
    source = work.stored(work.node)
    if source is None:
        return None
    session = work.facts.engine.session(work.key)
    try:
        return session.read(source).schema
    finally:
        session.close()


def _check_missing(policy: SchemaPolicyConfig, missing: list[Column]) -> None:
    if missing and policy.on_missing_columns == "fail":
        raise NodeError(
            f"schema_policy: the result lacks {_named(missing)} of the table",
            hint="add them, or let them be null: on_missing_columns: fill_null",
        )


def _allowed(work: Work, policy: SchemaPolicyConfig, new: list[Column]) -> list[Column]:
    """The new columns that join the table."""
    wish = policy.on_new_columns or ("ignore" if policy.mode == "enforce" else "add_nullable")
    if not new or wish == "add_nullable":
        return new
    if wish == "fail":
        raise NodeError(
            f"schema_policy: the table has no {_named(new)}",
            hint="leave them out of the result, or let them join: on_new_columns: add_nullable",
        )
    work.warn(f"schema_policy: {_named(new)} left out: the table has no such column")
    return []


def _named(columns: list[Column]) -> str:
    return ", ".join(f"'{column.name}'" for column in columns)


def _value(column: Column, own: Column | None, typed: bool) -> str:
    """The column as the table has it; where types differ, exactly or not at all."""
    name = ident(column.name)
    if own is None:
        return f"CAST(NULL AS {column.type}) AS {name}"
    value = ident(own.name)
    if not typed or own.type == column.type:
        return value if own.name == column.name else f"{value} AS {name}"
    cast = f"CAST({value} AS {column.type})"
    message = f"schema_policy: a value of column '{column.name}' does not fit {column.type}"
    return (
        f"CASE WHEN CAST({cast} AS {own.type}) IS NOT DISTINCT FROM {value} THEN {cast} "
        f"ELSE error({literal(message)}) END AS {name}"
    )
