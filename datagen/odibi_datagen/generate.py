"""Generate a landing zone: blocks in any number of processes, put together in block order."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .block import BlockResult, make_block
from .city import geojson
from .menus import menu_snapshot, price_intervals, write_lookups
from .mess import Mess
from .oltp import SqliteFile
from .world import World, make_world

__all__ = ["Summary", "generate", "parse_size"]

_BLOCK_BYTES = 16_000_000
_MOST_BLOCKS = 64
_BYTES_MENU_ROW = 45
_BYTES_PERSON_DAY = 2000
"""Raw bytes that one person causes on one day, on average; measured."""

_BYTES_PER_VISIT_DAY = 1.0
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_PARTS = ("clickstream", "driver_pings", "lookups", "menus", "oltp", "truth")

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
    _clear(out)
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


def _clear(out: Path) -> None:
    """Remove an earlier data set; anything else in the way is an error."""
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
    blocks = max(2, min(_MOST_BLOCKS, total // _BLOCK_BYTES))
    world = make_world(
        seed=seed, days=days, restaurants=restaurants, people_per_block=-(-people // blocks), mess=mess, gzip=gzip
    )  # fmt: skip
    return world, blocks


def _write_menus(world: World, out: Path, summary: Summary) -> pa.Table:
    """Write the daily snapshots; returns the planted bad lines."""
    (out / "menus").mkdir()
    planted = []
    for day in range(world.days):
        name = f"menus/menu_{world.date(day)}.csv"
        content, junk = menu_snapshot(world.menu, day, world.date(day), world.mess, world.seed)
        (out / name).write_bytes(content)
        summary.bytes += len(content)
        kinds = pa.array(["ragged row"] * len(junk), pa.string())
        files = pa.array([name] * len(junk), pa.string())
        planted.append(pa.table({"file": files, "line": pa.array(junk, pa.int64()), "kind": kinds}))
    summary.add(
        {"menu_rows": int(world.menu.available.sum()), "menu_typos": int(world.menu.typo.sum())}
    )
    return pa.concat_tables(planted)


def _results(world: World, blocks: int, out: Path, jobs: int) -> Iterator[BlockResult]:
    """The blocks' results in block order, with at most two blocks a process in flight."""
    if jobs <= 1:
        yield from (make_block(world, block, out) for block in range(blocks))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_adopt, initargs=(world,)
    ) as workers:
        waiting: list[Future[BlockResult]] = []
        for block in range(blocks):
            waiting.append(workers.submit(_make, block, out))
            if len(waiting) >= 2 * jobs:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


_adopted: list[World] = []  # a worker process's world, set once when it starts


def _adopt(world: World) -> None:
    _adopted[:] = [world]


def _make(block: int, out: Path) -> BlockResult:
    return make_block(_adopted[0], block, out)


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
            self._writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
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
