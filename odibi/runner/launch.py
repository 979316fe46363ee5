"""A whole run from a loaded project: graph, plan, engine, log, scheduler, story, in this order."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from odibi import __version__, functions, graph, plan, plugins, run_state, select
from odibi import events as ev
from odibi.clashes import check_outputs, common_places
from odibi.control import ControlFile
from odibi.engine import Engine, UserFunction
from odibi.errors import UsageError
from odibi.event_log import EventLog, log_files
from odibi.ledger import Ledger
from odibi.locks import Lock, acquire
from odibi.marks import Marks, folder_of
from odibi.node import RunFacts
from odibi.runner.scheduler import Outcome, Scheduler

if TYPE_CHECKING:
    from odibi.config import Loaded

__all__ = ["RunRequest", "RunResult", "launch", "prepare"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked of a run; defaults run everything.

    `sample` reads that many rows per source and writes to a scratch folder; `scratch` reads all rows
    and writes there. `sql` takes the place of the selected node's last SQL step, in a scratch run.
    `variables` are those of the command line, as `loaded` was loaded with.
    `wait` is how many seconds to wait for another run of the project to end (None: refuse at once).
    """

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    engine: str | None = None
    env: str | None = None
    jobs: int | None = None
    dry_run: bool = False
    sample: int | None = None
    scratch: bool = False
    sql: str | None = None
    resume: bool = False
    run_id: str | None = None
    profile: Literal["off", "sample", "full"] = "sample"
    wait: float | None = None
    command: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and where its records are; `ran` are the nodes that this process carried out.

    `abandoned` when user code that wouldn't stop is still at work in a thread of this process.
    """

    run_id: str
    outcome: str
    exit_code: int
    run_dir: Path
    state: run_state.RunState
    abandoned: bool = False
    ran: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project whose graph is built and whose plan is made, before anything runs."""

    graph: graph.Graph
    plan: plan.Plan
    ledger: Ledger
    engine: str
    resumes: str | None = None
    origin: str | None = None


@dataclass(slots=True)
class _Recorder:
    """Where events go: to the log first, then to whoever watches inside this process."""

    log: EventLog
    watch: Callable[[ev.Event], None] | None
    events: list[ev.Event] = field(default_factory=list)

    def emit(self, payload: ev.Payload) -> None:
        event = self.log.emit(payload)
        self.events.append(event)
        if self.watch is not None:
            self.watch(event)


def prepare(loaded: Loaded, request: RunRequest) -> Prepared:
    """Build the graph and make the plan. Raises GraphError or UsageError."""
    _check_trial(request)
    built = graph.build(loaded)
    check_outputs(built)
    ledger = Ledger(loaded.root)
    last = ledger.last_state()
    engine = request.engine or loaded.project.engine
    plugins.find_engine(engine)
    chosen = select.select(built, request.select, request.exclude, last, engine=engine)
    if request.sql is not None:
        built = _with_sql(loaded, chosen, request.sql)
        loaded = built.loaded
    resumes = ledger.resumable() if request.resume else None
    if request.resume and resumes is None:
        raise UsageError(
            "there is no failed or interrupted run to resume", hint="run without --resume"
        )
    made = plan.make(
        built,
        chosen,
        last=last,
        loaded=loaded,
        engine=engine,
        mode="resume" if request.resume else "dry-run" if request.dry_run else "run",
    )
    origin = ledger.origin_of(resumes) if resumes else None
    return Prepared(built, made, ledger, engine, resumes, origin)


def _check_trial(request: RunRequest) -> None:
    """Raise UsageError for options of a trial that don't go together."""
    if request.sql is not None and not request.scratch:
        raise UsageError(
            "--sql is for trying out: what it computes must not become the stored table",
            hint="add --scratch, which writes to the run's own folder",
        )
    if request.scratch and request.resume:
        raise UsageError(
            "--scratch goes on with no other run: its results are apart from those that are stored",
            hint="leave --resume out",
        )


def _with_sql(loaded: Loaded, chosen: Collection[str], sql: str) -> graph.Graph:
    """The graph with the SQL of the one chosen node exchanged. Raises UsageError and GraphError."""
    from odibi.runner.trial import with_sql  # few runs are trials

    if len(chosen) != 1:
        raise UsageError(
            f"--sql is the SQL of one node, and {len(chosen)} are selected",
            hint="name the node: --select pipeline.node",
        )
    return graph.build(with_sql(loaded, next(iter(chosen)), sql))


