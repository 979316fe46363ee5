"""What `odibi story` and `odibi history` print, in narrow and wide terminals, whatever the data holds."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from odibi import events as ev
from odibi import story
from odibi.cli import history as history_command
from odibi.cli import story as story_command
from odibi.cli.node_page import histogram, node_page
from odibi.cli.runs_view import node_runs, runs
from odibi.cli.story_parts import of
from odibi.cli.story_view import diff, overview
from odibi.ledger import Ledger
from odibi.run_state import fold
from odibi.story_diff import compare
from tests.core.recorded import (
    RUN_ID,
    START,
    eventful_run,
    good_node,
    plan,
    planned,
    stamped,
    write_log,
)

TOLD = story.build(fold(stamped(eventful_run())))


def shown(page: RenderableType, width: int) -> list[str]:
    """The page as lines of a terminal without colours; no line is wider than it."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(page)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert max(map(cell_len, lines), default=0) <= width
    return lines


def test_a_run_in_eighty_columns() -> None:
    assert shown(overview(TOLD, 80), 80) == [
        "✗ 20260314-092653-k3x9  OdibiEats · duckdb · failed in 5.25 s",
        "  2026-03-14 09:26:53 UTC · 1 reused, 2 succeeded, 1 failed, 1 skipped · 1,950",
        "  rows written · 40 rows set aside · longest path 3.55 s",
        "",
        "   node           rows in  rows out  set aside  seconds  checks",
        "=  bronze.menus",
        "✓  bronze.orders    1,000     1,000                1.50",
        "✓  silver.orders    1,000       950         40     2.00  1 of 2 ✗",
        "✗  gold.by_city                                    0.05",
        "–  gold.report",
        "",
        "✗ gold.by_city  odibi.yaml:41:9",
        '  Binder Error: column "citty" not found',
        "  → did you mean 'city'?",
        "",
        "✓ silver.orders",
        "  attempt 1 failed: the file is busy",
        "  ✗ amount is positive  20 of 980 (2.0%) rows · test, on failure quarantine",
        "  20 validation rows set aside: data/quarantine/orders",
        "  ! 20 rows went to quarantine",
        "",
        "odibi story show 20260314-092653-k3x9 --node gold.by_city",
    ]


