"""One small data set for all tests of this folder."""

from __future__ import annotations

import pytest

from odibi_datagen import generate

from .landing import MESSY, Landing


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    out = tmp_path_factory.mktemp("landing")
    return Landing(out, generate(out, size="4MB", seed=7, days=6, mess=MESSY))
