"""Generate a landing zone: blocks in any number of processes, put together in block order."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .block import BlockResult, Lines, make_block
from .city import geojson
from .menus import menu_snapshot, price_intervals, write_lookups
from .mess import Mess
from .oltp import SqliteFile
from .world import World, make_world

__all__ = ["Summary", "be_frugal", "clear", "generate", "parse_size"]

_BLOCK_BYTES = 16_000_000
_MOST_FILES = 64
"""Feed files a day: above that many, several blocks share one."""

_BYTES_MENU_ROW = 45
_BYTES_PERSON_DAY = 2000
"""Raw bytes that one person causes on one day, on average; measured."""

_BYTES_PER_VISIT_DAY = 1.0
_REPEATED = ["city", "status", "zone_id", "file", "kind"]
"""Columns of the truth with few values; the others' dictionaries would be as long as they are."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_PARTS = (".live", "clickstream", "driver_pings", "lookups", "menus", "oltp", "truth")

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""


@dataclass(slots=True)
class Summary:
    """What was generated: where, how big, and the counts of `truth/summary.json`."""

    out: Path
    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, counts: dict[str, int]) -> None:
        """Add the counts of a block."""
        for name, value in counts.items():
            self.counts[name] = self.counts.get(name, 0) + value


def parse_size(size: str | int) -> int:
    """Bytes from a number or a text such as `100MB` or `1.5 GB` (powers of ten). Raises ValueError."""
    if isinstance(size, int):
        number, unit = float(size), ""
    else:
        compact = size.replace(" ", "").upper()
        unit = compact.lstrip("0123456789.")
        try:
            number = float(compact[: len(compact) - len(unit)])
        except ValueError:
            number = -1.0
    if unit not in _UNITS or not 0 < number * _UNITS[unit] < 10**14:
        raise ValueError(f"{size!r} is no size: write a number and a unit, such as 100MB or 2GB")
    return int(number * _UNITS[unit])


