"""Scheduled events: when they are on, and what a column's value becomes then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odibi.config.simulation_options import ScheduledEvent, moment, span

from .generators import Block
from .streams import stream_keys, uniforms
from .vectors import Vector, as_vector, choose

__all__ = ["ByCondition", "ByTime", "applied", "by_time"]


@dataclass(frozen=True, slots=True)
class ByTime:
    """When an event of the clock is on, and how much of the way a ramp has gone, for each row."""

    event: ScheduledEvent
    entities: Any  # True for those that it is of, entities × 1
    on: Any
    share: Any


def by_time(event: ScheduledEvent, number: int, block: Block) -> ByTime:
    """An event without a condition, in the rows of a block."""
    times = block.seconds
    on, share = np.zeros(len(times), bool), np.ones(len(times))
    for start, end in _windows(event, number, block):
        inside = (times >= start) & (times < end)
        if event.transition == "ramp" and np.isfinite(end):
            share = np.where(inside, (times - start) / (end - start), share)
            if event.recurrence is None:
                inside = times >= start  # what a ramp has reached stays
        on |= inside
    return ByTime(event, _of(event, block), on[None, :], share[None, :])


def _of(event: ScheduledEvent, block: Block) -> Any:
    return np.array([event.entity in (None, name) for name in block.names])[:, None]


def _windows(event: ScheduledEvent, number: int, block: Block) -> Iterator[tuple[float, float]]:
    """(start, end) in seconds since 1970 of the occurrences that a block may meet."""
    start = _seconds(event.start_time)
    end = np.inf if event.end_time is None else _seconds(event.end_time)
    lasts = end - start if event.duration is None else span(event.duration).total_seconds()
    if event.recurrence is None:
        yield start, start + lasts
        return
    step = span(event.recurrence).total_seconds()
    jitter = 0.0 if event.jitter is None else span(event.jitter).total_seconds()
    first = max(int((block.seconds[0] - start - lasts - jitter) // step), 0)
    last = int((block.seconds[-1] - start + jitter) // step)
    if event.max_occurrences is not None:
        last = min(last, event.max_occurrences - 1)
    key = stream_keys(block.seed, ("event", number), ("jitter",))
    for occurrence in range(first, last + 1):
        off = jitter * (2 * float(uniforms(key, occurrence, 1)[0, 0]) - 1)
        begins = start + occurrence * step + off
        yield begins, begins + lasts


def _seconds(text: str | None) -> float:
    return float(
        (np.datetime64(moment(text or "")) - np.datetime64(0, "s")) / np.timedelta64(1, "s")
    )


def applied(base: Vector, event: ByTime) -> Vector:
    """The column's values with an event of the clock."""
    where = event.on & event.entities
    if not where.any():
        return base
    return choose(where, _goal(base, event), base)


def _goal(base: Vector, event: ByTime) -> Vector:
    goal = as_vector(event.event.value)
    if event.event.transition == "instant" or base.text:
        return goal
    return Vector(base.values + (goal.values - base.values) * event.share, base.nulls)


class ByCondition:
    """An event that a condition begins, for one entity, row after row.

    What it knows is in `state`: `since` (the condition holds), `begun` (the last time that it began),
    `until` (its end); seconds since 1970, absent when there is none.
    """

    def __init__(self, event: ScheduledEvent, state: dict[str, float]) -> None:
        self.event = event
        self.state = state
        self.from_ = -np.inf if event.start_time is None else _seconds(event.start_time)
        self.to = np.inf if event.end_time is None else _seconds(event.end_time)
        self.lasts = None if event.duration is None else span(event.duration).total_seconds()
        self.sustain = 0.0 if event.sustain is None else span(event.sustain).total_seconds()
        self.cooldown = 0.0 if event.cooldown is None else span(event.cooldown).total_seconds()

    def on(self, holds: bool, at: float) -> bool:
        """Whether the event is on at a time, given whether its condition holds there."""
        state = self.state
        if not holds or not self.from_ <= at < self.to:
            state.pop("since", None)
        else:
            state.setdefault("since", at)
        if "until" in state:
            if at < state["until"]:
                return True
            del state["until"]
        sustained = "since" in state and at - state["since"] >= self.sustain
        if not sustained:
            state.pop("episode", None)
            return False
        if "episode" in state:
            return True
        if "begun" in state and at - state["begun"] < self.cooldown:
            return False
        state["begun"] = at
        if self.lasts is None:
            state["episode"] = at
        else:
            state["until"] = at + self.lasts
        return True

    def value(self, base: Any, at: float) -> Any:
        """What the column's value becomes while it is on."""
        goal = self.event.value
        if self.event.transition == "instant" or not self.lasts or not _number(base):
            return goal
        share = min((at - self.state["begun"]) / self.lasts, 1.0)
        return base + (goal - base) * share


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
