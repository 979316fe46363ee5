"""A program in a terminal of its own: what it writes, and the CPU it has used by then."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Terminal"]

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """Runs a command in a new terminal of `columns` × `rows`; close it when done."""

    def __init__(
        self, command: Sequence[str], cwd: Path, columns: int = 120, rows: int = 40
    ) -> None:
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR"):
                environment.pop(name, None)
            environment["XDG_CONFIG_HOME"] = str(cwd / "config")
            os.execvpe(command[0], list(command), environment)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.written = b""

    def read(self, seconds: float) -> int:
        """Take what it writes for so long; returns how many bytes that were."""
        end, before = time.monotonic() + seconds, len(self.written)
        while (left := end - time.monotonic()) > 0:
            self.take(left)
        return len(self.written) - before

    def take(self, seconds: float = 0.05) -> bytes:
        """What it has written, waiting for that at most so long."""
        ready, _, _ = select.select([self._file], [], [], min(seconds, 0.05))
        if not ready:
            return b""
        try:
            data = os.read(self._file, 1 << 16)
        except OSError:  # its end is closed: the program has ended
            raise SystemExit(f"the program ended:\n{self.text()[-2000:]}") from None
        self.written += data
        return data

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until it has written the text (escape sequences aside)."""
        end = time.monotonic() + seconds
        wanted = text.encode()
        while wanted not in _ESCAPES.sub(b"", self.written):
            if time.monotonic() > end:
                raise SystemExit(f"{text!r} never came:\n{self.text()[-2000:]}")
            self.take()

    def text(self) -> str:
        """All that it wrote, without escape sequences."""
        return _ESCAPES.sub(b"", self.written).decode("utf-8", "replace")

    def cpu(self) -> float:
        """CPU seconds (user + system) of its threads that live, to the microsecond."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def resident(self) -> int:
        """Bytes of memory that it has."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._file, keys.encode())

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._file)
