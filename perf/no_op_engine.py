"""Run a project on an engine that does nothing, to see what scheduling, events and story cost.

python perf/no_op_engine.py PROJECT_FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi import config
from odibi.engine import (
    Column,
    Frame,
    Progress,
    ReadReport,
    Rows,
    Schema,
    Source,
    Staged,
    TableProfile,
    Target,
    UserFunction,
    Written,
)
from odibi.runner import RunRequest, launch


@dataclass(frozen=True)
class NoFrame:
    schema: Schema = (Column("id", "BIGINT"), Column("v", "DOUBLE"))
    rows: int | None = 100


_FRAME = NoFrame()


class NoSession:
    def read(self, source: Source) -> Frame:
        return _FRAME

    def read_reports(self) -> Sequence[ReadReport]:
        return ()

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        return _FRAME

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        return _FRAME

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        return Rows(("n",), [(0,)])

    def execute(self, statement: str) -> None: ...

    def hold(self, frame: Frame) -> Frame:
        return frame

    def stage(self, frame: Frame, target: Target) -> Staged:
        return Staged(target, None, 100, frame)

    def commit(self, staged: Staged) -> Written:
        return Written(staged.rows, 1000, (staged.target.path,))

    def discard(self, staged: Staged) -> None: ...

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        return TableProfile((), Rows((), []), 0)

    def statements(self) -> Sequence[str]:
        return ()

    def progress(self) -> Progress | None:
        return None

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class NoEngine:
    name = "no-op"

    def session(self, name: str) -> NoSession:
        return NoSession()

    def is_there(self, source: Source) -> bool:
        return True

    def was_written(self, target: Target) -> bool:
        return False

    def sweep(self, target: Target) -> None: ...

    def release(self, frame: Frame) -> None: ...

    def need(self, frames: Sequence[Frame]) -> float:
        return 0.0

    def close(self) -> None: ...


if __name__ == "__main__":
    loaded = config.load(Path(sys.argv[1]) / "odibi.yaml")
    done = launch(loaded, RunRequest(jobs=1), open_engine=lambda *_: NoEngine())
    sys.exit(done.exit_code)
