"""Text without a loop over rows: columns become byte matrices, zero bytes are padding and fall out.

A *field* is an `(n, w)` uint8 matrix, one row a record. Fields are joined side by side; rows shorter
than the width hold zero bytes anywhere, which `compact` drops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from .rng import I64, U8, U64, Bool

__all__ = [
    "arrow_text",
    "compact",
    "decimal",
    "digits",
    "either",
    "hexadecimal",
    "iso_ms",
    "join",
    "pool",
    "prefixed",
    "quoted",
    "render_blocks",
]

BLOCK_ROWS = 8192  # rows formatted at a time: the matrix of a block stays in the L2 cache

_QUADS = np.array([int.from_bytes(b"%04d" % i, "little") for i in range(10_000)], np.uint32)
_HEX = np.array([int.from_bytes(b"%02x" % i, "little") for i in range(256)], np.uint16)
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


def digits(values: I64, width: int, *, padded: bool = True) -> U8:
    """Non-negative integers below `10**width`, with leading zeros or (not `padded`) without."""
    quads = -(-width // 4)
    rest: Any = values.astype(np.uint32 if width < 10 else np.uint64)
    base = rest.dtype.type(10_000)
    out = np.empty((len(values), quads), np.uint32)
    for column in range(quads - 1, 0, -1):
        head = rest // base
        out[:, column] = _QUADS.take(rest - head * base)
        rest = head
    out[:, 0] = _QUADS.take(rest)
    field: U8 = out.view(np.uint8).reshape(len(values), quads * 4)[:, quads * 4 - width :]
    return field if padded else _strip_zeros(field, values)


def _strip_zeros(field: U8, values: I64) -> U8:
    width = field.shape[1]
    for column in range(width - 1):
        np.multiply(field[:, column], values >= 10 ** (width - 1 - column), out=field[:, column])
    return field


def decimal(values: I64, places: int, *, whole: int = 3) -> U8:
    """Scaled integers as decimal text: 1234567 with 6 places is `1.234567`; negative ones get a minus."""
    size = np.abs(values)
    scale = 10**places
    out = np.empty((len(values), 1 + whole + 1 + places), np.uint8)
    out[:, 0] = np.where(values < 0, 45, 0)
    out[:, 1 : 1 + whole] = digits(size // scale, whole, padded=False)
    out[:, 1 + whole] = 46
    out[:, 2 + whole :] = digits(size % scale, places)
    return out


def hexadecimal(values: U64) -> U8:
    """16 hexadecimal digits a row."""
    raw = values.astype(">u8").view(np.uint8).reshape(len(values), 8)
    return _HEX.take(raw).view(np.uint8).reshape(len(values), 16)


def iso_ms(times: I64) -> U8:
    """Milliseconds since 1970 as `2025-11-03T12:34:56.789Z`."""
    days = times // _DAY_MS
    first = int(days.min()) if len(days) else 0
    count = int(days.max(initial=first)) - first + 1
    names = [f"{np.datetime64(first + day, 'D')}T".encode() for day in range(count)]
    clock = (times - days * _DAY_MS).astype(np.uint32)
    minutes = clock // np.uint32(_MINUTE_MS)
    of_hours, of_minutes = _clocks()
    out = np.empty((len(times), 24), np.uint8)
    out[:, :11] = pool(days - first, names)
    out[:, 11:17] = of_hours.take(minutes, axis=0)
    out[:, 17:] = of_minutes.take(clock - minutes * np.uint32(_MINUTE_MS), axis=0)
    return out


@lru_cache(1)
def _clocks() -> tuple[U8, U8]:
    """`12:34:` for each minute of a day, `56.789Z` for each millisecond of a minute."""
    minute, ms = np.arange(1440), np.arange(_MINUTE_MS)
    return (
        join(len(minute), [digits(minute // 60, 2), b":", digits(minute % 60, 2), b":"]),
        join(len(ms), [digits(ms // 1000, 2), b".", digits(ms % 1000, 3), b"Z"]),
    )


def pool(index: I64, texts: Sequence[bytes]) -> U8:
    """Row i is `texts[index[i]]`."""
    width = max(map(len, texts))
    table = np.frombuffer(b"".join(t.ljust(width, b"\0") for t in texts), np.uint8)
    return table.reshape(len(texts), width).take(index, axis=0)


def prefixed(prefix: bytes, field: U8) -> U8:
    """The field with a constant text before it."""
    head = np.broadcast_to(np.frombuffer(prefix, np.uint8), (len(field), len(prefix)))
    return np.concatenate([head, field], axis=1)


def quoted(field: U8) -> U8:
    """The field between double quotes; the caller knows that nothing inside needs escaping."""
    out = np.full((len(field), field.shape[1] + 2), 34, np.uint8)
    out[:, 1:-1] = field
    return out


def either(choose: Bool, field: U8, otherwise: bytes) -> U8:
    """Rows of `field` where `choose`, the constant `otherwise` elsewhere."""
    width = max(field.shape[1], len(otherwise))
    out = np.zeros((len(field), width), np.uint8)
    out[:, : field.shape[1]] = field
    out[~choose] = np.frombuffer(otherwise.ljust(width, b"\0"), np.uint8)
    return out


def join(rows: int, parts: Sequence[bytes | U8]) -> U8:
    """One matrix from constants and fields side by side."""
    width = sum(len(p) if isinstance(p, bytes) else p.shape[1] for p in parts)
    out = np.empty((rows, width), np.uint8)
    at = 0
    for part in parts:
        end = at + (len(part) if isinstance(part, bytes) else part.shape[1])
        out[:, at:end] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        at = end
    return out


def compact(matrix: U8) -> bytes:
    """The rows one after another without their padding."""
    return matrix.tobytes().translate(None, b"\0")


def render_blocks(rows: int, render: Callable[[slice], U8], sink: Callable[[bytes], object]) -> int:
    """Format `rows` records block by block into `sink`; returns the number of bytes."""
    total = 0
    for start in range(0, rows, BLOCK_ROWS):
        data = compact(render(slice(start, min(start + BLOCK_ROWS, rows))))
        sink(data)
        total += len(data)
    return total


def arrow_text(field: U8) -> pa.Array:
    """A field without padding as an Arrow string array."""
    rows, width = field.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(field))]
    return pa.Array.from_buffers(pa.large_string(), rows, buffers).cast(pa.string())
