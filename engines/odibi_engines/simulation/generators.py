"""Columns that need nothing but the row's place: ranges, categories, names, profiles of the day."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from odibi.config import simulation_options as options

from .kinds import as_texts, vector_as
from .streams import Keys, bits, normals, stream_keys, uniforms
from .vectors import Vector, as_vector

__all__ = ["Block", "Site", "made"]

_DAY = 86_400


@dataclass(frozen=True)
class Block:
    """Some rows of some entities. `start` counts rows from the scope's start, `times` are theirs.

    `rows` is how many rows each entity has in all when that is known, `everyone` how many entities
    there are.
    """

    seed: int
    names: tuple[str, ...]
    places: tuple[int, ...]
    everyone: int
    rows: int | None
    start: int
    times: Any  # datetime64[us]

    @property
    def count(self) -> int:
        """Rows of each entity."""
        return len(self.times)

    @property
    def indices(self) -> Any:
        """The rows' numbers, 1 × rows."""
        return np.arange(self.start, self.start + self.count, dtype=np.int64)[None, :]

    @cached_property
    def seconds(self) -> Any:
        """Seconds since 1970 of the rows."""
        return self.times.astype("datetime64[s]").astype(np.int64)

    def keys(self, *purpose: object) -> Keys:
        """Keys of the entities' streams for a purpose."""
        return stream_keys(self.seed, purpose, self.names)

    def uniform(self, *purpose: object) -> Any:
        """Random floats from 0 up to 1 for a purpose, entities × rows."""
        return uniforms(self.keys(*purpose), self.start, self.count)


@dataclass(frozen=True, slots=True)
class Site:
    """A column of a block: its name and type, and its streams."""

    column: str
    kind: str
    block: Block

    def keys(self, *purpose: object) -> Keys:
        """Keys of the column's streams for a purpose."""
        return self.block.keys(self.column, *purpose)

    def uniform(self, *purpose: object) -> Any:
        """Random floats from 0 up to 1, entities × rows."""
        return uniforms(self.keys(*purpose), self.block.start, self.block.count)

    def normal(self, *purpose: object) -> Any:
        """Normally distributed floats, entities × rows."""
        return normals(self.keys(*purpose), self.block.start, self.block.count)


def made(generator: Any, site: Site) -> Vector:
    """The column's values in its type, of a shape that broadcasts to entities × rows."""
    return vector_as(site.kind, _MAKERS[generator.type](generator, site))


def _range(range_: options.Range, site: Site) -> Vector:
    low, high = range_.min, range_.max
    if range_.distribution == "normal":
        mean = (low + high) / 2 if range_.mean is None else range_.mean
        spread = (high - low) / 6 if range_.std_dev is None else range_.std_dev
        found = np.clip(mean + spread * site.normal(), low, high)
        return Vector(np.rint(found) if site.kind == "int" else found)
    share = site.uniform()
    if site.kind == "int" and np.floor(high) >= np.ceil(low):
        low, high = np.ceil(low), np.floor(high)
        return Vector(np.floor(low + share * (high - low + 1)))
    return Vector(low + share * (high - low))


def _categorical(choice: options.Categorical, site: Site) -> Vector:
    weights = np.array(choice.weights or [1.0] * len(choice.values), dtype=np.float64)
    edges = np.cumsum(weights / weights.sum())
    picked = np.minimum(np.searchsorted(edges, site.uniform(), side="right"), len(weights) - 1)
    values = np.empty(len(choice.values), dtype=object)
    values[:] = choice.values
    nulls = np.array([value is None for value in choice.values])
    typed = vector_as(site.kind, Vector(values, nulls if nulls.any() else None))
    return Vector(typed.values[picked], None if typed.nulls is None else typed.nulls[picked])


def _boolean(chance: options.Boolean, site: Site) -> Vector:
    return Vector(site.uniform() < chance.true_probability)


def _timestamp(_: options.Timestamp, site: Site) -> Vector:
    return Vector(site.block.times[None, :])


def _sequential(numbers: options.Sequential, site: Site) -> Vector:
    place = site.block.indices
    if numbers.unique_across_entities:
        entities = np.array(site.block.places, dtype=np.int64)[:, None]
        # one entity's numbers after another's; in turns when nobody knows how many there will be
        place = (
            place * site.block.everyone + entities
            if site.block.rows is None
            else entities * site.block.rows + place
        )
    return Vector(numbers.start + numbers.step * place)


