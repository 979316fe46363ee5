"""`odibi history`: past runs side by side, and the upkeep of their records."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi.cli.common import JsonOption, ProjectOption, open_ledger, plural, print_json
from odibi.cli.exits import reported

app = typer.Typer(
    name="history",
    help="Show past runs; rebuild or prune the index.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many runs.")] = 30,
    node: Annotated[
        str | None, typer.Option("--node", "-n", help="The successes of one node (pipeline.node).")
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show past runs; rebuild or prune the index."""
    if context.invoked_subcommand is not None:
        return
    from odibi.cli.story import print_runs

    with reported():
        ledger = open_ledger(project)
        if node is None:
            print_runs(ledger, limit, as_json=json, bars=True)
            return
        records = ledger.node_history(node, limit)
        if json:
            from odibi.story_files import to_plain

            print_json(to_plain(records))
        else:
            from odibi.cli import runs_view, story_parts

            console = story_parts.stdout()
            console.print(runs_view.node_runs(node, records, console.width))


@app.command()
def reindex(project: ProjectOption = None) -> None:
    """Throw the index away and build it from the runs' logs."""
    with reported():
        count = open_ledger(project).reindex()
        print(f"indexed {plural(count, 'run')}")


@app.command()
def prune(
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, help="Keep this many of the newest runs.")
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0, help="Keep runs of the last so many days.")
    ] = None,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="Remove this run, whatever it is.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    project: ProjectOption = None,
) -> None:
    """Remove old runs' records; never a run that goes on, nor one that a stored table came from."""
    with reported():
        from odibi.errors import UsageError

        if keep is None and days is None and not run:
            raise UsageError("say what to remove: --keep COUNT, --days DAYS or --run RUN")
        ledger = open_ledger(project)
        named = [ledger.resolve(name) for name in run or ()]
        if not dry_run:
            ledger.remove(*named)
        old = ledger.prune(keep=keep, days=days, dry_run=dry_run)
        removed = [*named, *(run_id for run_id in old if run_id not in named)]
        print(
            "\n".join(
                [*removed, f"{plural(len(removed), 'run')} {'to go' if dry_run else 'removed'}"]
            )
        )
