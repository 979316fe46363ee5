"""The reference project through odibi against the same job written by hand in one DuckDB script.

Both read the same generated landing zone and write the same Parquet tables; what is compared is CPU
seconds of the whole process, in turn, in one run of this script.

    python perf/reference.py [--size 100MB] [--times 5]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from meter import Cost, run

_HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="100MB")
    parser.add_argument("--seed", default="42")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=["duckdb"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(
            _HERE.parent / "reference_project",
            root,
            ignore=shutil.ignore_patterns("data", ".odibi"),
        )
        landing = root / "data" / "landing"
        make = [
            sys.executable,
            "-m",
            "odibi_datagen",
            "--out",
            str(landing),
            "--size",
            args.size,
            "--seed",
            args.seed,
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        raw = sum(
            file.stat().st_size
            for file in landing.rglob("*")
            if file.is_file() and "truth" not in file.parts
        )
        by_hand = [
            sys.executable,
            str(_HERE / "handwritten.py"),
            "--data",
            str(landing),
            "--out",
            str(Path(folder) / "hand"),
        ]
        print(
            f"{raw / 1e6:.0f} MB raw; CPU seconds of the whole process, median of {args.times}, in turn"
        )
        for engine in args.engines:
            ours = [sys.executable, "-m", "odibi", "run", "-p", str(root), "--engine", engine]
            pairs = [(run(ours), run(by_hand)) for _ in range(args.times + 1)][1:]
            _report(engine, pairs)


def _report(engine: str, pairs: list[tuple[Cost, Cost]]) -> None:
    ratios = sorted(ours.cpu / hand.cpu for ours, hand in pairs)
    print(
        f"  odibi on {engine}: {statistics.median(a.cpu for a, _ in pairs):.2f} CPU s, "
        f"{statistics.median(a.wall for a, _ in pairs):.2f} s wall, "
        f"{statistics.median(a.peak for a, _ in pairs) / 1e6:.0f} MB peak"
    )
    print(
        f"  by hand: {statistics.median(b.cpu for _, b in pairs):.2f} CPU s, "
        f"{statistics.median(b.wall for _, b in pairs):.2f} s wall, "
        f"{statistics.median(b.peak for _, b in pairs) / 1e6:.0f} MB peak"
    )
    print(
        f"  ratio {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f}; aim: 1.05)"
    )


if __name__ == "__main__":
    main()
