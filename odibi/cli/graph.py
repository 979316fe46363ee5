"""`odibi graph`: the nodes and what they wait for, as text or for Mermaid, Graphviz and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EnvOption,
    ExcludeOption,
    JsonOption,
    ProjectOption,
    SelectOption,
    find_project,
    open_ledger,
    print_json,
    say,
    terminal_width,
)
from odibi.cli.exits import fail, reported

if TYPE_CHECKING:
    from odibi.graph import Graph

app = typer.Typer(add_completion=False)

_FORMATS = ("text", "mermaid", "dot")
_UNCUT = 100_000


@app.command()
def graph(
    form: Annotated[str, typer.Option("--format", "-f", help="text, mermaid or dot.")] = "text",
    select: SelectOption = None,
    exclude: ExcludeOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the nodes, pipeline by pipeline in the order of a run, with what each waits for."""
    if form not in _FORMATS:
        fail(f"--format {form} is not one of {', '.join(_FORMATS)}")
    with reported():
        from odibi import config, graph_text
        from odibi import graph as graphs

        built = graphs.build(config.load(find_project(project), env=env))
        if select or exclude:
            built = _part(built, select or [], exclude or [])
        if as_json:
            print_json(_document(built))
        elif form == "mermaid":
            say([graph_text.to_mermaid(built).rstrip()])
        elif form == "dot":
            say([graph_text.to_dot(built).rstrip()])
        else:
            say(graph_text.to_text(built, terminal_width() or _UNCUT))


def _part(whole: Graph, include: list[str], exclude: list[str]) -> Graph:
    """The selected nodes and the edges between them."""
    from odibi.graph import Graph
    from odibi.select import select

    chosen = select(whole, include, exclude, open_ledger(whole.loaded.path).last_state())
    edges = [edge for edge in whole.edges if {edge.source, edge.target} <= chosen]
    return Graph(whole.loaded, [whole.nodes[key] for key in whole.nodes if key in chosen], edges)


def _document(built: Graph) -> dict[str, Any]:
    return {
        "nodes": [
            {
                "key": node.key,
                "pipeline": node.pipeline,
                "name": node.name,
                "layer": node.layer,
                "tags": node.tags,
                "enabled": node.enabled,
                "stores": node.stores,
                "description": node.config.description,
            }
            for node in (built.nodes[key] for key in built.order())
        ],
        "edges": [asdict(edge) for edge in built.edges],
    }
