"""Schedulers in environments of their own, made once and kept in the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.machine import absent

__all__ = ["environment", "of_scheduler"]

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odibi-tests"


def environment(*requirements: str) -> Path:
    """The folder of programs of an environment with these packages. Skips where they can't be had."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = "-".join(requirement.replace("==", "-") for requirement in requirements)
    folder = _CACHE / f"{name}-py{version}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one test run want the same
        if not (folder / "complete").exists():
            _make(folder, requirements)
    return folder / "bin"


def _make(folder: Path, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        absent(f"pip can't install {' '.join(requirements)}: {done.stderr[-500:]}")
    (folder / "complete").touch()


def of_scheduler(programs: Path, project: Path, **more: str) -> dict[str, str]:
    """The environment variables of a scheduler that finds its programs, odibi and the project."""
    odibi = Path(sys.executable).parent / "odibi"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "DAGSTER", "ODIBI", "PYTHON", "COV", "PYTEST"))
    }
    return {
        **kept,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ODIBI_PROJECT": str(project),
        "ODIBI_BIN": str(odibi),
        **more,
    }
