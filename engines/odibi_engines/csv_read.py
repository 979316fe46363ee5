"""Reading CSV: the parser sets lines aside that it can't take apart, SQL those of whose values a cast would lose some."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb

from odibi.engine import Source
from odibi.errors import EngineError

from .csv_lines import Told, losing_records, newlines_before, open_text
from .leaf_checks import article, cast, parsed_types, wrong
from .losses import is_floating, is_number, loss_of
from .read_options import CsvOptions, csv_options
from .sql_text import columns_map, file_list, ident, literal
from .text_read import BARRIER, TextPlan, all_found, no_rows

__all__ = ["plan_csv"]

_numbers = itertools.count(1)
Header = tuple[str, ...]


def plan_csv(cursor: Any, source: Source) -> TextPlan:
    """A plan for the source's files. Raises EngineError when header and declared columns disagree."""
    options = csv_options(source.options)
    files = [file for file in source.files if not _is_empty(file)]
    if source.columns is None:
        options, declared, headers = _sniffed(cursor, files, options)
    else:
        declared = dict(source.columns)
        headers = {file: _checked(file, options, declared) for file in files}
    types = parsed_types(cursor, declared)
    if not files:
        return no_rows(types)
    return _Files(cursor, _complete(options), types, _by_header(headers))


def _complete(options: CsvOptions) -> CsvOptions:
    """What wasn't said is RFC 4180."""
    quote = '"' if options.quote is None else options.quote
    return replace(
        options,
        delimiter="," if options.delimiter is None else options.delimiter,
        quote=quote,
        escape=quote if options.escape is None else options.escape,
        header=options.header is not False,
    )


def _is_empty(file: Path) -> bool:
    if file.suffix != ".gz":
        return file.stat().st_size == 0
    with gzip.open(file, "rb") as stream:
        return not stream.read(1)


def _first_record(file: Path, options: CsvOptions) -> Header:
    """The first record after the skipped lines."""
    try:
        with open_text(file, options.encoding) as stream:
            for _ in range(options.skip):
                next(stream, None)
            record = next(
                csv.reader(
                    stream, delimiter=options.delimiter or ",", quotechar=options.quote or '"'
                ),
                [],
            )
    except LookupError:
        raise EngineError(
            f"csv option encoding: there is no encoding {options.encoding!r}"
        ) from None
    except (csv.Error, TypeError) as error:
        raise EngineError(f"{file.name}: the first line can't be read: {error}") from None
    return tuple(name.strip() for name in record)


def _checked(file: Path, options: CsvOptions, declared: Mapping[str, str]) -> Header:
    """The file's columns in order, which must be the declared ones."""
    first = _first_record(file, options)
    if options.header is False:
        if len(first) != len(declared):
            raise EngineError(
                f"{file.name}: {len(first)} columns, but {len(declared)} are declared"
            )
        return tuple(declared)
    repeated = sorted({name for name in first if first.count(name) > 1})
    if repeated:
        raise EngineError(
            f"{file.name}:1: column {repeated[0]!r} occurs more than once in the header"
        )
    missing = [name for name in declared if name not in first]
    extra = [name for name in first if name not in declared]
    if missing:
        raise EngineError(
            f"{file.name}:1: no column {missing[0]!r} in the header",
            hint=_header_hint(missing[0], first, extra),
        )
    if extra:
        raise EngineError(
            f"{file.name}:1: column {extra[0]!r} is not declared",
            hint="add it to `options.columns` with its type",
        )
    return first


def _header_hint(missing: str, first: Header, extra: Sequence[str]) -> str:
    if len(first) == 1:
        for delimiter in (";", "\t", "|"):
            if delimiter in first[0]:
                return f"the header has {delimiter!r} between names: set `options.delimiter`"
    near = get_close_matches(missing, extra, n=1, cutoff=0.5)
    known = f"the header has: {', '.join(first)}"
    return f"did you mean {near[0]!r}? {known}" if near else known


def _by_header(headers: Mapping[Path, Header]) -> dict[Header, list[Path]]:
    groups: dict[Header, list[Path]] = {}
    for file, header in headers.items():
        groups.setdefault(header, []).append(file)
    return groups


