"""`odibi plan --against`: what differs between two copies of a project, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from odibi.cli.common import plural, print_json, say, table
from odibi.errors import UsageError

if TYPE_CHECKING:
    from odibi.graph import Graph

__all__ = ["Difference", "differences", "show"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A node that is new, changed or gone, or that reads from such a one (`because`).

    `writes` are the tables that it writes, as the newer copy says, or the older for one that is gone.
    """

    node: str
    change: Literal["new", "changed", "removed", "downstream"]
    because: str
    writes: tuple[str, ...]


def show(
    file: Path, against: Path, env: str | None, assignments: list[str], markdown: bool, json: bool
) -> None:
    """Print the differences. Raises ConfigError, GraphError and UsageError for either copy."""
    from odibi import config, graph
    from odibi.cli.run import variables

    other = against if against.is_file() else against / file.name
    if not against.exists():
        raise UsageError(f"--against {against}: there is no such folder")
    given = variables(assignments)
    new = graph.build(config.load(file, env=env, variables=given))
    # a copy without the project is one from before it began
    old = graph.build(config.load(other, env=env, variables=given)) if other.is_file() else None
    found = differences(old, new)
    if json:
        print_json({"nodes": [asdict(each) for each in found]})
    elif markdown:
        say(_markdown(new.loaded.project.project, found))
    else:
        rows = [(each.change, each.node, each.because, ", ".join(each.writes)) for each in found]
        say(table(("change", "node", "because of", "writes"), rows))
        say(["", _total(found)])


def differences(old: Graph | None, new: Graph) -> list[Difference]:
    """Nodes in the order of the newer copy's plan, those that are gone last."""
    from odibi.fingerprint import definitions

    before = definitions(old) if old else {}
    now = definitions(new)
    found: dict[str, Difference] = {}
    for key in new.order():
        writes = _writes(new, key)
        if key not in before:
            found[key] = Difference(key, "new", "", writes)
        elif before[key] != now[key]:
            found[key] = Difference(key, "changed", "", writes)
        elif source := _first_touched(new, key, found):
            found[key] = Difference(key, "downstream", source, writes)
    gone = [key for key in before if key not in now]
    removed = [Difference(key, "removed", "", _writes(old, key)) for key in gone] if old else []
    return [*found.values(), *removed]


def _first_touched(graph: Graph, key: str, found: Mapping[str, Difference]) -> str | None:
    """The changed node that this one's rows come from, directly or through others."""
    sources = (found[edge.source] for edge in graph.edges_into(key) if edge.source in found)
    first = next(sources, None)
    return None if first is None else first.because or first.node


def _writes(graph: Graph, key: str) -> tuple[str, ...]:
    from odibi.plan import writes_of

    return tuple(write.path for write in writes_of(graph, key))


def _total(found: list[Difference]) -> str:
    counts = dict.fromkeys(("new", "changed", "removed", "downstream"), 0)
    for each in found:
        counts[each.change] += 1
    told = [f"{plural(count, 'node')} {kind}" for kind, count in counts.items() if count]
    return " · ".join(told) or "no node differs"


def _markdown(project: str, found: list[Difference]) -> list[str]:
    lines = [f"### odibi plan: {_cell(project)}", "", _total(found)]
    if not found:
        return lines
    lines += ["", "| change | node | because of | writes |", "|---|---|---|---|"]
    return lines + [
        f"| {each.change} | `{each.node}` | {each.because and f'`{each.because}`'} | "
        f"{', '.join(_cell(path) for path in each.writes)} |"
        for each in found
    ]


def _cell(text: str) -> str:
    """Text that can't be Markdown or HTML."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{char}" if char in r"\`*_[]|#!" else char for char in plain)