def test_a_run_in_a_hundred_and_twenty_columns_has_bars() -> None:
    lines = shown(overview(TOLD, 120), 120)
    assert lines[4:9] == [
        "   node           rows in  rows out  set aside  seconds                    checks",
        "=  bronze.menus",
        "✓  bronze.orders    1,000     1,000                1.50  ████████████",
        "✓  silver.orders    1,000       950         40     2.00  ████████████████  1 of 2 ✗",
        "✗  gold.by_city                                    0.05  ▍",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_everything_about_a_node(width: int) -> None:
    bronze, silver, failed = (shown(node_page(n, TOLD.run, width), width) for n in TOLD.nodes[1:4])
    assert bronze[0] == "✓ bronze.orders  succeeded in 1.50 s"
    assert "  Orders as the shops sent them" in bronze
    assert "  1,000 in = 1,000 out  ✓" in bronze
    assert any(line.startswith("  ~  amount    VARCHAR → DECIMAL(10,2)  ") for line in bronze)
    values = "█▃▁▁" if width == 120 else ""
    assert any(line.endswith(f"≈640  0.50   99.00  {values}".rstrip()) for line in bronze)
    assert bronze[-3:] == [
        "  order_id  amount  city",
        "  1         12.50   Porto",
        "  2         8.00    null",
    ]
    headings = [line for line in silver if line and not line.startswith(" ")][1:]
    assert headings == [
        "rows", "stages", "columns", "checks", "set aside", "written", "attempts", "warnings",
    ]  # fmt: skip
    assert "  read   0.40 s  ███████████▍                              980 rows" in silver
    assert "      order_id  amount" in silver and "      7         -1.00" in silver
    assert "  data/silver/orders  delta append · 950 rows · 38.0 kB · version 3" in silver
    assert failed[0] == "✗ gold.by_city  odibi.yaml:41:9  failed in 0.05 s"
    assert "  │ SELECT citty FROM silver_orders" in failed


def test_a_wide_sample_is_shown_column_by_column() -> None:
    names = tuple(f"column_{n}" for n in range(30))
    rows = (tuple(range(30)), tuple(range(100, 130)))
    payloads = [
        plan(planned("a.x")),
        ev.ProfileObserved("a.x", columns=(), sample_columns=names, sample=rows, sampled=2),
    ]
    told = story.build(fold(stamped(payloads)))
    assert shown(node_page(told.nodes[0], told.run, 80), 80)[-1] == "  column_29  29"
    assert shown(node_page(told.nodes[0], told.run, 120), 120)[-1] == "  column_29  29  129"


def test_long_names_are_cut_and_numbers_are_not() -> None:
    key = "bronze." + "x" * 90
    told = story.build(fold(stamped([plan(planned(key)), *good_node(key, rows=1_234_567)])))
    for width in (80, 120):
        (line,) = (line for line in shown(overview(told, width), width) if line.startswith("✓"))
        assert "…" in line
        assert line.count("1,234,567") == 2


def test_differences_stand_out() -> None:
    before = story.build(fold(stamped(good_node("a.x", rows=1000))))
    payloads = [
        *good_node("a.x", rows=10)[:-1],
        ev.SchemaObserved(node="a.x", side="out", columns=(("order_id", "BIGINT"),)),
        ev.NodeSucceeded(node="a.x", seconds=1.0),
    ]
    after = story.build(fold(stamped(payloads)))
    lines = shown(diff(compare(before, after)), 80)
    assert lines[3:7] == [
        "✓ a.x",
        "  rows 1,000 → 10  -99.0%",
        "  - amount DECIMAL(10,2)",
        "  - city VARCHAR",
    ]
    assert lines[-1] == "0 of 1 nodes without a change"


@pytest.mark.parametrize(
    ("counts", "blocks"),
    [([1, 8, 4], "▁█▄"), ([0, 1, 1000], " ▁█"), ([], ""), ([0, 0], "  "), ([7], "█")],
)
def test_a_histogram(counts: Sequence[int], blocks: str) -> None:
    assert histogram(counts) == blocks


_NASTY = st.text(max_size=12) | st.sampled_from(
    ["\x1b[2J", "[/foo]", "[red]", "\u202e", "\r", "a\nb"]
)


@given(texts=st.lists(_NASTY, min_size=9, max_size=9), width=st.sampled_from([40, 80, 120]))
@settings(max_examples=60, deadline=None)
def test_nothing_in_the_data_steers_the_terminal(texts: list[str], width: int) -> None:
    key, error = f"a.{texts[0]}", ev.ErrorInfo(texts[1], texts[2], hint=texts[3], sql=texts[4])
    profile = {"name": texts[5], "type": texts[6], "top": ((texts[7], 1),), "minimum": texts[8]}
    payloads = [
        plan(planned(key, description=texts[1], layer=texts[2], tags=(texts[3],))),
        ev.LogLine(level="WARNING", message=texts[4]),
        ev.LogLine(level="WARNING", message=texts[5], node=key),
        ev.SchemaObserved(node=key, side="out", columns=((texts[5], texts[6]),)),
        ev.CheckEvaluated(
            key, texts[7], "k", "test", texts[8], False, texts[0], 1, 2, (texts[1],), ((texts[2],),)
        ),
        ev.ProfileObserved(key, (profile,), (texts[5],), ((texts[7],),), 1),
        ev.RowsQuarantined(key, "validation", 1, texts[3], {texts[4]: 1}),
        ev.SqlExecuted(node=key, step=texts[5], sql=texts[6]),
        ev.WriteIntended(key, "w", texts[7], texts[8], texts[0]),
        ev.NodeFailed(node=key, seconds=1.0, error=error),
    ]
    told = story.build(fold(stamped(payloads)))
    for page in (overview(told, width), node_page(told.nodes[0], told.run, width)):
        text = "\n".join(shown(page, width))
        assert not set(text) & set("\x1b\x9b\u202e\r\x07")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "odibi.yaml").write_text("project: OdibiEats\n")
    for day, run_id in enumerate(["first", RUN_ID]):
        events = stamped(eventful_run(run_id), start=START + timedelta(days=day))
        write_log(tmp_path / ".odibi" / "runs" / run_id, events)
    return tmp_path


