"""Order-free randomness: one Philox generator per (seed, stream, chunk), and identifiers by mixing."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["F64", "I8", "I64", "U8", "U64", "Bool", "Stream", "generator", "identifiers"]

Bool = NDArray[np.bool_]
I8 = NDArray[np.int8]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]


class Stream(IntEnum):
    """Independent sources of randomness; a new one takes a new number, so that old data stay the same."""

    ZONES = 1
    RESTAURANTS = 2
    MENUS = 3
    PEOPLE = 4
    VISITS = 5
    CLICKS = 6
    ORDERS = 7
    PINGS = 8
    CLICK_FEED = 9
    PING_FEED = 10
    STEPS = 11
    LATE_MENUS = 12


def generator(seed: int, stream: Stream, chunk: int = 0) -> np.random.Generator:
    """A generator that depends on nothing but its arguments, so chunks may run in any order."""
    entropy = np.random.SeedSequence([seed, int(stream), chunk])
    return np.random.Generator(np.random.Philox(entropy))


def identifiers(seed: int, kind: int, keys: I64) -> U64:
    """Distinct random-looking 64-bit identifiers for distinct `keys`, without any state.

    The finaliser of splitmix64 (Steele, Lea, Flood 2014) is a bijection: no two keys collide.
    """
    salt = np.random.SeedSequence([seed, kind]).generate_state(1, np.uint64)[0]
    x = keys.astype(np.uint64) + salt
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: U64 = x ^ (x >> np.uint64(31))
    return mixed
