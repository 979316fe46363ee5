"""Reading JSON: lines (one object each, bad ones set aside) and documents (whole or not at all)."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb

from odibi.engine import Source
from odibi.errors import EngineError

from .leaf_checks import cast, fields_of, parsed_types, raw_type, reason, wrong
from .read_options import json_options
from .sql_text import columns_map, file_list, ident, literal
from .text_read import BARRIER, TextPlan, Whole, all_found, no_rows

__all__ = ["plan_json"]

_LINE_SUFFIXES = {".ndjson", ".jsonl"}
_BATCH = 50_000
_BOM = b"\xef\xbb\xbf"
_NOT_UTF8 = "\x00not UTF-8\x00"
"""Marks a line whose bytes are no text; no JSON begins like that."""


def plan_json(cursor: Any, source: Source, scratch: Path) -> TextPlan:
    """A plan for the source's files. Raises EngineError when its columns can't be known."""
    options = json_options(source.options)
    originals = [file for file in source.files if _has_content(file)]
    files = [_digestible(file, scratch) for file in originals]
    lines = options.lines if options.lines is not None else all(map(_is_lines, files))
    shape = "newline_delimited" if lines else _shape(files)
    declared = source.columns or _sniffed(cursor, files, shape, whole=options.whole)
    types = parsed_types(cursor, declared)
    if not files:
        return no_rows(types)
    if not lines:
        return Whole(_document_query(files, types, shape))
    return _Lines(cursor, dict(zip(files, originals, strict=True)), types)


def _open(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _has_content(file: Path) -> bool:
    with _open(file) as stream:
        return bool(stream.read(1))


def _digestible(file: Path, scratch: Path) -> Path:
    """The file, or a copy of it that DuckDB's JSON parser reads as it is meant.

    The parser takes a byte-order mark for damage, and a file of one byte for empty.
    """
    with _open(file) as stream:
        head = stream.read(4)
        if not head.startswith(_BOM) and len(head) > 1:
            return file
        scratch.mkdir(parents=True, exist_ok=True)
        copy = scratch / f"{len(list(scratch.iterdir()))}-{file.name.removesuffix('.gz')}"
        with copy.open("wb") as target:
            target.write(head.removeprefix(_BOM))
            shutil.copyfileobj(stream, target)
            target.write(b"\n")
    return copy


def _is_lines(file: Path) -> bool:
    """Whether the file holds one object a line: by its suffix, else by its first line."""
    stem = file.name.removesuffix(".gz")
    if Path(stem).suffix in _LINE_SUFFIXES:
        return True
    with _open(file) as stream:
        first = next((line for line in stream if line.strip()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _shape(files: Sequence[Path]) -> str:
    """Whether the documents are arrays of records, or records one after the other. They must be alike."""
    firsts = {_first_byte(file) == b"[" for file in files}
    if len(firsts) == 2:
        raise EngineError(
            "some of the JSON files are arrays and some are not", hint="read them in two nodes"
        )
    return "array" if firsts == {True} else "unstructured"


def _first_byte(file: Path) -> bytes:
    with _open(file) as stream:
        while (byte := stream.read(1)).isspace():
            pass
    return byte


def _sniffed(cursor: Any, files: Sequence[Path], shape: str, *, whole: bool) -> dict[str, str]:
    """Columns that DuckDB infers from the head of the files, or from all of it."""
    if not files:
        raise EngineError(
            "the file is empty, so its columns can't be guessed", hint="declare `options.columns`"
        )
    scan = f"read_json({file_list(files)}, format='{shape}', union_by_name=true, ignore_errors={shape == 'newline_delimited'}, maximum_object_size={_largest(files)})"
    if whole:
        scan = scan.replace("union_by_name=true", "union_by_name=true, sample_size=-1")
    try:
        rows = cursor.execute(f"DESCRIBE FROM {scan}").fetchall()
    except duckdb.Error as error:
        raise _broken(files, error) from None
    columns = {row[0]: row[1] for row in rows}
    return {
        name: "VARCHAR" if odd else type_
        for (name, type_), odd in zip(
            columns.items(), _odd(cursor, scan, columns, whole=whole), strict=True
        )
    }


def _odd(cursor: Any, scan: str, columns: Mapping[str, str], *, whole: bool) -> list[bool]:
    """Which columns were taken for times though their spelling isn't ISO 8601: those stay text."""
    times = [name for name, type_ in columns.items() if type_.startswith(("DATE", "TIME"))]
    if not times:
        return [False] * len(columns)
    tests = ", ".join(
        f"bool_or({ident(name)} IS NOT NULL AND try_cast({ident(name)} AS {columns[name]}) IS NULL)"
        for name in times
    )
    as_text = columns_map(dict.fromkeys(times, "VARCHAR"))
    texts = scan.replace("union_by_name=true", f"columns={as_text}, records=true")
    row = cursor.execute(
        f"SELECT {tests} FROM (FROM {texts}{'' if whole else ' LIMIT 1000'})"
    ).fetchall()[0]
    odd = {name for name, found in zip(times, row, strict=True) if found}
    return [name in odd for name in columns]


