"""Describing a result: from the files just written, or from held rows, at next to no cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from odibi.engine import Column, ColumnProfile, Rows, Schema, Source, TableProfile, Written

from . import profile as profiles
from .duck_cursor import MOMENT, DuckCursor
from .frames import DuckFrame
from .parquet_read import parquet_scan
from .sql_text import file_list, ident

__all__ = ["describe"]


def describe(
    cursor: DuckCursor, frame: DuckFrame, written: Written | None, *, sample_rows: int, full: bool
) -> TableProfile:
    """The table's profile; `full` scans it, else files tell what they know and a sample the rest."""
    files = list(written.files) if written else []
    parquet = [file for file in files if _is_parquet(file)]
    place = _sample_place(frame, files, parquet)
    rows = [] if place is None else _sample(cursor, place, frame.schema)
    whole = place is not None and len(rows) < profiles.SAMPLED
    footer = _footer(cursor, parquet, frame.schema) if parquet and not whole else {}
    columns = [
        ColumnProfile(column.name, column.type)
        if place is None
        else profiles.column_profile(
            column, [row[i] for row in rows], whole=whole, footer=footer.get(column.name)
        )
        for i, column in enumerate(frame.schema)
    ]
    if full and place is not None:
        columns = _summarized(cursor, place, columns)
    sample = Rows(
        tuple(c.name for c in frame.schema),
        [profiles.plain_row(row) for row in rows[:sample_rows]],
    )
    return TableProfile(tuple(columns), sample, sampled=len(rows), full=full and place is not None)


def _sample_place(frame: DuckFrame, files: Sequence[Path], parquet: Sequence[Path]) -> str | None:
    """What follows FROM where rows can be had without computing them; None when nowhere."""
    if parquet:
        scan, _ = parquet_scan(Source(format="parquet", path=parquet[0], files=tuple(parquet)))
        return scan
    if frame.rows is not None:
        return frame.relation
    return _text_scan(files[0]) if files else None


def _sample(cursor: DuckCursor, place: str, schema: Schema) -> list[tuple[Any, ...]]:
    """The first rows, with moments in UTC as text: Python needs another package for the zone."""
    names = ", ".join(_fetchable(column) for column in schema)
    return cursor.run(f"SELECT {names} FROM {place} LIMIT {profiles.SAMPLED}")


def _footer(cursor: DuckCursor, files: Sequence[Path], schema: Schema) -> profiles.Footer:
    rows = cursor.run(
        "SELECT path_in_schema, num_values, stats_null_count, stats_min_value, stats_max_value, "
        f"min_is_exact AND max_is_exact FROM parquet_metadata({file_list(files)})"
    )
    return profiles.footer_facts(rows, schema)


def _summarized(
    cursor: DuckCursor, place: str, columns: Sequence[ColumnProfile]
) -> list[ColumnProfile]:
    """Facts of all rows, at the price of a scan; distinct counts stay estimates."""
    rows = cursor.run(f"SELECT column_name, min, max, approx_unique FROM (SUMMARIZE FROM {place})")
    nulls = cursor.run(
        f"SELECT {', '.join(f'count(*) - count({ident(c.name)})' for c in columns)} FROM {place}"
    )[0]
    facts = {row[0]: (*row[1:4], missing) for row, missing in zip(rows, nulls, strict=True)}
    return [
        replace(column, minimum=facts[column.name][0], maximum=facts[column.name][1],
                distinct=facts[column.name][2], nulls=facts[column.name][3], exact=True)
        for column in columns
    ]  # fmt: skip


def _text_scan(file: Path) -> str:
    """A CSV or JSON file of ours, as what follows FROM."""
    function = (
        "read_json"
        if ".json" in file.suffixes or ".ndjson" in file.suffixes or ".jsonl" in file.suffixes
        else "read_csv"
    )
    return f"{function}({file_list([file])})"


def _fetchable(column: Column) -> str:
    """The column as a value that Python can show."""
    name = ident(column.name)
    return f"{name}::VARCHAR" if MOMENT in column.type else name


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PAR1"
