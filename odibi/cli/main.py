"""`odibi`: the commands, each in a file of its own and imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from odibi import __version__

__all__ = ["app", "main"]

# name → (module, one line for `odibi --help`); the modules load when the command is called
COMMANDS: dict[str, tuple[str, str]] = {
    "cancel": ("odibi.cli.cancel", "Stop a run that goes on, or one node of it."),
    "datagen": ("odibi.cli.datagen", "Generate the raw files of OdibiEats, with their truth."),
    "demo": ("odibi.cli.demo", "Generate OdibiEats and run it from raw files to gold tables."),
    "doctor": ("odibi.cli.doctor", "Check this machine and the project for what a run needs."),
    "explain": ("odibi.cli.explain", "Explain a transformer, pattern, test or key of the YAML."),
    "gen": ("odibi.cli.gen", "Generate code for Airflow, Dagster or GitHub Actions."),
    "generate": ("odibi.cli.gen", "The same as gen."),
    "graph": ("odibi.cli.graph", "Draw the nodes and their dependencies: text, mermaid or dot."),
    "history": ("odibi.cli.history", "Show past runs; rebuild or prune the index."),
    "init": ("odibi.cli.init", "Start a new project in a folder."),
    "list": ("odibi.cli.list", "List nodes, connections, transformers, patterns or tests."),
    "migrate": ("odibi.cli.migrate", "Say what a project of Odibi 3.x meets here."),
    "plan": ("odibi.cli.plan", "Say what would run, in what order, and why the rest would not."),
    "query": ("odibi.cli.query", "Ask the project's tables with SQL."),
    "run": ("odibi.cli.run", "Run the project, or a selection of its nodes."),
    "schema": ("odibi.cli.schema", "Print the JSON Schema of odibi.yaml or of the story."),
    "state": ("odibi.cli.state", "Show or reset how far incremental reads have come."),
    "story": ("odibi.cli.story", "Read the story of a run: rows, schemas, checks, errors."),
    "top": ("odibi.cli.top", "Watch runs live in the terminal; rerun and cancel their nodes."),
    "validate": ("odibi.cli.validate", "Check odibi.yaml and report every problem at once."),
}


class _LazyGroup(TyperGroup):
    """A group that knows its commands' names and help, and imports a command when it is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return _refuse(cmd_name)
        if ctx.resilient_parsing is False and not _wanted(cmd_name):
            return _Placeholder(cmd_name)
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


def _refuse(name: str) -> None:
    """Leave with the nearest command when there is one; typer words the rest."""
    from difflib import get_close_matches

    from odibi.cli.exits import fail

    if near := get_close_matches(name, COMMANDS, n=1):
        fail(f"there is no command '{name}' (did you mean '{near[0]}'?)", "odibi --help lists all")


def _wanted(name: str) -> bool:
    """Whether the command line names this command, so that its module must be imported."""
    return name in sys.argv[1:]


def _Placeholder(name: str) -> Any:  # noqa: N802 - stands where a class would
    from typer.core import TyperCommand

    return TyperCommand(name, help=COMMANDS[name][1])


app = typer.Typer(
    cls=_LazyGroup,
    name="odibi",
    help="Declare data pipelines in YAML, run them anywhere, read the story of every run.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help costs 110 ms CPU at every start
)


def _version(value: bool) -> None:
    if value:
        print(f"odibi {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Declare data pipelines in YAML, run them anywhere, read the story of every run."""


def main() -> None:
    """Entry point of the `odibi` command."""
    app()
