"""Pictures of a graph as text: for the terminal, for Mermaid, for Graphviz."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odibi.graph import Edge, Graph, Node

__all__ = ["to_dot", "to_mermaid", "to_text"]

_ENTITIES = str.maketrans({'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "#": "#35;"})


def to_text(graph: Graph, width: int = 100) -> list[str]:
    """A line a node, by pipeline in order of execution, with what it waits for; plain text."""
    lines: list[str] = []
    for pipeline, nodes in _by_pipeline(graph).items():
        layer = nodes[0].layer
        lines.append(pipeline if layer in (None, pipeline) else f"{pipeline} ({layer})")
        column = max(len(_label(node)) for node in nodes)
        for node in nodes:
            branch, rest = ("└─ ", "   ") if node is nodes[-1] else ("├─ ", "│  ")
            lines += _lines(branch, rest, _label(node).ljust(column), _waits(graph, node), width)
    return lines


def _lines(branch: str, rest: str, label: str, waits: str, width: int) -> Iterator[str]:
    """A node's line; a long list of what it waits for goes on below itself."""
    if not waits:
        yield f"{branch}{label}".rstrip()
        return
    head = f"{branch}{label}  ← "
    room = max(width - len(head), 24)
    first, *more = textwrap.wrap(waits, room, break_long_words=False, break_on_hyphens=False)
    yield head + first
    for line in more:
        yield rest + " " * (len(head) - len(rest)) + line


def _by_pipeline(graph: Graph) -> dict[str, list[Node]]:
    """Nodes in order of execution; pipelines in file order."""
    found: dict[str, list[Node]] = {node.pipeline: [] for node in graph.nodes.values()}
    for key in graph.order():
        found[graph.nodes[key].pipeline].append(graph.nodes[key])
    return found


def _label(node: Node) -> str:
    return node.name if node.enabled else f"{node.name} (disabled)"


def _waits(graph: Graph, node: Node) -> str:
    return ", ".join(_source(graph, node, edge) for edge in graph.edges_into(node.key))


def _source(graph: Graph, node: Node, edge: Edge) -> str:
    source = graph.nodes[edge.source]
    name = source.name if source.pipeline == node.pipeline else source.key
    return f"{name} (its file)" if edge.kind == "path" else name


def to_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart: a box a pipeline, round nodes keep nothing, dotted arrows go by files."""
    ids = {key: f"n{number}" for number, key in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for number, (pipeline, nodes) in enumerate(_by_pipeline(graph).items()):
        lines.append(f"  subgraph p{number}[{_mermaid(pipeline)}]")
        for node in nodes:
            left, right = ("[", "]") if node.stores else ("(", ")")
            off = "" if node.enabled else ":::disabled"
            lines.append(f"    {ids[node.key]}{left}{_mermaid(node.name)}{right}{off}")
        lines.append("  end")
    for edge in graph.edges:
        arrow = "-.->" if edge.kind == "path" else "-->"
        lines.append(f"  {ids[edge.source]} {arrow} {ids[edge.target]}")
    lines.append("  classDef disabled stroke-dasharray: 4 4,opacity: 0.5")
    return "\n".join(lines) + "\n"


def _mermaid(text: str) -> str:
    """Quoted text; Mermaid writes entities with # where HTML has &."""
    return '"' + " ".join(text.split()).translate(_ENTITIES) + '"'


def to_dot(graph: Graph) -> str:
    """A Graphviz digraph: a cluster a pipeline, round nodes keep nothing, dotted arrows go by files."""
    lines = ["digraph odibi {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (pipeline, nodes) in enumerate(_by_pipeline(graph).items()):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_dot(pipeline)};"]
        lines += [f"    {_dot(node.key)} [{_dot_look(node)}];" for node in nodes]
        lines.append("  }")
    for edge in graph.edges:
        look = " [style=dotted]" if edge.kind == "path" else ""
        lines.append(f"  {_dot(edge.source)} -> {_dot(edge.target)}{look};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_look(node: Node) -> str:
    styles = [] if node.stores else ["rounded"]
    styles += [] if node.enabled else ["dashed"]
    style = f', style="{",".join(styles)}"' if styles else ""
    return f"label={_dot(node.name)}{style}"


def _dot(text: str) -> str:
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
