"""`odibi datagen`: the raw files of OdibiEats, at any size, with their ground truth."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from odibi.cli.common import say, shown_path
from odibi.cli.demo import progress
from odibi.cli.exits import reported
from odibi.errors import UsageError

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def datagen(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option(help="Where to put them; an earlier data set there is replaced.")
    ] = Path("data/landing"),
    size: Annotated[
        str, typer.Option(help="About how much raw data, such as 5MB, 1GB or 10GB.")
    ] = "100MB",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 42,
    days: Annotated[int, typer.Option(help="How many days, up to 2025-11-14.")] = 14,
    jobs: Annotated[
        int | None,
        typer.Option(help="Processes; they don't change the data. One a CPU if not said."),
    ] = None,
    gzip: Annotated[
        bool, typer.Option("--gzip", help="Write the event feeds as .ndjson.gz.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Write the database as SQL, too: oltp/odibieats.sql.")
    ] = False,
    orders: Annotated[
        str | None,
        typer.Option(
            envvar="ODIBI_DATAGEN_ORDERS",
            help="Bring the database's tables into PostgreSQL, too: postgresql://user:password@host/database.",
        ),
    ] = None,
) -> None:
    """Generate the raw files of OdibiEats: clicks, driver pings, orders, menus, and the truth about them."""
    if ctx.invoked_subcommand is not None:
        return
    with reported():
        began = time.monotonic()
        package = _package()
        package.be_frugal()
        try:
            with progress() as shown:
                summary = package.generate(
                    out, size=size, seed=seed, days=days, gzip=gzip,
                    jobs=jobs or os.cpu_count() or 1, progress=shown,
                )  # fmt: skip
        except (ValueError, FileExistsError, NotADirectoryError) as error:
            raise UsageError(str(error)) from None
        seconds = time.monotonic() - began
        say([f"{summary.bytes / 1e6:,.0f} MB in {shown_path(out)} ({seconds:.1f} s, seed {seed})"])
        say(
            [f"  {number:>13,} {name.replace('_', ' ')}" for name, number in summary.counts.items()]
        )
        if sql:
            _dump(out)
        if orders:
            _load(out, orders)


def _dump(landing: Path) -> None:
    from odibi_datagen.databases import write_dump

    dump = landing / "oltp" / "odibieats.sql"
    size = write_dump(landing / "oltp" / "odibieats.db", dump)
    say([f"{size / 1e3:,.0f} kB of SQL in {shown_path(dump)}"])


def _load(landing: Path, address: str) -> None:
    from odibi_datagen.databases import load_postgres

    try:
        counts = load_postgres(landing / "oltp" / "odibieats.db", address)
    except ImportError as error:
        raise UsageError(
            f"PostgreSQL needs {error.name}", hint="pip install 'odibi[postgres]'"
        ) from None
    except (ConnectionError, ValueError) as error:
        raise UsageError(str(error)) from None
    told = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    say([f"in PostgreSQL: {told}"])


@app.command()
def serve(
    landing: Annotated[Path, typer.Option(help="Generated files to serve.")] = Path("data/landing"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8099,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each answer.")] = 0.0,
    errors: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of requests that fail: a 500, or half an answer."),
    ] = 0.0,
    limit: Annotated[
        int, typer.Option(min=0, help="Requests a second; 429 above. 0: no limit.")
    ] = 0,
    rate: Annotated[
        float, typer.Option(min=0, help="Lines a second of a stream. 0: as fast as it goes.")
    ] = 1_000.0,
    token: Annotated[
        str | None, typer.Option(envvar="ODIBI_DATAGEN_TOKEN", help="Bearer token to ask for.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the errors' chance.")] = 42,
) -> None:
    """Serve generated files as a web service: pages of the tables, streams of the events. Ctrl-C ends it."""
    with reported():
        _package()
        from odibi_datagen.serve import TABLES, Manners, Service

        manners = Manners(latency, errors, limit, token, rate, seed)
        try:
            service = Service(landing, manners, host, port)
        except OSError as error:
            raise UsageError(
                f"can't serve {shown_path(landing)} at {host}:{port}: {error.strerror or error}"
            ) from None
        say(
            [
                f"{service.url} serves {shown_path(landing)}: /{', /'.join(TABLES)}, /stream/clickstream, /stream/driver_pings"
            ]
        )
        with service, suppress(KeyboardInterrupt):
            service.serve_forever()


@app.command()
def live(
    out: Annotated[
        Path, typer.Option(help="Where they land; an earlier data set there is replaced.")
    ] = Path("data/landing"),
    size: Annotated[str, typer.Option(help="About how much raw data in all.")] = "100MB",
    seed: Annotated[int, typer.Option(help="Same seed, same data.")] = 42,
    days: Annotated[int, typer.Option(help="How many days, up to 2025-11-14.")] = 14,
    speed: Annotated[
        float, typer.Option(min=0.01, help="Minutes of OdibiEats that pass in a second.")
    ] = 10.0,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds from landing to landing.")] = 5.0,
) -> None:
    """Let the raw files land bit by bit, as their time passes; Ctrl-C ends it."""
    with reported():
        package = _package()
        from odibi_datagen.live import SOURCE, LiveLanding

        try:
            package.clear(out)
            with progress() as shown:
                package.generate(
                    out / SOURCE, size=size, seed=seed, days=days, jobs=os.cpu_count() or 1, progress=shown
                )  # fmt: skip
        except (ValueError, FileExistsError, NotADirectoryError) as error:
            raise UsageError(str(error)) from None
        landing = LiveLanding(out / SOURCE, out)
        say([f"landing in {shown_path(out)} until {landing.end:%Y-%m-%d}; Ctrl-C ends it"])
        with landing, suppress(KeyboardInterrupt):
            _let_land(landing, timedelta(minutes=speed * every), every)


def _let_land(landing: Any, step: timedelta, every: float) -> None:
    """Land step after step, `every` seconds apart, as long as there is something to land."""
    due = time.monotonic()
    while not landing.done:
        landed = landing.advance(step)
        told = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in landed.items())
        say([f"{landing.now:%Y-%m-%d %H:%M}  {told}"])
        due += every
        if not landing.done:
            time.sleep(max(due - time.monotonic(), 0.0))
    say(["everything has landed"])


@app.command()
def check(
    lake: Annotated[Path, typer.Option(help="The tables of a finished run.")] = Path("data/lake"),
    landing: Annotated[Path, typer.Option(help="The generated files, with truth/.")] = Path(
        "data/landing"
    ),
    memory: Annotated[str, typer.Option(help="What comparing may take.")] = "1GB",
) -> None:
    """Score the tables of a finished run against the truth; exit code 1 when a score is too low."""
    with reported():
        _package()
        from odibi_datagen.scores import score, table

        try:
            scores = score(lake, landing, memory)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(str(error)) from None
        say(table(scores))
    raise SystemExit(0 if all(one.reached for one in scores) else 1)


def _package() -> Any:
    try:
        import odibi_datagen
    except ImportError as error:
        raise UsageError(
            f"generating data needs {error.name}", hint="pip install 'odibi[datagen]'"
        ) from None
    return odibi_datagen
