"""The step from a simulated source to a file that an engine reads."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from odibi.engine import Source
from odibi.errors import EngineError

__all__ = ["land"]


def land(
    source: Source, folder: Path, stopped: Callable[[], bool]
) -> tuple[Source, Mapping[str, Any]]:
    """The source as a Parquet file in `folder`, and the state to go on from.

    Raises EngineError, or Cancelled.
    """
    from odibi.config.simulation_options import SimulationOptions  # only for who simulates

    simulation = SimulationOptions.model_validate(source.options).simulation
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"simulation-{uuid.uuid4().hex}.parquet"
    state = source.state or {}
    landed = _package().land(
        simulation,
        file,
        since=state.get("next"),
        memory=state.get("memory"),
        goes_on=source.goes_on,
        enough=source.enough,
        stopped=stopped,
    )
    read = replace(source, format="parquet", path=file, files=(file,), options={}, enough=None)
    return read, {"next": landed.next, "memory": landed.memory}


def _package() -> Any:
    try:
        from . import simulation  # needs an optional package
    except ModuleNotFoundError as missing:
        if missing.name != "numpy":
            raise
        raise EngineError(
            "simulated sources need the package numpy", hint="pip install 'odibi[simulation]'"
        ) from None
    return simulation
