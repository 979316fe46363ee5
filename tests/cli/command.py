"""Calling odibi in this process, as a shell would: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import json
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.testing import CliRunner

from odibi.cli.main import app


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def odibi(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Outcome:
    """Run `odibi ARGUMENTS` in the folder `cwd`; exceptions that would be tracebacks are raised."""
    words = [str(argument) for argument in arguments]
    runner = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1", **(env or {})})
    with chdir(cwd), patch("sys.argv", ["odibi", *words]):
        result = runner.invoke(app, words, catch_exceptions=False)
    return Outcome(result.exit_code, result.stdout, result.stderr)
