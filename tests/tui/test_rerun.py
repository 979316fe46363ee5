"""What a rerun would do, as data: options, edited commands, previews, estimates, and the lines that say it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.events import RunPlanned
from odibi.safe_text import safe_line
from odibi_tui.dialogs.rerun import Asked, rerun_lines
from odibi_tui.paint import plain, width
from odibi_tui.planning import ask
from odibi_tui.rerun import (
    SCOPES,
    Preview,
    arguments,
    carried,
    command_text,
    estimate,
    is_apart,
    parse_command,
    plan_arguments,
    preview,
    problems,
)
from tests.runner.running import command, project

NAMES = st.from_regex(r"[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True)


def step(key: str, action: str = "run", *, upstream: tuple[str, ...] = (), **facts: object) -> dict:  # type: ignore[type-arg]
    head = {"key": key, "action": action, "reason": "why", "upstream": list(upstream)}
    return {**head, "expected_seconds": None, "writes": [], **facts}


def document(*steps: dict[str, object]) -> dict[str, object]:
    return {"nodes": list(steps), "resume_of": None}


@pytest.mark.parametrize(
    ("scope", "keys", "options"),
    [
        ("this", ("p.a",), ("--select", "p.a")),
        ("downstream", ("p.a",), ("--select", "p.a+")),
        ("upstream", ("p.a", "p.b"), ("--select", "+p.a +p.b")),
        ("marked", ("p.a", "p.b"), ("--select", "p.a p.b")),
        ("failed", (), ("--resume",)),
        ("all", (), ()),
    ],
)
def test_a_scope_is_options_of_a_run(
    scope: str, keys: tuple[str, ...], options: tuple[str, ...]
) -> None:
    assert arguments(scope, keys) == options
    assert arguments(scope, keys, ("--env=prod",)) == ("--env=prod", *options)


@given(
    st.sampled_from(SCOPES),
    st.lists(NAMES, min_size=1, max_size=5),
    st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map("--var=x={}".format)),
)
def test_a_command_read_back_is_the_same_options(
    scope: str, keys: list[str], settings: list[str]
) -> None:
    options = arguments(scope, keys, settings)
    assert parse_command(command_text(options)) == options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("odibi run --select 'a", "the command can't be read: No closing quotation"),
        ("rm -rf .", "the command begins with `odibi run`"),
        ("odibi run -p elsewhere", "-p is set by odibi top"),
        ("odibi run -pelsewhere", "-p is set by odibi top"),
        ("odibi run --project=x", "--project is set by odibi top"),
        ("odibi run --detach", "--detach is set by odibi top"),
        ("odibi run --run-id mine", "--run-id is set by odibi top"),
    ],
)
def test_an_edited_command_that_is_no_run_of_this_project_is_refused(text: str, said: str) -> None:
    assert parse_command(text) == said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("--select a --jobs 4 -x b", "--select a -x b"),
        ("-sa --profile=off --env=prod", "-s a --env prod"),
        ("--sample 10 --wait 3 --var=x=1 -q", "--var x=1"),
        ("--resume --dry-run -j2", "--resume"),
        ("--engine pandas --sql file.sql --scratch", "--engine pandas"),
    ],
)
def test_a_plan_gets_the_options_that_it_knows(given: str, kept: str) -> None:
    assert shlex.join(plan_arguments(shlex.split(given))) == kept


@pytest.mark.parametrize(
    ("options", "apart"),
    [
        ("--dry-run", True),
        ("--sample=3", True),
        ("--scratch -s a", True),
        ("--select --sample", False),
    ],
)
def test_runs_that_leave_the_tables_alone_are_known(options: str, apart: bool) -> None:
    assert is_apart(options.split()) is apart


def planned(command: str, env: str | None = None) -> RunPlanned:
    return RunPlanned("one", "p", "duckdb", (), command=tuple(shlex.split(command)), env=env)


@pytest.mark.parametrize(
    ("run", "kept"),
    [
        (None, ()),
        (planned("odibi run --select a"), ()),
        (planned("odibi run --env prod -j 2", "prod"), ("--env=prod",)),
        (
            planned("odibi run --engine=pandas --var day=1"),
            ("--engine=pandas", "--var=day=1"),
        ),
        (planned("python job.py", "prod"), ("--env=prod",)),
        (planned("odibi run --var key=***"), ()),
    ],
)
def test_a_rerun_keeps_what_decides_where_the_run_wrote(
    run: RunPlanned | None, kept: tuple[str, ...]
) -> None:
    assert carried(run) == kept


def test_a_preview_tells_runs_writes_and_what_is_left_alone() -> None:
    write = {"path": "out/b", "format": "parquet", "mode": "append"}
    plan = preview(
        document(
            step("p.a", "reuse"),
            step("p.b", upstream=("p.a",), writes=[write], expected_seconds=2.0),
            step("p.c", "skip"),
        )
    )
    assert list(plan.runs) == ["p.b"]
    assert (plan.reuses, plan.skips) == (("p.a",), (("p.c", "why"),))
    assert [(w.node, w.path, w.mode) for w in plan.writes] == [("p.b", "out/b", "append")]


def test_an_estimate_is_the_longest_chain_and_the_sum() -> None:
    plan = preview(
        document(
            step("a", expected_seconds=9.0),
            step("b", upstream=("a",)),
            step("c", upstream=("a", "elsewhere"), expected_seconds=4.0),
            step("d", upstream=("b", "c")),
        )
    )
    time = estimate(plan, {"a": (1.0, 3.0, 2.0), "d": (1.0,)})
    assert (time.total, time.critical, time.unknown) == (7.0, 7.0, 1)
    assert time.path == ("a", "c", "d")


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.data())
def test_the_longest_chain_takes_as_long_as_one_node_at_least_and_all_at_most(
    seconds: list[float], data: st.DataObject
) -> None:
    steps = [
        step(
            str(place),
            upstream=tuple(
                str(up) for up in range(place) if data.draw(st.booleans(), label=f"{up}→{place}")
            ),
            expected_seconds=value,
        )
        for place, value in enumerate(seconds)
    ]
    time = estimate(preview(document(*steps)), {})
    assert max(seconds) - 1e-9 <= time.critical <= time.total + 1e-9
    assert time.total == pytest.approx(sum(seconds))


def asked(told: object, **facts: object) -> Asked:
    scopes: dict[str, tuple[str, ...]] = {"this": ("p.b",), "downstream": ("p.b",), "all": ()}
    fields = {"nodes": (), "scopes": scopes, "scope": "this", "options": ("--select", "p.b")}
    return Asked(**{**fields, "told": told, **facts})  # type: ignore[arg-type]


def said(about: Asked, cells: int = 100) -> str:
    time = estimate(about.told, {}) if isinstance(about.told, Preview) else None
    return "\n".join(plain(line) for line in rerun_lines(about, time, str, cells))


def test_appended_rows_stand_out() -> None:
    told = preview(
        document(
            step("p.a", writes=[{"path": "o/a", "format": "csv", "mode": "overwrite"}]),
            step("p.b", writes=[{"path": "o/b", "format": "csv", "mode": "append"}]),
        )
    )
    lines = rerun_lines(asked(told), estimate(told, {}), str, 100)
    styles = {plain(line).split()[-1]: line[1][1] for line in lines if "o/" in plain(line)}
    assert styles == {"o/a": "text", "there": "warning"}


def test_a_run_apart_writes_no_table_of_the_project() -> None:
    told = preview(document(step("p.b", writes=[{"path": "o", "format": "csv", "mode": "append"}])))
    assert "none of the project's tables" in said(asked(told, options=("--dry-run",)))
    assert "none of the project's tables" not in said(asked(told))


def test_what_is_wrong_stands_where_the_plan_would() -> None:
    text = said(
        asked(
            problems(
                "error: /p/odibi.yaml:3:5: no such key\n\n  → did you mean read?\n", Path("/p")
            )
        )
    )
    assert " error: odibi.yaml:3:5: no such key" in text
    assert "did you mean read?" in text


def test_a_complaint_is_never_empty() -> None:
    assert problems(" \n", Path("/p")) == ("`odibi plan` failed and said nothing",)


@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=6),
    st.integers(20, 200),
    st.sampled_from(["run", "skip", "reuse"]),
)
def test_lines_fit_and_hide_nothing_dangerous(keys: list[str], cells: int, action: str) -> None:
    write = {"path": "\x1b[31m" + keys[0], "format": "csv", "mode": "append"}
    told = preview(document(*(step(key, action, writes=[write]) for key in keys)))
    about = asked(told, scopes={"this": tuple(keys)}, options=arguments("this", keys))
    lines = rerun_lines(about, estimate(told, {}), safe_line, cells)
    assert not any(ord(character) < 32 for line in lines for character in plain(line))
    assert all(width(line) <= max(cells, 40) for line in lines[1:])


NODE = """\
- name: a
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: parquet, path: out/a.parquet}
- name: b
  depends_on: [a]
  transform: {steps: ["SELECT * FROM a"]}
  write: {connection: data, format: parquet, path: out/b.parquet, mode: append}
"""


async def test_the_plan_is_asked_from_a_process(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE)
    told = await ask(folder / "odibi.yaml", ("--select", "a+", "--jobs", "3"))
    assert isinstance(told, Preview)
    assert dict(told.runs) == {"p.a": (), "p.b": ("p.a",)}
    assert [write.mode for write in told.writes] == ["overwrite", "append"]
    printed = command(folder, "plan", "--json", "--select", "a+")
    assert preview(json.loads(printed.stdout)) == told


async def test_a_plan_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    folder = project(tmp_path, NODE.replace("write:", "rite:", 1))
    told = await ask(folder / "odibi.yaml", ())
    assert isinstance(told, tuple)
    assert "odibi.yaml:10:9" in told[0]
