"""A feed: how records reach the landing zone. Order of arrival, repeats, broken lines, one file a day."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from . import text
from .rng import I8, I64, U8
from .world import DAY_MS, World

__all__ = ["SOUND", "TRUNCATED", "Delivered", "Feed", "deliver", "write_feed"]

SOUND, TRUNCATED = 0, 1
"""Damage of a line; a feed's wrong-typed lines are numbered from 2."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Lines in order of arrival: the record behind each, when it arrived (ms), and its damage."""

    record: I64
    arrival: I64
    damage: I8


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was written: bytes, lines, and the planted bad lines (file, line from 1, kind)."""

    bytes: int
    lines: int
    duplicates: int
    planted: pa.Table


def deliver(rng: np.random.Generator, world: World, received: I64, wrong_types: int) -> Feed:
    """Sort records by arrival, repeat some, damage some; what arrives after the end isn't there yet."""
    mess = world.mess
    again = np.flatnonzero(rng.random(len(received)) < mess.duplicate)
    record = np.concatenate([np.arange(len(received)), again])
    delay = (rng.exponential(20_000, len(again))).astype(np.int64)
    arrival = np.concatenate([received, received[again] + delay])
    order = np.argsort(arrival, kind="stable")
    order = order[arrival[order] < world.end]
    draw = rng.random(len(order))
    damage = np.where(draw < mess.truncated, TRUNCATED, SOUND)
    wrong = (draw >= mess.truncated) & (draw < mess.truncated + mess.wrong_type)
    damage[wrong] = rng.integers(TRUNCATED + 1, TRUNCATED + 1 + wrong_types, int(wrong.sum()))
    return Feed(record[order], arrival[order], damage.astype(np.int8))


def write_feed(
    world: World,
    out: Path,
    name: str,
    feed: Feed,
    kinds: tuple[str, ...],
    render: Callable[[I64, I8], U8],
    lines: dict[str, int],
) -> Delivered:
    """Add the lines to `name`, whose `{date}` is the day of arrival; `render` formats lines.

    `lines` holds how many lines the files have so far; files that aren't in it are begun.
    """
    day = np.clip((feed.arrival - world.start) // DAY_MS, 0, world.days - 1)
    edges = np.searchsorted(day, np.arange(world.days + 1))
    total = 0
    planted: list[pa.Table] = []
    for number in range(world.days):
        part = slice(int(edges[number]), int(edges[number + 1]))
        file = name.format(date=world.date(number))
        record, damage = feed.record[part], feed.damage[part]
        before = lines.get(file)
        total += _write_file(world, out / file, record, damage, render, before is not None)
        planted.append(_planted(file + _suffix(world), damage, kinds, before or 0))
        lines[file] = (before or 0) + len(record)
    repeats = len(feed.record) - int(np.count_nonzero(np.bincount(feed.record)))
    return Delivered(total, len(feed.record), repeats, pa.concat_tables(planted))


def _suffix(world: World) -> str:
    return ".gz" if world.gzip else ""


def _write_file(
    world: World, path: Path, record: I64, damage: I8, render: Callable[[I64, I8], U8], more: bool
) -> int:
    """Write a file's lines, or add `more`; the bytes written."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def block(rows: slice) -> U8:
        return render(record[rows], damage[rows])

    with path.with_name(path.name + _suffix(world)).open("ab" if more else "wb") as raw:
        before = raw.tell()
        if not world.gzip:
            return text.render_blocks(len(record), block, raw.write)
        with _packed(raw) as packed:
            text.render_blocks(len(record), block, packed.write)
        return raw.tell() - before


def _packed(raw: BinaryIO) -> gzip.GzipFile:
    """A gzip stream without name and time, so that equal content gives equal bytes."""
    return gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0)


def _planted(file: str, damage: I8, kinds: tuple[str, ...], before: int) -> pa.Table:
    at = np.flatnonzero(damage)
    return pa.table(
        {
            "file": pa.array([file] * len(at), pa.string()),
            "line": pa.array(at + 1 + before, pa.int64()),
            "kind": pa.array([kinds[d] for d in damage[at]], pa.string()),
        }
    )


def truncate(lines: U8, cut: I64, rows: I64) -> None:
    """Cut the given rows short in place, at least one byte before their newline."""
    columns = np.arange(lines.shape[1] - 1)
    body = lines[rows, :-1]
    body[columns >= cut[:, None]] = 0
    lines[rows, :-1] = body
