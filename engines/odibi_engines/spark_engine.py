"""The Spark engine: rows are computed by Spark; texts are parsed and files are published as DuckDB's engine does."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from odibi.engine import Frame, Source, Target

from . import spark_start
from .duckdb_engine import DuckDBEngine
from .spark_session import SparkSession

__all__ = ["SparkEngine"]


class SparkEngine:
    """Tables are Spark DataFrames over Parquet in `work_dir/spark`, which all workers must see.

    Same arguments as the DuckDB engine, which reads texts and puts results in place. The Spark
    session is the process's, and stays for the next engine.
    """

    name = "spark"

    def __init__(
        self,
        *,
        work_dir: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
        performance: Mapping[str, Any] | None = None,
    ) -> None:
        chosen = spark_start.settings(
            performance or {}, os.environ, threads=threads, memory_limit=memory_limit
        )
        self.remote = "spark.remote" in chosen
        self.spark = spark_start.start(chosen)
        self.duck = DuckDBEngine(
            work_dir=work_dir, threads=threads, memory_limit=memory_limit, performance=performance
        )
        self.folder = work_dir.absolute() / "spark"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(1)
        self._unique = uuid.uuid4().hex[:8]
        self._views: list[str] = []
        self.claimed = threading.local()
        """`by`: the session whose jobs the thread runs."""
        if self.remote:
            self.spark.registerProgressHandler(self._progressed)

    def session(self, name: str) -> SparkSession:
        session = self.duck.session(name)
        # Spark's files are in the order of its partitions: the first of equal keys stays the first
        session.cursor.run("SET preserve_insertion_order = true")
        return SparkSession(self, name, session)

    def new_name(self) -> str:
        """A name that no view and no folder of this process has."""
        return f"odibi_{self._unique}_{next(self._numbers)}"

    def drop_views(self, names: list[str]) -> None:
        """Drop views that a query was bound to; a Connect server binds it anew at each use, until the end."""
        if self.remote:
            self._views += names
        else:
            self._drop(names)

    def _progressed(self, stages: Iterable[Any] | None, **_more: object) -> None:
        """Called by the thread that waits for the server's answer."""
        session: SparkSession | None = getattr(self.claimed, "by", None)
        if session is not None and stages is not None:
            session.tell(stages)

    def _drop(self, names: list[str]) -> None:
        for name in names:
            self.spark.catalog.dropTempView(name)

    def is_there(self, source: Source) -> bool:
        return self.duck.is_there(source)

    def was_written(self, target: Target) -> bool:
        return self.duck.was_written(target)

    def sweep(self, target: Target) -> None:
        self.duck.sweep(target)

    def release(self, frame: Frame) -> None:
        """Nothing to do: a frame's files go when nobody refers to it."""

    def need(self, frames: Sequence[Frame]) -> float:
        """Spark shares out its memory itself."""
        return 0.0

    def close(self) -> None:
        if self.remote:
            self.spark.removeProgressHandler(self._progressed)
        self._drop(self._views)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.duck.close()
