"""The Spark engine: rows are computed by Spark; texts are parsed and files are published as DuckDB's engine does."""

from __future__ import annotations

import itertools
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odibi.engine import Frame, Target

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

    def session(self, name: str) -> SparkSession:
        session = self.duck.session(name)
        # Spark's files are in the order of its partitions: the first of equal keys stays the first
        session.cursor.run("SET preserve_insertion_order = true")
        return SparkSession(self, name, session)

    def new_name(self) -> str:
        """A name that no view and no folder of this process has."""
        return f"odibi_{self._unique}_{next(self._numbers)}"

    def was_written(self, target: Target) -> bool:
        return self.duck.was_written(target)

    def sweep(self, target: Target) -> None:
        self.duck.sweep(target)

    def release(self, frame: Frame) -> None:
        """Nothing to do: a frame's files go when nobody refers to it."""

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.duck.close()
