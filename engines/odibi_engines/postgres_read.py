"""Reading PostgreSQL: streamed as Arrow by its own driver, each column as the type that PostgreSQL says it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from odibi.engine import Source
from odibi.errors import Cancelled, EngineError

from .sql_text import ident, literal, trimmed

__all__ = ["PostgresRead", "address", "explained", "package"]

_LISTED = ("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar")
_AS_THEY_ARE = {*_LISTED, *(f"_{kind}" for kind in _LISTED), "name", "citext", "bytea", "time"}
_MOMENTS = ("date", "timestamp", "timestamptz")
_BY_TEXT = {"uuid": "UUID", "json": "JSON", "jsonb": "JSON"}
_MOST_DIGITS = 38
_LOST = ("08", "57P0", "53", "40001", "40P01", "55P03")
"""SQLSTATEs after which another attempt may succeed: lost connections, shutdowns, too many clients, conflicts."""

_BROKEN = (
    "terminating connection", "closed the connection", "could not receive data", "starting up", "shutting down",
    "too many clients",
)  # fmt: skip
"""The same, where the driver tells only the words."""


def address(settings: Mapping[str, Any]) -> str:
    """The connection's settings as a libpq URI. It holds the password: never show it."""
    user = quote(settings["username"] or "", safe="")
    if settings["password"]:
        user = f"{user}:{quote(settings['password'], safe='')}"
    host = quote(settings["host"], safe=":[]")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"  # IPv6
    options = {
        "sslmode": settings["sslmode"],
        "connect_timeout": str(max(1, round(settings["timeout"]))),
        "application_name": "odibi",
        "options": f"-c search_path={_escaped(ident(settings['schema_']))} -c TimeZone=UTC",
    }
    place = f"{host}:{settings['port']}/{quote(settings['database'], safe='')}"
    return f"postgresql://{user}@{place}?{urlencode(options, quote_via=quote)}"


def _escaped(value: str) -> str:
    """A value among libpq's `options`, which spaces part."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


@dataclass(slots=True)
class PostgresRead:
    """One table or query of a database. `casts` are the DuckDB types that Arrow's columns are to become."""

    source: Source
    casts: dict[str, str] = field(default_factory=dict)
    _cursor: Any = None
    _stopped: bool = False

    @contextmanager
    def rows(self) -> Iterator[Any]:
        """All rows as an Arrow reader, valid inside the block. Raises EngineError, or Cancelled."""
        dbapi = package()
        place = address(self.source.connection or {})
        with (
            _explained(self.source, lambda: self._stopped),
            dbapi.connect(place) as connection,
            connection.cursor() as self._cursor,
        ):
            statement = self._statement(self._cursor)
            self._run(self._cursor, statement)
            yield self._cursor.fetch_record_batch()

    def stop(self) -> None:
        """Break off the query under way; from another thread."""
        self._stopped = True
        if self._cursor is not None:
            self._cursor.adbc_cancel()

    def _run(self, cursor: Any, statement: str) -> None:
        if self._stopped:
            raise Cancelled
        cursor.execute(statement)

    def _statement(self, cursor: Any) -> str:
        """SELECT of the rows with what Arrow can't hold as text, which DuckDB casts."""
        inner = _body(self.source)
        self._run(cursor, f"SELECT * FROM {inner} LIMIT 0")
        fields = list(cursor.fetch_record_batch().schema)
        names = [column.name for column in fields]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise EngineError(
                f"the query has two columns {twice[0]!r}", hint="give each a name of its own"
            )
        columns = ", ".join(self._column(column) for column in fields)
        where = f" WHERE ({_translated(self.source.filter)})" if self.source.filter else ""
        limit = "" if self.source.enough is None else f" LIMIT {self.source.enough}"
        return f"SELECT {columns} FROM {inner}{where}{limit}"

    def _column(self, column: Any) -> str:
        """One column of the SELECT; notes the type that it becomes."""
        said = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
        kind, name = said.get("POSTGRESQL:type", ""), ident(column.name)
        if kind in _AS_THEY_ARE:
            return name
        if kind in _MOMENTS:
            return _finite(column.name, kind)
        if kind == "numeric":
            return self._number(column.name, int(said.get("POSTGRESQL:typmod", -1)))
        self.casts[column.name] = _BY_TEXT.get(kind, "VARCHAR")
        return f"{name}::text AS {name}"

    def _number(self, name: str, modifier: int) -> str:
        """NUMERIC of so many digits as DECIMAL; of any number of digits as DOUBLE."""
        digits, places = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        if modifier < 0 or digits > _MOST_DIGITS or places > digits:
            return f"{ident(name)}::float8 AS {ident(name)}"
        self.casts[name] = f"DECIMAL({digits},{places})"
        return f"{ident(name)}::text AS {ident(name)}"


def _finite(name: str, kind: str) -> str:
    """The moments; of an endless one, which Arrow would send as some date, the server makes an error."""
    words = literal(f"{name} is infinite: leave it out, or cast it, in a query")
    column = ident(name)
    endless = f"{words}::text::{kind}"
    return f"CASE WHEN isfinite({column}) OR {column} IS NULL THEN {column} ELSE {endless} END AS {column}"


def _translated(condition: str) -> str:
    """A condition of DuckDB's SQL in PostgreSQL's."""
    import sqlglot  # 0.15 s, for incremental reads only

    return str(sqlglot.transpile(condition, read="duckdb", write="postgres")[0])


def _body(source: Source) -> str:
    """What follows FROM: the table, which may say its schema, or the query in brackets."""
    if source.query:
        return f"(\n{trimmed(source.query)}\n) AS odibi"
    return ".".join(ident(part) for part in (source.table or "").split("."))


def package() -> Any:
    """The driver's module. Raises EngineError when its package isn't installed."""
    try:
        from adbc_driver_postgresql import dbapi  # an optional package
    except ModuleNotFoundError:
        raise EngineError(
            "connections of type postgres need the package adbc-driver-postgresql",
            hint="pip install 'odibi[postgres]'",
        ) from None
    return dbapi


@contextmanager
def _explained(source: Source, stopped: Callable[[], bool]) -> Iterator[None]:
    """The driver's errors as ours; those of rows on their way come by way of DuckDB."""
    from adbc_driver_manager import Error  # its package is there by now

    try:
        yield
    except (Error, EngineError) as error:
        if stopped():
            raise Cancelled from None
        if isinstance(error, EngineError) and "[libpq]" not in error.message:
            raise
        raise explained(error, source.connection or {}, source.query) from None


def explained(
    error: Exception, settings: Mapping[str, Any], query: str | None = None
) -> EngineError:
    """The driver's error in the user's terms: without the driver's prefixes, and no password in it."""
    said = error.message if isinstance(error, EngineError) else str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if "ERROR:" in line or "FATAL:" in line), lines[0])
    for mark in ("ERROR:", "FATAL:", "failed:"):
        _, found, rest = first.rpartition(mark)
        first = rest.strip() if found else first
    state = getattr(error, "sqlstate", None) or ""
    unreached = "Failed to connect" in said and "FATAL:" not in said
    where = f"{settings.get('database')} at {settings.get('host')}:{settings.get('port')}"
    if password := settings.get("password"):
        # libpq repeats an address that it can't read, with the password as the address spells it
        for shown in (quote(password, safe=""), password):
            first = first.replace(shown, "****")
    return EngineError(
        f"{where}: {first}",
        hint="see host, port and sslmode, and whether the server runs" if unreached else None,
        sql=query,
        transient=unreached or state.startswith(_LOST) or any(part in said for part in _BROKEN),
    )