def generate(
    out: Path,
    *,
    size: str | int = "100MB",
    seed: int = 42,
    days: int = 14,
    jobs: int = 1,
    gzip: bool = False,
    mess: Mess | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Write about `size` bytes of raw data to `out`, replacing what an earlier call put there.

    The bytes depend on size, seed, days, gzip and mess only; `jobs` processes share the work. Raises
    ValueError for arguments that make no sense, FileExistsError when `out` holds something else.
    """
    if not 2 <= days <= 366:
        raise ValueError(f"days must lie between 2 and 366, not {days}")
    total = parse_size(size)
    clear(out)
    world, blocks = _plan(total, seed, days, mess or Mess(), gzip)
    summary = Summary(out)
    truth = {"prices": price_intervals(world.menu, world.date(0))}
    planted = _write_menus(world, out, summary)
    summary.bytes += write_lookups(
        out / "lookups", world.restaurants, world.zones, geojson(world.zones)
    )
    with _Collector(out, planted) as collector:
        for done, result in enumerate(_results(world, blocks, out, jobs), start=1):
            collector.add(result)
            summary.add(result.counts)
            if progress:
                progress(done, blocks)
    summary.bytes += summary.counts.pop("bytes") + collector.database_bytes
    pq.write_table(truth["prices"], out / "truth" / "price_intervals.parquet", compression="zstd")
    _write_summary(summary, world, blocks)
    return summary


def clear(out: Path) -> None:
    """Make an empty data set; removes an earlier one. Raises FileExistsError for anything else in the way."""
    strangers = [p.name for p in out.iterdir() if p.name not in _PARTS] if out.exists() else []
    if strangers:
        raise FileExistsError(
            f"{out} holds {strangers[0]!r}, which is not ours: choose an empty folder"
        )
    for part in _PARTS:
        shutil.rmtree(out / part, ignore_errors=True)
    (out / "truth").mkdir(parents=True, exist_ok=True)


def _plan(total: int, seed: int, days: int, mess: Mess, gzip: bool) -> tuple[World, int]:
    """How many blocks of how many people make `total` bytes."""
    restaurants = max(30, min(20_000, int(24 * math.sqrt(total / 1e6))))
    menus = restaurants * 24 * days * _BYTES_MENU_ROW
    people = max(40, int((total - menus) / (_BYTES_PERSON_DAY * days)))
    blocks = max(2, total // _BLOCK_BYTES)
    world = make_world(
        seed=seed, days=days, restaurants=restaurants, people_per_block=-(-people // blocks), mess=mess, gzip=gzip
    )  # fmt: skip
    return world, blocks


def _write_menus(world: World, out: Path, summary: Summary) -> pa.Table:
    """Write the daily snapshots; returns the planted bad lines."""
    (out / "menus").mkdir()
    planted = []
    dates = [world.date(day) for day in range(world.days)]
    for day, date in enumerate(dates):
        name = f"menus/menu_{date}.csv"
        content, junk = menu_snapshot(world.menu, day, dates, world.mess, world.seed)
        (out / name).write_bytes(content)
        summary.bytes += len(content)
        kinds = pa.array(["ragged row"] * len(junk), pa.string())
        files = pa.array([name] * len(junk), pa.string())
        planted.append(pa.table({"file": files, "line": pa.array(junk, pa.int64()), "kind": kinds}))
    menu, own = world.menu, np.arange(world.days)[:, None]
    summary.add(
        {
            "menu_rows": int(menu.available.sum()),
            "menu_typos": int(menu.typo.sum()),
            "late_menus": int((menu.arrives > own).sum()),
        }
    )
    return pa.concat_tables(planted)


def _results(world: World, blocks: int, out: Path, jobs: int) -> Iterator[BlockResult]:
    """The blocks' results in block order, with at most two blocks a process in flight.

    Blocks that share files are far apart, so the earlier one is done when the later one begins.
    """
    files = min(blocks, _MOST_FILES)
    lines: list[Lines] = [{} for _ in range(files)]
    for block, result in enumerate(_made(world, blocks, out, jobs, lines)):
        lines[block % files] = result.lines
        yield result


def _made(
    world: World, blocks: int, out: Path, jobs: int, lines: list[Lines]
) -> Iterator[BlockResult]:
    numbers = ((block, block % len(lines)) for block in range(blocks))
    if jobs <= 1:
        for block, file in numbers:
            yield make_block(world, block, file, lines[file], out)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_adopt, initargs=(world,)
    ) as workers:
        waiting: deque[Future[BlockResult]] = deque()
        for block, file in numbers:
            waiting.append(workers.submit(_make, block, file, lines[file], out))
            if len(waiting) >= min(2 * jobs, len(lines)):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_adopted: list[World] = []  # a worker process's world, set once when it starts


def _adopt(world: World) -> None:
    be_frugal()
    _adopted[:] = [world]


def _make(block: int, file: int, lines: Lines, out: Path) -> BlockResult:
    return make_block(_adopted[0], block, file, lines, out)


def be_frugal() -> None:
    """Settings for a process that does nothing but generate: a third less memory.

    Arrow's memory goes back at once. And pyarrow doesn't import pandas, only to ask what isn't a
    Series: it looks for it once, and does without one that is too old.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if "pandas" in sys.modules:
        return
    old = ModuleType("pandas")
    old.__version__ = "0"  # type: ignore[attr-defined]
    sys.modules["pandas"] = old
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pa.array(np.zeros(1))
        pa.array(["", None])
    del sys.modules["pandas"]


class _Collector:
    """Puts the blocks' database rows and truth tables into their files, in the order given."""

    def __init__(self, out: Path, planted: pa.Table) -> None:
        self._folder = out / "truth"
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._database = SqliteFile(out / "oltp" / "odibieats.db")
        self._append("planted_bad", planted)
        self.database_bytes = 0

    def __enter__(self) -> _Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.database_bytes = self._database.close()
        for writer in self._writers.values():
            writer.close()

    def add(self, result: BlockResult) -> None:
        self._database.add(result.rows)
        for name, table in result.truth.items():
            self._append(name, table)

    def _append(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            path = self._folder / f"{name}.parquet"
            self._writers[name] = pq.ParquetWriter(
                path, table.schema, compression="zstd", use_dictionary=_REPEATED, write_statistics=False
            )  # fmt: skip
        self._writers[name].write_table(table)


def _write_summary(summary: Summary, world: World, blocks: int) -> None:
    content = {
        "seed": world.seed,
        "first_day": world.date(0),
        "days": world.days,
        "people": world.people_per_block * blocks,
        "restaurants": len(world.restaurants),
        "bytes": summary.bytes,
        "counts": summary.counts,
        "mess": asdict(world.mess),
    }
    path = summary.out / "truth" / "summary.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
