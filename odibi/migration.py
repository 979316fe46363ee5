"""Where odibi gives other tables than Odibi 3.x for the same YAML, and which of it a project meets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, Position

__all__ = ["DIFFERENCES", "Difference", "Meeting", "meetings"]

Path_ = tuple[str | int, ...]
_VERSIONED = ("dimension", "scd2", "merge", "aggregation")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `before`, `now`: the same subject in 3.x and here; `why` may be empty.

    `met` gives the path inside a node of a project that meets it; None when no node tells.
    """

    before: str
    now: str
    why: str = ""
    met: Callable[[NodeConfig], Path_ | None] | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """A place of a project's YAML where a difference shows."""

    position: Position
    node: str
    difference: Difference


def meetings(loaded: Loaded) -> list[Meeting]:
    """All places of the project where a difference shows, in the order of the YAML."""
    return sorted(_met(loaded), key=lambda found: _order(found.position))


def _order(position: Position) -> tuple[str, int, int]:
    return str(position.file), position.line, position.column


def _met(loaded: Loaded) -> Iterator[Meeting]:
    for at, pipeline in enumerate(loaded.project.pipelines):
        for number, node in enumerate(pipeline.nodes):
            for difference in DIFFERENCES:
                path = difference.met(node) if difference.met is not None else None
                if path is not None:
                    where = loaded.positions.at(("pipelines", at, "nodes", number, *path))
                    yield Meeting(where, f"{pipeline.pipeline}.{node.name}", difference)


# What a node says ---------------------------------------------------------------------------------


def _filter(node: NodeConfig) -> Path_ | None:
    return ("read", "filter") if node.read and node.read.filter else None


def _csv(node: NodeConfig) -> Path_ | None:
    return ("read", "format") if node.read and node.read.format == "csv" else None


def _gate(node: NodeConfig) -> Path_ | None:
    return ("validation", "gate") if node.validation and node.validation.gate else None


def _tests(node: NodeConfig, *types: str) -> Path_ | None:
    tests = node.validation.tests if node.validation else []
    found = (at for at, test in enumerate(tests) if test.type in types)
    at = next(found, None)
    return None if at is None else ("validation", "tests", at)


def _custom_sql(node: NodeConfig) -> Path_ | None:
    return _tests(node, "custom_sql")


def _unchecked(node: NodeConfig) -> Path_ | None:
    return _tests(node, "distribution", "schema")


def _mode(node: NodeConfig, *modes: str) -> Path_ | None:
    return ("write", "mode") if node.write and node.write.mode in modes else None


def _merge_mode(node: NodeConfig) -> Path_ | None:
    return _mode(node, "merge") if node.write and node.write.format == "delta" else None


def _upsert(node: NodeConfig) -> Path_ | None:
    write = node.write
    lossy = write and (write.format == "delta" or set(write.options) - {"keys"})
    return _mode(node, "upsert", "append_once") if lossy else None


def _target(node: NodeConfig) -> Path_ | None:
    """A pattern whose target is `connection.table`, which 3.x never found."""
    target: Any = (node.params or {}).get("target")
    named = isinstance(target, str) and "." in target and not target.endswith(".parquet")
    return ("params", "target") if named and node.transformer in _VERSIONED else None


def _detect_deletes(node: NodeConfig) -> Path_ | None:
    if node.transformer == "detect_deletes":
        return ("transformer",)
    steps = node.transform.steps if node.transform else []
    for at, step in enumerate(steps):
        if "detect_deletes" in (step.function, step.operation):
            return ("transform", "steps", at)
    return None


def _orphans(node: NodeConfig) -> Path_ | None:
    rejects = (node.params or {}).get("orphan_handling") == "reject"
    return ("params", "orphan_handling") if rejects and node.transformer == "fact" else None


def _pattern(node: NodeConfig) -> Path_ | None:
    return ("transformer",) if node.transformer in (*_VERSIONED, "fact") else None


def _simulation(node: NodeConfig) -> Path_ | None:
    return ("read", "format") if node.read and node.read.format == "simulation" else None


def _fact(node: NodeConfig) -> Path_ | None:
    return ("params", "dimensions") if node.transformer == "fact" else None


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "`engine: polars`",
        "runs on DuckDB, with a notice",
        "SQL is the one language all built-ins are made of",
    ),
    Difference(
        "`story` and `system` are required", "optional", "runs are recorded in `.odibi/` anyway"
    ),
    Difference(
        "an import overrides the file that imports it",
        "the importing file wins",
        "what you read last is what holds",
    ),
    Difference(
        "`${NAME}` is replaced in the raw text",
        "on parsed values only",
        "a value can't add keys, and a comment can't fail the load",
    ),
    Difference("a missing `${vars.x}` is empty", "an error that names the nearest variable"),
    Difference("`no`, `12:30` and `010` in YAML become other things", "text stays text (YAML 1.2)"),
    Difference(
        "pipelines run in file order",
        "in dependency order, across pipelines",
        "reading before writing gave yesterday's data",
    ),
    Difference("`depends_on` must be written", "SQL that names a node depends on it"),
    Difference("`df` is replaced inside literals too", "only the table `df` is meant"),
    Difference(
        "an error inside a pattern leaves the rows untransformed, and the node succeeds",
        "fails the node",
        met=_pattern,
    ),
    Difference(
        "a `target` named `connection.table` is never found: history starts anew each run",
        "is the table that the last run left",
        "versions and surrogate keys were lost",
        met=_target,
    ),
    Difference(
        "`orphan_handling: reject` lets orphans through",
        "fails the node and names them",
        met=_orphans,
    ),
    Difference(
        "a fact's text dates are never found in a date dimension: key 0",
        "dates and ISO texts compare by value",
        met=_fact,
    ),
    Difference(
        "`detect_deletes` is skipped with a warning when it doesn't find its table",
        "compares, or fails the node",
        met=_detect_deletes,
    ),
    Difference("`read.filter` is sometimes ignored", "is SQL, and applied or refused", met=_filter),
    Difference(
        "malformed CSV lines disappear",
        "go to quarantine with file, line and reason, and are counted",
        met=_csv,
    ),
    Difference(
        "the gate averages pass rates over tests",
        "pass rate = rows that pass all tests",
        met=_gate,
    ),
    Difference(
        "`custom_sql` is a pandas expression", "is SQL; NULL counts as failed", met=_custom_sql
    ),
    Difference(
        "tests `distribution` and `schema` pass whatever the rows are",
        "are evaluated",
        met=_unchecked,
    ),
    Difference("`mode: merge` on Delta overwrites", "updates and inserts", met=_merge_mode),
    Difference(
        "`upsert` and `append_once` fail on the first run of a Delta table, and lose a Parquet "
        "table when `options` holds more than `keys`",
        "make the table, and keep every row",
        met=_upsert,
    ),
    Difference("whole numbers with gaps become floats", "keep their type through every step"),
    Difference(
        "a simulated source has other values for the same seed; a `timestamp` is text",
        "every engine makes the same rows; a `timestamp` is a TIMESTAMP in UTC",
        "another entity or column changes nothing, and expressions are no Python",
        met=_simulation,
    ),
    Difference(
        "every failure is retried",
        "only what may pass by itself (I/O, a lost connection), never a failed check",
        "quarantine was written once per attempt",
    ),
)
