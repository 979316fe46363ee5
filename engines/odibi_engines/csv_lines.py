"""Where records of a CSV file stand: line numbers from byte positions, and records that only Python can judge."""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, TextIO, cast

from .read_options import CsvOptions

__all__ = ["Told", "losing_records", "newlines_before", "open_text"]

_CHUNK = 4 << 20


def open_text(file: Path, encoding: str | None) -> TextIO:
    """The file's text with its line breaks as they are; a byte-order mark is skipped.

    Raises LookupError for an encoding that doesn't exist.
    """
    name = codecs.lookup(encoding or "utf-8").name
    name = "utf-8-sig" if name == "utf-8" else name
    if file.suffix == ".gz":
        return cast(TextIO, gzip.open(file, "rt", encoding=name, newline="", errors="replace"))
    return file.open(encoding=name, newline="", errors="replace")


def _open_bytes(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def newlines_before(file: Path, offsets: Sequence[int]) -> Iterator[int]:
    """For each byte offset, in rising order, the number of line breaks before it. One pass, as far as needed."""
    with _open_bytes(file) as stream:
        chunk, start, counted = stream.read(_CHUNK), 0, 0
        position = 0
        for offset in offsets:
            while offset > start + len(chunk) and chunk:
                counted += chunk.count(b"\n", position - start)
                start += len(chunk)
                position = start
                chunk = stream.read(_CHUNK)
            counted += chunk.count(b"\n", position - start, offset - start)
            position = offset
            yield counted


class Told(NamedTuple):
    """How a column's texts are judged: whether a cast loses something, the type's name, whether it is a number."""

    loses: Callable[[str], bool]
    type: str
    number: bool


def losing_records(
    file: Path,
    options: CsvOptions,
    header: Sequence[str],
    told: Mapping[str, Told],
    known: Collection[int],
) -> Iterator[tuple[str, int, str, str]]:
    """Records with a value that its cast would change, as (file, line, reason, raw), without the known lines."""
    wanted = [(number, name, told[name]) for number, name in enumerate(header) if name in told]
    with open_text(file, options.encoding) as stream:
        for _ in range(options.skip):
            next(stream, None)
        reader = csv.reader(
            stream, delimiter=options.delimiter or ",", quotechar=options.quote or None,
            quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
            escapechar=None if options.escape in (options.quote, "") else options.escape,
        )  # fmt: skip
        line = options.skip + 1
        for record in reader:
            reasons = [
                f"column {name}: {record[n]} is not {rule.type}"
                for n, name, rule in wanted
                if n < len(record) and rule.loses(_plain(record[n], options, rule))
            ]
            if reasons and line not in known and len(record) == len(header):
                yield str(file), line, "; ".join(reasons), (options.delimiter or ",").join(record)
            line = options.skip + reader.line_num + 1


def _plain(text: str, options: CsvOptions, rule: Told) -> str:
    if not rule.number:
        return text
    if options.thousands:
        text = text.replace(options.thousands, "")
    if options.decimal not in (None, "."):
        text = text.replace(".", "x").replace(options.decimal or "", ".")
    return text