def _largest(files: Sequence[Path]) -> int:
    """Room for a document that is one object: the largest file (gzip packs up to about 20 to 1)."""
    sizes = (file.stat().st_size * (20 if file.suffix == ".gz" else 1) for file in files)
    return min(max(16 << 20, max(sizes) + 1024), 2 << 30)


def _bad(types: Mapping[str, Any]) -> str:
    """True for a row that is no record of ours: nothing in it is declared, or a value is wrong."""
    empty = " AND ".join(f"{ident(name)} IS NULL" for name in types)
    fields = _fields(types)
    checks = [wrong(ident(name), type_, _place_of(name, fields)) for name, type_ in types.items()]
    return " OR ".join([f"({empty})", *filter(None, checks)])


def _fields(types: Mapping[str, Any]) -> dict[str, str]:
    """How the structs among the columns are taken apart, by column."""
    found = {name: fields_of(ident(name), type_) for name, type_ in types.items()}
    return {name: sql for name, sql in found.items() if sql is not None}


def _place_of(name: str, fields: Mapping[str, str]) -> str | None:
    """The column that holds the fields of the named one, under a name that no data have."""
    return ident(f"odibi fields {list(fields).index(name)}") if name in fields else None


def _casts(types: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{cast(ident(name), type_)} AS {ident(name)}" for name, type_ in types.items()
    )


def _raw_columns(types: Mapping[str, Any]) -> str:
    return columns_map({name: raw_type(type_) for name, type_ in types.items()})


def _document_query(files: Sequence[Path], types: Mapping[str, Any], shape: str) -> str:
    """Rows of a document; a value of the wrong type ends the statement with its reason."""
    scan = (
        f"read_json({file_list(files)}, format='{shape}', records=true, columns={_raw_columns(types)}, "
        f"maximum_object_size={_largest(files)})"
    )
    why = reason(types, {name: ident(name) for name in types})
    if why.startswith("NULL"):
        return f"SELECT {_casts(types)} FROM {scan} {BARRIER}"
    return f"SELECT {_casts(types)} FROM {scan} WHERE CASE WHEN ({why}) IS NULL THEN true ELSE error({why}) END {BARRIER}"


def _broken(files: Sequence[Path], error: Exception) -> EngineError:
    message = str(error).partition("\n")[0].partition(": ")[2]
    return EngineError(f"{files[0].name} is not readable JSON: {message}")


class _Lines:
    """Files with one object a line, read as raw text columns and checked in SQL."""

    def __init__(
        self, cursor: Any, originals: Mapping[Path, Path], types: Mapping[str, Any]
    ) -> None:
        self.cursor = cursor
        self.originals = originals
        self.types = types

    def _scan(self, types: Mapping[str, Any]) -> str:
        """One row a line that isn't blank; a broken line comes from the parser as nulls only.

        Structs have a second column with their fields, computed below a barrier: a filter would
        compute it for each of its checks.
        """
        scan = (
            f"read_json({file_list(self.originals)}, format='newline_delimited', records=true, "
            f"columns={_raw_columns(types)}, ignore_errors=true)"
        )
        if not (fields := _fields(types)):
            return scan
        more = ", ".join(f"{sql} AS {_place_of(name, fields)}" for name, sql in fields.items())
        return f"(SELECT *, {more} FROM {scan} {BARRIER})"

    @property
    def query(self) -> str:
        """The readable rows."""
        return f"SELECT {_casts(self.types)} FROM {self._scan(self.types)} WHERE NOT ({_bad(self.types)}) {BARRIER}"

    def look_closer(self) -> bool:
        return False

    def clear(self) -> None: ...

    def refused(self) -> int:
        return 0

    def collect(self, table: str, missing: int) -> int:
        """Find the bad lines by their place in the order of rows, else by judging every line.

        The first way costs a fifth and is right unless blank lines shift the order; as the lines found
        are judged again, a shift shows. Where a file isn't UTF-8 Python reads the lines.
        """
        found = self._insert_by_place(table)
        if found != missing:
            self.cursor.execute(f"DELETE FROM {table}")
            found = 0
            for file, original in self.originals.items():
                if found < missing:
                    found += self._insert(table, original, _lines_of(file))
        if found != missing:
            self.cursor.execute(f"DELETE FROM {table}")
            found = sum(self._insert_slowly(table, *files) for files in self.originals.items())
        return all_found(found, missing, list(self.originals.values()))

    def _insert_by_place(self, table: str) -> int:
        """Lines of all files at once: the n-th row that the JSON parser returns is the n-th line.

        One pass over the lines keeps the suspects and finds where each file begins. Only columns that can be wrong are parsed; lines in which all of those are null are suspects, too.
        """
        suspect = {n: t for n, t in self.types.items() if wrong(ident(n), t)} or self.types
        lines = _lines_of(*self.originals, more="filename AS file")
        originals = ", ".join(
            f"({literal(str(a))}, {literal(str(b))})" for a, b in self.originals.items()
        )
        self.cursor.execute("SET SESSION preserve_insertion_order = true")
        try:
            self.cursor.execute(
                f"CREATE OR REPLACE TEMP TABLE odibi_suspects AS WITH lines AS NOT MATERIALIZED ({lines}), "
                f"bad AS (SELECT place FROM (SELECT *, row_number() OVER () AS place FROM {self._scan(suspect)}) "
                f"WHERE {_bad(suspect)}), "
                "files AS (SELECT file, min(line) AS first, list({line: line, l: l}) FILTER (place IS NOT NULL) AS suspects "
                "FROM lines LEFT JOIN bad ON line = place GROUP BY file) "
                "SELECT file, s.line - first + 1 AS line, s.l AS l FROM (SELECT file, first, unnest(suspects) AS s FROM files)"
            )
            verdicts = _verdicts(
                "SELECT file, line, l FROM odibi_suspects", self.types, more="file"
            )
            rows = self.cursor.execute(
                f"INSERT INTO {table} SELECT original, line, reason, l FROM ({verdicts}) "
                f"JOIN (VALUES {originals}) AS known(file, original) USING (file) ORDER BY original, line"
            ).fetchall()
            return int(rows[0][0])
        except duckdb.InvalidInputException:
            return 0  # not UTF-8
        finally:
            self.cursor.execute("DROP TABLE IF EXISTS odibi_suspects")
            self.cursor.execute("SET SESSION preserve_insertion_order = false")

    def _insert(self, table: str, original: Path, lines: str) -> int:
        self.cursor.execute("SET SESSION preserve_insertion_order = true")
        try:
            verdicts = _verdicts(lines, self.types)
            statement = f"INSERT INTO {table} SELECT {literal(str(original))}, line, reason, l FROM ({verdicts})"
            return int(self.cursor.execute(statement).fetchall()[0][0])
        except duckdb.InvalidInputException:
            return 0  # not UTF-8
        finally:
            self.cursor.execute("SET SESSION preserve_insertion_order = false")

    def _insert_slowly(self, table: str, file: Path, original: Path) -> int:
        found = 0
        for batch in _batches(file):
            self.cursor.register("odibi_lines", batch)
            try:
                found += self._insert(table, original, "SELECT line, l FROM odibi_lines")
            finally:
                self.cursor.unregister("odibi_lines")
        return found


