"""`odibi list`: what a project has, and what odibi has to offer, one thing a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EnvOption,
    JsonOption,
    ProjectOption,
    find_project,
    print_json,
    say,
    table,
    terminal_width,
)
from odibi.cli.exits import fail, reported

if TYPE_CHECKING:
    from odibi.config import Loaded

app = typer.Typer(add_completion=False)

Row = dict[str, Any]


@app.command()
def list_things(
    what: Annotated[
        str,
        typer.Argument(
            help="nodes, pipelines, connections, outputs; transformers, patterns, tests, engines.",
        ),
    ] = "nodes",
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List nodes, pipelines, connections or outputs of the project; or built-ins and engines."""
    if what not in (*_OF_PROJECT, *_OF_ODIBI):
        from difflib import get_close_matches

        known = (*_OF_PROJECT, *_OF_ODIBI)
        near = get_close_matches(what, known, n=1)
        fail(
            f"{what!r} can't be listed",
            f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
        )
    with reported():
        if what in _OF_ODIBI:
            rows = _OF_ODIBI[what]()
        else:
            from odibi import config

            loaded = config.load(find_project(project), env=env)
            rows = loaded.secrets.value(_OF_PROJECT[what](loaded))
        _show(what, rows, as_json)


def _show(what: str, rows: list[Row], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif not rows:
        say([f"no {what}"])
    else:
        cells = [["" if value is None else _text(value) for value in row.values()] for row in rows]
        say(table(list(rows[0]), cells, keep=list(rows[0])[:1], width=terminal_width()))


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _nodes(loaded: Loaded) -> list[Row]:
    from odibi import graph

    built = graph.build(loaded)
    return [
        {
            "node": node.key,
            "layer": node.layer,
            "tags": list(node.tags),
            "needs": list(built.upstream(node.key)),
            "description": node.config.description,
        }
        for node in (built.nodes[key] for key in built.order())
    ]


def _pipelines(loaded: Loaded) -> list[Row]:
    return [
        {
            "pipeline": pipeline.pipeline,
            "layer": pipeline.layer,
            "nodes": len(pipeline.nodes),
            "owner": pipeline.owner,
            "description": pipeline.description,
        }
        for pipeline in loaded.project.pipelines
    ]


def _connections(loaded: Loaded) -> list[Row]:
    return [
        {"connection": name, "type": connection.type, "where": _where(connection)}
        for name, connection in loaded.project.connections.items()
    ]


def _where(connection: Any) -> str | None:
    """The field of a connection that says where it leads; never one that could hold a secret."""
    fields = ("base_path", "path", "base_url", "host", "account_name", "catalog")
    return next((str(value) for name in fields if (value := getattr(connection, name, None))), None)


def _outputs(loaded: Loaded) -> list[Row]:
    from odibi import graph
    from odibi.tables import stored_tables

    return [
        {
            "node": each.key,
            "format": each.format,
            "size": each.size,
            "written": each.age,
            "path": each.shown_path,
        }
        for each in stored_tables(graph.build(loaded))
    ]


def _engines() -> list[Row]:
    from odibi import plugins

    return [{"engine": name} for name in plugins.engine_names()]


def _transformers() -> list[Row]:
    from odibi.transforms import registry

    names = [*registry.names("transformer"), *registry.names("operation")]
    return [{"transformer": name, "summary": registry.get(name).SUMMARY} for name in sorted(names)]


def _patterns() -> list[Row]:
    from odibi.transforms import registry

    return [
        {"pattern": name, "summary": registry.get(name).SUMMARY}
        for name in registry.names("pattern")
    ]


def _tests() -> list[Row]:
    from odibi.checks.examples import EXAMPLES

    return [{"test": name, "summary": EXAMPLES[name].summary} for name in sorted(EXAMPLES)]


_OF_PROJECT: dict[str, Callable[[Loaded], list[Row]]] = {
    "nodes": _nodes,
    "pipelines": _pipelines,
    "connections": _connections,
    "outputs": _outputs,
}
_OF_ODIBI: dict[str, Callable[[], list[Row]]] = {
    "transformers": _transformers,
    "patterns": _patterns,
    "tests": _tests,
    "engines": _engines,
}
