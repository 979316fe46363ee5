"""What a rerun would do: its command, which nodes it runs, what they write, how long it may take."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from odibi.safe_text import safe_line

if TYPE_CHECKING:
    from odibi.events import RunPlanned
    from odibi.history import RunSummary

__all__ = [
    "SCOPES",
    "Duration",
    "Preview",
    "TableWrite",
    "arguments",
    "carried",
    "command_text",
    "estimate",
    "is_apart",
    "parse_command",
    "plan_arguments",
    "preview",
    "problems",
]

SCOPES = ("this", "downstream", "upstream", "failed", "marked", "all")
"""What a rerun may take in; `failed` goes on after the last failed, cancelled or lost run."""

_SETTINGS = {"--env", "--engine", "--var"}
_PLAN_VALUES = {"--select", "-s", "--exclude", "-x", *_SETTINGS}
_RUN_VALUES = {"--jobs", "-j", "--sample", "--profile", "--wait", "--sql", "--result-json"}
_OURS = {"--project", "-p", "--run-id", "--detach"}


@dataclass(frozen=True, slots=True)
class TableWrite:
    """A table that a node will write."""

    node: str
    path: str
    format: str
    mode: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What `odibi plan` said. `runs` are keys in plan order with the keys each waits for.

    `expected` are the plan's own seconds of nodes with a history. `reuses` are read as stored,
    `skips` are nodes with the reason why they don't run. `resumes` is the run that is gone on with.
    """

    runs: Mapping[str, tuple[str, ...]]
    expected: Mapping[str, float]
    writes: tuple[TableWrite, ...]
    reuses: tuple[str, ...]
    skips: tuple[tuple[str, str], ...]
    resumes: str | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of all nodes together, of the longest chain, and how many nodes have no history."""

    total: float
    critical: float
    path: tuple[str, ...]
    unknown: int


def arguments(scope: str, keys: Sequence[str], settings: Sequence[str] = ()) -> tuple[str, ...]:
    """The options of `odibi run` for a scope around the nodes `keys`."""
    if scope == "all":
        return tuple(settings)
    if scope == "failed":
        return (*settings, "--resume")
    before, after = {"downstream": ("", "+"), "upstream": ("+", "")}.get(scope, ("", ""))
    return (*settings, "--select", " ".join(f"{before}{key}{after}" for key in keys))


def carried(plan: RunPlanned | RunSummary | None) -> tuple[str, ...]:
    """Settings of an earlier run that a rerun keeps, or it would write other tables: env, engine, vars."""
    if plan is None:
        return ()
    kept = [
        f"{name}={value}"
        for name, value in _options(plan.command)
        if name in _SETTINGS and value is not None and "***" not in value
    ]
    if plan.env is not None and f"--env={plan.env}" not in kept:
        kept.insert(0, f"--env={plan.env}")
    return tuple(kept)


def command_text(options: Sequence[str]) -> str:
    """The command as people type it."""
    return shlex.join(["odibi", "run", *options])


def parse_command(text: str) -> tuple[str, ...] | str:
    """The options of an edited command, or what is wrong with it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"the command can't be read: {error}"
    if words[:2] != ["odibi", "run"]:
        return "the command begins with `odibi run`"
    for name, _ in _options(words[2:]):
        option = name if name.startswith("--") else name[:2]
        if option in _OURS:
            return f"{option} is set by odibi top"
    return tuple(words[2:])


def plan_arguments(options: Sequence[str]) -> tuple[str, ...]:
    """Those options of a run that `odibi plan` has as well: what and with which settings, not how."""
    kept: list[str] = []
    for name, value in _options(options):
        if name in _PLAN_VALUES:
            kept += [name] if value is None else [name, value]
        elif name == "--resume":
            kept.append(name)
    return tuple(kept)


def is_apart(options: Sequence[str]) -> bool:
    """Whether the run leaves the project's tables alone: a dry run, a sample, a scratch run."""
    return not {"--dry-run", "--sample", "--scratch"}.isdisjoint(n for n, _ in _options(options))


def _options(words: Iterable[str]) -> list[tuple[str, str | None]]:
    """Options with their values, however they are written; `-sNAME` and words without one included."""
    found: list[tuple[str, str | None]] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        short = word[:2] if word[:1] == "-" and word[1:2] != "-" else ""
        if name in _PLAN_VALUES or name in _RUN_VALUES:
            found.append((name, value if equals else next(rest, None)))
        elif short in _PLAN_VALUES or short in _RUN_VALUES:
            found.append((short, word[2:]))
        else:
            found.append((name, value if equals else None))
    return found


def preview(document: Mapping[str, Any]) -> Preview:
    """What `odibi plan --json` printed, as far as a person is asked about it."""
    steps: list[dict[str, Any]] = document["nodes"]
    runs = [step for step in steps if step["action"] == "run"]
    return Preview(
        runs={step["key"]: tuple(step["upstream"]) for step in runs},
        expected={s["key"]: s["expected_seconds"] for s in runs if s["expected_seconds"]},
        writes=tuple(
            TableWrite(step["key"], write["path"], write["format"], write["mode"])
            for step in runs
            for write in step.get("writes", ())
        ),
        reuses=tuple(step["key"] for step in steps if step["action"] == "reuse"),
        skips=tuple((s["key"], s["reason"]) for s in steps if s["action"] == "skip"),
        resumes=document.get("resume_of"),
    )


def problems(said: str, root: Path) -> tuple[str, ...]:
    """The lines of a command's complaint, safe to show, paths below `root` relative; never none."""
    near = said.replace(f"{root}/", "")
    lines = tuple(safe_line(line, 1_000) for line in near.splitlines() if line.strip())
    return lines or ("`odibi plan` failed and said nothing",)


def estimate(plan: Preview, past: Mapping[str, Sequence[float]]) -> Duration:
    """How long the nodes usually take: one after the other, and along the longest chain."""
    usual = {
        key: median(past[key]) if past.get(key) else plan.expected.get(key) for key in plan.runs
    }
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for key, upstream in plan.runs.items():  # plan order: upstream first
        before = max((best[up] for up in upstream if up in best), default=(0.0, ()))
        best[key] = (before[0] + (usual[key] or 0.0), (*before[1], key))
    critical, path = max(best.values(), default=(0.0, ()))
    known = [seconds for seconds in usual.values() if seconds is not None]
    return Duration(sum(known), critical, path, len(usual) - len(known))
