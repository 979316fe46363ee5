"""What goes together in nodes that read only what is new, or add to a table; what would lose rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odibi.config.nodes import IncrementalConfig, NodeConfig, ReadConfig
from odibi.config.tree import Path_

__all__ = ["Finding", "findings", "state_keys"]

_AT: Path_ = ("read", "incremental")
_MERGING = ("upsert", "append_once", "merge")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say at a path inside a node; a `fatal` one refuses the project."""

    path: Path_
    message: str
    hint: str
    fatal: bool


def findings(node: NodeConfig) -> Iterator[Finding]:
    """What is wrong or doubtful about how one node adds to its table."""
    for name, source in (node.inputs or {}).items():
        if isinstance(source, ReadConfig) and source.incremental is not None:
            yield from _of_input(source.incremental, ("inputs", name, "incremental"))
    yield from _materialized(node)
    yield from _first_run(node)
    if node.schema_policy is not None and node.write is None:
        yield Finding(
            ("schema_policy",),
            "schema_policy is about the table that a node writes, and this one has no `write`",
            "leave it out",
            fatal=False,
        )
    if node.read is None or node.read.incremental is None:
        return
    incremental = node.read.incremental
    yield from _foreign_keys(incremental, _AT)
    if incremental.mode == "stateful":
        yield from _stateful(node)
    yield from _written(node, incremental)


def _materialized(node: NodeConfig) -> Iterator[Finding]:
    write = node.write
    if node.materialized == "view" and write is not None:
        yield Finding(
            ("materialized",),
            "a view stores nothing, and this node has `write`",
            "leave `write` out: its dependents read the node's rows; or leave `materialized` out",
            fatal=True,
        )
    if node.materialized == "incremental" and (write is None or write.mode == "overwrite"):
        yield Finding(
            ("materialized",),
            "materialized: incremental adds to a table, and this node "
            + ("has no `write`" if write is None else "replaces its table"),
            "write with mode: append, append_once or upsert",
            fatal=True,
        )


def _first_run(node: NodeConfig) -> Iterator[Finding]:
    if node.write is None or node.write.first_run_query is None:
        return
    if node.read is None or node.read.format != "sql":
        yield Finding(
            ("write", "first_run_query"),
            "first_run_query takes the place of a database's query, and this node reads none",
            "leave it out: while the table isn't there, everything is read anyway",
            fatal=True,
        )


def state_keys(node: NodeConfig, pipeline: str) -> Iterator[str]:
    """The name of the mark that the node moves, if it moves one."""
    incremental = node.read.incremental if node.read else None
    if incremental is not None and incremental.mode == "stateful":
        yield incremental.state_key or f"{pipeline}.{node.name}"


def _of_input(incremental: IncrementalConfig, path: Path_) -> Iterator[Finding]:
    if incremental.mode == "stateful":
        yield Finding(
            (*path, "mode"),
            "mode: stateful is for the `read` of a node, whose write moves the mark",
            "read it in a node of its own, and name that node in `inputs`",
            fatal=True,
        )
    yield from _foreign_keys(incremental, path)


def _foreign_keys(incremental: IncrementalConfig, path: Path_) -> Iterator[Finding]:
    """Keys of the other mode, which would do nothing."""
    other = {"stateful": ("lookback", "unit"), "rolling_window": ("state_key", "watermark_lag")}
    for key in other[incremental.mode]:
        if getattr(incremental, key) is not None:
            yield Finding(
                (*path, key),
                f"'{key}' has no effect with mode: {incremental.mode}",
                "leave it out",
                fatal=False,
            )


def _stateful(node: NodeConfig) -> Iterator[Finding]:
    if node.write is None:
        yield Finding(
            (*_AT, "mode"),
            "mode: stateful needs `write`: the mark moves when the rows are stored",
            "add `write`, or use mode: rolling_window",
            fatal=True,
        )


def _written(node: NodeConfig, incremental: IncrementalConfig) -> Iterator[Finding]:
    """Ways of writing that keep too few rows, or some of them twice."""
    if node.write is None or node.write.mode in _MERGING:
        return
    if node.write.mode == "overwrite":
        yield Finding(
            ("write", "mode") if node.write.written("mode") else ("write",),
            "mode: overwrite leaves only the rows of the last incremental read in the table",
            "mode: append keeps the earlier ones, upsert and append_once also where reads overlap",
            fatal=False,
        )
    elif incremental.mode == "rolling_window":
        yield _repeats("windows overlap from run to run")
    elif incremental.watermark_lag is not None:
        yield _repeats("watermark_lag reads rows below the mark again")


def _repeats(why: str) -> Finding:
    return Finding(
        ("write", "mode"),
        f"mode: append adds rows twice: {why}",
        "use mode: upsert or append_once with merge_keys",
        fatal=False,
    )
