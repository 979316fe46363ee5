"""What the command line costs before it works: CPU seconds of `odibi --help` and friends.

python perf/startup.py [--times 9]
"""

from __future__ import annotations

import argparse
import sys

from meter import median_cost, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9)
    args = parser.parse_args()
    python = sys.executable
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "odibi --version": [python, "-m", "odibi", "--version"],
        "odibi --help": [python, "-m", "odibi", "--help"],
        "odibi run --help": [python, "-m", "odibi", "run", "--help"],
        "import duckdb": [python, "-c", "import duckdb"],
        "import pandas": [python, "-c", "import pandas"],
    }
    for name, command in commands.items():
        cost = median_cost(args.times, lambda command=command: run(command))  # type: ignore[misc]
        print(f"{name:18s} {cost.cpu * 1000:6.0f} ms CPU   {cost.peak / 1e6:5.0f} MB")


if __name__ == "__main__":
    main()
