"""The people of one block: where they live, whether they have an account, which devices they own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .city import CITIES
from .rng import I64, Bool, Stream, generator
from .world import World

__all__ = ["People", "make_people"]

_CITY_SHARE = (0.45, 0.30, 0.25)


@dataclass(frozen=True, slots=True)
class People:
    """n people; `number` is unique over all blocks. Homes in microdegrees.

    `newcomer` people create their account during the period. `appetite` is visits a day.
    `erased` accounts were deleted on demand: they left the customers, not the orders.
    """

    number: I64
    city: I64
    lat: I64
    lon: I64
    account: Bool
    newcomer: Bool
    devices: I64
    cookie_days: I64
    appetite: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    name: I64
    street: I64
    erased: Bool

    def __len__(self) -> int:
        return len(self.number)


def make_people(world: World, block: int) -> People:
    """People are drawn per block, so that a block needs no other block."""
    rng = generator(world.seed, Stream.PEOPLE, block)
    count = world.people_per_block
    city = rng.choice(len(CITIES), count, p=_CITY_SHARE).astype(np.int64)
    middle = np.array([(c.lat, c.lon) for c in CITIES], np.int64)[city]
    account = rng.random(count) < 0.6
    # At most six cookies a device: the hub rule (more than eight) must never hit a private one.
    keeps = np.maximum(5, -(-world.days // 6))
    return People(
        number=block * count + np.arange(count),
        city=city,
        lat=middle[:, 0] + rng.integers(-64_000, 64_001, count),
        lon=middle[:, 1] + rng.integers(-86_000, 86_001, count),
        account=account,
        newcomer=account & (rng.random(count) < 0.2),
        devices=rng.choice([1, 2, 3], count, p=[0.5, 0.35, 0.15]),
        cookie_days=np.where(rng.random(count) < 0.15, keeps, 10**6),
        appetite=np.minimum(rng.gamma(0.8, 0.25, count), 2.5),
        name=rng.integers(0, 10**9, count),
        street=rng.integers(0, 10**9, count),
        erased=account & (rng.random(count) < world.mess.erased_customer),
    )
