"""Web services that limit, fail, break off or never answer, as real servers on this machine.

Each check takes an empty folder and returns what went wrong, in words; an empty list is good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.api.conftest import Asked, Reply, Service
from tests.runner.running import project, rows, run

__all__ = ["CHECKS"]

_NODE = """\
- name: load
  read:
    connection: shop
    format: api
    path: /rows
    options:
      http: {timeout_s: 0.5}
      retry: {max_retries: 3, backoff_factor: 0.01}
      pagination: {type: offset_limit, limit: 10}
  write: {connection: data, format: parquet, path: load.parquet, mode: append}
"""
_SHOP = "  shop: {type: http, base_url: URL}\nretry: {enabled: false}\n"
_ROWS = [{"id": n} for n in range(25)]


def _asked(folder: Path, troubles: Sequence[Reply], *, forever: bool = False) -> list[str]:
    """Read three pages of a service with troubles in the middle of it, and look at what is stored."""
    service, left = Service(), list(troubles)

    def answer(asked: Asked) -> Reply:
        start = int(asked.params["offset"])
        if start == 10 and left:
            return left[0] if forever else left.pop(0)
        return Reply(_ROWS[start : start + 10])

    service.routes["/rows"] = answer
    try:
        project(folder, _NODE, extra=_SHOP.replace("URL", service.url))
        result = run(folder)
    finally:
        service.close()
    stored = folder / "load.parquet"
    found = [row[0] for row in rows(stored)] if stored.exists() else None
    if forever:
        error = result.state.nodes["p.load"].error
        problems = [] if result.outcome == "failed" and error is not None else [result.outcome]
        return problems + ([] if found is None else [f"a short read was stored: {found}"])
    problems = [] if sorted(found or []) == list(range(25)) else [f"stored: {found}"]
    return problems + ([] if result.outcome == "succeeded" else [str(result.state.nodes)])


def _check(troubles: Sequence[Reply], *, forever: bool = False) -> Callable[[Path], list[str]]:
    return lambda folder: _asked(folder, troubles, forever=forever)


_BUSY = Reply({"detail": "slow down"}, 429, headers={"Retry-After": "0"})
_ERROR = Reply({"detail": "oops"}, 500)
_HALF = Reply(b'[{"id": 10}, {"i', length=9999)
_SILENT = Reply([], delay=2.0)

CHECKS = {
    "web service: 429, 500, then an answer": _check([_BUSY, _ERROR]),
    "web service: half a body, then a whole": _check([_HALF]),
    "web service: late, then in time": _check([_SILENT]),
    "web service: 500 without an end": _check([_ERROR], forever=True),
    "web service: half a body each time": _check([_HALF], forever=True),
    "web service: never answers": _check([_SILENT], forever=True),
}
