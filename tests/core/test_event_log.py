"""The log as a file: what is in it, when, and what a reader makes of a damaged or growing one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from odibi import event_log
from odibi import events as ev
from odibi.errors import StateError
from odibi.event_log import EventLog, Tail, read
from odibi.processes import lives, this_writer
from odibi.redact import Redactor
from tests.core.recorded import eventful_run, plan, planned, stamped, write_log

NOTHING_SECRET = Redactor([])


def _line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_what_was_emitted_is_read_back(tmp_path: Path) -> None:
    with EventLog.create(tmp_path / "run", NOTHING_SECRET) as log:
        emitted = [log.emit(payload) for payload in eventful_run()]
    events = read(tmp_path / "run")
    assert events[1:] == emitted
    assert events[0].payload == ev.WriterOpened(writer=this_writer(), version="0.1.0")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_text_of_any_kind_stays_one_line(tmp_path: Path) -> None:
    nasty = 'a\nb\r\u2028\x85 "quoted" \\ \x00 \ud83d 😀'
    with EventLog.create(tmp_path, NOTHING_SECRET) as log:
        log.emit(ev.LogLine(level="INFO", message=nasty))
    assert _line_count(log.path) == 2
    assert read(tmp_path)[1].payload == ev.LogLine(level="INFO", message=nasty)


def test_lifecycle_events_are_in_the_file_at_once_with_all_before_them(tmp_path: Path) -> None:
    with EventLog.create(tmp_path, NOTHING_SECRET) as log:
        log.emit(ev.StageFinished(node="a.x", stage="read", seconds=0.1))
        log.emit(ev.NodeSucceeded(node="a.x", seconds=0.1))
        assert [event.seq for event in read(tmp_path)] == [1, 2, 3]


def test_other_events_follow_without_being_asked_for(tmp_path: Path) -> None:
    with EventLog.create(tmp_path, NOTHING_SECRET) as log:
        log.emit(ev.NodeProgress(node="a.x", stage="read", fraction=0.5))
        until = time.monotonic() + 10
        while _line_count(log.path) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert _line_count(log.path) == 2


def test_many_threads_write_whole_lines_in_order(tmp_path: Path) -> None:
    def work(name: str) -> None:
        for n in range(200):
            log.emit(ev.NodeProgress(node=name, stage="read", rows_done=n))
            if n % 20 == 0:
                log.emit(ev.WriteIntended(name, f"{name}-{n}", "p", "parquet", "append"))

    with (
        EventLog.create(tmp_path, NOTHING_SECRET) as log,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(work, "abcdefgh"))
    events = read(tmp_path)
    assert [event.seq for event in events] == list(range(1, 1 + 1 + 8 * 210))
    for name in "abcdefgh":
        done = [
            e.payload.rows_done
            for e in events
            if isinstance(e.payload, ev.NodeProgress) and e.payload.node == name
        ]
        assert done == list(range(200))


def test_a_second_writer_gets_a_file_of_its_own_and_both_are_read(tmp_path: Path) -> None:
    with EventLog.create(tmp_path, NOTHING_SECRET) as one:
        one.emit(ev.RunStarted(jobs=1))
        with EventLog.create(tmp_path, NOTHING_SECRET) as two:
            two.emit(ev.NodeStarted(node="a.x"))
            one.emit(ev.NodeStarted(node="a.y"))
    assert one.path.name == "events.jsonl"
    assert two.path.name.startswith("events-")
    kinds = [event.payload.TYPE for event in read(tmp_path)]
    assert kinds == [
        "writer_opened", "run_started", "writer_opened", "node_started", "node_started",
    ]  # fmt: skip


def test_a_writers_own_order_stands_when_its_clock_runs_backwards(tmp_path: Path) -> None:
    first = stamped([ev.NodeStarted(node=f"a.{n}") for n in range(4)])
    back = [ev.Event(e.seq, first[3 - i].at, e.mono, e.payload) for i, e in enumerate(first)]
    write_log(tmp_path, back)
    write_log(tmp_path, stamped([ev.RunStarted(jobs=1)]), "events-2.jsonl")
    nodes = [e.payload.node for e in read(tmp_path) if isinstance(e.payload, ev.NodeStarted)]
    assert nodes == ["a.0", "a.1", "a.2", "a.3"]


def test_secrets_never_reach_the_file(tmp_path: Path) -> None:
    secret = "hunter2-correct-horse"
    error = ev.ErrorInfo(kind="EngineError", message=f"login {secret} refused", sql=f"-- {secret}")
    with EventLog.create(tmp_path, Redactor([secret])) as log:
        seen = log.emit(ev.NodeFailed(node="a.x", seconds=1.0, error=error))
        log.emit(plan(planned("a.x", description=secret), environment={secret: secret}))
        log.emit(
            ev.CheckEvaluated(
                "a.x", "c", "k", "test", "fail", False, sample=((1, secret), (None, f"{secret}!"))
            )
        )
    assert secret not in log.path.read_text(encoding="utf-8")
    assert isinstance(seen.payload, ev.NodeFailed)
    assert seen.payload.error.message == "login *** refused"
    assert read(tmp_path)[1] == seen


def test_names_of_nodes_survive_a_secret_that_looks_like_them(tmp_path: Path) -> None:
    with EventLog.create(tmp_path, Redactor(["silver"])) as log:
        log.emit(plan(planned("silver.orders")))
        log.emit(ev.NodeStarted(node="silver.orders"))
    events = read(tmp_path)
    assert events[2].payload == ev.NodeStarted(node="silver.orders")
    assert isinstance(events[1].payload, ev.RunPlanned)
    assert events[1].payload.nodes[0].key == "silver.orders"


def test_an_incomplete_last_line_is_left_out_until_it_is_whole(tmp_path: Path) -> None:
    events = stamped(eventful_run())
    whole = write_log(tmp_path / "whole", events).read_bytes()
    path = tmp_path / "run" / "events.jsonl"
    path.parent.mkdir()
    tail = Tail(path.parent)
    seen: list[ev.Event] = []
    for end in range(0, len(whole) + 1, 97):
        path.write_bytes(whole[:end])
        seen += tail.poll()
        assert seen == events[: whole[:end].count(b"\n")]
        assert read(path.parent) == seen
    path.write_bytes(whole)
    assert seen + tail.poll() == events
    assert tail.poll() == []


def test_a_tail_waits_for_the_run_to_appear(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "later")
    assert tail.poll() == []
    with EventLog.create(tmp_path / "later", NOTHING_SECRET) as log:
        log.emit(ev.RunStarted(jobs=1))
    assert [event.payload.TYPE for event in tail.poll()] == ["writer_opened", "run_started"]


def test_a_log_has_grown_until_what_came_is_read(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "run")
    with EventLog.create(tmp_path / "run", NOTHING_SECRET) as log:
        tail.poll()
        assert not tail.grown()
        log.emit(ev.RunStarted(jobs=1))
        assert tail.grown()
        assert tail.grown(), "asking reads nothing"
        tail.poll()
        assert not tail.grown()


def test_events_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    path = write_log(tmp_path, stamped([ev.RunStarted(jobs=1)]))
    with path.open("a") as file:
        file.write(
            '{"v":9,"seq":2,"at":"2031-01-01T00:00:00Z","mono":1,"type":"teleported","data":{}}\n'
        )
        file.write(
            '{"v":9,"seq":3,"at":"2031-01-01T00:00:00Z","mono":1,"type":"run_started",'
            '"data":{"jobs":2,"mood":"good"}}\n'
        )
    assert [event.payload for event in read(tmp_path)] == [ev.RunStarted(1), ev.RunStarted(2)]


@pytest.mark.parametrize(
    "damage",
    [
        b"nonsense\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"seq":1,"type":"run_started","at":"x","mono":1,"data":{"jobs":1}}\n',
        b'{"seq":1,"type":"run_started","at":"2026-01-01","mono":1,"data":[]}\n',
        b'{"seq":1,"type":"run_started","at":"2026-01-01","mono":1,"data":{}}\n',
        b"\n",
    ],
)
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, damage: bytes) -> None:
    path = write_log(tmp_path, stamped([ev.RunStarted(jobs=1)]))
    path.write_bytes(path.read_bytes() + damage + path.read_bytes())
    with pytest.raises(StateError, match=r"events\.jsonl:2: .*damaged"):
        read(tmp_path)


_WRITER = """
import sys
from pathlib import Path
from odibi import events as ev
from odibi.event_log import EventLog
from odibi.redact import Redactor
log = EventLog.create(Path(sys.argv[1]), Redactor([]))
n = 0
while True:
    n += 1
    log.emit(ev.SqlExecuted("a.x", "big", "x" * 50_000))
    log.emit(ev.NodeSucceeded(node="a.x", seconds=n))
    print(n, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 20, 57])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(
    tmp_path: Path, acknowledged: int
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    last = 0
    for _ in range(acknowledged):
        last = int(writer.stdout.readline())
    (opened, *_) = read(tmp_path)
    assert isinstance(opened.payload, ev.WriterOpened)
    assert opened.payload.writer.pid == writer.pid
    assert lives(opened.payload.writer) is True
    writer.send_signal(signal.SIGKILL)
    last = max([last, *map(int, writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    assert lives(opened.payload.writer) is False
    events = read(tmp_path)
    seconds = [e.payload.seconds for e in events if isinstance(e.payload, ev.NodeSucceeded)]
    assert seconds[:last] == list(range(1, last + 1))
    with EventLog.create(tmp_path, NOTHING_SECRET) as later:
        later.emit(ev.RunFinished(outcome="failed", exit_code=1, seconds=1.0))
    assert len(read(tmp_path)) == len(events) + 2


def test_a_full_disk_is_remembered_and_never_swallowed(tmp_path: Path) -> None:
    log = EventLog.create(tmp_path, NOTHING_SECRET)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._fd)
    os.close(full)
    log.emit(ev.NodeProgress(node="a.x", stage="read"))
    with pytest.raises(StateError, match="No space left") as failed:
        log.emit(ev.NodeSucceeded(node="a.x", seconds=1.0))
    assert failed.value.hint is not None
    assert log.failure is failed.value
    for _ in range(2):
        with pytest.raises(StateError, match="No space left"):
            log.emit(ev.NodeProgress(node="a.x", stage="read"))
    with pytest.raises(StateError, match="No space left"):
        log.close()


def test_a_failure_while_flushing_in_the_background_shows_at_the_next_event(tmp_path: Path) -> None:
    log = EventLog.create(tmp_path, NOTHING_SECRET)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._fd)
    os.close(full)
    log.emit(ev.NodeProgress(node="a.x", stage="read"))
    until = time.monotonic() + 10
    while log.failure is None and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(StateError, match="No space left"):
        log.emit(ev.NodeProgress(node="a.x", stage="read"))


def test_a_run_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(StateError, match=os.strerror(errno.EEXIST)):
        EventLog.create(tmp_path / "run", NOTHING_SECRET)


def test_a_closed_log_takes_no_more(tmp_path: Path) -> None:
    log = EventLog.create(tmp_path, NOTHING_SECRET)
    log.close()
    log.close()
    with pytest.raises(StateError, match="is closed"):
        log.emit(ev.RunStarted(jobs=1))
    assert not [t for t in threading.enumerate() if t.name == "event-log"]


def test_only_event_files_are_logs(tmp_path: Path) -> None:
    for name in ("story.json", "events.jsonl", "control.jsonl", "events-b.jsonl", "events-a.jsonl"):
        (tmp_path / name).touch()
    found = [path.name for path in event_log.log_files(tmp_path)]
    assert found == ["events.jsonl", "events-a.jsonl", "events-b.jsonl"]
