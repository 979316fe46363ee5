"""Kill -9 in the middle of a run, then what a person would do: look at the history, resume, compare.

A node that fails in the middle of its work and is tried again has to come to the same tables.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from odibi.ledger import Ledger
from tests.faults import writes
from tests.faults.victim import Order, Outcome, Victims

__all__ = ["Kind", "Stage", "Trial", "prepare", "trials"]

Kind = Literal["event", "step", "moment", "broken event", "broken step"]
_SECOND_KILL = 3  # every third trial also kills the resume


@dataclass(slots=True)
class Trial:
    """One kill and what came of it; empty `problems` means that all was as it should be."""

    name: str
    lost: int = 0
    doubled: int = 0
    resumes: int = 0
    retried: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """A project that has run its first day, and the tables of an undisturbed second day."""

    base: Path
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    measured: Outcome


def prepare(folder: Path, victims: Victims, engine: str = "duckdb") -> Stage:
    """Run both days undisturbed; keep the state between them for the trials."""
    base = writes.make(folder / "base", engine)
    _undisturbed(victims, base)
    before = writes.tables(base)
    writes.second_day(base)
    calm = writes.copy(base, folder / "calm")
    measured = _undisturbed(victims, calm)
    return Stage(base, before, writes.tables(calm), measured)


def _undisturbed(victims: Victims, root: Path) -> Outcome:
    outcome = victims.run(Order(str(root)))
    if outcome.exit_code != 0:
        raise AssertionError(f"the undisturbed run ended with {outcome.exit_code}: {outcome.said}")
    return outcome


def trials(
    stage: Stage, victims: Victims, folder: Path, kind: Kind, places: Iterable[int], seed: int = 0
) -> Iterator[Trial]:
    """Kill or break one run at each of the places: numbers of events or steps, or of moments."""
    for place in places:
        root = folder / f"{kind.replace(' ', '-')}-{place}"
        writes.copy(stage.base, root)
        rng = random.Random(f"{seed} {kind} {place}")
        yield _trial(stage, victims, root, _order(stage, root, kind, place, rng), place, rng)
        shutil.rmtree(root)


def _order(stage: Stage, root: Path, kind: Kind, place: int, rng: random.Random) -> Order:
    order = Order(str(root), broken=kind.startswith("broken"))
    if kind.endswith("event"):
        return replace(order, event=place)
    if kind.endswith("step"):
        return replace(order, step=place)
    return replace(order, jobs=2, seconds=rng.uniform(0.0, stage.measured.seconds))


def _trial(
    stage: Stage, victims: Victims, root: Path, order: Order, place: int, rng: random.Random
) -> Trial:
    trial = Trial(root.name)
    outcome = victims.run(order)
    if outcome.exit_code is not None and not _may_end(stage, order, outcome):
        trial.problems.append(f"was not killed: {outcome.exit_code} {outcome.said}")
    if order.broken:
        trial.retried = _tried_again(root)
    _check_whole(stage, root, trial)
    while _goes_on(root, trial):
        again = Order(str(root), resume=True)
        if place % _SECOND_KILL == 0 and trial.resumes == 0:
            again = replace(again, seconds=rng.uniform(0.0, stage.measured.seconds))
        outcome = victims.run(again)
        trial.resumes += 1
        _check_whole(stage, root, trial)
        if outcome.exit_code not in (0, None) or trial.resumes > 3:
            trial.problems.append(f"resume ended with {outcome.exit_code}: {outcome.said}")
            break
    if _begun(root) < 2 and not trial.problems:
        _undisturbed(victims, root)  # killed before the log knew of a run: run again
    _compare(stage, root, trial)
    return trial


def _may_end(stage: Stage, order: Order, outcome: Outcome) -> bool:
    """Whether the run may have ended before its kill: at a moment, or at one of the last places, since
    no two runs have the same number of heartbeats and of progress."""
    if order.broken:
        return outcome.exit_code == 0
    if order.seconds is not None:
        return True
    late = (order.event or 0) > 0.9 * stage.measured.events
    return outcome.exit_code == 0 and (late or (order.step or 0) > 0.9 * stage.measured.steps)


def _tried_again(root: Path) -> int:
    """Attempts beyond the first of the nodes of the last run."""
    ledger = Ledger(root)
    try:
        state = ledger.state(ledger.runs()[0].run_id)
        return sum(node.attempt - 1 for node in state.nodes.values())
    finally:
        ledger.close()


def _begun(root: Path) -> int:
    """How many runs are planned in the history, resumes not counted."""
    ledger = Ledger(root)
    try:
        return sum(run.whole and run.resume_of is None for run in ledger.runs())
    finally:
        ledger.close()


def _goes_on(root: Path, trial: Trial) -> bool:
    """Whether the history says that there is a run to resume; a killed one must be shown as lost."""
    ledger = Ledger(root)
    try:
        runs = ledger.runs()
        if wrong := [run.status for run in runs if run.status not in ("succeeded", "lost")]:
            trial.problems.append(f"the history says {wrong}")
        return ledger.resumable() is not None
    finally:
        ledger.close()


def _check_whole(stage: Stage, root: Path, trial: Trial) -> None:
    """Every table is that of the first day or that of the second: a reader never sees a torn one."""
    for name, rows in writes.tables(root).items():
        if rows not in (stage.before.get(name), stage.after.get(name)):
            trial.problems.append(f"torn: {name} has {len(rows)} rows")
    if gone := stage.before.keys() - writes.tables(root).keys():
        trial.problems.append(f"gone: {sorted(gone)}")


def _compare(stage: Stage, root: Path, trial: Trial) -> None:
    found = writes.tables(root)
    for name, wanted in stage.after.items():
        lost, doubled = writes.difference(found.get(name, []), wanted)
        trial.lost += lost
        trial.doubled += doubled
        if lost or doubled:
            trial.problems.append(f"{name}: {lost} rows lost, {doubled} too many")
    if left := writes.left_behind(root):
        trial.problems.append(f"left behind: {left}")


def timed(started: float) -> str:
    """Seconds since `started` (of time.monotonic) for people."""
    return f"{time.monotonic() - started:.0f} s"
