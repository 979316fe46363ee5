"""A project as a generator needs it: plain data, nothing that differs from machine to machine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from odibi.checks import test_name
from odibi.config import Loaded
from odibi.config.nodes import NodeConfig, PipelineConfig
from odibi.config.orchestration import NodeOrchestration, Orchestration
from odibi.durations import seconds_of
from odibi.graph import Graph, Node

__all__ = ["Check", "Pipeline", "Project", "Task", "Tries", "describe"]

_LONG_AGO = date(2024, 1, 1)
_FROM_ENVIRONMENT = re.compile(r"\$\{(?:env:)?([A-Z][A-Z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Check:
    """A validation test: its name among those of the node, and whether it stops what comes after."""

    name: str
    blocking: bool


@dataclass(frozen=True, slots=True)
class Tries:
    """How a scheduler goes about a node: seconds, and how often it tries again."""

    retries: int = 1
    delay: int = 300
    backoff: bool = True
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A node. `upstream` are keys of nodes that it waits for, in any pipeline of the project."""

    key: str
    pipeline: str
    name: str
    description: str
    layer: str | None
    upstream: tuple[str, ...]
    stores: bool
    checks: tuple[Check, ...]
    owner: str | None
    tags: tuple[str, ...]
    tries: Tries


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its nodes, each after those that it waits for. `freshness` is in seconds."""

    name: str
    description: str
    layer: str | None
    owner: str | None
    tags: tuple[str, ...]
    schedule: str | None
    timezone: str
    start: date
    catchup: bool
    partition: str | None
    freshness: float | None
    tries: Tries
    tasks: tuple[Task, ...]

    @property
    def outside(self) -> tuple[str, ...]:
        """Nodes of other pipelines that its nodes wait for, in order of their keys."""
        own = {task.key for task in self.tasks}
        return tuple(
            sorted({key for task in self.tasks for key in task.upstream if key not in own})
        )


@dataclass(frozen=True, slots=True)
class Project:
    """`file` is odibi.yaml's name; `variables` those that it declares; `environment` the names of
    environment variables that it reads, by which secrets come in. `folders` are those beside
    odibi.yaml that nodes write to."""

    name: str
    description: str
    file: str
    pipelines: tuple[Pipeline, ...]
    variables: tuple[str, ...]
    environment: tuple[str, ...]
    folders: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for pipeline in self.pipelines for task in pipeline.tasks)


def describe(graph: Graph, chosen: Collection[str] | None = None) -> Project:
    """The project of a graph, or the part of it with the chosen nodes. Disabled nodes are left out.

    No text in it holds a secret: values that came from the environment are masked.
    """
    loaded = graph.loaded
    keys = [
        key
        for key in graph.order()
        if graph.nodes[key].enabled and (chosen is None or key in chosen)
    ]
    pipelines = [
        _pipeline(
            graph, config, [key for key in keys if graph.nodes[key].pipeline == config.pipeline]
        )
        for config in loaded.project.pipelines
    ]
    text = loaded.secrets.text
    return Project(
        text(loaded.project.project),
        text(loaded.project.description or ""),
        loaded.path.name,
        tuple(pipeline for pipeline in pipelines if pipeline.tasks),
        tuple(sorted(loaded.project.vars)),
        tuple(sorted(_environment(loaded))),
        tuple(sorted(_folders(graph, keys))),
    )


def _environment(loaded: Loaded) -> set[str]:
    """Names only: the values stay where the scheduler keeps its secrets."""
    texts = (file.read_text(encoding="utf-8-sig") for file in loaded.sources if file.is_file())
    return {name for text in texts for name in _FROM_ENVIRONMENT.findall(text)}


def _folders(graph: Graph, keys: Sequence[str]) -> Iterator[str]:
    """Base folders of local connections that the nodes write to, where they lie in the project."""
    known = graph.loaded.project.connections
    writes = (graph.nodes[key].config.write for key in keys)
    for name in {write.connection for write in writes if write is not None}:
        base = getattr(known.get(name), "base_path", None)
        if isinstance(base, str) and not PurePosixPath(base).is_absolute() and ".." not in base:
            yield PurePosixPath(base).as_posix()


def _pipeline(graph: Graph, config: PipelineConfig, keys: Sequence[str]) -> Pipeline:
    loaded, text = graph.loaded, graph.loaded.secrets.text
    levels = [config.orchestration, loaded.project.orchestration]

    def said(name: str) -> object:
        found = (getattr(level, name) for level in levels if level is not None)
        return next((value for value in found if value is not None), None)

    owner = said("owner") or config.owner or loaded.project.owner
    tries = _tries(levels)
    start = said("start_date")
    tasks = (_task(graph, graph.nodes[key], owner, levels) for key in keys)
    project = loaded.project.orchestration
    return Pipeline(
        name=config.pipeline,
        description=text(config.description or ""),
        layer=config.layer,
        owner=None if owner is None else text(str(owner)),
        tags=_unique(text, config.tags, *(level.tags for level in levels if level)),
        schedule=_own_schedule(config.orchestration, project, graph, keys),
        timezone=str(said("timezone") or "UTC"),
        start=start if isinstance(start, date) else _LONG_AGO,
        catchup=bool(said("catchup")),
        partition=str(said("partition")) if said("partition") else None,
        freshness=seconds_of(config.freshness_sla) if config.freshness_sla else None,
        tries=tries,
        tasks=tuple(tasks),
    )


def _own_schedule(
    own: Orchestration | None, project: Orchestration | None, graph: Graph, keys: Sequence[str]
) -> str | None:
    """The project's schedule is that of the pipelines that read from no other."""
    if own is not None and own.schedule is not None:
        return own.schedule
    follows = any(
        graph.nodes[edge.source].pipeline != graph.nodes[key].pipeline
        for key in keys
        for edge in graph.edges_into(key)
    )
    return None if follows or project is None else project.schedule


