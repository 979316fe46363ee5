"""Stories as JSON: the file of a run, and one for each pipeline where the project's `story:` asks for it."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.errors import StateError
from odibi.story import Story, part

if TYPE_CHECKING:
    from odibi.config import Loaded

__all__ = ["publish", "save", "to_json", "to_plain"]


def to_json(story: Story) -> str:
    """The story as JSON text; strict: what isn't a number in JSON (NaN, infinity) is text."""
    # compact: with an indent Python encodes it itself, at four times the cost
    return json.dumps(to_plain(story), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_plain(value: Any) -> Any:
    """A story, or any part of one, in JSON's own types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def save(story: Story, run_dir: Path, loaded: Loaded | None = None) -> list[Path]:
    """Write story.json into the run's folder, and where the project's `story:` asks for it.

    Returns the files. Raises StateError.
    """
    saved = [run_dir / "story.json"]
    _write(saved[0], to_json(story))
    config = loaded.project.story if loaded is not None else None
    if loaded is not None and config is not None and config.auto_generate:
        from odibi import places  # only projects with `story:` need it here

        folder = places.resolve(loaded, config.connection, config.path)
        saved += publish(story, folder)
        _retain(folder, config.retention_count, config.retention_days)
    return saved


def publish(story: Story, folder: Path) -> list[Path]:
    """Write the story of each pipeline as `<folder>/<pipeline>/<date>/run_<time>.json` (UTC)."""
    at = story.run.planned_at or datetime.now(UTC)
    written = []
    for pipeline in dict.fromkeys(node.pipeline for node in story.nodes):
        path = folder / pipeline / f"{at:%Y-%m-%d}" / f"run_{at:%H-%M-%S}.json"
        path = path if not path.exists() else path.with_name(f"run_{at:%H-%M-%S-%f}.json")
        _write(path, to_json(part(story, pipeline)))
        written.append(path)
    return written


def _retain(folder: Path, count: int | None, days: int | None) -> None:
    """Remove published stories beyond the newest `count` of a pipeline, or older than `days`."""
    oldest = datetime.now(UTC) - timedelta(days=days) if days is not None else None
    first_day = f"{oldest:%Y-%m-%d}" if oldest else ""
    try:
        for pipeline in folder.glob("*/"):
            stories = sorted(pipeline.glob("????-??-??/run_*.json"), reverse=True)
            for place, path in enumerate(stories):
                if path.parent.name < first_day or (count is not None and place >= count):
                    _drop(path)
    except OSError as error:
        raise StateError(f"old stories can't be removed: {folder}: {error.strerror}") from error


def _drop(path: Path) -> None:
    """Remove a story, and its day's folder with the last of that day."""
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _write(path: Path, text: str) -> None:
    """The file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StateError(f"the story can't be written: {path}: {error.strerror}") from error
