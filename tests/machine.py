"""What tests need of the machine: CI has all of it; elsewhere a test says why it didn't run."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from odibi.errors import EngineError
from odibi_engines.spark_start import check_java

__all__ = ["absent", "needs_java"]


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
