"""Many at once: two runs of a project, readers and watchers during writes, a lock whose holder was killed.

Each check takes an empty folder and returns what went wrong, in words; an empty list is good.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from odibi import event_log, run_state
from odibi.ledger import Ledger
from tests.runner.running import HEAD, command, project, rows

__all__ = ["CHECKS"]

_SLEEPER = """\
- name: slow
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: [{function: sleep}]}
  write: {connection: data, format: parquet, path: slow.parquet}
"""
_SLEEP = """\
import time
from pathlib import Path

from odibi import transform


@transform
def sleep(df):
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return df
"""


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", *words, "-p", str(folder)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until(happened: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def _held(folder: Path) -> tuple[Path, subprocess.Popen[str]]:
    """A project with a run that is at work until a file `go` appears."""
    folder = project(folder, _SLEEPER, functions=_SLEEP)
    first = _start(folder)
    assert _until((folder / "begun").exists), first.communicate()
    return folder, first


def second_run_is_refused(folder: Path) -> list[str]:
    """The second run is refused with code 4 and says who holds the project and since when."""
    folder, first = _held(folder)
    second = command(folder, "run")
    (folder / "go").touch()
    first.communicate()
    said = f"process {first.pid} on \\S+ since \\d{{4}}-\\d\\d-\\d\\dT[\\d:]+Z"
    problems = [] if second.returncode == 4 else [f"the second run ended with {second.returncode}"]
    if not re.search(said, second.stderr):
        problems.append(f"it didn't say who holds the lock: {second.stderr}")
    return problems + ([] if first.returncode == 0 else ["the first run was disturbed"])


def second_run_waits(folder: Path) -> list[str]:
    """With --wait the second run goes on as soon as the first has ended."""
    folder, first = _held(folder)
    second = _start(folder, "--wait", "60")
    time.sleep(0.3)
    waited = second.poll() is None
    (folder / "go").touch()
    first.communicate()
    said = second.communicate()[0]
    problems = [] if waited else ["the second run didn't wait"]
    if (first.returncode, second.returncode) != (0, 0):
        problems.append(f"ended with {first.returncode} and {second.returncode}: {said}")
    return problems + ([] if len(Ledger(folder).runs()) == 2 else ["there aren't two runs"])


def stale_lock_is_taken_over(folder: Path) -> list[str]:
    """A killed run holds nothing: the next one starts at once, and the history shows both."""
    folder, first = _held(folder)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (folder / "go").touch()
    second = command(folder, "run", cwd=folder)
    found = [run.status for run in Ledger(folder).runs()]
    problems = [] if second.returncode == 0 else [f"the next run failed: {second.stderr}"]
    return problems + ([] if found == ["succeeded", "lost"] else [f"the history says {found}"])


_REWRITTEN = """\
- name: big
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: ["SELECT (SELECT max(id) FROM df) AS version, range AS id FROM range(200000)"]}
  write: {connection: data, format: parquet, path: big.parquet}
- name: parts
  depends_on: [big]
  transform: {steps: ["SELECT version, id, id % 3 AS part FROM big WHERE id < 3000"]}
  write: {connection: data, format: delta, path: parts}
