"""Ten real `odibi top`, each in a terminal of its own, on one run: all see its end, and it sees none of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from odibi.ledger import Ledger
from tests.faults.crowds import _held as held
from tests.runner.running import rows
from tests.tui.test_top_command import in_terminal

Screens = dict[int, bytes]


def taken(screens: Screens, until: bytes, seconds: float = 120) -> None:
    """Read what all of them print until each has printed the sign; no terminal ever fills up."""
    end = time.monotonic() + seconds
    while waiting := [screen for screen, said in screens.items() if until not in said.lower()]:
        assert time.monotonic() < end, {screen: screens[screen][-500:] for screen in waiting}
        for screen in select.select(list(screens), [], [], 1)[0]:
            screens[screen] += os.read(screen, 65536)


@pytest.mark.wide
def test_ten_screens_follow_one_run(tmp_path: Path) -> None:
    folder, run = held(tmp_path / "project")
    with ExitStack() as stack:
        stack.callback(run.communicate)
        stack.callback(run.kill)
        opened = [stack.enter_context(in_terminal(folder)) for _ in range(10)]
        screens: Screens = dict.fromkeys((screen for _, screen in opened), b"")
        taken(screens, b"running")
        (killed, gone), *others = opened
        killed.send_signal(signal.SIGKILL)
        del screens[gone]
        (folder / "go").touch()
        said = run.communicate(timeout=60)
        assert run.returncode == 0, said
        taken(screens, b"succeeded")
        assert [top.poll() for top, _ in others] == [None] * 9
        for _, screen in others:
            os.write(screen, b"q")
        assert [_ended(top, screen) for top, screen in others] == [0] * 9
    (summary,) = Ledger(folder).runs()
    assert (summary.status, len(rows(folder / "slow.parquet"))) == ("succeeded", 9)


def _ended(top: subprocess.Popen[bytes], screen: int) -> int | None:
    """Its exit code, its last words read meanwhile."""
    for _ in range(600):
        if top.poll() is not None:
            break
        if select.select([screen], [], [], 0.1)[0]:
            try:
                os.read(screen, 65536)
            except OSError:  # it has closed its end
                time.sleep(0.05)
    return top.poll()
