"""What can be found wrong in a loaded project without running it: params, functions, SQL, missing inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from odibi import places, sources
from odibi.clashes import clashes
from odibi.config import Position, Problem
from odibi.errors import OdibiError, UsageError

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig, ReadConfig, TransformStep
    from odibi.graph import Graph, Node

__all__ = ["inspect", "missing_inputs"]

_Path = tuple[str | int, ...]


def inspect(graph: Graph) -> list[Problem]:
    """Errors that a run would meet later: in params, names of functions, grammar of SQL, outputs."""
    from odibi import functions  # imports the user's transforms.py

    top = Position(graph.loaded.path, 1, 1)
    found = [Problem(clash.position or top, clash.message, clash.hint) for clash in clashes(graph)]
    try:
        known = functions.load_module(graph.loaded.root)
    except OdibiError as error:
        return [*found, Problem(top, error.message, error.hint)]
    return found + [
        problem
        for path, node in _placed(graph)
        for problem in _node(graph.loaded, path, node, known)
    ]


def missing_inputs(graph: Graph) -> list[Problem]:
    """Inputs that aren't there and that no node of the project writes."""
    return [problem for path, node in _placed(graph) for problem in _unread(graph, path, node)]


def _placed(graph: Graph) -> Iterator[tuple[_Path, Node]]:
    """Every enabled node with its path in the YAML."""
    for number, pipeline in enumerate(graph.loaded.project.pipelines):
        for place, config in enumerate(pipeline.nodes):
            node = graph.nodes[f"{pipeline.pipeline}.{config.name}"]
            if node.enabled:
                yield ("pipelines", number, "nodes", place), node


def _node(
    loaded: Loaded, path: _Path, node: Node, known: Mapping[str, object]
) -> Iterator[Problem]:
    config = node.config
    if config.transformer and config.transformer not in known:
        yield from _builtin(
            loaded, (*path, "transformer"), (*path, "params"), config.transformer, config.params
        )
    for number, step in enumerate(config.transform.steps if config.transform else ()):
        yield from _step(loaded, (*path, "transform", "steps", number), node, step, known)
    for where, sql in _fragments(config):
        yield from _grammar(loaded.positions.at((*path, *where)), sql, file=None)


def _step(
    loaded: Loaded, path: _Path, node: Node, step: TransformStep, known: Mapping[str, object]
) -> Iterator[Problem]:
    if step.sql is not None:
        yield from _grammar(loaded.positions.at((*path, "sql")), step.sql, file=None)
    elif step.sql_file is not None:
        file = loaded.file_of(path).parent / step.sql_file
        position = loaded.positions.at((*path, "sql_file"))
        yield from _grammar(position, node.sql_files[step.sql_file], file=Position(file, 1, 1))
    elif (name := step.function or step.operation) and name not in known:
        kind = "function" if step.function else "operation"
        yield from _builtin(loaded, (*path, kind), (*path, "params"), name, step.params)


def _builtin(
    loaded: Loaded, path: _Path, params_path: _Path, name: str, params: Mapping[str, Any]
) -> Iterator[Problem]:
    """A name that is no built-in, or params that it doesn't take."""
    from odibi.transforms import registry

    try:
        found = registry.check(name, params)
    except UsageError as error:
        yield Problem(loaded.positions.at(path), error.message, error.hint)
        return
    for problem in found:
        position = loaded.positions.at((*params_path, *problem.path))
        yield Problem(position, f"{name}: {problem}", f"odibi explain {name}")


def _fragments(config: NodeConfig) -> Iterator[tuple[_Path, str]]:
    """Conditions of the node, each made a whole query, with their places."""
    if config.read is not None and config.read.filter:
        yield ("read", "filter"), f"SELECT * FROM df WHERE ({config.read.filter}\n)"
    tests = config.validation.tests if config.validation else []
    for section, group in ((("validation", "tests"), tests), (("contracts",), config.contracts)):
        for number, test in enumerate(group):
            if test.type == "custom_sql":
                yield (
                    (*section, number, "condition"),
                    f"SELECT * FROM df WHERE ({test.condition}\n)",
                )


def _grammar(position: Position, sql: str, file: Position | None) -> Iterator[Problem]:
    """What DuckDB's parser says about one SELECT; names aren't looked up."""
    import duckdb  # 30 ms that only this check needs

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        yield _parse_error(str(error), position, file)
        return
    if len(statements) != 1:
        count = len(statements) or "no"
        yield Problem(file or position, f"a step is one SELECT: here are {count} statements")
    elif statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
        kind = statements[0].type.name
        yield Problem(
            file or position,
            f"a step is a SELECT, not {kind}",
            "statements with effects go to pre_sql or post_sql",
        )


def _parse_error(text: str, position: Position, file: Position | None) -> Problem:
    """The parser's message, at its line when the SQL is in a file of its own."""
    message, _, place = text.partition("\n\nLINE ")
    message = message.removeprefix("Parser Error: ").splitlines()[0]
    found = re.match(r"(\d+): (.*)\n( *)\^", place)
    if found is None:
        return Problem(file or position, f"SQL: {message}")
    line = int(found[1])
    column = len(found[3]) - len(f"LINE {line}: ") + 1
    if file is not None:
        return Problem(Position(file.file, line, max(column, 1)), f"SQL: {message}")
    return Problem(position, f"SQL, its line {line}: {message}")


def _unread(graph: Graph, path: _Path, node: Node) -> Iterator[Problem]:
    if any(edge.kind == "path" for edge in graph.edges_into(node.key)):
        return
    reads: list[tuple[_Path, ReadConfig]] = []
    if node.config.read is not None:
        reads.append((("read",), node.config.read))
    reads += [(("inputs", name), read) for name, read in places.direct_inputs(node).items()]
    for where, read in reads:
        try:
            sources.source_of(graph.loaded, node, read)
        except OdibiError as error:
            yield Problem(graph.loaded.positions.at((*path, *where)), error.message, error.hint)
