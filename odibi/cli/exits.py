"""Exit codes and the one place where an error becomes a message on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from odibi.errors import LockedError, OdibiError, StateError
from odibi.safe_text import safe

__all__ = ["CONFIG", "FAILED", "INTERNAL", "LOCKED", "OK", "fail", "reported"]

OK, FAILED, CONFIG, INTERNAL, LOCKED = 0, 1, 2, 3, 4


def fail(message: str, hint: str | None = None, code: int = CONFIG) -> NoReturn:
    """Say what is wrong and what to do next on stderr, and leave with `code`."""
    _say("error", message, hint)
    raise SystemExit(code)


def _say(label: str, message: str, hint: str | None) -> None:
    colour = sys.stderr.isatty()
    head = f"\x1b[1;31m{label}\x1b[0m" if colour else label
    print(f"{head}: {safe(message)}", file=sys.stderr)
    if hint:
        print(f"  → {safe(hint)}", file=sys.stderr)


def _fail_with(error: OdibiError) -> NoReturn:
    """A ConfigError lists its problems (known by its class's name: importing it costs 50 ms)."""
    if type(error).__name__ != "ConfigError":
        fail(error.message, error.hint, CONFIG)
    problems = error.problems  # type: ignore[attr-defined]
    for problem in problems:
        _say("error", str(problem), problem.hint)
    print(
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found; nothing was run",
        file=sys.stderr,
    )
    raise SystemExit(CONFIG)


@contextmanager
def reported() -> Iterator[None]:
    """Turn odibi's errors into messages and exit codes; a bug of ours keeps its traceback, code 3."""
    try:
        yield
    except LockedError as error:
        fail(error.message, error.hint, LOCKED)
    except StateError as error:
        fail(error.message, error.hint, INTERNAL)
    except OdibiError as error:
        _fail_with(error)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has left: nothing to say to anybody
        raise SystemExit(OK) from None