def _sniffed(
    cursor: Any, files: Sequence[Path], options: CsvOptions
) -> tuple[CsvOptions, dict[str, str], dict[Path, Header]]:
    """Dialect and columns that DuckDB infers from the head of each file; later files may add columns."""
    if not files:
        raise EngineError(
            "the file is empty, so its columns can't be guessed", hint="declare `options.columns`"
        )
    declared: dict[str, str] = {}
    headers: dict[Path, Header] = {}
    for file in files:
        options, columns = _sniff(cursor, file, options)
        headers[file] = tuple(columns)
        for name, type_ in columns.items():
            declared[name] = _wider(cursor, declared.get(name), type_)
    return options, declared, headers


def _sniff(cursor: Any, file: Path, options: CsvOptions) -> tuple[CsvOptions, dict[str, str]]:
    said = ", ".join([literal(str(file)), "ignore_errors=true", *_said(options)])
    try:
        row = cursor.execute(
            "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Columns, DateFormat, TimestampFormat "
            f"FROM sniff_csv({said})"
        ).fetchall()[0]
    except duckdb.Error as error:
        message = str(error).partition("\n")[0].partition(": ")[2]
        raise EngineError(
            f"{file.name} is not readable CSV: {message}", hint="declare `options.columns`"
        ) from None
    found = replace(
        options, delimiter=row[0], quote=_blank(row[1]), escape=_blank(row[2]), skip=row[3], header=row[4],
        date_format=options.date_format or row[6], timestamp_format=options.timestamp_format or row[7],
    )  # fmt: skip
    return found, {column["name"]: column["type"] for column in row[5]}


def _blank(mark: str | None) -> str:
    return "" if mark in (None, "(empty)", "\0") else mark


def _wider(cursor: Any, one: str | None, other: str) -> str:
    """The type that holds both; text when there is none."""
    if one is None or one == other:
        return other
    try:
        row = cursor.execute(
            f"DESCRIBE SELECT NULL::{one} AS x UNION ALL SELECT NULL::{other}"
        ).fetchall()[0]
    except duckdb.Error:
        return "VARCHAR"
    return str(row[1])


def _said(options: CsvOptions) -> list[str]:
    """The options that were given, as arguments of DuckDB's reader."""
    texts = {
        "delim": options.delimiter, "quote": options.quote, "escape": options.escape, "encoding": options.encoding,
        "decimal_separator": options.decimal, "thousands": options.thousands, "comment": options.comment,
        "dateformat": options.date_format, "timestampformat": options.timestamp_format,
    }  # fmt: skip
    said = [f"{name}={literal(value)}" for name, value in texts.items() if value is not None]
    if options.header is not None:
        said.append(f"header={options.header}")
    if options.skip:
        said.append(f"skip={options.skip}")
    if options.nulls:
        said.append(f"nullstr=[{', '.join(map(literal, ('', *options.nulls)))}]")
    return said


