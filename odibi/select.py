"""Choosing nodes in words: names, globs, `+up`, `down+`, `@around`, and methods such as `tag:`.

selection     part part …            union
part          item,item,…            intersection
item          [N]+name  name+[N]  @name  name
name          node, pipeline.node or a glob of them; or METHOD:value
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from odibi import places
from odibi.errors import UsageError
from odibi.fingerprint import fingerprints

if TYPE_CHECKING:
    from odibi.graph import Graph, Node
    from odibi.plan import LastState

__all__ = ["METHODS", "STATES", "select"]

_ITEM = re.compile(r"(?P<around>@)?(?:(?P<up>\d*)\+)?(?P<name>[^+@]+?)(?:\+(?P<down>\d*))?")
_WILD = re.compile(r"[*?\[]")

STATES = ("failed", "modified", "new")
"""What `state:` may ask: failed or lost in its latest run; changed since its latest success, or never
one; never a success."""


def select(
    graph: Graph,
    include: Sequence[str],
    exclude: Sequence[str] = (),
    state: LastState | None = None,
    *,
    engine: str | None = None,
) -> set[str]:
    """Keys of the nodes that `include` names (all, if it names none) and `exclude` doesn't.

    `state` and `engine` (the project's, if None) are what `state:` compares with. Raises UsageError for
    a selector that can't be read, and for names, tags, layers, … that no node has.
    """
    if any(not selector.strip() for selector in (*include, *exclude)):
        raise UsageError("a selector is empty", hint="leave the option out to run everything")
    chooser = _Chooser(graph, state, engine or graph.loaded.project.engine)
    chosen = chooser.union(include) if _parts(include) else set(graph.nodes)
    return chosen - chooser.union(exclude)


def _parts(selectors: Sequence[str]) -> list[str]:
    return [part for selector in selectors for part in selector.split()]


class _Chooser:
    def __init__(self, graph: Graph, state: LastState | None, engine: str) -> None:
        self.graph = graph
        self.state = state
        self.engine = engine

    def union(self, selectors: Sequence[str]) -> set[str]:
        return set[str]().union(*map(self._intersection, _parts(selectors)))

    def _intersection(self, part: str) -> set[str]:
        sets = [self._item(item, part) for item in part.split(",")]
        return sets[0].intersection(*sets[1:])

    def _item(self, item: str, part: str) -> set[str]:
        match = _ITEM.fullmatch(item)
        if match is None or (match["around"] and (match["up"], match["down"]) != (None, None)):
            raise UsageError(
                f"selector {part!r} can't be read" + (f" at {item!r}" if item != part else ""),
                hint="write a node, a glob, +node, node+, 2+node, @node, tag:x, layer:x, pipeline:x, "
                "state:x or path:x; a space joins sets, a comma intersects them",
            )
        named = self._named(match["name"])
        return self._around(named) if match["around"] else self._widened(named, match)

    def _widened(self, named: set[str], match: re.Match[str]) -> set[str]:
        found = set(named)
        if match["up"] is not None:
            found |= self.graph.ancestors(*named, depth=_depth(match["up"]))
        if match["down"] is not None:
            found |= self.graph.descendants(*named, depth=_depth(match["down"]))
        return found

    def _around(self, named: set[str]) -> set[str]:
        """The nodes, all that need them, and all that any of these needs."""
        found = named | self.graph.descendants(*named)
        return found | self.graph.ancestors(*found)

    def _named(self, name: str) -> set[str]:
        method, colon, value = name.partition(":")
        if not colon:
            return self._by_name(name)
        if method not in METHODS:
            raise UsageError(
                f"{method}: is not a way to select nodes", hint=_near(method, METHODS, "ways")
            )
        return METHODS[method](self, value)

    def _by_name(self, name: str) -> set[str]:
        nodes = self.graph.nodes
        if name in nodes:
            return {name}
        if _WILD.search(name):
            found = {
                k for k, n in nodes.items() if fnmatchcase(k, name) or fnmatchcase(n.name, name)
            }
        else:
            found = {key for key, node in nodes.items() if node.name == name}
        return found or self._no_node(name)

    def _no_node(self, name: str) -> set[str]:
        nodes = self.graph.nodes
        if name in {node.pipeline for node in nodes.values()}:
            raise UsageError(
                f"no node is named {name!r}", hint=f"for the pipeline: pipeline:{name}"
            )
        words = [*nodes, *(node.name for node in nodes.values())]
        kind = "matches" if _WILD.search(name) else "is named"
        raise UsageError(f"no node {kind} {name!r}", hint=_near(name, words, "nodes"))

    def _by_value(
        self, kind: str, value: str, values_of: Callable[[Node], Collection[str]]
    ) -> set[str]:
        """Nodes of which one of the values equals or matches `value`."""
        found = {
            key
            for key, node in self.graph.nodes.items()
            if any(fnmatchcase(each, value) for each in values_of(node))
        }
        if not found:
            all_values = {each for node in self.graph.nodes.values() for each in values_of(node)}
            raise UsageError(
                f"no node has {kind} {value!r}", hint=_near(value, all_values, f"{kind}s")
            )
        return found

    def by_tag(self, value: str) -> set[str]:
        return self._by_value("tag", value, lambda node: node.tags)

    def by_layer(self, value: str) -> set[str]:
        return self._by_value("layer", value, lambda node: (node.layer,) if node.layer else ())

    def by_pipeline(self, value: str) -> set[str]:
        return self._by_value("pipeline", value, lambda node: (node.pipeline,))

    def by_path(self, value: str) -> set[str]:
        return self._by_value("path", value, self._paths)

    def _paths(self, node: Node) -> list[str]:
        """Where the node writes: as the YAML says it, and from the project's folder."""
        write, place = node.config.write, places.output_of(self.graph.loaded, node)
        if write is None or place is None:
            return []
        return [write.path or write.table or "", places.display(self.graph.loaded, place)]

    def by_state(self, value: str) -> set[str]:
        if value not in STATES:
            raise UsageError(f"state:{value} is not a state", hint=_near(value, STATES, "states"))
        last = self.state.nodes if self.state else {}
        if value == "failed":
            return {
                k for k in self.graph.nodes if k in last and last[k].outcome in ("failed", "lost")
            }
        done = {key: node.fingerprint for key, node in last.items() if node.success_run}
        if value == "new":
            return self.graph.nodes.keys() - done.keys()
        now = fingerprints(self.graph, self.engine)
        return {key for key in self.graph.nodes if done.get(key) != now[key]}


METHODS: Mapping[str, Callable[[_Chooser, str], set[str]]] = {
    "tag": _Chooser.by_tag,
    "layer": _Chooser.by_layer,
    "pipeline": _Chooser.by_pipeline,
    "path": _Chooser.by_path,
    "state": _Chooser.by_state,
}
"""The methods of the grammar by name."""


def _depth(number: str) -> int | None:
    return int(number) if number else None


def _near(word: str, words: Collection[str], kind: str) -> str:
    near = get_close_matches(word, sorted(words), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    known = sorted(words)
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"{kind}: {', '.join(known[:8])}{more}" if known else f"there are no {kind} here"
