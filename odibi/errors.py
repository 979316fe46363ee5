"""The tree of odibi's errors; the CLI turns them into exit codes, nothing else does.

OdibiError
├── ConfigError      (odibi.config: problems in odibi.yaml, all at once)   exit 2
├── UsageError       a selector, flag or name that means nothing           exit 2
├── GraphError       cycles and ambiguous references                        exit 2
├── EngineError      an engine refused: SQL, file, type                     exit 1 (the node's)
├── NodeError        a stage of a node failed: a gate, a contract, a ledger exit 1 (the node's)
├── StateError       the ledger can't be written or is damaged              exit 3
└── LockedError      another run holds the project                          exit 4
"""

from __future__ import annotations

__all__ = [
    "Cancelled",
    "EngineError",
    "GraphError",
    "LockedError",
    "NodeError",
    "OdibiError",
    "StateError",
    "UsageError",
]


class OdibiError(Exception):
    """Root of all errors that a user can cause or mend; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(OdibiError):
    """The command line asks for something that doesn't exist or can't be combined."""


class GraphError(OdibiError):
    """The nodes don't form a graph that can run: a cycle, or a name that means two things."""


class EngineError(OdibiError):
    """An engine could not do what a node asked for.

    `sql` is the statement that failed, as the user wrote it where possible; `transient` is true
    when the same request may succeed later (a dropped connection, a busy file).
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        sql: str | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.sql = sql
        self.transient = transient


class NodeError(OdibiError):
    """A node's own rules stopped it: a contract, a failed test, a gate, rows that don't add up."""


class StateError(OdibiError):
    """The ledger under `.odibi/` can't be written or read; the run must not go on without it."""


class LockedError(OdibiError):
    """Another living run holds the lock; the message says who and since when."""


class Cancelled(OdibiError):  # noqa: N818 - being stopped is no error
    """Work stopped because somebody asked for it; never a failure."""

    def __init__(self, message: str = "cancelled") -> None:
        super().__init__(message)