class _Files:
    """The SQL for one source. Files are grouped by the order of their columns, which may differ."""

    def __init__(
        self,
        cursor: Any,
        options: CsvOptions,
        types: Mapping[str, Any],
        groups: Mapping[Header, Sequence[Path]],
    ) -> None:
        self.cursor = cursor
        self.options = options
        self.types = types
        self.groups = groups
        self.closer = False
        number = next(_numbers)
        self.rejects = f"odibi_rejects_{number}"
        self.scans = f"odibi_scans_{number}"
        self.found = f"odibi_found_{number}"

    @property
    def query(self) -> str:
        """The readable rows. What a cast may lose something of is read as text."""
        scan = self._scan_all(self._types_read(), self.options)
        return f"SELECT {self._casts()} FROM {scan} WHERE {self._good()} {BARRIER}"

    def look_closer(self) -> bool:
        """Read floating numbers as text, too: only then infinity and 1e400 are two things.

        The parser is quicker with them, and infinite ones are rare: the query without this leaves
        them all out. Returns whether the query is another one now.
        """
        if self.closer or not any(map(is_floating, self.types.values())):
            return False
        self.closer = True
        return True

    def _as_text(self, type_: Any) -> bool:
        """Whether SQL casts such values; those whose form was declared are the parser's."""
        if type_.id.startswith("timestamp") and self.options.timestamp_format:
            return False
        if type_.id == "date" and self.options.date_format:
            return False
        return loss_of(type_) is not None and (self.closer or not is_floating(type_))

    def _types_read(self) -> dict[str, str]:
        return {
            name: "VARCHAR" if self._as_text(type_) else str(type_)
            for name, type_ in self.types.items()
        }

    def _text(self, name: str, type_: Any) -> str:
        """A value as DuckDB casts it: without marks of thousands, with a point before the places."""
        column = ident(name)
        if not is_number(type_):
            return column
        if self.options.thousands:
            column = f"replace({column}, {literal(self.options.thousands)}, '')"
        if self.options.decimal not in (None, "."):
            column = f"translate({column}, {literal(self.options.decimal + '.')}, '.x')"
        return column

    def _casts(self) -> str:
        return ", ".join(
            f"{cast(self._text(name, type_), type_) if self._as_text(type_) else ident(name)} AS {ident(name)}"
            for name, type_ in self.types.items()
        )

    def _good(self) -> str:
        """All columns are named here, so that the parser converts even those that no step uses."""
        return " AND ".join(self._good_value(name, type_) for name, type_ in self.types.items())

    def _good_value(self, name: str, type_: Any) -> str:
        if self._as_text(type_):
            return f"NOT {wrong(self._text(name, type_), type_)}"
        if is_floating(type_):
            return f"isinf({ident(name)}) IS NOT TRUE"
        return _used(name)

    def _scan_all(self, raw: Mapping[str, str], options: CsvOptions) -> str:
        parts = [self._scan(header, files, raw, options) for header, files in self.groups.items()]
        if len(parts) == 1:
            return parts[0]
        return "(" + " UNION ALL BY NAME ".join(f"FROM {part}" for part in parts) + ")"

    def _scan(
        self, header: Header, files: Sequence[Path], raw: Mapping[str, str], options: CsvOptions
    ) -> str:
        columns = columns_map({name: raw[name] for name in header})
        said = ", ".join(_said(options))
        return (
            f"read_csv({file_list(files)}, columns={columns}, auto_detect=false, {said}, store_rejects=true, "
            f"rejects_table={literal(self.rejects)}, rejects_scan={literal(self.scans)})"
        )

    def clear(self) -> None:
        """The parser refuses to write to a rejects table that exists."""
        for table in (self.rejects, self.scans):
            self.cursor.execute(f"DROP TABLE IF EXISTS {table}")

    def refused(self) -> int:
        query = f"SELECT count(DISTINCT (scan_id, file_id, line)) FROM {self.rejects}"
        return int(self.cursor.execute(query).fetchall()[0][0])

    def collect(self, table: str, missing: int) -> int:
        """The parser's complaints; then the texts that no cast takes, in a pass where the parser casts
        them; then those of which the cast would lose something, which Python finds.
        """
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {self.found} {_FOUND}")
        refused = self._add_complaints("true")
        cast = self._add_uncastable() if missing else 0
        self._number_lines()
        self.cursor.execute(f"INSERT INTO {table} SELECT file, line, reason, raw FROM {self.found}")
        self.cursor.execute(f"DROP TABLE {self.found}")
        losing = self._add_losing(table) if cast < missing else 0
        return refused + all_found(cast + losing, missing, self.files)

    def _add_complaints(self, condition: str) -> int:
        """One row a line: all its complaints that meet the condition, if the line isn't known yet."""
        types = {name: article(str(type_)) for name, type_ in self.types.items()}
        reason = _REASON.replace("$types", f"MAP {columns_map(types)}")
        return self._insert(f"""INSERT INTO {self.found}
            SELECT file, place, any_value(line), string_agg(DISTINCT reason, '; ' ORDER BY reason), any_value(raw)
            FROM (SELECT s.file_path AS file, r.line_byte_position AS place, r.line, r.csv_line AS raw, {reason} AS reason
                FROM {self.rejects} r JOIN {self.scans} s USING (scan_id, file_id) WHERE {condition}) r
            WHERE NOT EXISTS (FROM {self.found} f WHERE f.file = r.file AND f.place = r.place) GROUP BY file, place""")

    def _add_uncastable(self) -> int:
        """Read all lines once more with what was text as its type and everything else as text."""
        raw = {
            name: str(type_) if self._as_text(type_) else "VARCHAR"
            for name, type_ in self.types.items()
        }
        self.clear()
        used = " AND ".join(map(_used, self.types))
        self.cursor.execute(
            f"SELECT count(*) FROM {self._scan_all(raw, self.options)} WHERE {used}"
        ).fetchall()
        return self._add_complaints("r.error_type = 'CAST'")

    def _number_lines(self) -> None:
        """The parser numbers records; a quoted line break makes the file's own numbers larger."""
        for (file,) in self.cursor.execute(f"SELECT DISTINCT file FROM {self.found}").fetchall():
            rows = self.cursor.execute(
                f"SELECT place, line, {_BREAKS_FIRST} FROM {self.found} WHERE file = {literal(file)} ORDER BY place"
            ).fetchall()
            before = newlines_before(Path(file), [row[0] - 1 for row in rows])
            moved = [
                (count + 1 + breaks, place)
                for (place, line, breaks), count in zip(rows, before, strict=True)
                if count + 1 + breaks != line
            ]
            self._move(file, moved)
        self.cursor.execute(f"UPDATE {self.found} SET raw = ltrim(raw, e'\\r\\n')")

    def _move(self, file: str, moved: Sequence[tuple[int, int]]) -> None:
        if not moved:
            return
        import pyarrow as pa  # 0.2 s, and only for files with quoted line breaks and bad lines

        lines, places = zip(*moved, strict=True)
        self.cursor.register("odibi_moved", pa.table({"line": lines, "place": places}))
        self.cursor.execute(
            f"UPDATE {self.found} f SET line = m.line FROM odibi_moved m WHERE f.place = m.place AND f.file = {literal(file)}"
        )
        self.cursor.unregister("odibi_moved")

    def _add_losing(self, table: str) -> int:
        told = {
            name: self._told(type_) for name, type_ in self.types.items() if self._as_text(type_)
        }
        found = 0
        for header, files in self.groups.items():
            for file in files:
                known = self.cursor.execute(
                    f"SELECT line FROM {table} WHERE file = {literal(str(file))}"
                ).fetchall()
                rows = losing_records(file, self.options, header, told, {line for (line,) in known})
                for chunk in iter(lambda rows=rows: list(itertools.islice(rows, 10_000)), []):  # type: ignore[misc]
                    found += self._insert_rows(table, chunk)
        return found

    def _told(self, type_: Any) -> Told:
        loss = loss_of(type_)
        assert loss is not None
        return Told(loss.told, article(str(type_)), is_number(type_))

    def _insert_rows(self, table: str, rows: Sequence[tuple[str, int, str, str]]) -> int:
        import pyarrow as pa  # 0.2 s, and only for files with bad lines

        columns = dict(zip(("file", "line", "reason", "raw"), zip(*rows, strict=True), strict=True))
        self.cursor.register("odibi_rows", pa.table(columns))
        count = self._insert(f"INSERT INTO {table} FROM odibi_rows")
        self.cursor.unregister("odibi_rows")
        return count

    @property
    def files(self) -> list[Path]:
        return list(itertools.chain.from_iterable(self.groups.values()))

    def _insert(self, statement: str) -> int:
        return int(self.cursor.execute(statement).fetchall()[0][0])


def _used(name: str) -> str:
    """Always true, and known as such only by looking at the column."""
    return f"{ident(name)} IS NOT DISTINCT FROM {ident(name)}"


_PATTERN = literal("""Could not convert string "((?s:.*))" to '.*'""")
_VALUE = f"regexp_extract(r.error_message, {_PATTERN}, 1)"
_REASON = f"""CASE r.error_type
    WHEN 'CAST' THEN 'column ' || r.column_name || ': ' || left({_VALUE}, 80) || ' is not '
        || ($types)[r.column_name]
    WHEN 'MISSING COLUMNS' THEN 'too few columns'
    WHEN 'TOO MANY COLUMNS' THEN 'too many columns'
    WHEN 'INVALID ENCODING' THEN 'not in the file''s encoding'
    WHEN 'UNQUOTED VALUE' THEN 'a quote inside or after a quoted value'
    ELSE lower(r.error_type::VARCHAR) END"""
_FOUND = "(file VARCHAR, place BIGINT, line BIGINT, reason VARCHAR, raw VARCHAR)"
_BREAKS_FIRST = r"len(regexp_replace(regexp_extract(raw, '^[\r\n]*'), '\r', '', 'g'))"
"""Line breaks before the line's first character, which the parser counts as part of it."""
