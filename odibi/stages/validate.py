"""Stages `contracts` and `validation`: tests on what comes in and goes out, quarantine, gate.

Row-level tests that only fail or warn are counted on the file just staged, where there is one: a pass
over a few columns instead of the whole computation twice. A quarantine or a gate needs every row's
verdict, so the frame is held with one more column, the bits of the tests that the row fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from odibi import checks, targets
from odibi import events as ev
from odibi.checks.evaluate import MASK, Verdict, failing_rows
from odibi.engine import Frame
from odibi.errors import NodeError
from odibi.stages.write import hidden_columns, mask_rows, put_aside
from odibi.transforms.sql import ident, literal

if TYPE_CHECKING:
    from odibi.node import Work

__all__ = ["contracts", "validate"]

_SAMPLE = 5
Phase = Literal["contract", "test"]


def contracts(work: Work, frame: Frame) -> Frame:
    """Tests on the node's input; any that fails (and doesn't only warn) stops the node."""
    tests = work.node.config.contracts
    if not tests or work.facts.dry:
        return frame
    frame = work.hold(frame)
    _run_tests(work, frame, tests, "contract")
    return frame


def validate(work: Work, frame: Frame) -> Frame:
    """Tests on the node's result: rejected rows go to quarantine, the gate decides about the rest."""
    config = work.node.config.validation
    if config is None or work.facts.dry or not (config.tests or config.gate):
        return frame
    quarantines = any(test.on_fail == "quarantine" for test in config.tests)
    if quarantines or config.gate is not None:
        return _divided(work, frame, config)
    if _testable_when_staged(work):
        work.staged_checks.append(lambda staged: _run_tests(work, staged, config.tests, "test"))
        return frame
    frame = work.hold(frame)
    _run_tests(work, frame, config.tests, "test")
    return frame


def _testable_when_staged(work: Work) -> bool:
    """Whether the staged file will hold just this batch, in a form that is cheap to scan."""
    write = work.node.config.write
    return (
        write is not None
        and write.format == "parquet"
        and write.mode == "overwrite"
        and not write.partition_by
    )


def _run_tests(work: Work, frame: Frame, tests: Sequence[Any], phase: Phase) -> None:
    """Evaluate, report, and raise NodeError for those that fail the node."""
    verdicts = _judge(work, frame, tests)
    for verdict in verdicts:
        _report(work, frame, verdict, phase)
    _stop_on_failures(work, verdicts, phase)


def _judge(work: Work, frame: Frame, tests: Sequence[Any]) -> list[Verdict]:
    return checks.judge(
        tests,
        frame.schema,
        lambda query: work.session.fetch(query, {"df": frame}),
        declared=work.node.config.columns,
        past=work.facts.past(work.key),
        now=work.facts.started_at,
    )


def _on_fail(work: Work, test: Any, phase: Phase) -> str:
    """What a failing test means here: `mode: warn` turns failures of tests into warnings."""
    config = work.node.config.validation
    if phase == "test" and config is not None and config.mode == "warn" and test.on_fail == "fail":
        return "warn"
    return "fail" if phase == "contract" and test.on_fail == "quarantine" else str(test.on_fail)


def _report(work: Work, frame: Frame, verdict: Verdict, phase: Phase) -> None:
    sample_columns, sample = _sample(work, frame, verdict)
    work.emit(
        ev.CheckEvaluated(
            node=work.key,
            check=verdict.name,
            kind=verdict.test.type,
            phase=phase,
            on_fail=_on_fail(work, verdict.test, phase),
            passed=verdict.passed,
            message=verdict.message,
            failed_rows=verdict.failed,
            total_rows=verdict.total,
            sample_columns=sample_columns,
            sample=sample,
        )
    )


def _sample(work: Work, frame: Frame, verdict: Verdict) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """A few failing rows, with hidden columns masked."""
    if verdict.passed or not verdict.failed:
        return (), ()
    columns = tuple(column for column in frame.schema if column.name != MASK)
    rows = work.session.fetch(failing_rows(verdict.test, columns, _SAMPLE), {"df": frame})
    return rows.columns, mask_rows(rows, hidden_columns(work, rows))


def _stop_on_failures(work: Work, verdicts: Sequence[Verdict], phase: Phase) -> None:
    failed = [v for v in verdicts if not v.passed]
    for verdict in failed:
        if _on_fail(work, verdict.test, phase) == "warn":
            work.warn(f"{verdict.name}: {verdict.message}")
    fatal = [v for v in failed if _on_fail(work, v.test, phase) == "fail"]
    if not fatal:
        return
    what = "contract" if phase == "contract" else "test"
    more = f" and {len(fatal) - 1} more" if len(fatal) > 1 else ""
    raise NodeError(
        f"{what} {fatal[0].name} failed: {fatal[0].message}{more}",
        hint=f"nothing was written; failing rows: odibi story last --node {work.key}",
    )


