"""How long a run will still take: from the plan, what has happened, and how long nodes usually take."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from odibi.run_state import NodeState, RunState

__all__ = ["Estimate", "critical_path", "estimate", "fraction", "is_overdue", "overdue", "usual"]

_OVERDUE = 1.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds to the end and how far off that may be (half the usual spread); `known` is the share of
    the open nodes (0–1) that have a history."""

    seconds: float
    spread: float
    known: float


def usual(past: Mapping[str, tuple[float, ...]], key: str, node: NodeState | None) -> float | None:
    """Seconds that a node usually takes: the median of its past, or what the plan expected."""
    if seconds := past.get(key):
        return median(seconds)
    return node.plan.expected_seconds if node else None


def estimate(
    state: RunState, past: Mapping[str, tuple[float, ...]], now: datetime
) -> Estimate | None:
    """What is left of a live run, by carrying out the rest of its plan with as many workers as it has.

    None when nothing is known of the nodes that are still open.
    """
    if state.done or not state.nodes:
        return None
    open_nodes = {key: node for key, node in state.nodes.items() if not node.done}
    known = {key: usual(past, key, node) for key, node in open_nodes.items()}
    seconds = [value for value in known.values() if value is not None]
    if not seconds:
        return None
    fallback = median(seconds)
    left = {
        key: _left(node, fallback if known[key] is None else float(known[key] or 0), now)
        for key, node in open_nodes.items()
    }
    total = _simulate(open_nodes, left, state.jobs or 1)
    spread = max((_spread(past.get(key, ())) for key in open_nodes), default=0.0)
    return Estimate(total, spread, len(seconds) / len(open_nodes))


def overdue(
    state: RunState, past: Mapping[str, tuple[float, ...]], now: datetime
) -> tuple[str, ...]:
    """Running nodes that take far longer than they usually do and don't say how far they are."""
    return tuple(
        key for key, node in state.nodes.items() if is_overdue(node, usual(past, key, node), now)
    )


def is_overdue(node: NodeState, expected: float | None, now: datetime) -> bool:
    """Whether a running node has taken so long that its past says nothing about its end."""
    if node.status != "running" or node.started is None or node.fraction is not None:
        return False
    elapsed = (now - node.started).total_seconds()
    return expected is not None and elapsed > max(_OVERDUE * expected, expected + 1)


def _left(node: NodeState, expected: float, now: datetime) -> float:
    """Seconds that a node still needs; its own progress counts more than its past."""
    if node.status != "running" or node.started is None:
        return expected
    elapsed = max((now - node.started).total_seconds(), 0.0)
    if node.fraction is not None and node.fraction > 0.05:
        return elapsed / node.fraction * (1 - node.fraction)
    return max(expected - elapsed, expected * 0.05)


def _spread(seconds: tuple[float, ...]) -> float:
    if len(seconds) < 3:
        return 0.0
    ordered = sorted(seconds)
    return (ordered[-1 - len(ordered) // 10] - ordered[len(ordered) // 10]) / 2


def _simulate(nodes: Mapping[str, NodeState], left: Mapping[str, float], jobs: int) -> float:
    """When the last node ends: those running first, then each as soon as its inputs and a worker are."""
    waits = {key: {u for u in node.plan.upstream if u in nodes} for key, node in nodes.items()}
    children: dict[str, list[str]] = {}
    for key, upstream in waits.items():
        for parent in upstream:
            children.setdefault(parent, []).append(key)
    begun = [key for key, node in nodes.items() if node.status in ("running", "retrying")]
    ready = begun + [key for key in nodes if not waits[key] and key not in set(begun)]
    at = 0.0
    working: list[tuple[float, str]] = []
    while ready or working:
        while ready and len(working) < max(jobs, len(begun)):
            key = ready.pop(0)
            heapq.heappush(working, (at + left[key], key))
        at, key = heapq.heappop(working)
        for child in children.get(key, ()):
            waits[child].discard(key)
            if not waits[child] and child not in begun:
                ready.append(child)
    return at


def fraction(state: RunState, past: Mapping[str, tuple[float, ...]]) -> float:
    """How far the run is, 0–1: nodes weighted by how long they usually take."""
    if not state.nodes:
        return 0.0
    weights = {key: usual(past, key, node) for key, node in state.nodes.items()}
    seconds = [value for value in weights.values() if value]
    fallback = median(seconds) if seconds else 1.0
    done = total = 0.0
    for key, node in state.nodes.items():
        weight = max(weights[key] or fallback, 0.01)
        total += weight
        done += weight if node.done else weight * (node.fraction or 0.0)
    return done / total


def critical_path(
    state: RunState, past: Mapping[str, tuple[float, ...]]
) -> tuple[tuple[str, ...], float]:
    """The chain of nodes that no number of workers makes shorter, and its seconds.

    A finished node counts with the time that it took, an open one with what it usually takes.
    """
    seconds: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for key, node in state.nodes.items():  # plan order: upstream first
        took = node.seconds if node.seconds is not None else usual(past, key, node)
        known = [up for up in node.plan.upstream if up in seconds]
        before[key] = max(known, key=seconds.__getitem__, default=None)
        ran = (took or 0.0) if node.status != "reused" else 0.0
        seconds[key] = ran + (seconds[before[key] or ""] if before[key] else 0.0)
    last = max(seconds, key=seconds.__getitem__, default=None)
    if last is None or not seconds[last]:
        return (), 0.0
    path: list[str] = []
    step: str | None = last
    while step is not None:
        path.append(step)
        step = before[step]
    return tuple(reversed(path)), seconds[last]
