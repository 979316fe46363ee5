"""What tests need of the machine: CI has all of it; elsewhere a test says why it didn't run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from odibi.errors import EngineError
from odibi_engines.spark_start import check_java

__all__ = ["absent", "needs_java", "needs_postgres"]


def absent(reason: str) -> NoReturn:
    """Skip the test for want of something, or in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: .ci/run installs it")
    pytest.skip(reason)


def needs_java() -> None:
    """Spark runs on it."""
    try:
        check_java(os.environ)
    except EngineError as error:
        absent(error.message)


def needs_postgres() -> Path:
    """The folder of PostgreSQL's server programs, which Debian keeps off PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    absent("PostgreSQL's server isn't installed")