"""


def readers_see_whole_tables(folder: Path) -> list[str]:
    """Readers that never stop see one version of a table or the other, all rows of it, while runs write."""
    folder = project(folder, _REWRITTEN)
    command(folder, "run", "--profile", "off")
    done, problems, reads = threading.Event(), list[str](), [0]
    readers = [
        threading.Thread(target=_read_on, args=(folder, done, problems, reads)) for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for version in range(3):
        numbers = f"SELECT {version} + range AS id, 0 AS kind FROM range(9)"
        duckdb.connect().sql(numbers).write_parquet(str(folder / "numbers.parquet"))
        if (code := command(folder, "run", "--profile", "off").returncode) != 0:
            problems.append(f"a run with readers ended with {code}")
    done.set()
    for reader in readers:
        reader.join()
    return problems + ([] if reads[0] > 20 else [f"only {reads[0]} reads happened"])


def _read_on(folder: Path, done: threading.Event, problems: list[str], reads: list[int]) -> None:
    from deltalake import DeltaTable

    with duckdb.connect() as database:
        while not done.is_set():
            query = f"SELECT count(*), count(DISTINCT version) FROM '{folder / 'big.parquet'}'"
            found = database.sql(query).fetchall()
            if found != [(200000, 1)]:
                problems.append(f"a reader saw {found} of the Parquet table")
            table = DeltaTable(str(folder / "parts")).to_pyarrow_table()
            if (table.num_rows, len(set(table["version"].to_pylist()))) != (3000, 1):
                problems.append(f"a reader saw {table.num_rows} rows of the Delta table")
            reads[0] += 1


def watchers_see_every_event(folder: Path) -> list[str]:
    """Ten processes that follow one run read the same events, and one that is killed changes nothing."""
    folder, first = _held(folder)
    run_id = Ledger(folder).runs()[0].run_id
    follow = "import sys; from tests.faults.crowds import follow; follow(*sys.argv[1:])"
    watchers = [
        subprocess.Popen(
            [sys.executable, "-c", follow, str(folder), run_id],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(10)
    ]
    watchers[0].send_signal(signal.SIGKILL)
    (folder / "go").touch()
    first.communicate()
    seen = {watcher.communicate()[0] for watcher in watchers[1:]}
    watchers[0].communicate()
    wanted = f"{len(event_log.read(Ledger(folder).run_dir(run_id)))} succeeded\n"
    problems = [] if first.returncode == 0 else ["the run was disturbed"]
    return problems + ([] if seen == {wanted} else [f"they saw {seen}, not {wanted!r}"])


def follow(folder: str, run_id: str) -> None:
    """In a process of its own: follow a run to its end and say how many events there were."""
    tail = event_log.Tail(Ledger(Path(folder)).run_dir(run_id))
    events = tail.poll()
    while not run_state.fold(events).done:
        time.sleep(0.05)
        events += tail.poll()
    sys.stdout.write(f"{len(events)} {run_state.fold(events).status}\n")


def disjoint_pipelines_run_at_once(folder: Path) -> list[str]:
    """A pipeline runs while another one, which writes elsewhere, is at work; the same one is refused."""
    folder = project(folder, _SLEEPER, functions=_SLEEP)
    other = HEAD.split("pipelines:")[1].replace("pipeline: p", "pipeline: q")
    text = (folder / "odibi.yaml").read_text()
    node = (
        "      - name: quick\n"
        "        read: {connection: data, format: parquet, path: numbers.parquet}\n"
        "        write: {connection: data, format: parquet, path: quick.parquet}\n"
    )
    (folder / "odibi.yaml").write_text(text + other.lstrip("\n") + node)
    first = _start(folder, "--select", "pipeline:p")
    assert _until((folder / "begun").exists), first.communicate()
    beside = command(folder, "run", "--select", "pipeline:q", cwd=folder)
    same = command(folder, "run", "--select", "pipeline:p", cwd=folder)
    still = first.poll() is None
    (folder / "go").touch()
    first.communicate()
    codes = (beside.returncode, same.returncode, first.returncode, still)
    problems = [] if codes == (0, 4, 0, True) else [f"ended with {codes}: {beside.stderr}"]
    if (len(rows(folder / "quick.parquet")), len(rows(folder / "slow.parquet"))) != (9, 9):
        problems.append("a table isn't whole")
    statuses = sorted(run.status for run in Ledger(folder).runs())
    return problems + ([] if statuses == ["succeeded"] * 2 else [f"the history says {statuses}"])


CHECKS = {
    "second run refused, holder named": second_run_is_refused,
    "second run waits (--wait)": second_run_waits,
    "lock of a killed run": stale_lock_is_taken_over,
    "disjoint pipelines at once": disjoint_pipelines_run_at_once,
    "readers during writes": readers_see_whole_tables,
    "ten watchers, one killed": watchers_see_every_event,
}
