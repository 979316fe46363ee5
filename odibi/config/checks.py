"""What shape alone can't tell: names that must exist, choices that exclude each other, what isn't supported."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.config.nodes import NodeConfig, NodeRef, PipelineConfig, ReadConfig
from odibi.config.problems import Position, Problem
from odibi.config.project import ProjectConfig
from odibi.config.tree import Path_
from odibi.config.unsupported import CONNECTIONS, refusals

if TYPE_CHECKING:
    from odibi.config.loader import Positions

__all__ = ["check"]


def check(
    project: ProjectConfig,
    positions: Positions,
    problems: list[Problem],
    warnings: list[Problem],
    transformers: Collection[str] | None,
    stand_ins: Set[Path_],
) -> None:
    """Append every problem and warning of a well-shaped project; `stand_ins` are not looked at."""
    checker = _Checker(project, positions, problems, warnings, transformers, stand_ins)
    checker.engine()
    checker.pipelines()
    checker.connections()
    checker.places()


class _Checker:
    def __init__(
        self,
        project: ProjectConfig,
        positions: Positions,
        problems: list[Problem],
        warnings: list[Problem],
        transformers: Collection[str] | None,
        stand_ins: Set[Path_],
    ) -> None:
        self.project = project
        self.stand_ins = stand_ins
        self.positions = positions
        self.problems = problems
        self.warnings = warnings
        self.transformers = transformers
        self.used: set[str] = set()
        self.keys = {(p.pipeline, n.name) for p in project.pipelines for n in p.nodes}

    def problem(self, path: Path_, message: str, hint: str | None = None) -> None:
        if not any(path[:n] in self.stand_ins for n in range(1, len(path) + 1)):
            self.problems.append(Problem(self.positions.at(path), message, hint))

    def engine(self) -> None:
        if self.project.engine == "polars":
            self.warnings.append(
                Problem(self.positions.at(("engine",)), "engine polars runs on DuckDB here")
            )
        if self.project.engine == "spark":
            self.problem(("engine",), "engine 'spark' is not supported yet", "use duckdb or pandas")

    def pipelines(self) -> None:
        seen: dict[str, Path_] = {}
        for i, pipeline in enumerate(self.project.pipelines):
            path: Path_ = ("pipelines", i, "pipeline")
            if pipeline.pipeline in seen:
                self.problem(
                    path,
                    f"pipeline '{pipeline.pipeline}' is defined twice (first in {self._place(seen[pipeline.pipeline])})",
                )
            seen.setdefault(pipeline.pipeline, path)
            self.nodes(pipeline, ("pipelines", i))

    def nodes(self, pipeline: PipelineConfig, at: Path_) -> None:
        seen: dict[str, Path_] = {}
        for j, node in enumerate(pipeline.nodes):
            path = (*at, "nodes", j)
            if node.name in seen:
                self.problem(
                    (*path, "name"),
                    f"node '{node.name}' is defined twice in pipeline '{pipeline.pipeline}' (first in {self._place(seen[node.name])})",
                )
            seen.setdefault(node.name, (*path, "name"))
            self.node(pipeline, node, path)

    def node(self, pipeline: PipelineConfig, node: NodeConfig, path: Path_) -> None:
        for where, why in refusals(node):
            self.problem((*path, *where), why)
        self.depends_on(pipeline, node, path)
        self.inputs(node, path)
        self.transform(node, path)
        if node.read is not None:
            self.read(node.read, (*path, "read"))
            if node.inputs:
                self.problem(
                    (*path, "inputs"),
                    "a node has either `read` or `inputs`",
                    "move the source into `inputs` as one more name",
                )
        if node.write is not None:
            self.one_place(node.write, (*path, "write"))
            self.connection(node.write.connection, (*path, "write", "connection"))
            if node.write.mode in ("upsert", "append_once", "merge") and not node.write.keys:
                self.problem(
                    (*path, "write", "mode"),
                    f"mode '{node.write.mode}' needs keys",
                    "name them in write.merge_keys",
                )
        if node.validation is not None and node.validation.quarantine is not None:
            quarantine = node.validation.quarantine
            self.connection(
                quarantine.connection, (*path, "validation", "quarantine", "connection")
            )
            self.one_place(quarantine, (*path, "validation", "quarantine"))
        self.quarantine_tests(node, path)
        if node.explanation and node.explanation_file:
            self.problem(
                (*path, "explanation_file"), "a node has either `explanation` or `explanation_file`"
            )
        self.file(node.explanation_file, (*path, "explanation_file"))

    def quarantine_tests(self, node: NodeConfig, path: Path_) -> None:
        if node.validation is None or node.validation.quarantine is not None:
            return
        for k, test in enumerate(node.validation.tests):
            if test.on_fail == "quarantine":
                self.problem(
                    (*path, "validation", "tests", k),
                    "on_fail: quarantine needs validation.quarantine",
                    "say where rejected rows go: quarantine: {connection: …, path: …}",
                )

    def depends_on(self, pipeline: PipelineConfig, node: NodeConfig, path: Path_) -> None:
        names = [n.name for n in pipeline.nodes]
        for k, name in enumerate(node.depends_on):
            if name in names:
                continue
            elsewhere = [p for p, n in self.keys if n == name]
            message = f"depends_on: no node '{name}' in pipeline '{pipeline.pipeline}'"
            hint = (
                f"it is in pipeline '{elsewhere[0]}': use inputs: {{{name}: ${elsewhere[0]}.{name}}}"
                if elsewhere
                else None
            )
            self.problem((*path, "depends_on", k), message + _near(name, names), hint)

    def inputs(self, node: NodeConfig, path: Path_) -> None:
        for name, source in (node.inputs or {}).items():
            at = (*path, "inputs", name)
            if isinstance(source, ReadConfig):
                self.read(source, at)
            elif isinstance(source, NodeRef) and (source.pipeline, source.node) not in self.keys:
                known = [f"${p}.{n}" for p, n in sorted(self.keys)]
                self.problem(
                    at, f"input '{name}': no node ${source.key}" + _near(f"${source.key}", known)
                )

    def transform(self, node: NodeConfig, path: Path_) -> None:
        if (
            node.transformer is not None
            and self.transformers is not None
            and node.transformer not in self.transformers
        ):
            self.problem(
                (*path, "transformer"),
                f"unknown transformer '{node.transformer}'"
                + _near(node.transformer, self.transformers),
            )
        for k, step in enumerate(node.transform.steps if node.transform else ()):
            at = (*path, "transform", "steps", k)
            kinds = [
                kind
                for kind in ("sql", "sql_file", "function", "operation")
                if getattr(step, kind) is not None
            ]
            if len(kinds) != 1:
                said = " and ".join(kinds) or "none"
                self.problem(
                    at,
                    f"a step has exactly one of sql, sql_file, function, operation; found {said}",
                )
            self.file(step.sql_file, (*at, "sql_file"))
            name = step.function or step.operation
            if name is not None and self.transformers is not None and name not in self.transformers:
                self.problem(at, f"unknown function '{name}'" + _near(name, self.transformers))

    def read(self, read: ReadConfig, path: Path_) -> None:
        if read.connection is None and read.format != "simulation":
            self.problem(path, "a source needs a connection")
        self.connection(read.connection, (*path, "connection"))
        self.file(read.sql_file, (*path, "sql_file"))
        if read.format == "sql":
            given = [k for k in ("table", "query", "sql_file") if getattr(read, k) is not None]
            if len(given) != 1:
                self.problem(path, "a database source has exactly one of table, query, sql_file")
        elif read.format != "simulation":
            self.one_place(read, path)
        if read.bad_lines is not None and read.bad_lines.connection is not None:
            self.connection(read.bad_lines.connection, (*path, "bad_lines", "connection"))

    def one_place(self, config: Any, path: Path_) -> None:
        if (config.path is None) == (config.table is None):
            said = "both" if config.path is not None else "neither"
            self.problem(path, f"expected exactly one of `path` and `table`, found {said}")

    def connection(self, name: str | None, path: Path_) -> None:
        if name is None:
            return
        self.used.add(name)
        if name not in self.project.connections:
            self.problem(
                path, f"connection '{name}' is not defined" + _near(name, self.project.connections)
            )

    def connections(self) -> None:
        for name, connection in self.project.connections.items():
            if connection.type in CONNECTIONS:
                continue
            at = self.positions.at(("connections", name))
            message = f"connection '{name}': type '{connection.type}' is not supported yet"
            (self.problems if name in self.used else self.warnings).append(Problem(at, message))

    def places(self) -> None:
        for key in ("story", "system"):
            section = getattr(self.project, key)
            if section is not None and section.connection not in self.project.connections:
                self.problem(
                    (key, "connection"),
                    f"connection '{section.connection}' is not defined"
                    + _near(section.connection, self.project.connections),
                )

    def file(self, name: str | None, path: Path_) -> None:
        """A file named in the YAML, relative to the YAML that names it."""
        if name is None:
            return
        holder = self.positions.at(path).file.parent
        if not (holder / name).is_file():
            beside = [p.name for p in _files_in((holder / name).parent)]
            self.problem(path, f"file {name} does not exist" + _near(Path(name).name, beside))

    def _place(self, path: Path_) -> str:
        position: Position = self.positions.at(path)
        return f"line {position.line}"


def _files_in(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
