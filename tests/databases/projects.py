"""Projects of the tests that write to databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.cli.command import Outcome
from tests.cli.command import odibi as command_of_odibi

from .conftest import Server

__all__ = ["Sqlite", "odibi", "project", "run"]


class Sqlite:
    """A database file, with the verbs that the tests also have for a server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; rows of the last one."""
        with closing(sqlite3.connect(self.path)) as database, database:
            rows: list[tuple[Any, ...]] = []
            for statement in statements:
                rows = database.execute(statement).fetchall()
            return rows

    def yaml(self) -> str:
        """The connection as the YAML says it."""
        return f"{{type: sqlite, path: {self.path}}}"


PROJECT = """\
project: shop
engine: {engine}
connections:
  db: {connection}
  lake: {{type: local, base_path: lake}}
retry: {{enabled: false}}
performance: {{spark_config: {{}}}}
pipelines:
  - pipeline: p
    nodes:
{nodes}
"""


def project(
    folder: Path, database: Sqlite | Server, nodes: list[str], engine: str = "duckdb"
) -> None:
    """Write the project's file; each node is one line of YAML, a map."""
    lines = "\n".join(f"      - {node}" for node in nodes)
    text = PROJECT.format(engine=engine, connection=database.yaml(), nodes=lines)
    (folder / "odibi.yaml").write_text(text)


def odibi(folder: Path, *command: str) -> Outcome:
    """Run a command of odibi in the project, in this process."""
    return command_of_odibi(
        *command, "-p", folder, cwd=folder, env={"PG_PASSWORD": "hush-hush", "COLUMNS": "400"}
    )


def run(
    folder: Path, database: Sqlite | Server, sql: str, write: str, engine: str = "duckdb"
) -> str:
    """Run a node that stores a SELECT's rows, and say what odibi said; it must succeed."""
    quoted = sql.replace("'", "''")
    node = f"{{name: n, transform: {{steps: [{{sql: '{quoted}'}}]}}, write: {{connection: db, format: sql, {write}}}}}"
    project(folder, database, [node], engine)
    done = odibi(folder, "run")
    assert done.code == 0, done.out + done.err
    return done.out
