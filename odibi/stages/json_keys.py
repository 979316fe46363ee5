"""Keys of JSON objects that a read leaves out: found where they are likely, at the ends of the files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["unread_keys"]

_LINES = 100
_BYTES = 1 << 18
_FILES = 5


def unread_keys(files: Sequence[Path], columns: Collection[str]) -> list[str]:
    """Keys of objects, one a line, that are no column, sorted.

    Looks at up to 100 lines at both ends of the first and last five files: a key that a source begins
    or ceases to send is found, whatever the files' size. Names are compared without case.
    """
    known = {name.lower() for name in columns}
    looked_at = dict.fromkeys([*files[:_FILES], *files[-_FILES:]])
    return sorted({key for file in looked_at for key in _keys(file) if key.lower() not in known})


def _keys(file: Path) -> Iterator[str]:
    with suppress(OSError, EOFError):  # reading it says what is wrong with it
        for line in [*_head(file), *_tail(file)]:
            with suppress(ValueError, RecursionError):
                found = json.loads(line)
                yield from found if isinstance(found, dict) else ()


def _head(file: Path) -> Iterable[bytes]:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        return stream.read(_BYTES).removeprefix(b"\xef\xbb\xbf").splitlines()[:_LINES]


def _tail(file: Path) -> Iterable[bytes]:
    """The last whole lines; none of a packed file, which would have to be unpacked for it."""
    if file.suffix == ".gz" or (size := file.stat().st_size) <= _BYTES:
        return []
    with file.open("rb") as stream:
        stream.seek(size - _BYTES)
        return stream.read(_BYTES).splitlines()[1:][-_LINES:]
