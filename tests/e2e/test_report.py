"""The performance report: measured for real at a small size, with tables that agree, and readable charts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from odibi_datagen import generate
from perf.chart import bars, lines
from perf.tree import measure
from tests.machine import needs_java

_PERF = Path(__file__).parents[2] / "perf"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    command = ["--sizes", "1MB", "3MB", "--engines", "duckdb", "pandas", "--times", "1", "--out", str(out)]  # fmt: skip
    subprocess.run([sys.executable, str(_PERF / "report.py"), *command], check=True, capture_output=True)  # fmt: skip
    return out


def test_every_job_has_figures_because_its_tables_agree(report: Path) -> None:
    found = json.loads((report / "report.json").read_text())
    jobs = [(one["size"], one["job"]) for one in found["figures"]]
    names = ["odibi on duckdb", "duckdb by hand", "odibi on pandas", "pandas by hand"]
    assert jobs == [(size, name) for size in ("1MB", "3MB") for name in names]
    for one in found["figures"]:
        assert (one["trouble"], one["differs"]) == (None, [])
        assert one["cpu"][0] > 0 and one["peak"][0] > 50_000_000
        assert one["read"][0] > one["raw"]
        assert one["written"][0] > 100_000
    assert len(found["nodes"]) == 2 * 29
    assert {score["value"] for score in found["scores"]["3MB"] if score["aim"] == 1} == {1.0}


def test_the_pages_show_them(report: Path) -> None:
    text = (report / "REPORT.md").read_text(encoding="utf-8")
    found = json.loads((report / "report.json").read_text())
    ours = found["figures"][0]
    assert f"| 1MB ({ours['raw'] / 1e6:,.0f} MB) | odibi on duckdb | 1 | {ours['wall'][0]:.1f} | {ours['cpu'][0]:.1f} |" in text  # fmt: skip
    assert found["machine"]["packages"]["duckdb"] in text
    for name in ("wall", "memory", "nodes"):
        assert f"charts/{name}.svg" in text
        ET.parse(report / "charts" / f"{name}.svg")


def test_a_job_that_was_stopped_has_its_reason_and_no_figures(report: Path, tmp_path: Path) -> None:
    found: dict[str, Any] = json.loads((report / "report.json").read_text())
    found["figures"][4] |= {"trouble": "stopped at 8.1 GB of memory", "cpu": [], "wall": []}
    found["figures"][7] |= {"differs": ["gold/item_prices differs: 3 rows and 4, or other values"]}
    (tmp_path / "report.json").write_text(json.dumps(found))
    command = [
        sys.executable,
        str(_PERF / "report.py"),
        "--only-render",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    text = (tmp_path / "REPORT.md").read_text(encoding="utf-8")
    assert "| odibi on duckdb | 0 | stopped at 8.1 GB of memory | | |" in text
    assert "| pandas by hand | 1 | gold/item_prices differs: 3 rows and 4, or other values |" in text  # fmt: skip
    assert "| duckdb | 1" in text and "stopped at 8.1 GB of memory | up to 1MB |" in text


def test_a_report_goes_on_with_what_it_lacks(report: Path, tmp_path: Path) -> None:
    before: dict[str, Any] = json.loads((report / "report.json").read_text())
    lacks = before["figures"].pop(2)
    before["figures"][-1] |= {"trouble": "stopped after 30 minutes"}
    (tmp_path / "report.json").write_text(json.dumps(before))
    command = ["--sizes", "1MB", "3MB", "--engines", "duckdb", "pandas", "--times", "1", "--go-on", "--out", str(tmp_path)]  # fmt: skip
    done = subprocess.run([sys.executable, str(_PERF / "report.py"), *command], check=True, capture_output=True, text=True)  # fmt: skip
    assert done.stdout.count(", run 1 of 1") == 2
    after = json.loads((tmp_path / "report.json").read_text())["figures"]
    assert [one["job"] for one in after] == [one["job"] for one in before["figures"][:2]] + [lacks["job"]] + [one["job"] for one in before["figures"][2:]]  # fmt: skip
    assert [one["trouble"] for one in after] == [None] * 8
    assert after[0] == before["figures"][0]


@pytest.mark.wide
def test_pyspark_by_hand_writes_the_same_tables(tmp_path: Path) -> None:
    needs_java()
    generate(tmp_path / "landing", size="2MB", seed=3)
    for script, lake in (("handwritten.py", "duckdb"), ("handwritten_spark.py", "spark")):
        command = ["--data", str(tmp_path / "landing"), "--out", str(tmp_path / lake)]
        subprocess.run([sys.executable, str(_PERF / script), *command], check=True, capture_output=True)  # fmt: skip
    same = [sys.executable, str(_PERF / "same.py"), str(tmp_path / "duckdb"), str(tmp_path / "spark")]  # fmt: skip
    told = subprocess.run(same, capture_output=True, text=True, check=False)
    assert told.stdout == "the same tables\n"


def test_lakes_that_differ_are_told_by_table(report: Path, tmp_path: Path) -> None:
    generate(tmp_path / "landing", size="1MB", seed=3)
    command = ["--data", str(tmp_path / "landing"), "--out", str(tmp_path / "a")]
    subprocess.run([sys.executable, str(_PERF / "handwritten.py"), *command], check=True, capture_output=True)  # fmt: skip
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.copy(
        tmp_path / "b/gold/time_on_site.parquet", tmp_path / "b/gold/session_conversion.parquet"
    )
    same = [sys.executable, str(_PERF / "same.py"), str(tmp_path / "a"), str(tmp_path / "b")]
    told = subprocess.run(same, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        "gold/session_conversion has other columns: "
        "['avg_events', 'avg_minutes', 'conversion_rate', 'converted', 'longest_minutes', 'platform']"
    ]


_CHILD = "import sys; open(sys.argv[1], 'wb').write(bytes(20_000_000))"
_ORPHAN = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(0.5); sum(i for i in range(20_000_000))'])\n"
    f"{_CHILD}"
)


def test_the_meter_counts_children_and_orphans(tmp_path: Path) -> None:
    """Without the orphan's sum the command takes a few hundredths of a second."""
    alone = measure([sys.executable, "-c", _CHILD, str(tmp_path / "a")], most_seconds=300, most_bytes=2**40)  # fmt: skip
    done = measure([sys.executable, "-c", _ORPHAN, str(tmp_path / "b")], most_seconds=300, most_bytes=2**40)  # fmt: skip
    assert (alone.trouble, done.trouble) == (None, None)
    assert done.cpu > alone.cpu + 0.2
    assert 20_000_000 <= alone.written < 20_100_000
    assert alone.wall > 0


