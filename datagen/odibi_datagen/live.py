"""Live data: a generated data set that lands bit by bit, in the order in which it arrived.

The whole set is generated at once, out of the pipelines' sight. Then its clock runs: event lines land in
new files, menus at the midnight of their day, and the database is as it was at that moment: orders appear,
are accepted, picked up, delivered. When all has landed the tables and events are those of the whole set.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .oltp import SCHEMA

__all__ = ["SOURCE", "LiveLanding"]

SOURCE = ".live"
"""Folder of the landing zone that holds what hasn't landed yet."""

_FEEDS = {"clickstream": "events", "driver_pings": "pings"}
_ARRIVED = re.compile(rb'"received_at":"([0-9T:.-]{23})')
_STAGES = ("accepted", "picked_up", "delivered", "cancelled")


class LiveLanding:
    """A landing zone whose clock is moved by `advance`; `source` is a generated data set of its own."""

    def __init__(self, source: Path, out: Path) -> None:
        self.source, self.out = source, out
        days = sorted(path.name[3:] for path in (source / "clickstream").glob("dt=*"))
        self.now = datetime.fromisoformat(days[0]).replace(tzinfo=UTC)
        """Up to here everything has landed."""
        self.end = datetime.fromisoformat(days[-1]).replace(tzinfo=UTC) + timedelta(days=1)
        self._feeds = {feed: _Feed(source / feed) for feed in _FEEDS}
        self.database = out / "oltp" / "odibieats.db"
        shutil.copytree(source / "lookups", out / "lookups")
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.database)) as db:
            db.executescript(SCHEMA)
        (out / "menus").mkdir()
        planted = pq.read_table(source / "truth" / "planted_bad.parquet").to_pylist()
        self._planted = {(row["file"], row["line"]): row["kind"] for row in planted}
        self._landed_bad = [row for row in planted if row["file"].startswith("menus/")]

    def __enter__(self) -> LiveLanding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; what has landed stays."""
        for feed in self._feeds.values():
            feed.close()

    @property
    def done(self) -> bool:
        """Whether everything has landed."""
        return self.now >= self.end

    def advance(self, step: timedelta) -> dict[str, int]:
        """Land what arrived in the next `step`; lines of each feed and rows of the database."""
        until = min(self.now + step, self.end)
        landed = {feed: self._land(feed, until) for feed in _FEEDS}
        landed["rows"] = self._transact(until)
        for day in _midnights(self.now, until):
            menu = f"menus/menu_{day:%Y-%m-%d}.csv"
            _publish(self.out / menu, (self.source / menu).read_bytes())
        self.now = until
        if self.done:
            self._tell_truth()
        return landed

    def _tell_truth(self) -> None:
        """The truth beside the data; bad lines are where they landed."""
        truth = self.out / "truth"
        shutil.copytree(self.source / "truth", truth, dirs_exist_ok=True)
        kinds = pa.schema([("file", pa.string()), ("line", pa.int64()), ("kind", pa.string())])
        bad = pa.Table.from_pylist(self._landed_bad, kinds)
        pq.write_table(bad, truth / "planted_bad.parquet", compression="zstd")

    def _land(self, feed: str, until: datetime) -> int:
        """One new file for each day that the lines belong to."""
        number = 0
        for day, lines in self._feeds[feed].take(until):
            name = f"{feed}/{day}/{_FEEDS[feed]}-{self.now:%Y%m%dT%H%M%S}.ndjson"
            _publish(self.out / name, b"".join(line for line, _, _ in lines))
            for at, (_, file, source_line) in enumerate(lines, start=1):
                kind = self._planted.get((f"{feed}/{day}/{file}", source_line))
                if kind is not None:
                    self._landed_bad.append({"file": name, "line": at, "kind": kind})
            number += len(lines)
        return number

    def _transact(self, until: datetime) -> int:
        """Bring the database to the moment `until`, in one transaction; the rows touched."""
        moments = {"before": f"{self.now:%Y-%m-%d %H:%M:%S}", "now": f"{until:%Y-%m-%d %H:%M:%S}"}
        with closing(sqlite3.connect(self.database, timeout=60)) as db:
            source = f"{(self.source / 'oltp' / 'odibieats.db').absolute().as_uri()}?mode=ro"
            db.execute("ATTACH ? AS source", (source,))
            before = db.total_changes
            with db:
                for statement in _STATEMENTS:
                    db.execute(statement, moments)
            return db.total_changes - before


_Line = tuple[bytes, str, int]
"""A line, and the file and line number that it comes from."""


class _Feed:
    """The lines of a feed in order of arrival, day after day."""

    def __init__(self, folder: Path) -> None:
        self._days = iter(sorted(folder.glob("dt=*")))
        self._open: list[_Lines] = []
        self._day = ""

    def take(self, until: datetime) -> Iterator[tuple[str, list[_Line]]]:
        """Lines that arrived before `until`, by the folder of their day."""
        moment = f"{until:%Y-%m-%dT%H:%M:%S}.000".encode()
        while True:
            lines = [line for file in self._open for line in file.before(moment)]
            if lines:
                yield self._day, lines
            self._open = [file for file in self._open if not file.ended]
            if self._open or not self._next_day(moment):
                return

    def close(self) -> None:
        for file in self._open:
            file.close()

    def _next_day(self, moment: bytes) -> bool:
        """Open the files of the next day, unless that day is yet to come."""
        day = next(self._days, None)
        if day is None:
            return False
        self._day = day.name
        self._open = [_Lines(path) for path in sorted(day.glob("*.ndjson"))]
        return day.name[3:].encode() < moment


class _Lines:
    """A file's lines; one without a time of its own, or delivered again, arrived with the one before it."""

    def __init__(self, path: Path) -> None:
        self._file, self._name, self._number = path.open("rb"), path.name, 0
        self._arrived = b""
        self._line = b""
        self.ended = False
        self._step()

    def before(self, moment: bytes) -> Iterator[_Line]:
        while not self.ended and self._arrived < moment:
            yield self._line, self._name, self._number
            self._step()

    def _step(self) -> None:
        self._line = self._file.readline()
        self._number += 1
        self.ended = not self._line
        if self.ended:
            self.close()
        elif told := _ARRIVED.search(self._line):
            self._arrived = max(self._arrived, told[1])

    def close(self) -> None:
        self._file.close()


