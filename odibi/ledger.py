"""`.odibi/` beside odibi.yaml: one folder per run, and the index over all of them."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from odibi import event_log, run_state
from odibi.errors import StateError, UsageError
from odibi.events import Writer, WriterOpened, decode
from odibi.history import DamagedIndexError, History, NodeCell, NodeSummary, RunSummary, summarise
from odibi.processes import lives
from odibi.run_state import RunState

if TYPE_CHECKING:
    from odibi.node import Past
    from odibi.plan import LastState

__all__ = ["Ledger", "NodeSummary", "RunSummary"]

_SILENCE = 60.0  # seconds without an event after which a writer on another host counts as dead
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LIVE = ("planned", "running")
_PAST_RUNS = 400
_RESUMABLE = 20  # runs to look back for one that didn't end well
_Answer = TypeVar("_Answer")


class Ledger:
    """The records of the project in folder `root`.

    The index follows the runs' logs: it is brought up to date by `refresh` and when it is first asked
    for anything but what it already holds (`matrix`, `runs(refresh=False)`). What can't be read is an error, or a run marked `damaged`, never nothing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".odibi"
        self._runs = self.path / "runs"
        self._history: History | None = None
        self._caught_up = False

    # Runs as folders ------------------------------------------------------------------------------

    def new_run_id(self) -> str:
        """An id that no run has; ids sort by the time they were made (UTC, to the microsecond)."""
        while True:
            now = datetime.now(UTC)
            run_id = f"{now:%Y%m%d-%H%M%S}-{_base36(now.microsecond)}"
            if not self.run_dir(run_id).exists():
                return run_id
            time.sleep(1e-6)

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run, which may not exist yet. Raises UsageError for an impossible id."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._:+@=-]{0,199}", run_id):
            raise UsageError(
                f"{run_id!r} can't be a run id",
                hint="use up to 200 letters, digits and . _ : + @ = -, beginning with a letter or digit",
            )
        return self._runs / run_id

    def state(self, run_id: str) -> RunState:
        """A run as its log tells it; one whose process is gone is `lost`. Raises StateError."""
        folder = self.run_dir(run_id)
        silent_since = _touched(folder)
        return _settled(run_state.fold(event_log.read(folder)), silent_since)

    def settle(self, run_id: str, state: RunState) -> RunState:
        """The state that a reader folded, as `lost` when none of the run's processes lives any more."""
        return state if state.done else _settled(state, _touched(self.run_dir(run_id)))

    def resolve(self, name: str) -> str:
        """The run that a person means: `last`, `last~2`, an id, its beginning or its end.

        Raises UsageError when that is no run, or several.
        """
        runs = [run.run_id for run in self.runs()]
        if match := re.fullmatch(r"last(?:~(\d+))?", name):
            return _nth(runs, int(match[1] or 0), name)
        if name in runs:
            return name
        found = [run for run in runs if run.startswith(name) or run.endswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{name!r} could be any of {', '.join(found[:5])}")
        raise UsageError(f"there is no run {name!r}", hint=_known(runs))

    # Questions across runs ------------------------------------------------------------------------

    def runs(self, limit: int | None = None, refresh: bool = True) -> list[RunSummary]:
        """Runs, newest first: as they are now, or without `refresh` as the index has them."""
        if refresh:
            self.refresh()
        return self._ask(lambda history: history.runs(limit), current=False)

    def nodes(self, run_id: str) -> list[NodeSummary]:
        """A run's nodes in plan order."""
        return self._ask(lambda history: history.nodes(run_id))

    def matrix(self, limit: int = 50) -> list[NodeCell]:
        """All nodes of the latest `limit` runs as the index has them, newest run first."""
        return self._ask(lambda history: history.cells(limit), current=False)

    def node_history(self, node: str, limit: int = 50) -> list[NodeSummary]:
        """A node's successes, newest first; dry runs and samples left out."""
        return self._ask(lambda history: history.of_node(node, limit=limit))

    def previous_state(self, run_id: str) -> Mapping[str, NodeSummary]:
        """For each node of a run: its latest success before that run began."""
        self._index_if_new(run_id)
        run = self._ask(lambda history: history.run(run_id))
        before = run.started if run else None
        found = {}
        for node in self.nodes(run_id):
            if earlier := self._of_node(node.node, before):
                found[node.node] = earlier[0]
        return found

    def past(self, node: str) -> Past:
        """Rows that a node's earlier successes had, newest first, as the validation stage asks for it."""
        from odibi.node import Past  # the ledger is also read by those who run nothing

        counts = self._ask(lambda history: history.row_counts(node, _PAST_RUNS))
        return Past(tuple(counts))

    def last_state(self) -> LastState:
        """What a plan wants to know of earlier runs. Raises StateError when a run's log is damaged."""
        from odibi.plan import LastState, NodeLast  # readers of stories plan nothing

        if broken := next((run for run in self.runs() if run.status == "damaged"), None):
            raise _damaged(broken)
        good = {n.node: n for n in self._ask(lambda history: history.latest(succeeded=True))}
        nodes = {
            last.node: NodeLast(
                outcome=last.status,
                run_id=last.run_id,
                success_run=good[last.node].run_id if last.node in good else None,
                finished_at=good[last.node].finished if last.node in good else None,
                fingerprint=good[last.node].fingerprint if last.node in good else None,
                seconds=self._durations(last.node),
            )
            for last in self._ask(lambda history: history.latest())
        }
        chain = self._resumes()
        planned = (node for run_id in chain for node in self.nodes(run_id))
        return LastState(nodes, chain, frozenset(n.node for n in planned if n.action == "run"))

    def _durations(self, node: str) -> tuple[float, ...]:
        return self._ask(lambda history: history.durations(node))

    def resumable(self) -> str | None:
        """The latest whole run that failed, was cancelled or died, unless a later one ran its nodes or
        a resume of it succeeded (it may have found everything done).

        Runs of other pipelines that went on beside it or came after it don't matter.
        """
        later: set[str] = set()
        ended: set[str] = set()  # runs whose resume succeeded
        whole = (run for run in self.runs() if run.whole)
        for place, run in enumerate(islice(whole, _RESUMABLE)):
            if run.status == "damaged":
                raise _damaged(run)
            nodes = {n.node for n in self.nodes(run.run_id) if n.action == "run"}
            if run.resume_of and (run.status == "succeeded" or run.run_id in ended):
                ended.add(run.resume_of)
            died = run.status not in ("succeeded", *_LIVE) and run.run_id not in ended
            if died and (nodes or place == 0):
                return run.run_id if nodes.isdisjoint(later) else None
            later |= nodes
        return None

    def origin_of(self, run_id: str) -> str:
        """The run that a chain of resumes began with."""
        return self._chain(run_id)[-1]

    def _resumes(self) -> tuple[str, ...]:
        latest = self.resumable()
        return self._chain(latest) if latest else ()

    def _chain(self, run_id: str) -> tuple[str, ...]:
        """The run, the one that it resumed, and so on; the last may have been pruned."""
        chain = [run_id]
        while (run := self._run(chain[-1])) and run.resume_of and run.resume_of not in chain:
            chain.append(run.resume_of)
        return tuple(chain)

    # The index ------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the index up to date with the logs: new runs, runs that went on, runs that are gone."""
        self._caught_up = False
        self._ask(lambda _history: None)

    def index_run(self, run_id: str, state: RunState | None = None) -> None:
        """Bring the index up to date with one run; `state` is what its logs say, if known already."""
        summary = self._summary(run_id, state)
        self._ask(lambda history: history.replace([summary]))

    def reindex(self) -> int:
        """Throw the index away and build it from the logs; returns how many runs there are."""
        self.close()
        for path in self._index_files():
            path.unlink(missing_ok=True)
        return len(self.runs())

    def close(self) -> None:
        """Close the index."""
        self._caught_up = False
        if self._history is not None:
            self._history.close()
            self._history = None

    def _ask(self, question: Callable[[History], _Answer], current: bool = True) -> _Answer:
        """Put a question to the index; one that is damaged is set aside and built anew.

        Unless `current`, an index that wasn't brought up to date yet may answer as it is.
        """
        try:
            return question(self._open(current))
        except DamagedIndexError:
            self._set_aside()
            return question(self._open(current))

    def _open(self, current: bool) -> History:
        if self._history is None:
            self._history = self._connect()
        if not self._caught_up and (current or self._history.fresh):
            self._catch_up(self._history)
            self._caught_up = True
        return self._history

    def _connect(self) -> History:
        try:
            self._make_home()
            return History(self.path / "history.db")
        except DamagedIndexError:
            raise
        except StateError:
            home = self.path if self.path.exists() else self.root
            if os.access(home, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise
            return History(None)  # somebody who may only read: index in memory

    def _make_home(self) -> None:
        """The folder, with a note to git that nothing in it is source."""
        note = self.path / ".gitignore"
        if note.exists():
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            note.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise StateError(
                f"the ledger can't be written: {self.path}: {error.strerror}"
            ) from error

    def _catch_up(self, history: History) -> None:
        known, present = history.stamps(), dict(self._stamps())
        changed = [
            run_id
            for run_id, stamp in present.items()
            if run_id not in known or self._went_on(run_id, stamp, *known[run_id])
        ]
        gone = known.keys() - present.keys()
        history.replace((self._summary(run_id) for run_id in changed), gone)

    def _went_on(self, run_id: str, stamp: str, known_stamp: str, known_status: str) -> bool:
        """Whether a run is another than the index says: its logs changed, or its process died."""
        if stamp != known_stamp:
            return True
        return known_status in _LIVE and _is_dead(_writers(self._runs / run_id), _time_of(stamp))

    def _stamps(self) -> Iterator[tuple[str, str]]:
        """Every run with what tells that its logs changed."""
        try:
            folders = [(e.name, e.path) for e in os.scandir(self._runs) if e.is_dir()]
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"the runs can't be read: {self._runs}: {error.strerror}") from error
        for name, path in sorted(folders):
            if not name.startswith(".") and (stamp := _stamp(path)):
                yield name, stamp

    def _summary(
        self, run_id: str, state: RunState | None = None
    ) -> tuple[RunSummary, list[NodeSummary]]:
        stamp = (
            _stamp(self.run_dir(run_id)) or ""
        )  # before reading: what comes later is seen next time
        try:
            return summarise(run_id, stamp, state or self.state(run_id))
        except StateError as error:
            began = datetime.fromtimestamp(_touched(self.run_dir(run_id)), UTC)
            return RunSummary(run_id, stamp, "damaged", started=began, error=error.message), []

    def _index_if_new(self, run_id: str) -> None:
        if self._run(run_id) is None and _stamp(self.run_dir(run_id)):
            self.index_run(run_id)

    def _run(self, run_id: str) -> RunSummary | None:
        return self._ask(lambda history: history.run(run_id))

    def _of_node(self, node: str, before: datetime | None) -> list[NodeSummary]:
        return self._ask(lambda history: history.of_node(node, before=before, limit=1))

    def _index_files(self) -> list[Path]:
        return [self.path / f"history.db{end}" for end in ("", "-wal", "-shm")]

    def _set_aside(self) -> None:
        """Keep a damaged index for whoever wants to know why, out of the way."""
        self.close()
        mark = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for path in self._index_files():
            with suppress(FileNotFoundError):
                path.rename(path.with_name(f"{path.name}.damaged-{mark}"))

    # Retention ------------------------------------------------------------------------------------

    def prune(
        self, *, keep: int | None = None, days: float | None = None, dry_run: bool = False
    ) -> list[str]:
        """Remove runs beyond the newest `keep`, or that began more than `days` days ago; returns them.

        A run that goes on stays, and so does one that a node's stored table came from.
        """
        runs = self.runs()
        needed = {n.run_id for n in self._ask(lambda history: history.latest(succeeded=True))}
        oldest = datetime.now(UTC) - timedelta(days=days) if days is not None else None
        old = [
            run.run_id
            for place, run in enumerate(runs)
            if place > 0
            and run.status not in _LIVE
            and run.run_id not in needed
            and ((keep is not None and place >= keep) or _before(run.started, oldest))
        ]
        if not dry_run:
            self.remove(*old)
        return old

    def clear_work(self) -> None:
        """Remove what killed runs left of their work."""
        work = self.path / "work"
        names = [entry.name for entry in os.scandir(work)] if work.is_dir() else []
        for name in names:
            with suppress(StateError):  # a damaged log doesn't tell whether its run goes on
                if self.state(name.partition("~")[0]).done:
                    shutil.rmtree(work / name, ignore_errors=True)

    def remove(self, *run_ids: str) -> None:
        """Remove runs and all their records. Raises StateError when a folder can't be removed."""
        for run_id in run_ids:
            folder = self.run_dir(run_id)
            bin_ = self._runs / f".removed-{run_id}"
            try:
                folder.rename(bin_)  # at once: nobody sees half a run
                shutil.rmtree(bin_)
            except OSError as error:
                raise StateError(f"the run can't be removed: {folder}: {error.strerror}") from error
            for leftover in ("work", "scratch"):
                shutil.rmtree(self.path / leftover / run_id, ignore_errors=True)
        self.refresh()


def _settled(state: RunState, silent_since: float) -> RunState:
    """The run, or what is left of it when none of its writers lives."""
    if state.done or not _is_dead(state.writers, silent_since):
        return state
    return run_state.as_lost(state)


def _is_dead(writers: Sequence[Writer], silent_since: float) -> bool:
    """Whether none of the processes lives; one that can't be seen from here is judged by its silence."""
    alive = [lives(writer) for writer in writers]
    if any(alive):
        return False
    unseen = None in alive or not alive
    return not unseen or time.time() - silent_since >= _SILENCE


def _writers(folder: Path) -> list[Writer]:
    """Who writes a run's logs: what the first line of each says, without reading on."""
    found = []
    for path in event_log.log_files(folder):
        # damage is told by whoever reads it all
        with suppress(OSError, ValueError, TypeError, KeyError), path.open("rb") as file:
            first = decode(file.readline().decode("utf-8"))
            if first is not None and isinstance(first.payload, WriterOpened):
                found.append(first.payload.writer)
    return found


def _stamp(folder: str | Path) -> str | None:
    """A text that changes whenever a log of the run does; None when no log holds a word: its process
    was killed before it said who it is, or is about to.

    Asked of every run at every refresh, hence without paths as objects.
    """
    try:
        with os.scandir(folder) as entries:
            stats = [entry.stat() for entry in entries if event_log.is_log(entry.name)]
    except FileNotFoundError:  # removed while we looked
        return None
    except OSError as error:
        raise StateError(f"the event log can't be read: {folder}: {error.strerror}") from error
    size = sum(s.st_size for s in stats)
    if not size:
        return None
    latest = max(s.st_mtime_ns for s in stats)
    return f"{len(stats)}:{size}:{latest}"


def _touched(folder: Path) -> float:
    """When a run's logs last changed, in seconds since 1970."""
    stamp = _stamp(folder)
    if stamp is None:
        raise UsageError(
            f"there is no run {folder.name!r}", hint="`odibi story list` names them all"
        )
    return _time_of(stamp)


def _time_of(stamp: str) -> float:
    """Seconds since 1970 of the latest change that a stamp tells of."""
    return int(stamp.rpartition(":")[2]) / 1e9


def _before(at: datetime | None, limit: datetime | None) -> bool:
    return at is not None and limit is not None and at < limit


def _nth(runs: list[str], place: int, name: str) -> str:
    if not runs:
        raise UsageError("nothing has run yet", hint="`odibi run` runs the project")
    if place >= len(runs):
        raise UsageError(f"{name!r} is before the first of {len(runs)} runs")
    return runs[place]


def _known(runs: list[str]) -> str:
    return (
        f"the latest is {runs[0]}; `odibi story list` names all" if runs else "nothing has run yet"
    )


def _damaged(run: RunSummary) -> StateError:
    return StateError(
        f"the log of run {run.run_id} is damaged: {run.error}",
        hint=f"mend it, or do without that run: odibi history prune --run {run.run_id}",
    )


def _base36(number: int) -> str:
    """Four digits; enough for the microseconds of a second."""
    digits = ""
    for _ in range(4):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
