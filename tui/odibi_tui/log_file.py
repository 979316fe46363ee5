"""The log of a run as lines for people: an index of places in its event files, decoded when looked at.

Opening costs one pass over the bytes. The tests on raw lines rely on how `events.encode` writes: no
spaces, fields in their order, quotes within texts escaped.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from heapq import merge
from itertools import compress
from operator import itemgetter
from pathlib import Path

from rich.cells import chop_cells

from odibi.event_log import log_files
from odibi.events import decode
from odibi.safe_text import safe
from odibi_tui.event_text import LEVELS, told

__all__ = ["Entry", "LogFile", "wrapped"]

_BLOCK = 4 << 20  # bytes read at once
_REMEMBERED = 4_096
_LOG_LINE = b'"type":"log_line","data":{"level":"'
_MESSAGE = b'","message":"'
_NODE = b'","node":'
_INFO, _ERROR, _TEXT = LEVELS.index("INFO"), LEVELS.index("ERROR"), len(LEVELS)
_BY_INITIAL = {ord(level[0]): place for place, level in enumerate(LEVELS)} | {ord("C"): _ERROR}
# The level of every other kind of event that says something; None where its content decides.
_BY_KIND: dict[bytes, int | None] = {
    b"stage_finished": 0,
    b"run_started": 1,
    b"node_started": 1,
    b"node_succeeded": 1,
    b"node_skipped": 1,
    b"write_committed": 1,
    b"node_retried": 2,
    b"rows_quarantined": 2,
    b"node_cancel_requested": 2,
    b"node_cancelled": 2,
    b"run_cancel_requested": 2,
    b"node_failed": 3,
    b"check_evaluated": None,
    b"run_finished": None,
}
_Place = tuple[int, int, int]  # offset, length, level


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log; `message` is not yet safe to show. Lines of plain text have no time."""

    at: datetime | None
    level: str
    node: str | None
    message: str


