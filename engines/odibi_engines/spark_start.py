"""Starting Spark: a local one with settings that suit one machine, or a cluster that the project names."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

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

_SECRET = re.compile("secret|password|token|credential|access.?key|account.?key", re.IGNORECASE)

_FAULT = re.compile("Error|Exception|Caused by|Unrecognized|Invalid")

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
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise EngineError(
            "engine spark needs the package pyspark", hint="pip install 'odibi[spark]'"
        ) from None
    if "spark.remote" not in chosen:
        check_java(os.environ)
        os.environ.pop("SPARK_REMOTE", None)  # an empty one would be a server for pyspark
    logging.getLogger("SQLQueryContextLogger").disabled = True  # it prints what is raised as well
    with _LOCK, tempfile.TemporaryFile() as said:
        every = {**chosen, **_scratch(chosen)}
        builder = SparkSession.builder.appName("odibi")
        for name, value in every.items():
            builder = builder.config(name, value)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1") if _is_local(chosen) else None
        try:
            if "spark.remote" not in chosen:
                _launch(every, said)
            with warnings.catch_warnings():
                # pandas 3 is used for users' functions only, and by ours, not by Spark's conversions
                warnings.simplefilter("ignore", FutureWarning)
                return builder.getOrCreate()
        except ImportError as error:
            raise EngineError(
                f"Spark Connect needs packages that aren't there: {error}",
                hint="pip install 'odibi[spark-connect]'",
            ) from None
        except (PySparkException, Py4JError, RuntimeError, OSError) as error:
            raise EngineError(
                f"Spark did not start: {_reason(error, said, chosen.get('spark.master', 'the server'))}",
                hint="see performance.spark_config, SPARK_MASTER and SPARK_REMOTE",
            ) from None


def _launch(chosen: Mapping[str, str], said: IO[bytes]) -> None:
    """Start the JVM of this process, unless it runs: what it says goes to a file, not to the screen.

    Settings with secrets aren't among its arguments, which everybody on the machine can read.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if SparkContext._gateway is None:
        conf = SparkConf(loadDefaults=False)
        for name, value in chosen.items():
            if not _SECRET.search(name):
                conf.set(name, value)
        gateway = launch_gateway(conf, popen_kwargs={"stdout": said, "stderr": said})
        SparkContext._ensure_initialized(gateway=gateway)


def _reason(error: Exception, said: IO[bytes], master: str) -> str:
    """Why, in a line: of the error, or of what the JVM said when that is all there is."""
    cause = next(iter(str(getattr(error, "java_exception", None) or error).splitlines()), "")
    if "stopped SparkContext" in cause:
        return f"{master} doesn't answer, or has turned it away"
    if cause and "JAVA_GATEWAY_EXITED" not in cause:
        return cause
    said.seek(0)
    text = said.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    first = next((n for n, line in enumerate(lines) if _FAULT.match(line)), max(len(lines) - 2, 0))
    return ": ".join(lines[first : first + 2]) or "its JVM ended at once"


def _is_local(chosen: Mapping[str, str]) -> bool:
    return chosen.get("spark.master", "").startswith("local")


def _scratch(chosen: Mapping[str, str]) -> dict[str, str]:
    if "spark.remote" in chosen or "spark.local.dir" in chosen:
        return {}
    folder = _own_folder()
    return {
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }


@lru_cache(maxsize=1)
def _own_folder() -> Path:
    """A folder that only this user reads and that goes with the process; those of killed ones go now."""
    parent = Path(tempfile.gettempdir())
    for other in parent.glob("odibi-spark-*"):
        if not _runs(other.name.split("-")[2]):
            shutil.rmtree(other, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"odibi-spark-{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True


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