def _midnights(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Midnights from `begin` on and before `end`."""
    day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        if day >= begin:
            yield day
        day += timedelta(days=1)


def _publish(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all: a run may look at any moment, for `*.ndjson*` too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def _as_of_now() -> str:
    """The columns of an order as they were at `:now`: later stages haven't happened yet."""
    stages = ", ".join(f"CASE WHEN {s}_at < :now THEN {s}_at END" for s in _STAGES)
    status = " ".join(f"WHEN {s}_at < :now THEN '{s}'" for s in reversed(_STAGES))
    return (
        f"order_id, user_id, restaurant_id, CASE {status} ELSE 'placed' END, placed_at, {stages}, "
        "items_cents, delivery_fee_cents, total_cents"
    )


def _changed(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"{column} >= :before AND {column} < :now" for column in columns)


_NEW = "({column} < :now AND ({column} >= :before OR NOT EXISTS (SELECT 1 FROM {table})))"
"""In the step, or older than the period when the table is still empty."""

_STATEMENTS = (
    f"INSERT OR REPLACE INTO orders SELECT {_as_of_now()} FROM source.orders "
    f"WHERE placed_at < :now AND ({_changed(('placed_at', *(f'{s}_at' for s in _STAGES)))})",
    "INSERT INTO order_items SELECT i.* FROM source.order_items AS i JOIN source.orders AS o "
    "ON o.order_id = i.order_id WHERE o.placed_at >= :before AND o.placed_at < :now",
    "INSERT INTO payments SELECT * FROM source.payments WHERE created_at >= :before AND created_at < :now",
    "INSERT INTO customers SELECT * FROM source.customers WHERE "
    + _NEW.format(column="created_at", table="main.customers"),
)
