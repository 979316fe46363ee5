"""What engine tests say about files and frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odibi.engine import Frame, Session, Source


def source(file: Path, columns: dict[str, str] | None = None, **more: Any) -> Source:
    """One file as a source; the format is its suffix."""
    suffix = file.name.removesuffix(".gz").rpartition(".")[2]
    format_ = {"ndjson": "json", "jsonl": "json", "geojson": "json"}.get(suffix, suffix)
    return Source(format=format_, path=file, files=(file,), columns=columns, **more)


def values(session: Session, frame: Frame, order: str = "ALL") -> list[tuple[Any, ...]]:
    """The frame's rows, ordered."""
    return session.fetch(f"SELECT * FROM df ORDER BY {order}", {"df": frame}).rows


def rejects(session: Session, number: int = 0) -> list[tuple[Any, ...]]:
    """(line, reason, raw) of a source's unreadable lines."""
    report = session.read_reports()[number]
    if report.rejects is None:
        return []
    return session.fetch(
        "SELECT line, reason, raw FROM df ORDER BY file, line", {"df": report.rejects}
    ).rows
