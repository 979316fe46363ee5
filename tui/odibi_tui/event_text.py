"""What an event says to people: its level and a sentence, the same in logs and in replays."""

from __future__ import annotations

from odibi import events as ev
from odibi_tui.paint import amount, duration, size

__all__ = ["LEVELS", "told"]

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
"""Levels of log lines, the least first."""


def told(payload: ev.Payload) -> tuple[str, str] | None:
    """Level and text, not yet safe to show; None for events that only keep books."""
    match payload:
        case ev.LogLine():
            return payload.level, payload.message
        case ev.NodeFailed():
            return "ERROR", f"failed after {_took(payload.seconds)}: {_error(payload.error)}"
        case ev.NodeRetried():
            again = f"the next try comes in {_took(payload.delay)}"
            return "WARNING", f"try {payload.attempt} failed, {again}: {_error(payload.error)}"
        case ev.RowsQuarantined():
            put = f"{amount(payload.rows)} {payload.kind} rows set aside"
            return "WARNING", f"{put}: {payload.path}{_reasons(payload)}"
        case ev.CheckEvaluated():
            return _check(payload)
        case ev.WriteCommitted():
            return "INFO", f"wrote {amount(payload.rows)} rows to {payload.path}{_extent(payload)}"
        case ev.StageFinished():
            rows = f", {amount(payload.rows)} rows" if payload.rows is not None else ""
            return "DEBUG", f"{payload.stage} took {_took(payload.seconds)}{rows}"
    return _turn(payload)


def _turn(payload: ev.Payload) -> tuple[str, str] | None:
    """Beginnings and ends."""
    match payload:
        case ev.RunStarted():
            return "INFO", f"run started with {payload.jobs} jobs"
        case ev.NodeStarted():
            return "INFO", "started" if payload.attempt == 1 else f"try {payload.attempt} started"
        case ev.NodeSucceeded():
            return "INFO", f"succeeded in {_took(payload.seconds)}"
        case ev.NodeSkipped():
            return "INFO", f"skipped: {payload.reason}"
        case ev.NodeCancelRequested() | ev.RunCancelRequested():
            return "WARNING", f"{payload.by} asked to cancel"
        case ev.NodeCancelled():
            return "WARNING", f"cancelled after {_took(payload.seconds)}"
        case ev.RunFinished():
            level = {"succeeded": "INFO", "cancelled": "WARNING"}.get(payload.outcome, "ERROR")
            return level, f"run {payload.outcome} after {_took(payload.seconds)}"
    return None


def _took(seconds: float) -> str:
    """`0.4 ms`, `14 ms`, from a second on as everywhere."""
    if seconds >= 0.9995:
        return duration(seconds)
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"


def _error(error: ev.ErrorInfo) -> str:
    place = f"  {error.file}:{error.line}" if error.file and error.line else ""
    hint = f"\n{error.hint}" if error.hint else ""
    return f"{error.kind}: {error.message}{place}{hint}"


def _reasons(event: ev.RowsQuarantined) -> str:
    reasons = ", ".join(f"{amount(rows)} {name}" for name, rows in event.reasons.items())
    return f" ({reasons})" if reasons else ""


def _check(event: ev.CheckEvaluated) -> tuple[str, str]:
    if event.passed:
        return "DEBUG", f"{event.phase} passed: {event.check}"
    rows = f", {amount(event.failed_rows)} rows" if event.failed_rows is not None else ""
    said = f": {event.message}" if event.message else ""
    level = "ERROR" if event.on_fail == "fail" else "WARNING"
    return level, f"{event.phase} {event.check} failed{rows}{said}"


def _extent(event: ev.WriteCommitted) -> str:
    version = f", version {event.version}" if event.version is not None else ""
    return f" ({size(event.bytes)}{version})"