def test_the_meter_stops_what_takes_too_much() -> None:
    hungry = "import time; held = bytearray(300_000_000); time.sleep(200)"
    done = measure([sys.executable, "-c", hungry], most_seconds=300, most_bytes=200_000_000)
    # It may be caught while it still fills its memory: how much it held by then is chance.
    assert done.trouble in ("stopped at 0.2 GB of memory", "stopped at 0.3 GB of memory")
    slow = measure([sys.executable, "-c", "import time; time.sleep(200)"], most_seconds=0.3, most_bytes=2**40)  # fmt: skip
    assert slow.trouble == "stopped after 0 minutes"
    failed = measure([sys.executable, "-c", "raise SystemExit('no luck')"], most_seconds=60, most_bytes=2**40)  # fmt: skip
    assert failed.trouble == "exit code 1: no luck"


def test_charts_place_values_on_their_scales() -> None:
    drawing = lines("t < u", "x", "y", {"a": [(1, 10), (10, 100)]}, str, str)
    root = ET.fromstring(drawing)
    circles = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter() if c.tag.endswith("circle")]  # fmt: skip
    assert circles == [(90.0, 364.0), (570.0, 46.0)]
    assert any(element.text == "t < u" for element in root.iter())
    boxes = [b for b in ET.fromstring(bars("t", {"g": {"a": 2.0, "b": 1.0}}, str)).iter() if b.tag.endswith("rect")]  # fmt: skip
    assert [box.get("width") for box in boxes[-2:]] == ["440.0", "220.0"]