def _task(
    graph: Graph,
    node: Node,
    owner: object,
    levels: Sequence[NodeOrchestration | None],
) -> Task:
    config, text = node.config, graph.loaded.secrets.text
    settings = config.orchestration
    limit = config.timeout if settings is None or settings.timeout is None else settings.timeout
    mine = _tries([settings, *levels])
    if limit is not None:
        mine = Tries(mine.retries, mine.delay, mine.backoff, _whole(limit))
    own_owner = (settings.owner if settings else None) or owner
    return Task(
        key=node.key,
        pipeline=node.pipeline,
        name=node.name,
        description=text(config.description or ""),
        layer=node.layer,
        upstream=tuple(
            sorted(
                edge.source
                for edge in graph.edges_into(node.key)
                if graph.nodes[edge.source].enabled
            )
        ),
        stores=node.stores,
        checks=tuple(_checks(config)),
        owner=None if own_owner is None else text(str(own_owner)),
        tags=_unique(text, config.tags, settings.tags if settings else ()),
        tries=mine,
    )


def _checks(config: NodeConfig) -> list[Check]:
    """The tests whose names a run's result names, in the order of the YAML."""
    tests = config.validation.tests if config.validation else []
    found = {test_name(test): test.on_fail == "fail" for test in tests}
    return [Check(name, blocking) for name, blocking in found.items()]


def _tries(levels: Sequence[NodeOrchestration | None]) -> Tries:
    """The first level that says something about it counts, for each setting by itself."""
    usual = Tries()

    def said(name: str) -> object:
        found = (getattr(level, name) for level in levels if level is not None)
        return next((value for value in found if value is not None), None)

    retries, delay, backoff, limit = map(
        said, ("retries", "retry_delay", "retry_backoff", "timeout")
    )
    return Tries(
        retries if isinstance(retries, int) else usual.retries,
        usual.delay if delay is None else _whole(delay),
        usual.backoff if backoff is None else bool(backoff),
        None if limit is None else _whole(limit),
    )


def _whole(duration: object) -> int:
    return max(1, round(seconds_of(duration)))  # type: ignore[arg-type]  # checked when it was loaded


def _unique(text: object, *groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text(tag) for group in groups for tag in group))  # type: ignore[operator]
