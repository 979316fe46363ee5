"""One run at a time, and never a lock that outlives its holder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from odibi.errors import LockedError, StateError
from odibi.locks import acquire

_HOLDER = """
import subprocess, sys, time
from pathlib import Path
from odibi.locks import acquire
lock = acquire(Path(sys.argv[1]), command=["/usr/bin/odibi", "run", "--var", "day=monday", "--var=r=v"])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
print(child.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def _holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, with a child that would outlive it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    child = holder.stdout.readline().strip()
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        subprocess.run(["kill", child], check=True)


def test_a_held_project_is_refused_naming_the_holder(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder, pytest.raises(LockedError) as refused:
        acquire(tmp_path)
    text = str(refused.value)
    assert f"process {holder.pid} on " in text
    assert "(odibi run --var day=*** --var=r=***)" in text
    assert refused.value.hint is not None


def test_a_killed_holder_holds_nothing_even_if_its_child_lives(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder:
        holder.kill()
        holder.wait()
        acquire(tmp_path).release()


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with acquire(tmp_path):
            waiting = pool.submit(acquire, tmp_path, 30.0)
            time.sleep(0.15)
            assert not waiting.done()
        waiting.result().release()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with acquire(tmp_path), pytest.raises(LockedError, match=r"did not end within 0.2 s"):
        acquire(tmp_path, wait=0.2)


def test_exactly_one_of_many_gets_it(tmp_path: Path) -> None:
    def attempt(_: int) -> object:
        try:
            return acquire(tmp_path)
        except LockedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        locks = list(pool.map(attempt, range(8)))
    assert sum(lock is not None for lock in locks) == 1


def test_a_nameless_holder_is_still_a_holder(tmp_path: Path) -> None:
    with acquire(tmp_path) as lock:
        lock.path.write_text("")
        with pytest.raises(LockedError, match="has not said who it is"):
            acquire(tmp_path)


def test_releasing_twice_is_harmless_and_the_file_is_no_lock(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    lock.release()
    lock.release()
    assert lock.path.exists()
    acquire(tmp_path).release()


def test_a_place_that_cannot_be_locked_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / ".odibi").write_text("a file where a folder should be")
    with pytest.raises(StateError, match="the lock can't be opened"):
        acquire(tmp_path)


def test_parts_of_a_project_are_held_apart(tmp_path: Path) -> None:
    with acquire(tmp_path, shared=True) as one, acquire(tmp_path, shared=True) as two:
        assert one.add(["pipeline a", "table /x"]) is False
        assert two.add(["pipeline b"]) is False
        with pytest.raises(LockedError, match="this project, pipeline a: process"):
            two.add(["pipeline a"])
        with pytest.raises(LockedError, match="another run holds this project: process"):
            acquire(tmp_path)
        one.release()
        assert two.add(["pipeline a"]) is False
    acquire(tmp_path).release()


def test_names_that_look_alike_in_a_file_name_are_different_parts(tmp_path: Path) -> None:
    with acquire(tmp_path, shared=True) as lock, acquire(tmp_path, shared=True) as other:
        lock.add(["table /a b"])
        other.add(["table /a_b", f"table {'x' * 300}", f"table {'x' * 301}"])


def test_parts_are_shared_by_those_who_say_so(tmp_path: Path) -> None:
    with acquire(tmp_path, shared=True) as one, acquire(tmp_path, shared=True) as other:
        one.add(["pipeline p", "node p.a"], shared=["pipeline p"])
        other.add(["pipeline p", "node p.b"], shared=["pipeline p"])
        with pytest.raises(LockedError, match=r"node p\.a"):
            other.add(["node p.a"])
        with acquire(tmp_path, shared=True) as alone, pytest.raises(LockedError):
            alone.add(["pipeline p"])
