"""`odibi demo`: the first thing that people type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import odibi


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo on little data, run once."""
    folder = tmp_path_factory.mktemp("demo")
    outcome = odibi("demo", "--size", "2MB", cwd=folder)
    assert outcome.code == 0, outcome.out + outcome.err
    (folder / "screen.txt").write_text(outcome.out)
    return folder


def test_it_ends_with_a_summary_and_what_to_type_next(demo: Path) -> None:
    screen = (demo / "screen.txt").read_text()
    assert "MB of raw files in demo/data/landing" in screen
    assert "✓ succeeded: " in screen
    assert "odibi story last" in screen
    assert screen.rstrip().splitlines()[-1].endswith("cd demo")


def test_it_shows_how_right_its_tables_are(demo: Path) -> None:
    lines = [
        line for line in (demo / "screen.txt").read_text().splitlines() if line.startswith("✓ ")
    ]
    assert [line.split("  ")[0] for line in lines if line.endswith("aim 100 %")] == [
        "✓ sessions",
        "✓ session conversion",
        "✓ bounce",
        "✓ funnel",
        "✓ prices",
        "✓ zones",
        "✓ delivery times",
        "✓ order values",
        "✓ star schema",
        "✓ bad lines",
    ]


def test_its_tables_can_be_queried(demo: Path) -> None:
    rows = odibi(
        "query", "SELECT count(*) AS n FROM session_conversion", "--json", cwd=demo / "demo"
    ).json
    assert rows[0]["n"] > 0


def test_again_it_keeps_data_and_what_the_user_has_changed(demo: Path) -> None:
    yaml = demo / "demo/odibi.yaml"
    yaml.write_text(yaml.read_text() + "# mine\n")
    before = (demo / "demo/data/landing/truth/summary.json").stat().st_mtime_ns
    outcome = odibi("demo", "--size", "2MB", cwd=demo)
    assert outcome.code == 0
    assert "kept your demo/odibi.yaml" in outcome.out
    assert "is there already (seed 42, 2MB)" in outcome.out
    assert yaml.read_text().endswith("# mine\n")
    assert (demo / "demo/data/landing/truth/summary.json").stat().st_mtime_ns == before


def test_a_new_release_replaces_files_that_nobody_changed(demo: Path) -> None:
    note = json.loads((demo / "demo/.odibi-demo.json").read_text())
    sql = demo / "demo/sql/events.sql"
    original = sql.read_text()
    sql.write_text("an older release")
    import hashlib

    note["files"]["sql/events.sql"] = hashlib.sha256(b"an older release").hexdigest()
    (demo / "demo/.odibi-demo.json").write_text(json.dumps(note))
    assert odibi("demo", "--size", "2MB", cwd=demo).code == 0
    assert sql.read_text() == original


def test_other_data_leave_nothing_of_the_tables_before(demo: Path) -> None:
    outcome = odibi("demo", "--size", "3MB", "--seed", "8", cwd=demo)
    assert outcome.code == 0, outcome.out + outcome.err
    assert "demo/data/lake is made anew" in outcome.out
    scores = [line for line in outcome.out.splitlines() if line.endswith("aim 100 %")]
    assert len(scores) == 10 and all(line.startswith("✓ ") for line in scores)


def test_it_leaves_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/mine.txt").write_text("mine")
    outcome = odibi("demo", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: demo is not empty",
        "  → name another folder: odibi demo FOLDER",
    ]


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    outcome = odibi("demo", "--size", "big", cwd=tmp_path)
    assert outcome.code == 2
    assert "'big' is no size" in outcome.err


def test_datagen_fills_a_folder_with_what_it_says(tmp_path: Path) -> None:
    outcome = odibi(
        "datagen", "--out", "raw", "--size", "1MB", "--days", "3", "--jobs", "1", cwd=tmp_path
    )
    assert outcome.code == 0
    lines = sum(
        len(file.read_bytes().splitlines())
        for file in (tmp_path / "raw/clickstream").rglob("*.ndjson")
    )
    assert f"{lines:,} click lines" in outcome.out
    again = odibi("datagen", "--out", "raw", "--size", "many", cwd=tmp_path)
    assert again.code == 2 and "'many' is no size" in again.err
    assert "Traceback" not in again.err