def launch(
    loaded: Loaded,
    request: RunRequest,
    watch: Callable[[ev.Event], None] | None = None,
    open_engine: Callable[[str, Path, Mapping[str, Any]], Engine] = plugins.open_engine,
) -> RunResult:
    """Run a project to its end and tell its story; `watch` sees every event as it happens.

    Raises LockedError when another run holds the project, UsageError and GraphError before
    anything ran, StateError when the ledger can't be written.
    """
    with acquire(loaded.root, wait=request.wait, shared=True) as lock:
        prepared = _prepared_alone(loaded, request, lock)
        ledger, loaded = prepared.ledger, prepared.graph.loaded
        users = functions.load_module(loaded.root)  # before the run exists: it may be broken
        _check_names(prepared, users)
        ledger.clear_work()
        run_id = request.run_id or ledger.new_run_id()
        run_dir = ledger.run_dir(run_id)
        run_dir.mkdir(parents=True, exist_ok=True)
        log = EventLog.create(run_dir, loaded.secrets)
        recorder = _Recorder(log, watch)
        try:
            outcome = _carry_out(
                loaded, request, prepared, run_id, run_dir, recorder, users, open_engine
            )
        finally:
            log.close()
        state = _final_state(ledger, run_id, recorder)
        _tell(loaded, ledger, run_id, state)
        ledger.close()
    ran = tuple(step.key for step in prepared.plan.steps if step.action == "run")
    return RunResult(
        run_id, outcome.outcome, outcome.exit_code, run_dir, state, outcome.abandoned, ran
    )


def _prepared_alone(loaded: Loaded, request: RunRequest, lock: Lock) -> Prepared:
    """The plan, with all that it runs held by this process: made anew when others had to be waited for,
    as they may have changed what there is to do."""
    prepared = prepare(loaded, request)
    held: set[tuple[str, bool]] = set()
    while parts := _parts(prepared, together=request.run_id is not None) - held:
        shared = {name for name, is_shared in parts if is_shared}
        if lock.add((name for name, _ in parts), shared=shared, wait=request.wait):
            prepared = prepare(loaded, request)
        held |= parts
    return prepared


def _parts(prepared: Prepared, *, together: bool) -> set[tuple[str, bool]]:
    """What no other run may do at the same time: the pipelines, and tables that several of them add to.

    A scheduler runs nodes of a pipeline in processes of their own, `together` in one run that it has
    named: they share the pipeline, and each holds those of its nodes that write.
    """
    keys = {step.key for step in prepared.plan.steps if step.action == "run"}
    parts = {(f"pipeline {prepared.graph.nodes[key].pipeline}", together) for key in keys}
    parts |= {(f"table {place}", False) for place in common_places(prepared.graph, keys)}
    own = {(f"node {key}", False) for key in keys if prepared.graph.nodes[key].stores}
    return parts | own if together else parts


def _check_names(prepared: Prepared, users: Mapping[str, UserFunction]) -> None:
    """Raise UsageError for a transformer or function of the plan that doesn't exist."""
    from odibi.transforms import registry  # 7 ms, which `odibi plan` does without

    known = {*users, *registry.names()}
    for step in prepared.plan.steps:
        config = prepared.graph.nodes[step.key].config
        steps = config.transform.steps if config.transform else ()
        for name in filter(None, (config.transformer, *(s.function or s.operation for s in steps))):
            if step.action == "run" and name not in known:
                try:
                    registry.get(name)
                except UsageError as error:
                    raise UsageError(f"{step.key}: {error.message}", hint=error.hint) from None


