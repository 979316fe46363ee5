"""What a run came to, for schedulers: the document of `odibi run --result-json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odibi.history import schema_hash
from odibi.run_state import NodeState, RunState
from odibi.story import error_of
from odibi.story_files import to_plain

__all__ = ["result"]


def result(state: RunState) -> dict[str, Any]:
    """What a scheduler wants to know of a run, plain for JSON: one entry per node, in plan order."""
    root = Path(state.plan.root) if state.plan else Path()
    return {
        "run_id": state.run_id,
        "project": state.project,
        "engine": state.engine,
        "status": state.status,
        "exit_code": state.exit_code,
        "seconds": state.seconds,
        "rows_written": state.totals.rows_written,
        "story": str(root / ".odibi" / "runs" / state.run_id / "story.json"),
        "nodes": {
            key: _node_result(node, schema_hash(node.schema_out))
            for key, node in state.nodes.items()
        },
    }


def _node_result(node: NodeState, schema: str | None) -> dict[str, Any]:
    counts = node.counts
    return {
        "status": node.status,
        "reason": node.reason,
        "attempts": node.attempt,
        "seconds": node.seconds,
        "rows": counts.rows_out if counts else None,
        "rows_in": counts.rows_in if counts else None,
        "quarantined": counts.quarantined if counts else 0,
        "unreadable": counts.unreadable if counts else 0,
        "checks": {
            "passed": sum(check.passed for check in node.checks),
            "failed": [check.check for check in node.checks if not check.passed],
            "all": [
                {
                    "name": check.check,
                    "passed": check.passed,
                    "on_fail": check.on_fail,
                    "failed_rows": check.failed_rows,
                }
                for check in node.checks
            ],
        },
        "columns": [list(column) for column in node.schema_out or ()],
        "schema_hash": schema,
        "fingerprint": node.plan.fingerprint,
        "outputs": [write.path for write in node.writes if write.committed],
        "warnings": len(node.warnings),
        "error": to_plain(error_of(node.error)) if node.status == "failed" else None,
    }
