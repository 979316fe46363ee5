"""What is imported before the first frame: every module there is time that a person waits."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from odibi_tui.screen import PANES
from tests.runner.running import project

NODES = "- name: a\n  read: {connection: data, format: parquet, path: numbers.parquet}\n"
HEAVY = {"pandas", "pyarrow", "duckdb", "pydantic", "typer", "numpy", "sqlglot", "yaml"}
BEGIN = """
import json, os, sys
from pathlib import Path
from odibi_tui.app import Options, TopApp
from odibi_tui.screen import MainScreen

async def report(screen):
    os.write(1, json.dumps(sorted({name.partition(".")[0] for name in sys.modules})).encode())
    screen.app.exit()

MainScreen._begin = report
TopApp(Options(Path(sys.argv[1]))).run(headless=True)
"""
AFTER = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module("odibi_tui.panes." + name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported(program: str, *arguments: str) -> set[str]:
    """The packages that a fresh Python holds when the program says so."""
    command = [sys.executable, "-P", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def of_textual() -> set[str]:
    """Distributions of Textual and all that it needs here."""
    wanted, found = ["textual"], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            needs = [Requirement(line) for line in requires(name) or ()]
            wanted += [
                one.name.lower().replace("_", "-")
                for one in needs
                if not one.marker or one.marker.evaluate()
            ]
    return found


def test_before_the_first_frame_there_is_nothing_but_textual_and_ours(tmp_path: Path) -> None:
    bare = imported("import json, sys; print(json.dumps(sorted(sys.modules)))")
    allowed = bare | set(sys.stdlib_module_names) | {"odibi", "odibi_tui", "__main__"}
    textual, distributions = of_textual(), packages_distributions()
    others = {
        name
        for name in imported(BEGIN, str(project(tmp_path, NODES) / "odibi.yaml")) - allowed
        if not {found.lower().replace("_", "-") for found in distributions.get(name, ())} & textual
    }
    assert others == set()


@pytest.mark.parametrize("name", sorted(PANES))
def test_panes_bring_nothing_heavy(name: str) -> None:
    assert imported(AFTER, name) & HEAVY == set()
