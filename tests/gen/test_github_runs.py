"""The workflows' own steps, run in their order on this machine: what passes, what stops, what is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from odibi.ledger import Ledger
from tests.machine import absent
from tests.runner.running import command, rows

from .projects import SHOP

pytestmark = pytest.mark.wide

UV = """\
#!/bin/sh
# in place of an installation: the odibi that is tested, where the workflow wants it
[ "$1" = venv ] || exit 0
mkdir -p "$RUNNER_TEMP/odibi/bin" && ln -sf "{odibi}" "$RUNNER_TEMP/odibi/bin/odibi"
"""


@dataclass
class Runner:
    """Carries `run:` steps of a job out as GitHub's runners do; actions are left out."""

    repository: Path
    temporary: Path
    expressions: Mapping[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def run(self, workflow: dict[str, Any], job: str) -> int:
        """Exit code of the first step that failed; 0 without one."""
        code = 0
        steps = workflow["jobs"][job]["steps"]
        shell = {**workflow, **workflow["jobs"][job]}.get("defaults", {}).get("run", {})
        for step in steps:
            if "run" in step and (code == 0 or step.get("if") == "always()"):
                environ = {**workflow.get("env", {}), **step.get("env", {})}
                folder = self.repository / shell.get("working-directory", ".")
                code = self._step(step["run"], environ, folder) or code
                self.done.append(step["name"])
        return code

    def _step(self, script: str, given: Mapping[str, str], folder: Path) -> int:
        environ = {**self._environ(), **{n: self._value(v) for n, v in given.items()}}
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(words, cwd=folder, env=environ, check=False, timeout=300)
        for line in self._file("output").read_text().splitlines():
            name, _, value = line.partition("=")
            self.outputs[name] = value
        return done.returncode

    def _environ(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("ODIBI", "GITHUB"))}
        path = [*self._file("path").read_text().split(), str(self.temporary), kept["PATH"]]
        files = {"GITHUB_PATH": "path", "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
        return {
            **kept,
            **{name: str(self._file(file)) for name, file in files.items()},
            "PATH": os.pathsep.join(path),
            "RUNNER_TEMP": str(self.temporary),
        }

    def _file(self, name: str) -> Path:
        file = self.temporary / name
        file.touch()
        return file

    def _value(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self.expressions[found[1]], text)

    @property
    def summary(self) -> str:
        return self._file("summary").read_text()


EXPRESSIONS = {
    "vars.ODIBI_INSTALL || 'odibi[all]'": "odibi[all]",
    "github.run_id": "77",
    "github.run_attempt": "1",
    "github.server_url": "https://github.example",
    "github.repository": "shop/lake",
    "github.event.schedule": "",
    "inputs.pipeline || 'all'": "all",
}


def git(folder: Path, *words: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the shop in a folder of it, its workflows and its DAGs, committed."""
    if shutil.which("git") is None:
        absent("git isn't installed")
    shop = tmp_path / "repository" / "shop"
    (shop / "data").mkdir(parents=True)
    (shop / "odibi.yaml").write_text(yaml.safe_dump(SHOP, sort_keys=False))
    (shop / "data" / "orders.csv").write_text(
        "id,city,amount\n1,Lisbon,10\n2,Porto,5\n3,Lisbon,1\n"
    )
    (shop / ".gitignore").write_text(".odibi/\n*.parquet\n")
    git(shop.parent, "init", "-q", "-b", "main", ".")
    for target in ("airflow", "dagster", "github"):
        done = command(shop, "gen", target)
        assert done.returncode == 0, done.stderr
    git(shop.parent, "add", ".")
    git(shop.parent, "commit", "-qm", "the shop")
    return shop.parent


def runner(repository: Path, tmp_path: Path, **more: str) -> Runner:
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    uv = temporary / "uv"
    uv.write_text(UV.format(odibi=Path(sys.executable).parent / "odibi"))
    uv.chmod(0o755)
    return Runner(repository, temporary, {**EXPRESSIONS, **more})


def workflow(repository: Path, name: str) -> dict[str, Any]:
    text = (repository / ".github" / "workflows" / f"odibi-{name}.yml").read_text()
    return dict(yaml.safe_load(text))


def test_a_pull_request(repository: Path, tmp_path: Path) -> None:
    base = git(repository, "rev-parse", "HEAD")
    shop = repository / "shop"
    file = shop / "odibi.yaml"
    file.write_text(
        file.read_text().replace(
            "SELECT DISTINCT city FROM", "SELECT DISTINCT trim(city) AS city FROM"
        )
    )
    git(repository, "commit", "-qam", "trimmed")
    here = runner(
        repository, tmp_path, **{"github.event.pull_request.base.sha || github.sha": base}
    )
    assert here.run(workflow(repository, "ci"), "check") == 0
    assert here.done == [
        "Install odibi",
        "Validate the project",
        "Generated files are as the project says",
        "Plan against the base branch",
        "Try it on sampled data",
    ]
    changed = {
        line.split("|")[2].strip(" `"): line
        for line in here.summary.splitlines()
        if "gold." in line
    }
    assert changed.keys() >= {"gold.cities", "gold.revenue"}, here.summary
    assert "changed" in changed["gold.cities"] and "bronze.orders" not in here.summary
    (run,) = Ledger(shop).runs()
    assert (run.run_id, run.status, run.succeeded) == ("github-77-1", "succeeded", 3)
    assert not (shop / "data" / "revenue.parquet").exists(), "samples go elsewhere"
    assert list(shop.glob(".odibi/runs/*/story.json"))


def test_a_pull_request_that_forgot_its_dags(repository: Path, tmp_path: Path) -> None:
    base = git(repository, "rev-parse", "HEAD")
    file = repository / "shop" / "odibi.yaml"
    file.write_text(file.read_text().replace("name: revenue", "name: takings"))
    here = runner(
        repository, tmp_path, **{"github.event.pull_request.base.sha || github.sha": base}
    )
    assert here.run(workflow(repository, "ci"), "check") == 1
    assert here.done[-1] == "Generated files are as the project says"


def deployed(repository: Path, tmp_path: Path, **more: str) -> tuple[list[int], Runner]:
    """Codes of the jobs of a deployment, until one fails, and the runner of the last."""
    deploy = workflow(repository, "deploy")
    chooser = runner(repository, tmp_path, **more)
    assert chooser.run(deploy, "choose") == 0
    codes = []
    for pipeline in json.loads(chooser.outputs["pipelines"]):
        here = runner(repository, tmp_path, **{**more, "matrix.pipeline": pipeline})
        codes.append(here.run(deploy, "run"))
        if codes[-1]:
            break
    return codes, here


def test_a_deployment(repository: Path, tmp_path: Path) -> None:
    codes, here = deployed(repository, tmp_path)
    shop = repository / "shop"
    assert codes == [0, 0]
    assert sorted(rows(shop / "data" / "revenue.parquet")) == [("Lisbon", 11), ("Porto", 5)]
    (run,) = Ledger(shop).runs()
    assert (run.run_id, run.status, run.succeeded) == ("github-77-1", "succeeded", 3)
    assert "gold.revenue" in here.summary and "bronze.orders" in here.summary
    told = json.loads((here.temporary / "result.json").read_text())
    assert told["ran"] == ["gold.cities", "gold.revenue"]


def test_a_deployment_of_one_pipeline_and_one_that_fails(repository: Path, tmp_path: Path) -> None:
    shop = repository / "shop"
    chosen = {"inputs.pipeline || 'all'": "bronze"}
    assert deployed(repository, tmp_path, **chosen)[0] == [0]
    assert [path.name for path in shop.glob("data/*.parquet")] == ["orders.parquet"]
    duckdb.sql("SELECT 1 AS id, 'Lisbon' AS city, 2 AS amount FROM range(2)").write_csv(
        str(shop / "data" / "orders.csv")
    )
    codes, here = deployed(repository, tmp_path, **{"github.run_attempt": "2"})
    assert codes == [1], "bronze fails, and gold isn't started"
    assert here.done[-2:] == ["Run", "Say what happened"]
    assert "unique(id)" in here.summary
