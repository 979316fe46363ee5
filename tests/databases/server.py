"""A PostgreSQL server of one's own, on loopback, for as long as it is wanted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.machine import needs_postgres

__all__ = ["Server", "private_server"]


@dataclass(frozen=True)
class Server:
    """Where it listens; user and password are `odibi` and `hush-hush`, the database is `postgres`."""

    port: int

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; rows of the last one."""
        from adbc_driver_postgresql import dbapi

        place = f"postgresql://odibi:hush-hush@127.0.0.1:{self.port}/postgres"
        with dbapi.connect(place) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return list(rows)

    def yaml(self) -> str:
        """The connection as the YAML says it."""
        return (
            f"{{type: postgres, host: 127.0.0.1, port: {self.port}, database: postgres, "
            "username: odibi, password: '${PG_PASSWORD}'}"
        )


@contextmanager
def private_server() -> Iterator[Server]:
    """Start a server in a folder of its own; both are gone at the end."""
    programs = needs_postgres()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="odibi-pg-"))  # sockets want a short path
    (folder / "password").write_text("hush-hush")
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to be root
        for path in (folder, folder / "password"):
            shutil.chown(path, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"]

    def run(program: str, *options: str) -> None:
        command = [*as_user, str(programs / program), "-D", str(folder / "data"), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run("initdb", "-U", "odibi", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    listen = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", listen, "start")
    try:
        yield Server(port)
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