def invoke(app: object, project: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--project", str(project)])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_last_story_as_json_is_valid(project: Path) -> None:
    document = json.loads(invoke(story_command.app, project, "last", "--json"))
    jsonschema.Draft202012Validator(story.schema()).validate(document)
    assert document["run"]["run_id"] == RUN_ID
    assert document["nodes"][1]["drift"]["previous_run"] == "first"
    one = json.loads(invoke(story_command.app, project, "show", "first", "-n", "by_city", "--json"))
    assert (one["key"], one["status"]) == ("gold.by_city", "failed")


def test_stories_in_the_terminal(project: Path) -> None:
    assert invoke(story_command.app, project, "last").startswith(f"✗ {RUN_ID}  OdibiEats")
    assert invoke(story_command.app, project, "show", "last~1").startswith("✗ first")
    page = invoke(story_command.app, project, "last", "--node", "silver.orders")
    assert "against the run before" in page
    assert "4 of 5" not in invoke(story_command.app, project, "diff", "first")
    listed = invoke(story_command.app, project, "list").splitlines()
    assert [line.split()[1] for line in listed[1:]] == [RUN_ID, "first"]
    records = json.loads(invoke(story_command.app, project, "list", "--json", "--limit", "1"))
    assert [(r["run_id"], r["status"], r["nodes"]) for r in records] == [(RUN_ID, "failed", 5)]
    changes = json.loads(invoke(story_command.app, project, "diff", "first", "last", "--json"))
    assert (changes["before"], changes["after"]) == ("first", RUN_ID)


def test_history_in_the_terminal(project: Path) -> None:
    lines = invoke(history_command.app, project).splitlines()
    assert lines[1].split()[:4] == ["✗", RUN_ID, "2026-03-15", "09:26"]
    assert "█" in lines[1]
    node = invoke(history_command.app, project, "--node", "silver.orders").splitlines()
    assert [line.split()[:2] for line in node[2:]] == [[RUN_ID, "950"], ["first", "950"]]
    records = json.loads(invoke(history_command.app, project, "-n", "silver.orders", "--json"))
    assert [r["rows_out"] for r in records] == [950, 950]
    assert invoke(history_command.app, project, "reindex") == "indexed 2 runs\n"
    assert invoke(history_command.app, project, "prune", "--keep", "1", "--dry-run").splitlines() == [
        "first", "1 run to go",
    ]  # fmt: skip
    assert invoke(history_command.app, project, "prune", "--run", "first").endswith(
        "1 run removed\n"
    )
    assert not (project / ".odibi" / "runs" / "first").exists()


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("story", "show", "nope"), "there is no run 'nope'", 2),
        (("story", "last", "--node", "orders"), "could be bronze.orders or silver.orders", 2),
        (("story", "last", "--node", "by_ctiy"), "did you mean 'gold.by_city'?", 2),
        (("history", "prune"), "say what to remove", 2),
    ],
)
def test_what_cannot_be_found_is_said(
    project: Path, words: Sequence[str], message: str, code: int
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "odibi", *words, "-p", str(project)], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr and "Traceback" not in run.stderr


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    (tmp_path / "odibi.yaml").write_text("project: New\n")
    assert (
        invoke(history_command.app, tmp_path)
        == "nothing has run yet; `odibi run` runs the project\n"
    )
    assert json.loads(invoke(story_command.app, tmp_path, "list", "--json")) == []


@pytest.mark.parametrize("width", [80, 120])
def test_tables_of_runs_fit(project: Path, width: int) -> None:
    ledger = Ledger(project)
    for bars in (False, True):
        lines = shown(runs(ledger.runs(), width, bars=bars), width)
        assert RUN_ID in lines[1]
    lines = shown(node_runs("silver.orders", ledger.node_history("silver.orders"), width), width)
    assert lines[2].startswith(RUN_ID)


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(10, 24_228, " of 24,228 (<0.1%)"), (0, 5, " of 5 (0.0%)"), (1, 1000, " of 1,000 (0.1%)"), (1, 0, "")],
)  # fmt: skip
def test_a_small_share_is_not_nothing(part: int, whole: int, words: str) -> None:
    assert of(part, whole) == words
