"""What runs out: the disk in the middle of a write, memory, patience; and records that get damaged.

Each check takes an empty folder and returns what went wrong, in words; an empty list is good.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from odibi.ledger import Ledger
from odibi.runner.failures import is_transient
from tests.runner.running import command, project, rows, run, statuses

__all__ = ["CHECKS", "can_mount"]

_GROWS = """\
- name: small
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: small.parquet, mode: append}
- name: big
  depends_on: [small]
  transform:
    steps: ["SELECT sha256(i::VARCHAR) AS text FROM range((SELECT max(id) FROM small) * 12500) AS t(i)"]
  write: {connection: data, format: FORMAT, path: big}
"""


@cache
def can_mount() -> bool:
    """Whether this process may mount a file system of its own size: root may, with the right to it."""
    with TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        done = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False)
        if not done or done.returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


@contextmanager
def _disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        # lazily: what read a table may still hold its files
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _full_disk(folder: Path, format: str) -> list[str]:
    with _disk(folder, 40) as root:
        project(root, _GROWS.replace("FORMAT", format), extra="retry: {enabled: false}\n")
        first = command(root, "run")
        before = _count(root, format)
        ballast = root / "ballast"
        ballast.write_bytes(bytes(_free(root) - (1 << 20)))
        full = command(root, "run")
        problems = _after_full(root, full, _count(root, format) == before)
        ballast.unlink()
        again = command(root, "run", "--resume")
        if (first.returncode, again.returncode) != (0, 0):
            problems.append(
                f"ended with {first.returncode}, resumed {again.returncode}: {again.stderr}"
            )
        found = (len(rows(root / "small.parquet")), _count(root, format))
        return problems + ([] if found == (18, before) else [f"rows at the end: {found}"])


def _after_full(root: Path, full: subprocess.CompletedProcess[str], same: bool) -> list[str]:
    problems = [] if full.returncode in (1, 3) else [f"the run ended with {full.returncode}"]
    if not re.search("[Nn]o space|too large", full.stdout + full.stderr):
        problems.append(f"nothing was said of the disk: {full.stdout}{full.stderr}")
    if "Traceback" in full.stdout + full.stderr:
        problems.append("a traceback was shown")
    if not same:
        problems.append("the table isn't the one from before")
    statuses = [each.status for each in Ledger(root).runs()]
    return problems + ([] if statuses[0] in ("failed", "lost") else [f"history: {statuses}"])


def _free(root: Path) -> int:
    status = os.statvfs(root)
    return status.f_bavail * status.f_frsize


def _count(root: Path, format: str) -> int:
    if format == "delta":
        from deltalake import DeltaTable

        return int(DeltaTable(str(root / "big")).to_pyarrow_table().num_rows)
    return len(rows(root / "big"))


def _small_files(folder: Path, format: str) -> list[str]:
    """No file may grow beyond a limit, as with a quota: what becomes of a write that needs more."""
    root = project(folder, _GROWS.replace("FORMAT", format), extra="retry: {enabled: false}\n")
    first = command(root, "run")
    before = _count(root, format)
    full = command(root, "run", preexec_fn=partial(_limit_files, 1 << 20))
    problems = _after_full(root, full, _count(root, format) == before)
    again = command(root, "run", "--resume")
    if (first.returncode, again.returncode) != (0, 0):
        problems.append(f"ended with {first.returncode}, resumed {again.returncode}")
    found = (len(rows(root / "small.parquet")), _count(root, format))
    return problems + ([] if found == (18, before) else [f"rows at the end: {found}"])


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def small_files_parquet(folder: Path) -> list[str]:
    """A write that needs a larger file than may be: the old table stays; later a resume finishes."""
    return _small_files(folder, "parquet")


def small_files_delta(folder: Path) -> list[str]:
    """The same for a Delta table."""
    return _small_files(folder, "delta")


def full_disk_parquet(folder: Path) -> list[str]:
    """A disk that fills up under a Parquet write: the old table stays; with room, a resume finishes."""
    return _full_disk(folder, "parquet")


def full_disk_delta(folder: Path) -> list[str]:
    """The same for a Delta table."""
    return _full_disk(folder, "delta")


def full_disk_for_records(folder: Path) -> list[str]:
    """No room for the log at all: the run doesn't begin, says why, and the project works again later."""
    with _disk(folder, 4) as root:
        project(root, _GROWS.split("- name: big")[0])
        ballast = root / "ballast"
        with ballast.open("wb") as file:
            while _free(root):
                file.write(bytes(min(_free(root), 1 << 16)))
                file.flush()
        full = command(root, "run")
        ballast.unlink()
        again = command(root, "run")
        problems = [] if full.returncode == 3 else [f"ended with {full.returncode}: {full.stderr}"]
        if "Traceback" in full.stderr or "space" not in full.stderr:
            problems.append(f"said: {full.stderr}")
        return problems + ([] if again.returncode == 0 else [f"afterwards: {again.stderr}"])


