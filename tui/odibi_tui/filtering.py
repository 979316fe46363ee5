"""The filter language of `/`: which nodes a text means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from odibi_tui.paint import folded
from odibi_tui.world import World

__all__ = ["is_filter", "matching", "rows_before", "test_of"]

_Test = Callable[[str], bool]
_STATES = {
    "ok": ("succeeded",),
    "success": ("succeeded",),
    "fail": ("failed", "lost"),
    "failed": ("failed", "lost"),
    "warn": ("warning",),
    "run": ("running", "retrying"),
    "wait": ("queued", "none"),
    "skip": ("skipped",),
}
_NUMBER = re.compile(r"(t|rows|q)\s*([<>])\s*(-?\d+(?:\.\d+)?)")
_FLOW = re.compile(r"(?:d:)?(\d*\+)?([^+]+)(\+\d*)?")


def matching(world: World, text: str | None = None) -> tuple[str, ...]:
    """Keys of the shown nodes that the filter lets through (the world's own, unless one is given)."""
    wanted = test_of(world, world.filter if text is None else text)
    return tuple(key for key in world.nodes if wanted(key))


def test_of(world: World, text: str) -> _Test:
    """Whether a node passes all words of the filter.

    Words: a part of the key, `!part`, `s:failed,warn`, `t>30` (seconds), `rows<0` (change against the
    run before, per cent), `q>0` (rows set aside), `tag:x`, `layer:x`, `pipeline:x`, `orders+`,
    `+orders`, `1+orders+2`.
    """
    tests = [_word(world, word) for word in text.split()]
    return lambda key: all(test(key) for test in tests)


def is_filter(text: str) -> bool:
    """Whether the text can only be meant as a filter: each word is one, more than a part of a name."""
    words = [word.removeprefix("!") for word in text.split()]
    return bool(words) and all(
        _NUMBER.fullmatch(word)
        or (word.partition(":")[0] in _BY_FACT and ":" in word)
        or re.fullmatch(r"(d:)?(\d*\+)[\w.]+(\+\d*)?|(d:)?[\w.]+(\+\d*)", word)
        for word in words
    )


def _word(world: World, word: str) -> _Test:
    if word.startswith("!") and len(word) > 1:
        inner = _word(world, word[1:])
        return lambda key: not inner(key)
    if match := _NUMBER.fullmatch(word):
        return _number(world, match[1], match[2], float(match[3]))
    head, colon, tail = word.partition(":")
    if colon and head in _BY_FACT:
        return _BY_FACT[head](world, tail)
    if "+" in word and (match := _FLOW.fullmatch(word)):
        return _flow(world, match[1], match[2], match[3])
    wanted = folded(word)
    return lambda key: wanted in folded(key)


def _states(world: World, names: str) -> _Test:
    wanted: set[str] = set()
    for name in filter(None, names.split(",")):
        wanted.update(_STATES.get(name, (name,)))
    return lambda key: world.status(key) in wanted or not wanted


def _tag(world: World, name: str) -> _Test:
    return lambda key: any(name in tag for tag in world.tags(key))


def _layer(world: World, name: str) -> _Test:
    return lambda key: name in world.layer(key)


def _pipeline(_: World, name: str) -> _Test:
    return lambda key: name in key.rpartition(".")[0]


_BY_FACT = {"s": _states, "tag": _tag, "layer": _layer, "pipeline": _pipeline}


def _number(world: World, fact: str, sign: str, limit: float) -> _Test:
    def value(key: str) -> float | None:
        node = world.node_state(key)
        if node is None:
            return None
        if fact == "t":
            return node.seconds
        if fact == "q":
            counts = node.counts
            return None if counts is None else counts.quarantined + counts.unreadable
        before, after = rows_before(world, key), node.counts.rows_out if node.counts else None
        return (after - before) / before * 100 if before and after is not None else None

    def test(key: str) -> bool:
        known = value(key)
        return known is not None and (known > limit if sign == ">" else known < limit)

    return test


def rows_before(world: World, key: str) -> int | None:
    """Rows that the node's latest success before the shown run had."""
    cells = world.cells.get(key, ())
    later = True
    for cell in cells:
        if cell.run_id == world.run_id:
            later = False
            continue
        if (not later or not _is_past(world)) and cell.status == "succeeded":
            rows: int | None = cell.rows_out
            return rows
    return None


def _is_past(world: World) -> bool:
    """Whether runs newer than the shown one may be among the cells."""
    return bool(world.runs) and world.runs[0].run_id != world.run_id


def _flow(world: World, up: str | None, name: str, down: str | None) -> _Test:
    """The nodes that the name means, with so many steps of what they need and what needs them."""
    wanted = folded(name)
    start = {key for key in world.nodes if folded(key) == wanted}
    start = start or {key for key in world.nodes if folded(key.rpartition(".")[2]) == wanted}
    start = start or {key for key in world.nodes if wanted in folded(key)}
    found = set(start)
    if up is not None:
        found |= _reach(start, [(b, a) for a, b in world.edges], up.rstrip("+"))
    if down is not None:
        found |= _reach(start, world.edges, down.lstrip("+"))
    return found.__contains__


def _reach(start: set[str], edges: Iterable[tuple[str, str]], hops: str) -> set[str]:
    children: dict[str, list[str]] = {}
    for source, target in edges:
        children.setdefault(source, []).append(target)
    found, front, left = set(start), set(start), int(hops) if hops else -1
    while front and left:
        front = {child for key in front for child in children.get(key, ())} - found
        found |= front
        left -= 1
    return found
