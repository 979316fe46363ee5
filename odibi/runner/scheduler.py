"""The scheduler: runs a plan's nodes in dependency order, as many at once as allowed.

One asyncio loop decides; each node's work happens in a worker thread (engines release the GIL). A
single ticker looks at everything that changes by itself: progress, timeouts, cancel requests and the
heartbeat. The scheduler keeps no history: what happened is in the events.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from odibi import events as ev
from odibi.control import ControlFile
from odibi.engine import Engine, Frame, Session
from odibi.errors import Cancelled, NodeError, StateError
from odibi.graph import Graph
from odibi.node import Job, Result, RunFacts, execute
from odibi.plan import Plan
from odibi.runner.failures import backoff, describe, is_transient

__all__ = ["Outcome", "Scheduler"]

_TICK = 0.1
_HEARTBEAT = 5.0
_PROGRESS_STEP = 0.01
_GRACE = 3.0
"""Seconds that work has to end after it was told to stop. SQL does at once; Python code may never."""


@dataclass(slots=True)
class _Running:
    """A node at work: its session once open, when it must be done, and why it was interrupted."""

    session: Session | None = None
    stage: str = "start"
    deadline: float | None = None
    stopped_by: str | None = None
    last_fraction: float = -1.0
    told: float | None = None
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run ended: succeeded, failed or cancelled, and the exit code that says so.

    `abandoned` when a thread of user code is still at work, which only the end of the process stops.
    """

    outcome: Literal["succeeded", "failed", "cancelled"]
    exit_code: int
    abandoned: bool = False


