"""`orchestration:`: what is taken, what is refused and where, and whose word counts."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from odibi.config.problems import ConfigError
from odibi_gen.project import Check, Project, Tries

from .projects import SHOP, described


def shop(
    folder: Path,
    project: dict[str, Any] | None = None,
    pipeline: dict[str, Any] | None = None,
    node: dict[str, Any] | None = None,
) -> Project:
    """The shop with these settings for the project, for gold and for its node `revenue`."""
    made = copy.deepcopy(SHOP)
    made["orchestration"] = project or {}
    made["pipelines"][1]["orchestration"] = pipeline or {}
    made["pipelines"][1]["nodes"][1]["orchestration"] = node or {}
    return described(folder, made)


def test_the_nearest_setting_counts_each_by_itself(tmp_path: Path) -> None:
    project = shop(
        tmp_path,
        {"retries": 5, "retry_delay": "1h", "owner": "everybody", "timeout": "2h"},
        {"retries": 4, "retry_backoff": False},
        {"retries": 3, "owner": "somebody"},
    )
    bronze, gold = project.pipelines
    assert bronze.tries == Tries(5, 3600, True, 7200)
    assert gold.tries == Tries(4, 3600, False, 7200)
    assert gold.tasks[1].tries == Tries(3, 3600, False, 7200)
    assert (bronze.owner, gold.owner, gold.tasks[1].owner) == ("everybody", "everybody", "somebody")


def test_the_schedule_of_a_project_is_that_of_pipelines_that_follow_none(tmp_path: Path) -> None:
    bronze, gold = shop(tmp_path, {"schedule": "@daily"}).pipelines
    assert (bronze.schedule, gold.schedule) == ("@daily", None)
    bronze, gold = shop(tmp_path, {"schedule": "@daily"}, {"schedule": "@weekly"}).pipelines
    assert (bronze.schedule, gold.schedule) == ("@daily", "@weekly")


def test_without_settings(tmp_path: Path) -> None:
    project = shop(tmp_path)
    bronze, gold = project.pipelines
    assert (bronze.schedule, bronze.timezone, bronze.catchup, bronze.partition) == (
        None,
        "UTC",
        False,
        None,
    )
    assert bronze.start == date(2024, 1, 1), "the same on every machine and day"
    assert bronze.tries == Tries(retries=1, delay=300, backoff=True, timeout=None)
    assert bronze.owner == "data@shop.example"
    assert gold.freshness == 86400
    assert gold.outside == ("bronze.orders",)
    assert bronze.tasks[0].checks == (Check("unique(id)", True), Check("range(amount)", False))
    assert [task.stores for task in project.tasks] == [True, False, True]
    assert project.folders == ("data",)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schedule": "every day"}, "'every day' is no schedule"),
        ({"schedule": "60 2 * * *"}, "no schedule"),
        ({"schedule": "* * * * * *"}, "no schedule"),
        ({"schedule": "0 2 * * MON"}, "no schedule"),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is no time zone"),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
        ({"partition": "yearly"}, "partition"),
        ({"retries": -1}, "retries"),
        ({"retry_delay": "soon"}, "retry_delay"),
        ({"shedule": "@daily"}, "schedule"),
    ],
)
def test_what_no_scheduler_understands_is_refused_at_its_place(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        shop(tmp_path, pipeline=settings)
    assert len(caught.value.problems) == 1
    assert told in str(caught.value)
    assert "odibi.yaml:" in str(caught.value)
    line = int(str(caught.value).partition("odibi.yaml:")[2].partition(":")[0])
    (key,) = settings
    assert key in (tmp_path / "odibi.yaml").read_text().splitlines()[line - 1]


def test_a_node_has_no_schedule_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        shop(tmp_path, node={"schedule": "@daily"})


@pytest.mark.parametrize(
    "schedule", ["0 2 * * *", "*/15 0-6,22 1 */2 1-5", "@hourly", "@yearly", "  5   4 * *  7 "]
)
def test_schedules_that_all_schedulers_read_alike(tmp_path: Path, schedule: str) -> None:
    gold = shop(tmp_path, pipeline={"schedule": schedule}).pipelines[1]
    assert gold.schedule == " ".join(schedule.split())


def test_disabled_nodes_and_those_that_are_left_out_are_not_there(tmp_path: Path) -> None:
    made = copy.deepcopy(SHOP)
    made["pipelines"][1]["nodes"][0]["enabled"] = False
    project = described(tmp_path, made)
    assert [task.key for task in project.tasks] == ["bronze.orders", "gold.revenue"]
    assert project.tasks[1].upstream == ("bronze.orders",)