def _lines_of(*files: Path, more: str = "") -> str:
    """SELECT line, l (and more): the files' lines with their numbers over all files, in order."""
    return (
        f"SELECT row_number() OVER () AS line, l{more and ', ' + more} FROM read_csv({file_list(files)}, "
        "header=false, columns={'l': 'VARCHAR'}, delim='\x02', quote='', escape='', auto_detect=false, "
        f"strict_mode=false, max_line_size={16 << 20}, filename={bool(more)})"
    )


def _batches(file: Path) -> Iterator[Any]:
    """Tables of line number and text; bytes that aren't UTF-8 leave a mark that isn't JSON either."""
    import pyarrow as pa  # 0.2 s, and only for files that are damaged

    numbers: list[int] = []
    texts: list[str] = []
    with _open(file) as stream:
        for number, line in enumerate(stream, start=1):
            numbers.append(number)
            texts.append(_decoded(line))
            if len(texts) == _BATCH:
                yield pa.table({"line": numbers, "l": texts})
                numbers, texts = [], []
    yield pa.table({"line": pa.array(numbers, pa.int64()), "l": pa.array(texts, pa.string())})


def _decoded(line: bytes) -> str:
    line = line.rstrip(b"\r\n")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8 + line.decode(errors="replace")


def _verdicts(lines: str, types: Mapping[str, Any], more: str = "") -> str:
    """SELECT line, reason, l (and more) of the bad ones among `lines`, by the checks of the main pass."""
    more = more and f"{more}, "
    shape = json.dumps({name: raw_type(type_) for name, type_ in types.items()}, ensure_ascii=False)
    value_of = {name: f"r.{ident(name)}" for name in types}
    empty = " AND ".join(f"{value} IS NULL" for value in value_of.values())
    return (
        f"SELECT {more}line, reason, replace(l, {literal(_NOT_UTF8)}, '') AS l FROM (SELECT {more}line, l, CASE "
        f"WHEN starts_with(l, {literal(_NOT_UTF8)}) THEN 'not UTF-8' "
        "WHEN NOT valid THEN 'not valid JSON' WHEN r IS NULL THEN 'not a JSON object' "
        f"WHEN {empty} THEN 'no declared column has a value' ELSE {reason(types, value_of)} END AS reason "
        f"FROM (SELECT {more}line, l, json_valid(l) AS valid, json_transform(CASE WHEN json_valid(l) AND "
        f"json_type(l) = 'OBJECT' THEN l END, {literal(shape)}) AS r FROM ({lines}) "
        "WHERE trim(l, e' \\t\\r\\n') <> '')) WHERE reason IS NOT NULL ORDER BY line"
    )