@dataclass(slots=True)
class Scheduler:
    """Runs one plan. `emit` takes every event; `control` is polled for cancel requests."""

    plan: Plan
    graph: Graph
    facts: RunFacts
    engine: Engine
    emit: Callable[[ev.Payload], object]
    jobs: int
    control: ControlFile
    retry_rng: random.Random = field(default_factory=random.Random)

    _waiting: dict[str, set[str]] = field(default_factory=dict)
    _children: dict[str, list[str]] = field(default_factory=dict)
    _settled: list[tuple[int, str]] = field(default_factory=list)
    _place: dict[str, int] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _done: dict[str, str] = field(default_factory=dict)
    _frames: dict[str, Frame | None] = field(default_factory=dict)
    _uses: dict[str, int] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _needs: dict[str, float] = field(default_factory=dict)
    _held_back: set[str] = field(default_factory=set)
    _halted: set[str] = field(default_factory=set)
    _cancelled_by: str | None = None
    _cancelled_nodes: set[str] = field(default_factory=set)
    _signal: int | None = None
    _fatal: BaseException | None = None
    _pool: ThreadPoolExecutor | None = None
    _abandoned: bool = False

    async def run(self) -> Outcome:
        """Carry out the plan. Raises StateError when the log can't be written."""
        self._arrange()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        ticker = asyncio.create_task(self._tick())
        self._pool = (
            ThreadPoolExecutor(  # `jobs` bounds the work; an abandoned thread needs a successor
                self.jobs + len(self._place), thread_name_prefix="node"
            )
        )
        try:
            await self._drain()
        finally:
            ticker.cancel()
            self._pool.shutdown(wait=not self._abandoned)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._fatal is not None:
            raise self._fatal
        return self._outcome()

    def _arrange(self) -> None:
        """Who waits for whom, and who can begin: a heap by place in the plan, so that order is stable."""
        runs = [step.key for step in self.plan.steps if step.action == "run"]
        chosen = set(runs)
        self._place = {key: place for place, key in enumerate(runs)}
        self._uses = dict.fromkeys(runs, 0)
        for key in runs:
            upstream = self._upstream(key) & chosen
            self._waiting[key] = set(upstream)
            for parent in upstream:
                self._uses[parent] += 1
                self._children.setdefault(parent, []).append(key)
            if not upstream:
                heapq.heappush(self._settled, (self._place[key], key))

    def cancel(self, by: str) -> None:
        """Stop: nothing new starts, whatever runs is interrupted."""
        if self._cancelled_by is None:
            self._cancelled_by = by
            self.emit(ev.RunCancelRequested(by=by))
        for running in self._running.values():
            running.stopped_by = running.stopped_by or "cancel"
            if running.session is not None:
                running.session.cancel()

    def cancel_node(self, key: str, by: str) -> None:
        """Stop one node: at work it is interrupted, waiting it never starts; the run goes on."""
        if key not in self._place or key in self._done:
            why = "it had ended" if key in self._done else "this run has no such node"
            message = f"{by} asked to cancel {key}: {why}"
            self.emit(ev.LogLine(level="INFO", message=message))
            return
        if key in self._cancelled_nodes:
            return
        self._cancelled_nodes.add(key)
        self.emit(ev.NodeCancelRequested(node=key, by=by))
        if (running := self._running.get(key)) is not None:
            running.stopped_by = running.stopped_by or "cancel"
            if running.session is not None:
                running.session.cancel()
        elif key not in self._begun:
            self._end_cancelled(key, 0.0)
            self._skip_hopeless()

    def _is_cancelled(self, key: str) -> bool:
        return self._cancelled_by is not None or key in self._cancelled_nodes

    async def _drain(self) -> None:
        """Start what is ready, wait for anything to end, until nothing is left."""
        tasks: dict[asyncio.Task[None], str] = {}
        while self._settled or tasks:
            for key in self._ready(self.jobs - len(tasks)):
                tasks[asyncio.create_task(self._run_node(key))] = key
            if not tasks:
                break
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                self._needs.pop(tasks.pop(task))
                if error := task.exception():
                    self._fatal = self._fatal or error
                    self.cancel("internal error")

    def _ready(self, room: int) -> list[str]:
        """Up to `room` nodes whose upstreams are settled and for which there is memory; those that must
        not run are skipped on the way."""
        ready: list[str] = []
        later: list[tuple[int, str]] = []
        while self._settled and len(ready) < room:
            place, key = heapq.heappop(self._settled)
            if key in self._done or self._skipped(key):
                continue
            if self._fits(key):
                ready.append(key)
            else:
                later.append((place, key))
        for one in later:
            heapq.heappush(self._settled, one)
        self._begun.update(ready)
        return ready

    def _fits(self, key: str) -> bool:
        """Whether the node and those at work have memory together; if so, its share counts from now on.

        Two that don't would write each other's rows to disk and read them again.
        """
        need = self.engine.need(list(self._inputs(key).values()))
        others = sum(self._needs.values())
        if need and others and need + others > 1:
            if key not in self._held_back:
                self._held_back.add(key)
                at_work = ", ".join(sorted(k for k, share in self._needs.items() if share))
                message = f"{key} waits for memory that others need now: {at_work}"
                self.emit(ev.LogLine(level="INFO", message=message))
            return False
        self._needs[key] = need
        return True

    def _skip_hopeless(self) -> None:
        """Skip at once what must not run: with all workers busy, `_ready` comes only much later."""
        skipped = True
        while skipped:  # each may settle others
            waiting = [key for _, key in sorted(self._settled) if key not in self._done]
            skipped = [key for key in waiting if self._skipped(key)] != []

    def _skipped(self, key: str) -> bool:
        """Skip a node whose upstreams are settled when it must not run; whether it was."""
        reason = self._why_not(key)
        if reason is not None:
            self._finish(key, "skipped")
            self.emit(ev.NodeSkipped(node=key, reason=reason[0], because=reason[1]))
        return reason is not None

    def _why_not(self, key: str) -> tuple[str, str | None] | None:
        """Why a node whose upstreams are settled must not run, or None."""
        bad = [
            (self._place[parent], parent)
            for parent in self._upstream(key) & self._done.keys()
            if self._done[parent] in ("failed", "skipped", "cancelled")
        ]
        if bad:
            parent = min(bad)[1]
            return f"{parent} {self._done[parent]}", parent
        if self._cancelled_by is not None:
            return "the run was cancelled", None
        if self.graph.nodes[key].pipeline in self._halted:
            return "a node with on_error: fail_fast failed before", None
        return None

    async def _run_node(self, key: str) -> None:
        """All attempts of one node, to its last event."""
        policy = self.facts.retry_policy(self.graph.nodes[key])
        for attempt in range(1, policy.attempts + 1):
            began = time.monotonic()
            self.emit(ev.NodeStarted(node=key, attempt=attempt))
            error = await self._attempt(key, attempt)
            seconds = round(time.monotonic() - began, 6)
            if error is None:
                self._finish(key, "succeeded")
                self.emit(ev.NodeSucceeded(node=key, seconds=seconds, attempt=attempt))
                return
            if isinstance(error, StateError):
                raise error
            if isinstance(error, Cancelled):
                self._end_cancelled(key, seconds)
                return
            info = self._described(key, error)
            if not (is_transient(error) and attempt < policy.attempts) or self._is_cancelled(key):
                self._fail(key, info, seconds, attempt)
                return
            delay = backoff(policy.backoff, attempt, self.retry_rng)
            self.emit(ev.NodeRetried(node=key, attempt=attempt, delay=delay, error=info))
            await self._pause(key, delay)
            if self._is_cancelled(key):
                self._end_cancelled(key, seconds)
                return

    def _described(self, key: str, error: BaseException) -> ev.ErrorInfo:
        """The error for the log; of a node that handles sensitive data, without its values."""
        node = self.graph.nodes[key]
        config = node.config
        hides = config.sensitive or any(column.pii for column in config.columns.values())
        written = f"{config.model_dump_json()}{node.sql_files}" if hides else None
        return describe(error, self.facts.position(node), written)

    async def _pause(self, key: str, seconds: float) -> None:
        """Sleep that a cancel cuts short."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._is_cancelled(key):
            await asyncio.sleep(min(_TICK, seconds))

    def _end_cancelled(self, key: str, seconds: float) -> None:
        self._finish(key, "cancelled")
        self.emit(ev.NodeCancelled(node=key, seconds=seconds))

    async def _attempt(self, key: str, attempt: int) -> BaseException | None:
        """One attempt in a worker thread; the exception it ended with, or None."""
        node = self.graph.nodes[key]
        limit = self.facts.timeout(node)
        running = _Running(deadline=None if limit is None else time.monotonic() + limit)
        self._running[key] = running
        loop = asyncio.get_running_loop()
        try:
            work = loop.run_in_executor(self._pool, self._work, key, attempt, running)
            gave_up = asyncio.ensure_future(running.gave_up.wait())
            await asyncio.wait((work, gave_up), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._abandoned = True
                return _stopped(running, limit) or Cancelled()
            gave_up.cancel()
            result = work.result()
        except Cancelled as error:
            return _stopped(running, limit) or error
        except Exception as error:  # noqa: BLE001 - the node's edge: its failure is recorded, not ours
            return error
        finally:
            del self._running[key]
        self._frames[key] = result.frame
        return None

    def _work(self, key: str, attempt: int, running: _Running) -> Result:
        """In the worker thread: open a session, execute the node, close the session."""
        session = self.engine.session(key)
        running.session = session
        try:
            if running.stopped_by or self._is_cancelled(key):
                raise Cancelled
            node = self.graph.nodes[key]
            job = Job(
                facts=self.facts,
                node=node,
                frames=self._inputs(key),
                consumers=self._uses[key],
                stale=frozenset(k for k in self._upstream(key) if self._done.get(k) == "ignored"),
                attempt=attempt,
                emit=self.emit,
                entered=lambda stage: setattr(running, "stage", stage),
            )
            return execute(job, session)
        except (SystemExit, KeyboardInterrupt) as error:
            raise NodeError(
                f"the node's code ended with {type(error).__name__}({error})",
                hint="a function returns its rows or raises an error; it doesn't leave the process",
            ) from error
        finally:
            running.session = None
            session.close()

    def _inputs(self, key: str) -> Mapping[str, Frame]:
        """Frames of this run under the names by which the node sees them."""
        upstream = self.graph.nodes[key].upstream
        found = {name: self._frames.get(parent) for name, parent in upstream.items()}
        return {name: frame for name, frame in found.items() if frame is not None}

    def _fail(self, key: str, info: ev.ErrorInfo, seconds: float, attempt: int) -> None:
        policy = self.graph.nodes[key].config.on_error
        self._finish(key, "ignored" if policy == "ignore" else "failed")
        if policy == "fail_fast":
            self._halted.add(self.graph.nodes[key].pipeline)
        self.emit(
            ev.NodeFailed(
                node=key, seconds=seconds, error=info, attempt=attempt, ignored=policy == "ignore"
            )
        )

    def _finish(self, key: str, status: str) -> None:
        """Settle a node: dependents may become ready, upstream frames that nobody needs are let go."""
        self._done[key] = status
        for child in self._children.get(key, ()):
            self._waiting[child].discard(key)
            if not self._waiting[child]:
                heapq.heappush(self._settled, (self._place[child], child))
        for parent in self._upstream(key) & self._uses.keys():
            self._uses[parent] -= 1
            self._let_go(parent)
        self._let_go(key)  # who wanted it may have been cancelled meanwhile

    def _let_go(self, key: str) -> None:
        """Release the frame of a node once nobody needs it."""
        frame = self._frames.get(key)
        if self._uses[key] == 0 and frame is not None:
            self._frames[key] = None
            self.engine.release(frame)

    def _upstream(self, key: str) -> set[str]:
        return set(self.graph.upstream(key))

    def _outcome(self) -> Outcome:
        if self._cancelled_by is not None:
            code = 143 if self._signal == signal.SIGTERM else 130
            return Outcome("cancelled", code, self._abandoned)
        if not {"failed", "cancelled"}.isdisjoint(self._done.values()):
            return Outcome("failed", 1, self._abandoned)
        return Outcome("succeeded", 0, self._abandoned)

    def _on_signal(self, number: int) -> None:
        if self._signal is not None:  # a second Ctrl-C: the user means it
            os._exit(128 + number)
        self._signal = number
        self.cancel("Ctrl-C" if number == signal.SIGINT else "SIGTERM")

    async def _tick(self) -> None:
        """What time brings: progress, timeouts, cancel requests, the heartbeat."""
        beat = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            for key, running in list(self._running.items()):
                self._watch(key, running, now)
            for request in self.control.requests():
                if request.node is None:
                    self.cancel(request.by)
                else:
                    self.cancel_node(request.node, request.by)
            if now - beat >= _HEARTBEAT:
                beat = now
                self.emit(ev.Heartbeat(rss=_resident_bytes(), cpu_seconds=_cpu_seconds()))

    def _watch(self, key: str, running: _Running, now: float) -> None:
        session = running.session
        if session is None:
            return
        if running.deadline is not None and now > running.deadline:
            running.stopped_by = running.stopped_by or "timeout"
        if running.stopped_by is not None:
            running.told = running.told or now
            if now - running.told > _GRACE:
                running.gave_up.set()
            session.cancel()  # repeatedly: an interrupt between two statements reaches neither
            return
        progress = session.progress()
        if progress is None or progress.fraction is None:
            return
        if abs(progress.fraction - running.last_fraction) >= _PROGRESS_STEP:
            running.last_fraction = progress.fraction
            self.emit(
                ev.NodeProgress(
                    node=key,
                    stage=running.stage,
                    fraction=round(progress.fraction, 4),
                    rows_done=progress.rows_done,
                )
            )


def _stopped(running: _Running, limit: float | None) -> NodeError | None:
    """The failure of a node that its timeout stopped; None when somebody else did."""
    if running.stopped_by != "timeout":
        return None
    return NodeError(
        f"stopped after its timeout of {limit:g} s",
        hint="raise the node's `timeout`, or look at its story for the slow stage",
    )


def _resident_bytes() -> int:
    """Resident memory of this process in bytes (its peak where /proc is absent)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()


def _cpu_seconds() -> float:
    usage: Any = resource.getrusage(resource.RUSAGE_SELF)
    return round(float(usage.ru_utime + usage.ru_stime), 3)