def _constant(constant: options.ConstantValue, site: Site) -> Vector:
    value = constant.value
    if not isinstance(value, str) or "{" not in value:
        return as_vector(value)
    of_rows = [sign in value for sign in ("{timestamp}", "{row_number}")]
    times = as_texts(site.block.times) if of_rows[0] else [""] * site.block.count
    rows = range(site.block.count) if any(of_rows) else range(1)
    found = np.empty((len(site.block.names), len(rows)), dtype=object)
    for line, (name, place) in enumerate(zip(site.block.names, site.block.places, strict=True)):
        text = value.replace("{entity_id}", name).replace("{entity_index}", str(place))
        for row in rows:
            filled = text.replace("{timestamp}", times[row])
            found[line, row] = filled.replace("{row_number}", str(site.block.start + row))
    return Vector(found)


def _each(block: Block, make: Callable[[int, int], str]) -> Vector:
    """A text for each (entity of the block, row of the block)."""
    found = np.empty((len(block.names), block.count), dtype=object)
    for line in range(len(block.names)):
        found[line, :] = [make(line, row) for row in range(block.count)]
    return Vector(found)


def _uuid(wanted: options.Uuid, site: Site) -> Vector:
    if wanted.version == 5:
        space = uuid.NAMESPACE_DNS
        if wanted.namespace not in (None, "DNS"):
            space = uuid.uuid5(space, str(wanted.namespace))
        names, start = site.block.names, site.block.start
        return _each(site.block, lambda e, row: str(uuid.uuid5(space, f"{names[e]}_{start + row}")))
    high = bits(site.keys("high"), site.block.start, site.block.count)
    low = bits(site.keys("low"), site.block.start, site.block.count)
    high = high & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
    low = low & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
    digits = np.stack([high, low], axis=-1).astype(">u8").tobytes().hex()
    texts = [_dashed(digits[at : at + 32]) for at in range(0, len(digits), 32)]
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return Vector(found.reshape(high.shape))


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _email(address: options.Email, site: Site) -> Vector:
    def made_of(line: int, row: int) -> str:
        number = str(site.block.start + row)
        user = address.pattern.replace("{entity}", site.block.names[line])
        return f"{user.replace('{index}', number).replace('{row}', number)}@{address.domain}"

    return _each(site.block, made_of)


def _ipv4(wanted: options.Ipv4, site: Site) -> Vector:
    network = ipaddress.IPv4Network(wanted.subnet or "0.0.0.0/0", strict=False)
    first, size = int(network.network_address), network.num_addresses
    spare = 1 if size > 2 else 0  # neither the network's own address nor its broadcast
    share = site.uniform()
    numbers = first + spare + np.floor(share * (size - 2 * spare)).astype(np.int64)
    return _each(site.block, lambda line, row: str(ipaddress.IPv4Address(int(numbers[line, row]))))


def _geo(wanted: options.Geo, site: Site) -> Vector:
    south, west, north, east = wanted.bbox
    lat = np.round(south + site.uniform("lat") * (north - south), 6)
    lon = np.round(west + site.uniform("lon") * (east - west), 6)
    return _each(site.block, lambda line, row: f"({lat[line, row]}, {lon[line, row]})")


def _daily_profile(profile: options.DailyProfile, site: Site) -> Vector:
    points = profile.points()
    first = (
        site.block.seconds[0] // _DAY - 1
    )  # the day before has the line that leads into the first
    days = site.block.seconds[-1] // _DAY + 2 - first
    curve = np.tile([value for _, value in points], (len(site.block.names), int(days), 1))
    if profile.volatility:
        for number in range(len(points)):
            shifts = normals(site.keys("day", number), int(first), int(days))
            curve[:, :, number] += profile.volatility * shifts
    anchors = ((first + np.arange(days)) * _DAY)[:, None] + np.array([at for at, _ in points])
    found = _along(
        anchors.ravel(), curve.reshape(len(site.block.names), -1), site.block.seconds, profile
    )
    if profile.weekend_scale is not None:
        weekend = (site.block.seconds // _DAY + 3) % 7 >= 5  # 1970 began on a Thursday
        found = np.where(weekend, found * profile.weekend_scale, found)
    if profile.noise:
        found = found + profile.noise * (2 * site.uniform("noise") - 1)
    found = np.clip(found, profile.min, profile.max)
    if profile.precision is not None:
        found = np.round(found, profile.precision)
    return Vector(np.rint(found) if site.kind == "int" else found)


def _along(anchors: Any, curve: Any, seconds: Any, profile: options.DailyProfile) -> Any:
    """The curve's values at some times."""
    before = np.searchsorted(anchors, seconds, side="right") - 1
    left = curve[:, before]
    if profile.interpolation == "step":
        return left
    right = curve[:, before + 1]
    share = (seconds - anchors[before]) / (anchors[before + 1] - anchors[before])
    return left + (right - left) * share


_MAKERS: dict[str, Callable[[Any, Site], Vector]] = {
    "range": _range,
    "categorical": _categorical,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "sequential": _sequential,
    "constant": _constant,
    "uuid": _uuid,
    "email": _email,
    "ipv4": _ipv4,
    "geo": _geo,
    "daily_profile": _daily_profile,
}
