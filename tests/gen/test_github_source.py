"""The workflows: what they hold, what they start, and what the linters of workflows say of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi_gen.github import Options, render

from .projects import HOSTILE, SHOP, described
from .test_airflow_source import KEYWORDS, NAMES, TEXTS, hostile

PROGRAMS = Path(sys.executable).parent
WAYS = [
    (SHOP, Options()),
    (SHOP, Options("deep/in a/repository", "prod")),
    (hostile(HOSTILE, KEYWORDS), Options(env='it\'s \\ "prod"')),
]


def written(folder: Path, project: dict[str, Any], options: Options) -> list[Path]:
    home = folder / ".github" / "workflows"
    home.mkdir(parents=True)
    for name, text in render(described(folder / "project", project), options).items():
        (home / name).write_text(text, encoding="utf-8")
    return sorted(home.iterdir())


def lint(*command: str | Path) -> tuple[int, str]:
    environ = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]],
        env=environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("project", "options"), WAYS)
def test_actionlint_and_shellcheck_have_nothing_to_say(
    tmp_path: Path, project: dict[str, Any], options: Options
) -> None:
    assert lint("actionlint", *written(tmp_path, project, options)) == (0, "")


def test_actionlint_would_say_something(tmp_path: Path) -> None:
    ci, deploy = written(tmp_path, SHOP, Options())
    deploy.write_text(deploy.read_text().replace("needs: choose", "needs: chose"))
    ci.write_text(ci.read_text().replace('"$BASE"', "$BASE"))
    code, said = lint("actionlint", ci, deploy)
    assert code == 1
    assert "chose" in said and "SC2086" in said


@pytest.mark.parametrize(("project", "options"), WAYS)
def test_zizmor_has_nothing_to_say(
    tmp_path: Path, project: dict[str, Any], options: Options
) -> None:
    written(tmp_path, project, options)
    code, said = lint("zizmor", "--offline", "--no-progress", "--format", "plain", tmp_path)
    assert code == 0, said


def loaded(project: dict[str, Any], folder: Path, options: Options | None = None) -> dict[str, Any]:
    found = render(described(folder, project), options or Options())
    return {name.removesuffix(".yml"): yaml.safe_load(text) for name, text in found.items()}


def test_what_it_is_told_of_the_project(tmp_path: Path) -> None:
    deploy = loaded(SHOP, tmp_path, Options("sub", "prod"))["odibi-deploy"]
    on = deploy[True]  # what YAML makes of `on`
    assert on["schedule"] == [{"cron": "30 2 * * *", "timezone": "Europe/Lisbon"}]
    assert on["workflow_dispatch"]["inputs"]["pipeline"]["options"] == ["all", "bronze", "gold"]
    assert deploy["env"]["ODIBI_ENV"] == "prod"
    run = deploy["jobs"]["run"]
    assert run["defaults"]["run"]["working-directory"] == "sub"
    (cache,) = [step for step in run["steps"] if "cache@" in step.get("uses", "")]
    assert cache["with"]["path"].splitlines() == ["sub/.odibi", "sub/data"]


def test_secrets_are_named_and_never_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-hunter2")
    project = {**SHOP, "description": "with ${SHOP_TOKEN}"}
    from odibi import config, graph
    from odibi_gen.project import describe

    (tmp_path / "odibi.yaml").write_text(yaml.safe_dump(project))
    built = describe(graph.build(config.load(tmp_path / "odibi.yaml")))
    for text in render(built, Options()).values():
        assert "  SHOP_TOKEN: ${{ secrets.SHOP_TOKEN }}\n" in text
        assert "hunter2" not in text


def scheduled(**schedules: str) -> dict[str, Any]:
    """Bronze, which gold reads from, with schedules of their own."""
    pipelines = [
        {**p, "orchestration": {"schedule": schedules[p["pipeline"]]}}
        if p["pipeline"] in schedules
        else p
        for p in SHOP["pipelines"]
    ]
    return {**SHOP, "orchestration": {}, "pipelines": pipelines[::-1]}


def started(project: dict[str, Any], folder: Path, schedule: str, pipeline: str = "all") -> str:
    """What the job that chooses pipelines says for an event."""
    (step,) = loaded(project, folder)["odibi-deploy"]["jobs"]["choose"]["steps"]
    told = folder / "told"
    environ = {**os.environ, "SCHEDULE": schedule, "PIPELINE": pipeline, "GITHUB_OUTPUT": str(told)}
    told.unlink(missing_ok=True)
    subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env=environ, check=True)
    return told.read_text().removeprefix("pipelines=").strip()


def test_a_schedule_starts_its_pipelines_and_those_that_follow(tmp_path: Path) -> None:
    assert started(scheduled(bronze="@daily"), tmp_path, "0 0 * * *") == '["bronze", "gold"]'
    both = scheduled(bronze="@daily", gold="0 6 * * 7")
    assert started(both, tmp_path, "0 0 * * *") == '["bronze"]'
    assert started(both, tmp_path, "0 6 * * 0") == '["gold"]'
    assert started(both, tmp_path, "") == '["bronze", "gold"]'
    assert started(both, tmp_path, "", "gold") == '["gold"]'
    assert started(scheduled(), tmp_path, "") == '["bronze", "gold"]'


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [("@weekly", "0 0 * * 0"), ("1 2 * * 5-7", "1 2 * * 0,5-6"), ("1 2 * * 1,7", "1 2 * * 1,0")],
)
def test_sunday_is_0_there(tmp_path: Path, schedule: str, cron: str) -> None:
    deploy = loaded(scheduled(bronze=schedule), tmp_path)["odibi-deploy"]
    assert deploy[True]["schedule"] == [{"cron": cron}]


def test_one_time_in_two_zones_is_refused(tmp_path: Path) -> None:
    project = scheduled(bronze="0 6 * * *", gold="0 6 * * *")
    project["pipelines"][0]["orchestration"]["timezone"] = "Europe/Lisbon"
    with pytest.raises(UsageError, match="'0 6 \\* \\* \\*' is there in more than one time zone"):
        loaded(project, tmp_path)


def test_an_expression_of_github_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an expression, not a name"):
        loaded(SHOP, tmp_path, Options(env="${{ github.token }}"))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(NAMES, min_size=2, max_size=6, unique_by=str.lower),
)
def test_whatever_the_project_the_steps_are_the_same(
    tmp_path: Path, texts: list[str], names: list[str]
) -> None:
    made = loaded(hostile(tuple(texts), tuple(names)), tmp_path)
    usual = loaded(SHOP, tmp_path)
    assert (
        made["odibi-ci"]["jobs"]["check"]["steps"][2:-1]
        == usual["odibi-ci"]["jobs"]["check"]["steps"][2:-1]
    )
    own = [step.get("run") for step in made["odibi-deploy"]["jobs"]["run"]["steps"]]
    assert own == [step.get("run") for step in usual["odibi-deploy"]["jobs"]["run"]["steps"]]
    order = made["odibi-deploy"][True]["workflow_dispatch"]["inputs"]["pipeline"]["options"]
    assert order == ["all", "first", names[-1]]
