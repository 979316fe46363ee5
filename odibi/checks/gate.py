"""The gate: whether enough rows passed for anything to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odibi.checks.evaluate import Verdict

__all__ = ["GateOutcome", "evaluate_gate"]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """`pass_rate` is the share of rows (0 to 1) that pass every row-level test; `problems` in words."""

    pass_rate: float
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


def evaluate_gate(
    gate: Any,
    masks: Mapping[int, int],
    verdicts: Sequence[Verdict],
    rows_out: int,
    previous_rows: int | None,
) -> GateOutcome:
    """Judge a gate. `masks` counts rows by failed tests (0: none); `rows_out` would be written.

    A table without rows has nothing that failed: its pass rate is 1.
    """
    total = sum(masks.values())
    rate = masks.get(0, 0) / total if total else 1.0
    problems = []
    if rate < gate.require_pass_rate:
        problems.append(
            f"{rate:.2%} of {total:,} rows pass all tests, {gate.require_pass_rate:.2%} required"
        )
    problems += _thresholds(gate, verdicts)
    if gate.row_count is not None:
        problems += _row_count(gate.row_count, rows_out, previous_rows)
    return GateOutcome(rate, tuple(problems))


def _thresholds(gate: Any, verdicts: Sequence[Verdict]) -> list[str]:
    problems = []
    for threshold in gate.thresholds:
        matching = [v for v in verdicts if threshold.test in (v.name, v.test.type)]
        if not matching:
            problems.append(f"threshold for '{threshold.test}': the node has no such test")
        for verdict in matching:
            if verdict.failed is None or not verdict.total:
                continue
            rate = 1 - verdict.failed / verdict.total
            if rate < threshold.min_pass_rate:
                problems.append(
                    f"{rate:.2%} pass {verdict.name}, {threshold.min_pass_rate:.2%} required"
                )
    return problems


def _row_count(limits: Any, rows: int, previous: int | None) -> list[str]:
    problems = []
    if limits.min is not None and rows < limits.min:
        problems.append(f"{rows:,} rows, fewer than {limits.min:,}")
    if limits.max is not None and rows > limits.max:
        problems.append(f"{rows:,} rows, more than {limits.max:,}")
    if limits.change_threshold is not None and previous:
        change = abs(rows - previous) / previous
        if change > limits.change_threshold:
            problems.append(f"{rows:,} rows, {change:.0%} away from {previous:,} in the last run")
    return problems