def _divided(work: Work, frame: Frame, config: Any) -> Frame:
    """Good rows; those that break a quarantine test are put aside, and the gate is asked."""
    row_tests = [test for test in config.tests if test.type in checks.ROW_LEVEL]
    marked = work.hold(work.sql("validation", checks.masked(row_tests, frame.schema), frame))
    masks = _count_masks(work, marked)
    of_rows = checks.verdicts_of_masks(row_tests, masks)
    aside = sum(1 << i for i, test in enumerate(row_tests) if test.on_fail == "quarantine")
    good = _rows_where(work, marked, f"({ident(MASK)} & {aside}) = 0")
    others = [test for test in config.tests if test.type not in checks.ROW_LEVEL]
    verdicts = [*of_rows, *(_judge(work, good, others) if others else [])]
    for verdict in verdicts:
        _report(work, marked, verdict, "test")
    _set_aside(work, marked, row_tests, masks, aside)
    _stop_on_failures(work, verdicts, "test")
    if config.gate is not None:
        good = _ask_gate(work, config.gate, good, marked, masks, verdicts, aside)
    return good


def _count_masks(work: Work, marked: Frame) -> dict[int, int]:
    query = f"SELECT {ident(MASK)}, count(*) FROM df GROUP BY 1"
    return {int(mask): int(n) for mask, n in work.session.fetch(query, {"df": marked}).rows}


def _rows_where(work: Work, marked: Frame, condition: str) -> Frame:
    return work.session.sql(
        f"SELECT * EXCLUDE ({ident(MASK)}) FROM df WHERE {condition}", {"df": marked}
    )


def _set_aside(
    work: Work, marked: Frame, tests: Sequence[Any], masks: Mapping[int, int], aside: int
) -> None:
    config = work.node.config.validation
    rows = sum(n for mask, n in masks.items() if mask & aside)
    if not rows or config is None or config.quarantine is None:
        return
    rejected = work.session.sql(_rejected(work, tests, aside), {"df": marked})
    target = replace(
        targets.quarantine_target(
            work.facts.loaded, config.quarantine, work.write_id("quarantine")
        ),
        forget=_too_old(work, config.quarantine.retention_days),
    )
    reasons = {
        checks.test_name(test): sum(n for mask, n in masks.items() if mask >> i & 1)
        for i, test in enumerate(tests)
        if aside >> i & 1
    }
    put_aside(work, rejected, target, "validation", {k: n for k, n in reasons.items() if n})
    work.counts.quarantined += rows


def _too_old(work: Work, days: int | None) -> tuple[str, datetime] | None:
    """The column and the moment before which rejected rows are no longer kept."""
    if days is None:
        return None
    return "_rejected_at", work.facts.started_at.replace(tzinfo=None) - timedelta(days=days)


def _rejected(work: Work, tests: Sequence[Any], aside: int) -> str:
    """Rejected rows with the columns that say why, when, by which run."""
    config = work.node.config.validation
    assert config is not None
    assert config.quarantine is not None
    wanted = config.quarantine.add_columns
    names = ", ".join(
        f"CASE WHEN {ident(MASK)} & {1 << i} <> 0 THEN {literal(checks.test_name(test))} END"
        for i, test in enumerate(tests)
        if aside >> i & 1
    )
    extra = {
        "_rejection_reason": (wanted.rejection_reason, f"concat_ws('; ', {names})"),
        "_rejected_at": (wanted.rejected_at, literal(work.facts.started_at.replace(tzinfo=None))),
        "_source_batch_id": (wanted.source_batch_id, literal(work.facts.run_id)),
        "_failed_tests": (wanted.failed_tests, f"concat_ws(', ', {names})"),
        "_original_node": (wanted.original_node, literal(work.key)),
    }
    columns = "".join(f", {sql} AS {ident(name)}" for name, (on, sql) in extra.items() if on)
    return f"SELECT * EXCLUDE ({ident(MASK)}){columns} FROM df WHERE ({ident(MASK)} & {aside}) <> 0"


def _ask_gate(
    work: Work,
    gate: Any,
    good: Frame,
    marked: Frame,
    masks: Mapping[int, int],
    verdicts: Sequence[Verdict],
    aside: int,
) -> Frame:
    rows = sum(n for mask, n in masks.items() if not mask & aside)
    history = work.facts.past(work.key).rows
    outcome = checks.evaluate_gate(gate, masks, verdicts, rows, history[0][1] if history else None)
    message = "; ".join(outcome.problems) or f"{outcome.pass_rate:.2%} of rows pass all tests"
    work.emit(
        ev.CheckEvaluated(
            node=work.key, check="gate", kind="gate", phase="gate", on_fail=gate.on_fail,
            passed=outcome.passed, message=message, total_rows=sum(masks.values()),
        )
    )  # fmt: skip
    if outcome.passed:
        return good
    if gate.on_fail == "abort":
        raise NodeError(
            f"the gate is closed: {message}",
            hint="nothing was written; see the node's story for the tests",
        )
    work.warn(f"the gate is closed: {message}")
    if gate.on_fail == "warn_and_write":
        return good
    work.counts.declare("fewer")
    return _rows_where(work, marked, f"{ident(MASK)} = 0")
