"""A PostgreSQL server of the tests' own, on loopback, for as long as they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import Server, private_server

__all__ = ["Server"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with private_server() as server:
        yield server
