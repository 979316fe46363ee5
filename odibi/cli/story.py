"""`odibi story`: read what happened in a run, and what changed between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import JsonOption, ProjectOption, open_ledger, print_json
from odibi.cli.exits import reported

if TYPE_CHECKING:
    from odibi.ledger import Ledger
    from odibi.story import NodeStory, Story

app = typer.Typer(
    name="story",
    help="Read the story of a run: rows, schemas, checks, errors.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

RunArgument = Annotated[
    str, typer.Argument(help="A run: last, last~1, or its id or the beginning or end of it.")
]
NodeOption = Annotated[
    str | None, typer.Option("--node", "-n", help="Everything about this node only.")
]


@app.command("last")
def last(node: NodeOption = None, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Tell the story of the latest run."""
    show("last", node, project, json)


@app.command("show")
def show(
    run: RunArgument,
    node: NodeOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Tell the story of one run, or everything about one of its nodes."""
    with reported():
        ledger = open_ledger(project)
        story = _story(ledger, ledger.resolve(run))
        chosen = _find(story, node) if node is not None else None
        if json:
            from odibi.story_files import to_plain

            print_json(to_plain(chosen or story))
        else:
            _print_story(story, chosen)


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many runs.")] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List the runs that have a story, newest first."""
    with reported():
        print_runs(open_ledger(project), limit, as_json=json, bars=False)


@app.command("diff")
def diff(
    before: RunArgument,
    after: RunArgument = "last",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Say what changed from one run to another: outcomes, rows, columns, checks."""
    with reported():
        from odibi.story_diff import compare

        ledger = open_ledger(project)
        found = compare(*(_story(ledger, ledger.resolve(name)) for name in (before, after)))
        if json:
            from odibi.story_files import to_plain

            print_json(to_plain(found))
        else:
            from odibi.cli import story_parts, story_view

            story_parts.stdout().print(story_view.diff(found))


def print_runs(ledger: Ledger, limit: int, *, as_json: bool, bars: bool) -> None:
    """Runs in lines, for this command and `odibi history`."""
    summaries = ledger.runs(limit)
    if as_json:
        from odibi.story_files import to_plain

        print_json(to_plain(summaries))
        return
    from odibi.cli import runs_view, story_parts

    console = story_parts.stdout()
    console.print(runs_view.runs(summaries, console.width, bars=bars))


def _story(ledger: Ledger, run_id: str) -> Story:
    from odibi.story import build

    return build(ledger.state(run_id), ledger.previous_state(run_id))


def _print_story(story: Story, node: NodeStory | None) -> None:
    from odibi.cli import node_page, story_parts, story_view

    console = story_parts.stdout()
    page: Any = story_view.overview(story, console.width)
    if node is not None:
        page = node_page.node_page(node, story.run, console.width)
    console.print(page)


def _find(story: Story, name: str) -> NodeStory:
    """The node by key, or by its name alone where only one pipeline has it."""
    from odibi.errors import UsageError

    found = [node for node in story.nodes if name in (node.key, node.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"node {name!r} could be {' or '.join(node.key for node in found)}")
    raise UsageError(f"run {story.run.run_id} has no node {name!r}", hint=_nearest(story, name))


def _nearest(story: Story, name: str) -> str | None:
    from difflib import get_close_matches

    names = {text: node.key for node in story.nodes for text in (node.name, node.key)}
    close = get_close_matches(name, names, n=1)
    return f"did you mean {names[close[0]]!r}?" if close else None
