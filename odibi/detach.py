"""Starting a run as a process of its own, which goes on when its starter leaves or dies."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odibi.errors import StateError
from odibi.event_log import log_files
from odibi.ledger import Ledger

__all__ = ["Started", "failure", "has_begun", "start"]

_LONGEST = 20_000
"""Characters of a log that a message holds."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run on its way: `log` is where its process writes what a terminal would show."""

    run_id: str
    pid: int
    log: Path
    command: tuple[str, ...]
    root: Path = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False, compare=False)


def start(
    root: Path, arguments: Sequence[str], run_id: str, *, project: Path | None = None
) -> Started:
    """Start `odibi run ARGUMENTS` for the project in folder `root` and return at once.

    The process has a session of its own, no input, and this process's environment and working
    folder. `project` is the YAML file if it has another name than the one in `root`. Raises
    UsageError for an impossible run id, StateError when no process can be started.
    """
    ledger = Ledger(root)
    ledger.run_dir(run_id)  # checks the id before it becomes a file's name
    log = ledger.path / "logs" / f"{run_id}.log"
    target = str((project or root).absolute())
    command = (sys.executable, "-m", "odibi", "run", "--run-id", run_id, "-p", target, *arguments)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # neither Ctrl-C nor the terminal's end reaches it
            )
    except OSError as error:
        raise StateError(f"the run can't be started: {error.strerror}: {error.filename}") from error
    # somebody must ask for its exit code, or it stays as a zombie for as long as we live
    threading.Thread(target=process.wait, name=f"run {run_id}", daemon=True).start()
    return Started(run_id, process.pid, log, command, root, process)


def has_begun(started: Started) -> bool:
    """Whether the run has records of its own."""
    return bool(log_files(Ledger(started.root).run_dir(started.run_id)))


def failure(started: Started) -> str | None:
    """What the process said when it ended without a run (problems in the YAML, another run, …).

    None while it starts, and once the run has records: they tell how it goes.
    """
    code = started.process.poll()
    if code is None or has_begun(started):
        return None
    said = started.log.read_text(encoding="utf-8", errors="replace").strip()
    return said[-_LONGEST:] or f"the process ended with exit code {code} and said nothing"
