"""What shape alone can't tell: names that must exist, choices that exclude each other, what isn't supported."""

from __future__ import annotations

from collections.abc import Collection, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.config.incremental_rules import findings, state_keys
from odibi.config.near import did_you_mean
from odibi.config.nodes import NodeConfig, NodeRef, PipelineConfig, ReadConfig, WriteConfig
from odibi.config.problems import Problem
from odibi.config.project import ProjectConfig
from odibi.config.sources import is_file
from odibi.config.tree import Path_, plain
from odibi.config.unsupported import (
    CONNECTIONS,
    DATABASES,
    DELTA_STORES,
    INSTEAD,
    REMOTE,
    TRANSFORMERS,
    idle_keys,
    refusals,
)

if TYPE_CHECKING:
    from odibi.config.loader import Positions
    from odibi.config.validation import QuarantineConfig

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
    checker.idle("project", project, ())
    checker.pipelines()
    checker.places()
    checker.connections()
    if problems:  # or else the graph will find all circles, those through SQL as well
        checker.circles()


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
        self.marks: dict[str, Path_] = {}
        self.keys = dict.fromkeys((p.pipeline, n.name) for p in project.pipelines for n in p.nodes)

    def problem(self, path: Path_, message: str, hint: str | None = None) -> None:
        if not self.is_stand_in(path):
            self.problems.append(Problem(self.positions.at(path), message, hint))

    def is_stand_in(self, path: Path_) -> bool:
        """Whether something was put in place of what the YAML says there."""
        return any(path[:n] in self.stand_ins for n in range(1, len(path) + 1))

    def idle(self, kind: str, model: Any, path: Path_) -> None:
        """Warn of keys that load and do nothing yet: nothing is ignored in silence."""
        for key, why in idle_keys(kind, model):
            self.warnings.append(Problem(self.positions.at((*path, key)), why))

    def engine(self) -> None:
        if self.project.engine == "polars":
            self.warnings.append(
                Problem(self.positions.at(("engine",)), "engine polars runs on DuckDB here")
            )

    def pipelines(self) -> None:
        seen: dict[str, Path_] = {}
        for i, pipeline in enumerate(self.project.pipelines):
            path: Path_ = ("pipelines", i, "pipeline")
            if pipeline.pipeline in seen:
                self.problem(
                    path,
                    f"pipeline '{pipeline.pipeline}' is defined twice (first in {self._place(seen[pipeline.pipeline], path)})",
                )
            seen.setdefault(pipeline.pipeline, path)
            self.idle("pipeline", pipeline, ("pipelines", i))
            self.nodes(pipeline, ("pipelines", i))

    def nodes(self, pipeline: PipelineConfig, at: Path_) -> None:
        seen: dict[str, Path_] = {}
        for j, node in enumerate(pipeline.nodes):
            path = (*at, "nodes", j)
            if node.name in seen:
                self.problem(
                    (*path, "name"),
                    f"node '{node.name}' is defined twice in pipeline '{pipeline.pipeline}' (first in {self._place(seen[node.name], path)})",
                )
            seen.setdefault(node.name, (*path, "name"))
            self.node(pipeline, node, path)

    def node(self, pipeline: PipelineConfig, node: NodeConfig, path: Path_) -> None:
        self.idle("node", node, path)
        for where, why in refusals(node):
            self.problem((*path, *where), why)
        self.incremental(pipeline, node, path)
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
            self.write(node.write, (*path, "write"))
        if node.validation is not None and node.validation.quarantine is not None:
            quarantine = node.validation.quarantine
            self.quarantine(quarantine, (*path, "validation", "quarantine"))
        self.quarantine_tests(node, path)
        if node.explanation and node.explanation_file:
            self.problem(
                (*path, "explanation_file"), "a node has either `explanation` or `explanation_file`"
            )
        self.file(node.explanation_file, (*path, "explanation_file"))

    def incremental(self, pipeline: PipelineConfig, node: NodeConfig, path: Path_) -> None:
        for found in findings(node):
            at = (*path, *found.path)
            if found.fatal:
                self.problem(at, found.message, found.hint)
            elif not self.is_stand_in(at):
                self.warnings.append(Problem(self.positions.at(at), found.message, found.hint))
        for key in state_keys(node, pipeline.pipeline):
            at = (*path, "read", "incremental", "state_key")
            if key in self.marks:
                place = self._place(self.marks[key], at)
                self.problem(at, f"the mark '{key}' is moved by two nodes (first in {place})")
            self.marks.setdefault(key, at)

    def write(self, write: WriteConfig, path: Path_) -> None:
        self.one_place(write, path)
        if self.kind(write.connection) in DATABASES:
            self.table(write, path)
        else:
            self.folder(write, path)
        if write.mode in ("upsert", "append_once", "merge") and not write.keys:
            self.problem(
                (*path, "mode"), f"mode '{write.mode}' needs keys", "name them in write.merge_keys"
            )
        if write.format != "delta":
            for key in ("zorder_by", "table_properties", "auto_optimize"):
                if getattr(write, key):
                    words = f"{key} is for Delta tables: it has no effect on format {write.format}"
                    self.warnings.append(Problem(self.positions.at((*path, key)), words))

    def folder(self, write: WriteConfig, path: Path_) -> None:
        self.stored(write.connection, (*path, "connection"))
        if self.kind(write.connection) in REMOTE:
            self.in_store(write, path)
        if write.format == "sql" and self.kind(write.connection) == "local":
            words = f"connection '{write.connection}' is a folder: format sql writes to a database"
            self.problem(
                (*path, "format"), words, "give a connection with type: sqlite or postgres"
            )

    def in_store(self, write: WriteConfig, path: Path_) -> None:
        """A target in a store of files."""
        if write.format not in self.in_stores(write.connection) and not self.is_stand_in(
            (*path, "format")
        ):
            words = f"format '{write.format}' can't be written to connection '{write.connection}'"
            self.problem((*path, "format"), words, self.others(write.connection))

    def in_stores(self, connection: str | None) -> tuple[str, ...]:
        """The formats that a store holds."""
        has_delta = self.kind(connection) in DELTA_STORES
        return ("csv", "json", "parquet", *(("delta",) if has_delta else ()))

    def others(self, connection: str | None) -> str:
        return f"{', '.join(self.in_stores(connection))} can"

    def table(self, write: WriteConfig, path: Path_) -> None:
        """A target in a database."""
        self.connection(write.connection, (*path, "connection"))
        if write.format != "sql" and not self.is_stand_in((*path, "format")):
            words = f"connection '{write.connection}' is a database: its format is sql"
            self.problem((*path, "format"), words)
        if write.path is not None:
            self.problem((*path, "path"), "a database has tables: write `table`, not `path`")
        if write.partition_by:
            self.problem(
                (*path, "partition_by"),
                "a table of a database has no folders",
                "leave it out; or make a partitioned table in the database and write to it",
            )

    def quarantine(self, quarantine: QuarantineConfig, path: Path_) -> None:
        self.one_place(quarantine, path)
        if quarantine.retention_days is not None and not quarantine.add_columns.rejected_at:
            self.problem(
                (*path, "retention_days"),
                "retention_days goes by the column _rejected_at, which isn't written",
                "set add_columns.rejected_at: true, or leave out retention_days",
            )
        if self.kind(quarantine.connection) not in DATABASES:
            self.stored(quarantine.connection, (*path, "connection"))
            return
        self.connection(quarantine.connection, (*path, "connection"))
        if quarantine.path is not None:
            self.problem((*path, "path"), "a database has tables: write `table`, not `path`")

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
            self.problem((*path, "depends_on", k), message + did_you_mean(name, names), hint)

    def inputs(self, node: NodeConfig, path: Path_) -> None:
        for name, source in (node.inputs or {}).items():
            at = (*path, "inputs", name)
            if isinstance(source, ReadConfig):
                self.read(source, at)
            elif isinstance(source, NodeRef) and (source.pipeline, source.node) not in self.keys:
                known = [f"${p}.{n}" for p, n in sorted(self.keys)]
                self.problem(
                    at,
                    f"input '{name}': no node ${source.key}"
                    + did_you_mean(f"${source.key}", known),
                )

    def transform(self, node: NodeConfig, path: Path_) -> None:
        self.builtin("transformer", node.transformer, (*path, "transformer"))
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
            self.builtin("function", step.function or step.operation, at)

    def builtin(self, kind: str, name: str | None, at: Path_) -> None:
        """Whether a transformer, pattern or function exists, where that can be known by now."""
        if name is None or self.transformers is None or name in self.transformers:
            return
        if name in TRANSFORMERS:
            self.problem(at, f"{kind} '{name}' of 3.x is not supported", TRANSFORMERS[name])
        else:
            self.problem(at, f"unknown {kind} '{name}'" + did_you_mean(name, self.transformers))

    def read(self, read: ReadConfig, path: Path_) -> None:
        if read.connection is None and read.format != "simulation":
            self.problem(path, "a source needs a connection")
        self.connection(read.connection, (*path, "connection"))
        if read.bad_lines is not None and read.bad_lines.connection is not None:
            self.stored(read.bad_lines.connection, (*path, "bad_lines", "connection"))
        self.file(read.sql_file, (*path, "sql_file"))
        self.declared_columns(read, (*path, "options", "columns"))
        if self.is_stand_in((*path, "format")):
            return
        self.source_format(read, path)
        if read.format == "sql":
            given = [k for k in ("table", "query", "sql_file") if getattr(read, k) is not None]
            if len(given) != 1:
                self.problem(path, "a database source has exactly one of table, query, sql_file")
        elif read.format != "simulation":
            self.one_place(read, path)

    def source_format(self, read: ReadConfig, path: Path_) -> None:
        """Databases are read as `sql`, folders are not."""
        if read.format == "simulation":
            self.simulation((*path, "options"))
            return
        kind = self.kind(read.connection)
        if kind in DATABASES and read.format != "sql":
            words = f"connection '{read.connection}' is a database: its format is sql"
            self.problem((*path, "format"), words)
        elif kind == "local" and read.format == "sql":
            words = f"connection '{read.connection}' is a folder: format sql reads a database"
            self.problem(
                (*path, "format"), words, "give a connection with type: sqlite or postgres"
            )
        elif kind == "http" and read.format != "api":
            words = f"connection '{read.connection}' is a web service: its format is api"
            self.problem((*path, "format"), words)
        elif kind not in (None, "http") and read.format == "api":
            words = f"connection '{read.connection}' is no web service: format api reads one"
            self.problem((*path, "format"), words, "give a connection with type: http")
        elif kind in REMOTE and read.format not in self.in_stores(read.connection):
            words = f"format '{read.format}' can't be read from connection '{read.connection}'"
            self.problem((*path, "format"), words, self.others(read.connection))
        elif read.format == "api":
            self.api_options((*path, "options"))

    def api_options(self, path: Path_) -> None:
        from odibi.config.api_options import ApiOptions  # only for projects that read services
        from odibi.config.shape import misshapen

        tree = self.positions.tree(path)
        if tree is not None:
            self.problems += misshapen(ApiOptions, tree)

    def simulation(self, path: Path_) -> None:
        from odibi.config.shape import misshapen  # as below: only for projects that simulate
        from odibi.config.simulation_options import SimulationOptions
        from odibi.simulation.plan import mistakes

        tree = self.positions.tree(path)
        if tree is None:
            words = "a simulated source is described in read.options.simulation"
            self.problem(path[:-1], words, "give it scope, entities and columns")
            return
        if problems := misshapen(SimulationOptions, tree):
            self.problems += problems
            return
        options = SimulationOptions.model_validate(plain(tree))
        for mistake in mistakes(options.simulation):
            self.problem((*path, "simulation", *mistake.path), mistake.message, mistake.hint)

    def declared_columns(self, read: ReadConfig, path: Path_) -> None:
        columns = read.options.get("columns")
        hint = "write columns: {id: BIGINT, name: VARCHAR}, in the names of DuckDB"
        if columns is not None and not isinstance(columns, dict):
            self.problem(path, "'columns' must be a map from names to types", hint)
            return
        for name, kind in (columns or {}).items():
            if not isinstance(kind, str):
                self.problem((*path, name), f"'{name}' must be the name of a type", hint)

    def one_place(self, config: Any, path: Path_) -> None:
        if (config.path is None) == (config.table is None):
            said = "both" if config.path is not None else "neither"
            self.problem(path, f"expected exactly one of `path` and `table`, found {said}")

    def connection(self, name: str | None, path: Path_) -> None:
        if name is None:
            return
        self.used.add(name)
        if name not in self.project.connections and not self.is_stand_in(("connections", name)):
            self.problem(
                path,
                f"connection '{name}' is not defined"
                + did_you_mean(name, self.project.connections),
            )

    def stored(self, name: str | None, path: Path_) -> None:
        """A connection that files are written to: those of nodes, and what is set aside."""
        self.connection(name, path)
        known = {**dict.fromkeys(DATABASES, "database"), "http": "web service"}
        words = known.get(self.kind(name) or "")
        if words is not None:
            use = "holds tables, not files" if words == "database" else "is only read"
            self.problem(path, f"connection '{name}' is a {words} that {use}")

    def kind(self, name: str | None) -> str | None:
        connection = self.project.connections.get(name or "")
        return None if connection is None else connection.type

    def connections(self) -> None:
        for name, connection in self.project.connections.items():
            if connection.type in CONNECTIONS:
                continue
            at = self.positions.at(("connections", name))
            message = f"connection '{name}': type '{connection.type}' is not supported yet"
            problem = Problem(at, message, INSTEAD.get(connection.type))
            (self.problems if name in self.used else self.warnings).append(problem)

    def places(self) -> None:
        for key in ("story", "system"):
            section = getattr(self.project, key)
            if section is not None:
                self.stored(section.connection, (key, "connection"))
                if self.kind(section.connection) in REMOTE:
                    words = (
                        f"connection '{section.connection}' is a store: {key} is kept in a folder"
                    )
                    self.problem((key, "connection"), words, "name a connection of type local")

    def file(self, name: str | None, path: Path_) -> None:
        """A file named in the YAML, relative to the YAML that names it."""
        if name is None:
            return
        file = self.positions.at(path).file.parent / name
        if not is_file(file):
            near = did_you_mean(file.name, _names_in(file.parent))
            self.problem(path, f"file {name} does not exist{near}")

    def circles(self) -> None:
        from odibi.config.circles import circles  # graphlib, only when something is wrong

        places = {
            (pipeline.pipeline, node.name): ("pipelines", i, "nodes", j)
            for i, pipeline in enumerate(self.project.pipelines)
            for j, node in enumerate(pipeline.nodes)
        }
        for circle in circles(self.project):
            path = " → ".join(f"{pipeline}.{node}" for pipeline, node in circle)
            self.problem(
                places[circle[0]],
                f"nodes wait for each other: {path}",
                "take one of these dependencies away, or split a node in two",
            )

    def _place(self, path: Path_, seen_from: Path_) -> str:
        """Where the first of two stands: its line, and its file when that is another one."""
        position = self.positions.at(path)
        same = position.file == self.positions.at(seen_from).file
        return f"line {position.line}" if same else str(position)


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except (OSError, ValueError):  # no such folder, or none that may be looked into
        return []
