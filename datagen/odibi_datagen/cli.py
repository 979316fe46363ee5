"""The command line: `python -m odibi_datagen --out DIR --size 100MB`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .generate import be_frugal, generate

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the generator; returns the exit code (0, or 2 for arguments that make no sense)."""
    options = _parser().parse_args(arguments)
    be_frugal()
    began = time.perf_counter()
    try:
        summary = generate(
            options.out,
            size=options.size,
            seed=options.seed,
            days=options.days,
            jobs=options.jobs,
            gzip=options.gzip,
            progress=_show if sys.stderr.isatty() else None,
        )
    except (ValueError, FileExistsError) as error:
        print(f"odibi_datagen: {error}", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - began
    counts = ", ".join(
        f"{value:,} {name.replace('_', ' ')}" for name, value in summary.counts.items()
    )
    print(f"{summary.out}: {summary.bytes / 1e6:.1f} MB in {seconds:.1f} s ({counts})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odibi_datagen", description="Generate OdibiEats data with known truth."
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder to fill; an earlier data set there is replaced",
    )
    parser.add_argument(
        "--size",
        default="100MB",
        help="about how much raw data, such as 5MB or 2GB (default 100MB)",
    )
    parser.add_argument("--seed", type=int, default=42, help="same seed, same bytes (default 42)")
    parser.add_argument("--days", type=int, default=14, help="days up to 2025-11-14 (default 14)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes to use; doesn't change the data (default 1)"
    )
    parser.add_argument("--gzip", action="store_true", help="write the event feeds as .ndjson.gz")
    return parser


def _show(done: int, blocks: int) -> None:
    print(
        f"\rblock {done} of {blocks}",
        end="\n" if done == blocks else "",
        file=sys.stderr,
        flush=True,
    )