class LogFile:
    """All lines of the run in `run_dir`; while it has no events, those of the plain file `text`.

    `plain` tells which of the two it is. `levels` holds the level of each line as its place in LEVELS, behind them all for plain text.
    `read_on`, `find`, `of_node` and `rows` read files and belong in a thread, one at a time.
    """

    def __init__(self, run_dir: Path, text: Path | None = None) -> None:
        self._run_dir, self._text = run_dir, text
        self._files: list[Path] = []
        self._ends: list[int] = []  # up to where each file has been read
        self._latest: list[bytes] = []
        self._file, self._offset, self._length = array("B"), array("Q"), array("L")
        self.levels = bytearray()
        self.plain = False
        self.entry = lru_cache(_REMEMBERED)(self._entry)

    def __len__(self) -> int:
        return len(self.levels)

    # Reading --------------------------------------------------------------------------------------------

    def read_on(self) -> int:
        """Index what was appended; returns how many lines that is. Raises OSError, StateError."""
        self._find_files()
        before = len(self)
        found = [self._fresh(number) for number in range(len(self._files))]
        filled = [number for number, places in enumerate(found) if places]
        if len(filled) == 1:
            self._append(filled[0], found[filled[0]])
        else:
            for _, number, place in merge(
                *(self._timed(number, found[number]) for number in filled), key=itemgetter(0)
            ):
                self._append(number, [place])
        return len(self) - before

    def _find_files(self) -> None:
        files = log_files(self._run_dir)
        if files and self.plain:
            self._forget()  # the run has begun: its events say it better
        if not files and self._text is not None and self._text.exists():
            files, self.plain = [self._text], True
        for path in files:
            if path not in self._files:
                self._files.append(path)
                self._ends.append(0)
                self._latest.append(b"")

    def _forget(self) -> None:
        self.plain = False
        for known in (self._files, self._ends, self._latest, self._file, self._offset):
            del known[:]
        del self._length[:], self.levels[:]
        self.entry.cache_clear()

    def _fresh(self, number: int) -> list[_Place]:
        """Where the new lines of a file are that say something; a torn last line waits."""
        places: list[_Place] = []
        index = _index_text if self.plain else _index
        with self._files[number].open("rb") as file:
            file.seek(self._ends[number])
            rest = b""
            while block := file.read(_BLOCK):
                data = rest + block
                cut = data.rfind(b"\n") + 1
                places += index(data[:cut], self._ends[number])
                self._ends[number] += cut
                rest = data[cut:]
        return places

    def _append(self, number: int, places: Sequence[_Place]) -> None:
        self._file.extend([number] * len(places))
        self._offset.extend([place[0] for place in places])
        self._length.extend([place[1] for place in places])
        self.levels.extend([place[2] for place in places])  # last: it says how many there are

    def _timed(self, number: int, places: list[_Place]) -> Iterator[tuple[bytes, int, _Place]]:
        """The lines of a file with the times to merge by, which never run backwards."""
        with self._files[number].open("rb") as file:
            for place in places:
                file.seek(place[0])
                at = file.read(min(place[1], 100)).partition(b'"at":"')[2].partition(b'"')[0]
                self._latest[number] = max(self._latest[number], at)
                yield self._latest[number], number, place

    # Lines ----------------------------------------------------------------------------------------------

    def _entry(self, index: int) -> Entry:
        try:
            raw = self._raw(index)
        except OSError as error:
            return Entry(None, "ERROR", None, f"this line can't be read: {error.strerror}")
        return _decoded(raw, self.levels[index])

    def _raw(self, index: int) -> bytes:
        with self._files[self._file[index]].open("rb") as file:
            file.seek(self._offset[index])
            return file.read(self._length[index])

    def _scan(self, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """The raw lines from `first` on with their places: one pass over each file, block by block."""
        blocks = [(0, b"")] * len(self._files)
        for index in range(first, len(self)):
            number, offset, length = self._file[index], self._offset[index], self._length[index]
            start, block = blocks[number]
            if not start <= offset <= start + len(block) - length:
                with self._files[number].open("rb") as file:
                    file.seek(offset)
                    start, block = blocks[number] = offset, file.read(max(_BLOCK, length))
            yield index, block[offset - start : offset - start + length]

    # Questions ------------------------------------------------------------------------------------------

    def at_least(self, level: str, first: int = 0) -> Sequence[int]:
        """Lines from `first` on with that level or a higher one."""
        least, end = LEVELS.index(level), len(self)
        if not least:
            return range(first, end)
        wanted = self.levels[first:end].translate(bytes(code >= least for code in range(256)))
        return array("L", compress(range(first, end), wanted))

    def of_node(self, key: str, among: Sequence[int]) -> Sequence[int]:
        """Those lines of `among` (ascending) that belong to a node."""
        if not among:
            return among
        name, wanted = _json(key), set(among)
        sign = f'"node":"{name}"'.encode("utf-8", "backslashreplace")
        first = among[0]
        return array("L", (i for i, raw in self._scan(first) if i in wanted and sign in raw))

    def find(self, text: str, first: int = 0) -> list[int]:
        """Lines from `first` on whose message or node holds the text, whatever the case."""
        if not text:
            return []
        sought = text.casefold()
        return [i for i, raw in self._scan(first) if self._holds(i, raw, sought)]

    def _holds(self, index: int, raw: bytes, text: str) -> bool:
        message = _message_of(raw)
        if message is None or b"\\" in raw:
            entry = self._entry(index)
            return text in entry.message.casefold() or text in (entry.node or "").casefold()
        if text not in raw.decode("utf-8", "replace").casefold():
            return False  # most lines don't hold it anywhere
        node = raw[message.stop + len(_NODE) :]
        name = node[1:].partition(b'"')[0] if node[:1] == b'"' else b""
        shown = (raw[message].decode("utf-8", "replace"), name.decode("utf-8", "replace"))
        return any(text in part.casefold() for part in shown)

    def first_error(self) -> int | None:
        """The first line of level ERROR."""
        place = self.levels.find(_ERROR)
        return place if place >= 0 else None

    def until(self, moment: datetime, shown: Sequence[int]) -> int:
        """How many of the lines `shown` were said by that moment."""
        low, high = 0, len(shown)
        while low < high:
            middle = (low + high) // 2
            at = self.entry(shown[middle]).at
            if at is None or at <= moment:
                low = middle + 1
            else:
                high = middle
        return low

    def rows(self, cells: int, first: int = 0) -> array[int]:
        """How many rows of `cells` each line from `first` on takes, as `wrapped` breaks them."""
        found = array("L")
        for index, raw in self._scan(first):
            message = _message_of(raw)
            if message is not None and raw.isascii() and not _has_escapes(raw):
                found.append(max(-(-(message.stop - message.start) // cells), 1))
            else:
                found.append(len(wrapped(self._entry(index).message, cells)))
        return found


def wrapped(message: str, cells: int) -> list[str]:
    """The message in rows of at most so many cells, safe to show; its own line ends stay."""
    rows: list[str] = []
    for line in safe(message).expandtabs(4).splitlines():
        rows += chop_cells(line, cells) or [line]  # nothing is chopped from what has no width
    return rows or [""]


def _index(data: bytes, start: int) -> list[_Place]:
    """The lines in `data` that say something; `data` begins at byte `start` of its file."""
    places: list[_Place] = []
    for line in data.split(b"\n"):
        length = len(line)
        place = line.find(_LOG_LINE)
        if place > 0:
            places.append((start, length, _BY_INITIAL.get(line[place + len(_LOG_LINE)], _INFO)))
        elif length and (level := _level_of(line)) is not None:
            places.append((start, length, level))
        start += length + 1
    return places


def _index_text(data: bytes, start: int) -> list[_Place]:
    places: list[_Place] = []
    for line in data.splitlines(keepends=True):
        places.append((start, len(line.rstrip(b"\r\n")), _TEXT))
        start += len(line)
    return places


def _level_of(line: bytes) -> int | None:
    """The level of an event that is no log line; None when it says nothing."""
    kind = line.partition(b'"type":"')[2].partition(b'"')[0]
    level = _BY_KIND.get(kind, -1)
    if level is None:
        level = LEVELS.index(_decoded(line, _INFO).level)
    return level if level >= 0 else None


def _decoded(raw: bytes, level: int) -> Entry:
    """What a raw line says; a line that is no event is shown as it stands."""
    text = raw.decode("utf-8", "replace")
    if level == _TEXT:
        return Entry(None, "", None, text)
    try:
        event = decode(text)
        said = None if event is None else told(event.payload)
        if event is None or said is None:
            return Entry(None, LEVELS[level], None, text)
        at = datetime.fromisoformat(event.at)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Entry(None, LEVELS[level], None, text)
    return Entry(at, said[0], getattr(event.payload, "node", None), said[1])


def _message_of(raw: bytes) -> slice | None:
    """Where the message of a log line stands, as JSON; None for other events and plain text."""
    place = raw.find(_LOG_LINE)
    begin, end = raw.find(_MESSAGE, place), raw.rfind(_NODE)
    return slice(begin + len(_MESSAGE), end) if 0 < place < begin < end else None


def _has_escapes(raw: bytes) -> bool:
    return b"\\" in raw or b"\x7f" in raw


def _json(text: str) -> str:
    """The text as it stands between quotes in the log."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
