"""Starting Spark: a local one with settings that suit one machine, or a cluster that the project names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odibi.errors import EngineError

__all__ = ["settings", "start"]

_LOCK = threading.Lock()
_OLDEST_JAVA = 17
_INSTALL_JAVA = "install Java 17 or 21 (Debian, Ubuntu: apt install default-jre-headless) and see that `java` is on PATH or JAVA_HOME is set"

_REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.enableVectorizedReader": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""What results depend on: a project can't change it."""

_LOG = Path(__file__).with_name("spark_log4j2.properties")

_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "OFF",
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_LOG.as_uri()}",
    "spark.io.compression.codec": "lz4",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.adaptive.enabled": "true",
}


def settings(
    performance: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    threads: int | None,
    memory_limit: str | None,
) -> dict[str, str]:
    """All settings of the session. `performance` is the project's; what isn't in it has a default."""
    processors = threads or len(
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0, 1]
    )
    asked = {key: str(value) for key, value in (performance.get("spark_config") or {}).items()}
    remote = asked.pop("spark.remote", None) or environ.get("SPARK_REMOTE")
    master = asked.pop("spark.master", None) or environ.get("SPARK_MASTER")
    for name, value in _REQUIRED.items():
        if asked.get(name, value).lower() != value.lower():
            raise EngineError(
                f"performance.spark_config: {name} is always {value}",
                hint="results would differ from those of the other engines: remove it",
            )
    if remote:
        return {**asked, **_REQUIRED, "spark.remote": remote}
    own = {
        **_LOCAL,
        "spark.master": master or f"local[{processors}]",
        "spark.driver.memory": _memory(memory_limit),
        "spark.sql.shuffle.partitions": str(2 * processors),
        "spark.default.parallelism": str(processors),
    }
    return {**own, **asked, **_REQUIRED}


def _memory(limit: str | None) -> str:
    """The heap of the driver, in Spark's spelling: half the machine's memory, 8 GB at most."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B", (limit or "").strip(), re.IGNORECASE)
    if found:
        scale = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[found[2].upper()]
        return f"{max(int(float(found[1]) * scale) // 2**20, 512)}m"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(total // 2 // 2**20, 8192)}m"


def start(chosen: Mapping[str, str]) -> Any:
    """The process's Spark session, started when there is none. Raises EngineError in the user's terms."""
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise EngineError(
            "engine spark needs the package pyspark", hint="pip install 'odibi[spark]'"
        ) from None
    if "spark.remote" not in chosen:
        check_java(os.environ)
    with _LOCK:
        builder = SparkSession.builder.appName("odibi")
        for name, value in {**chosen, **_scratch(chosen)}.items():
            builder = builder.config(name, value)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1") if _is_local(chosen) else None
        try:
            with warnings.catch_warnings():
                # pandas 3 is used for users' functions only, and by ours, not by Spark's conversions
                warnings.simplefilter("ignore", FutureWarning)
                return builder.getOrCreate()
        except (PySparkException, RuntimeError, OSError) as error:
            raise EngineError(
                f"Spark did not start: {str(error).splitlines()[0]}",
                hint="see performance.spark_config, SPARK_MASTER and SPARK_REMOTE",
            ) from error


def _is_local(chosen: Mapping[str, str]) -> bool:
    return chosen.get("spark.master", "").startswith("local")


def _scratch(chosen: Mapping[str, str]) -> dict[str, str]:
    if "spark.remote" in chosen or "spark.local.dir" in chosen:
        return {}
    folder = Path(tempfile.gettempdir()) / f"odibi-spark-{os.getpid()}"
    return {
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }


def check_java(environ: Mapping[str, str]) -> None:
    """Raises EngineError when there is no Java that Spark runs on."""
    home = environ.get("JAVA_HOME")
    java = shutil.which(
        str(Path(home) / "bin" / "java") if home else "java", path=environ.get("PATH")
    )
    if java is None:
        where = f"JAVA_HOME={home} holds none" if home else "there is none on PATH"
        raise EngineError(f"engine spark needs Java, and {where}", hint=_INSTALL_JAVA)
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    if found is None or int(found[1]) < _OLDEST_JAVA:
        version = f"Java {found[1]}" if found else "a Java that tells no version"
        raise EngineError(
            f"engine spark needs Java {_OLDEST_JAVA} or newer, and {java} is {version}",
            hint=_INSTALL_JAVA,
        )