def _carry_out(
    loaded: Loaded,
    request: RunRequest,
    prepared: Prepared,
    run_id: str,
    run_dir: Path,
    recorder: _Recorder,
    users: Mapping[str, UserFunction],
    open_engine: Callable[[str, Path, Mapping[str, Any]], Engine],
) -> Outcome:
    began = time.monotonic()
    emit = recorder.emit
    jobs = request.jobs or os.cpu_count() or 2
    emit(_planned(loaded, request, prepared, run_id))
    emit(ev.RunStarted(jobs=jobs))
    for warning in loaded.warnings:
        emit(ev.LogLine(level="WARNING", message=str(warning)))
    engine = open_engine(
        prepared.engine,
        loaded.root / ".odibi" / "work" / _work_name(run_id, recorder.log.path.stem),
        loaded.project.performance.model_dump(),
    )
    try:
        facts = RunFacts(
            run_id=run_id,
            origin_id=prepared.origin or run_id,
            started_at=datetime.now(UTC),
            loaded=loaded,
            engine=engine,
            nodes=prepared.graph.nodes,
            functions=users,
            marks=Marks(folder_of(loaded.root), request.env),
            scratch=_scratch(loaded.root, request, run_id),
            sample=request.sample,
            dry=request.dry_run,
            profile=request.profile,
            past=prepared.ledger.past,
        )
        control = ControlFile(run_dir / "control.jsonl")
        scheduler = Scheduler(prepared.plan, prepared.graph, facts, engine, emit, jobs, control)
        outcome = asyncio.run(scheduler.run())
    finally:
        engine.close()
    emit(
        ev.RunFinished(
            outcome=outcome.outcome,
            exit_code=outcome.exit_code,
            seconds=round(time.monotonic() - began, 6),
        )
    )
    return outcome


def _work_name(run_id: str, log: str) -> str:
    """The folder of a process's work: of those that take part in one run, each has its own."""
    return run_id if log == "events" else f"{run_id}~{log}"


def _scratch(root: Path, request: RunRequest, run_id: str) -> Path | None:
    """The folder that takes what the run writes, unless it writes the project's tables."""
    apart = request.scratch or request.sample is not None
    return root / ".odibi" / "scratch" / run_id if apart else None


def _planned(loaded: Loaded, request: RunRequest, prepared: Prepared, run_id: str) -> ev.RunPlanned:
    return ev.RunPlanned(
        run_id=run_id,
        project=loaded.project.project,
        engine=prepared.engine,
        nodes=tuple(prepared.plan.steps),
        root=str(loaded.root),
        command=request.command,
        variables=request.variables,
        env=request.env,
        selection=request.select,
        excluded=request.exclude,
        dry_run=request.dry_run,
        sample=request.sample,
        scratch=request.scratch,
        resume_of=prepared.resumes,
        git_sha=_git_sha(loaded.root),
        environment=_environment(),
    )


def _environment() -> dict[str, str]:
    """Where the run goes on; a scheduler says which it is and where its own page of the task is."""
    told = {"orchestrator": "ODIBI_ORCHESTRATOR", "orchestrator_url": "ODIBI_ORCHESTRATOR_URL"}
    return {
        **{key: os.environ[name] for key, name in told.items() if os.environ.get(name)},
        "odibi": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "host": platform.node(),
        "cpus": str(os.cpu_count() or 0),
    }


def _git_sha(root: Path) -> str | None:
    """The commit that the project's folder is at, read from `.git` (starting git costs 3 ms CPU)."""
    for folder in (root, *root.parents):
        head = folder / ".git" / "HEAD"
        if not head.is_file():
            continue
        text = head.read_text().strip()
        if not text.startswith("ref: "):
            return text[:12]
        ref = folder / ".git" / text.removeprefix("ref: ")
        return ref.read_text().strip()[:12] if ref.is_file() else None
    return None


def _final_state(ledger: Ledger, run_id: str, recorder: _Recorder) -> run_state.RunState:
    """What the run's log says in the end; read back only when other processes wrote to it as well."""
    if len(log_files(ledger.run_dir(run_id))) > 1:
        return ledger.state(run_id)
    # threads emit at once: the log's numbers are the order, not when we heard of it
    return run_state.fold(sorted(recorder.events, key=lambda event: event.seq))


def _tell(loaded: Loaded, ledger: Ledger, run_id: str, state: run_state.RunState) -> None:
    """Bring the index up to date and write the story."""
    from odibi import story, story_files  # only needed once the work is done

    ledger.index_run(run_id, state)
    told: Any = story.build(state, previous=ledger.previous_state(run_id))
    story_files.save(told, ledger.run_dir(run_id), loaded)
    _prune(loaded, ledger)


def _prune(loaded: Loaded, ledger: Ledger) -> None:
    """Remove the records of old runs where odibi.yaml itself says how many to keep, or how long."""
    config = loaded.project.story
    said = config.model_fields_set if config else frozenset()
    if config and not said.isdisjoint({"retention_count", "retention_days"}):
        keep = config.retention_count if "retention_count" in said else None
        days = config.retention_days if "retention_days" in said else None
        ledger.prune(keep=keep, days=days)
