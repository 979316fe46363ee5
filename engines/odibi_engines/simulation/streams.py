"""Random numbers by their place: a stream for every purpose, and any part of it without the rest.

Number `i` of a stream is SplitMix64 at counter `i` (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014), so rows can be made in any order, in parts, and again, and are the same; other
columns and entities have other streams and aren't touched by what is added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "bits", "normals", "stream_keys", "uniforms"]

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def stream_keys(seed: int, purpose: Sequence[object], entities: Sequence[str]) -> Keys:
    """A key of a stream for each entity."""
    head = "\x1f".join([str(seed), *map(str, purpose)])
    digests = (
        hashlib.blake2b(f"{head}\x1f{name}".encode(), digest_size=8).digest() for name in entities
    )
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


def bits(keys: Keys, start: int, count: int) -> NDArray[np.uint64]:
    """Numbers `start` to `start + count` of the streams: 64 random bits each, entities × numbers."""
    counter = np.arange(start + 1, start + count + 1, dtype=np.uint64)
    mixed = keys[:, None] + counter[None, :] * _STEP
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniforms(keys: Keys, start: int, count: int) -> Floats:
    """Floats from 0 up to 1, entities × numbers."""
    return (bits(keys, start, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(keys: Keys, start: int, count: int) -> Floats:
    """Normally distributed floats of mean 0 and deviation 1 (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniforms(keys, 2 * start, 2 * count)[:, ::2]))
    turn = uniforms(keys, 2 * start, 2 * count)[:, 1::2]
    return np.asarray(radius * np.cos(2.0 * np.pi * turn))