_HUNGRY = """\
- name: hungry
  transform:
    steps: ["SELECT list(i ORDER BY hash(i)) AS all_ FROM range(60000000) AS t(i)"]
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: hungry.parquet}
- name: modest
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: modest.parquet}
"""


def memory_limit(folder: Path) -> list[str]:
    """A node that wants more memory than it may have fails with what to do; the others are done."""
    folder = project(folder, _HUNGRY, extra="performance: {memory_limit: 60MB}\n")
    result = run(folder)
    error = result.state.nodes["p.hungry"].error
    problems = []
    if statuses(result) != {"hungry": "failed", "modest": "succeeded"}:
        problems.append(f"statuses: {statuses(result)}")
    if error is None or "memory" not in (error.hint or ""):
        problems.append(f"the error: {error}")
    return problems + ([] if len(rows(folder / "modest.parquet")) == 9 else ["rows are missing"])


_ENDLESS = """\
- name: endless
  timeout: 1s
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: ["SELECT sum(a.id * b.i) AS n FROM df AS a, range(1000000000000) AS b(i)"]}
  write: {connection: data, format: parquet, path: endless.parquet}
"""


def _timeout(folder: Path, engine: str) -> list[str]:
    folder = project(folder, _ENDLESS, engine=engine)
    result = run(folder)
    error = result.state.nodes["p.endless"].error
    problems = []
    if error is None or "timeout of 1 s" not in error.message:
        problems.append(f"the error: {error}")
    if result.abandoned:
        problems.append("the work went on")
    began = time.process_time()
    time.sleep(0.3)
    if time.process_time() - began > 0.2:
        problems.append("the processor is still at work")
    return problems


def timeout_in_duckdb(folder: Path) -> list[str]:
    """SQL without an end is stopped inside DuckDB by the node's timeout."""
    return _timeout(folder, "duckdb")


def timeout_in_pandas(folder: Path) -> list[str]:
    """The same for SQL over pandas frames."""
    return _timeout(folder, "pandas")


_LOADS = """\
- name: load
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: load.parquet, mode: append}
"""


def damaged_history(folder: Path) -> list[str]:
    """A history.db that is garbage, empty or gone is built anew from the logs."""
    folder = project(folder, _LOADS)
    for _ in range(2):
        run(folder)
    ledger = Ledger(folder)
    wanted = ledger.runs()
    ledger.close()
    problems = []
    for content in (b"garbage" * 1000, b"", None):
        for path in (folder / ".odibi").glob("history.db*"):
            path.unlink()
        if content is not None:
            (folder / ".odibi" / "history.db").write_bytes(content)
        again = Ledger(folder)
        if again.runs() != wanted:
            problems.append(f"with {content!r:.20}: {again.runs()}")
        again.close()
    return problems


def torn_last_line(folder: Path) -> list[str]:
    """A log whose last line was cut anywhere is read up to there; the run is lost, and resumed."""
    folder = project(folder, _LOADS)
    command(folder, "run")
    (log,) = (folder / ".odibi" / "runs").glob("*/events.jsonl")
    whole = log.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    problems = []
    for end in range(last, len(whole), 40):
        log.write_bytes(whole[:end])
        (status,) = [each.status for each in Ledger(folder).runs()]
        if status != "lost":
            problems.append(f"cut at {end}: {status}")
    command(folder, "run", "--resume")
    return problems + ([] if len(rows(folder / "load.parquet")) == 9 else ["rows were doubled"])


def damaged_log(folder: Path) -> list[str]:
    """A log that is damaged in the middle is never taken for an empty one: the run says so."""
    folder = project(folder, _LOADS)
    log = run(folder).run_dir / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:3], b"{damaged}\n", *lines[3:]]))
    done = command(folder, "run")
    shown = command(folder, "history", "--json")
    problems = [] if "damaged" in shown.stdout else [f"history: {shown.stdout}{shown.stderr}"]
    if done.returncode != 3 or "events.jsonl" not in done.stderr:
        problems.append(f"the next run ended with {done.returncode}: {done.stderr}")
    return problems


def transient_only(_folder: Path) -> list[str]:
    """A retry is for what may pass: a lost connection is tried again, a wrong query or value never."""
    found = [
        is_transient(error)
        for error in (
            ConnectionResetError(),
            TimeoutError(),
            ValueError(),
            KeyError(),
            duckdb.Error(),
        )
    ]
    return [] if found == [True, True, False, False, False] else [str(found)]


_ON_ITS_OWN_DISK = {
    "disk full (Parquet)": full_disk_parquet,
    "disk full (Delta)": full_disk_delta,
    "disk full (records)": full_disk_for_records,
}
CHECKS = {
    **(_ON_ITS_OWN_DISK if can_mount() else {}),
    "quota reached (Parquet)": small_files_parquet,
    "quota reached (Delta)": small_files_delta,
    "memory limit": memory_limit,
    "endless SQL, timeout (DuckDB)": timeout_in_duckdb,
    "endless SQL, timeout (pandas)": timeout_in_pandas,
    "history.db damaged": damaged_history,
    "log cut in its last line": torn_last_line,
    "log damaged in the middle": damaged_log,
    "retry only of what may pass": transient_only,
}
