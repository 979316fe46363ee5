"""Broken input files: every row that goes in comes out, is set aside with its reason, or the node fails saying why.

Each case is a file as it might arrive and what must become of it, on any engine.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from tests.runner.running import project, run

__all__ = ["CASES", "Case", "Found", "carry_out", "checks", "plain", "try_case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A file `name`, the columns declared for it, and the rows, reasons or error that must come of it.

    `path` is what the node reads, where it isn't the file alone; `others` are files beside it. `good` are the rows that must be stored, `bad` how many lines of each reason (its beginning) are
    set aside; `error` is what the message of a node that must fail says.
    """

    name: str
    content: bytes
    columns: dict[str, str] | None
    good: tuple[tuple[Any, ...], ...] = ()
    bad: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    path: str | None = None
    others: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a case."""

    rows: tuple[tuple[Any, ...], ...]
    reasons: dict[str, int]
    counted: tuple[int | None, ...]
    error: str | None


_IT = {"id": "BIGINT", "t": "VARCHAR"}
_CSV = b"id,t\n1,a\n2,b\n"
_TWO = ((1, "a"), (2, "b"))
_ZIPPED = gzip.compress(b"id,t\n" + b"".join(b"%d,row\n" % i for i in range(5000)), mtime=0)
_BIG = 2**53 + 1

CASES = {
    "truncated gzip (CSV)": Case("a.csv.gz", _ZIPPED[: len(_ZIPPED) // 2], _IT, error="a.csv.gz"),
    "truncated gzip (JSON)": Case(
        "a.ndjson.gz",
        gzip.compress(b"".join(b'{"id": %d, "t": "r%d"}\n' % (i, i * 7919) for i in range(5000)))[
            :9000
        ],
        _IT,
        error="a.ndjson.gz",
    ),
    "invalid UTF-8 (CSV)": Case("a.csv", b"id,t\n1,a\n2,\xff\xfe\n", _IT, _TWO[:1], {"": 1}),
    "invalid UTF-8 (JSON)": Case(
        "a.ndjson", b'{"id":1,"t":"a"}\n{"id":2,"t":"\xff"}\n', _IT, _TWO[:1], {"not UTF-8": 1}
    ),
    "NUL byte in a text": Case("a.csv", b"id,t\n1,a\n2,x\x00y\n", _IT, ((1, "a"), (2, "x\x00y"))),
    "NUL byte in a number": Case("a.csv", b"id,t\n1,a\n2\x00,b\n", _IT, _TWO[:1], {"column id": 1}),
    "byte-order mark (CSV)": Case("a.csv", b"\xef\xbb\xbf" + _CSV, _IT, _TWO),
    "byte-order mark (JSON)": Case(
        "a.ndjson", b'\xef\xbb\xbf{"id":1,"t":"a"}\n{"id":2,"t":"b"}\n', _IT, _TWO
    ),
    "UTF-16": Case("a.csv", b"\xff\xfe" + _CSV.decode().encode("utf-16-le"), _IT, error="a.csv"),
    "ragged rows": Case("a.csv", b"id,t\n1,a\n2\n3,c,more\n2,b\n", _IT, _TWO, {"": 2}),
    "quotes and line breaks": Case(
        "a.csv",
        b'id,t\n1,"a ""b"", c"\n2,"two\nlines"\n',
        _IT,
        ((1, 'a "b", c'), (2, "two\nlines")),
    ),
    "a quote that never ends": Case(
        "a.csv", b'id,t\n1,a\n2,"b\n3,c\n', _IT, _TWO[:1], {"a quote": 1}
    ),
    "broken JSON lines": Case(
        "a.ndjson",
        b'{"id":1,"t":"a"}\n{"id":\n[1]\n"text"\n{"id":2,"t":"b"}\n',
        _IT,
        _TWO,
        {"not valid JSON": 1, "not a JSON object": 2},
    ),
    "a torn last line": Case(
        "a.ndjson",
        b'{"id":1,"t":"a"}\n{"id":2,"t":"b"}\n{"id":3,"t',
        _IT,
        _TWO,
        {"not valid JSON": 1},
    ),
    "a field that changes type": Case(
        "a.ndjson",
        b'{"id":1,"t":"a"}\n{"id":"x","t":"b"}\n{"id":{"a":1},"t":"c"}\n{"id":2,"t":"b"}\n',
        _IT,
        _TWO,
        {"column id": 2},
    ),
    "an empty file": Case("a.csv", b"", _IT),
    "only a header": Case("a.csv", b"id,t\n", _IT),
    "no such file": Case("other.csv", _CSV, _IT, error="no csv file", path="a.csv"),
    "a missing partition": Case(
        "day=1/a.csv", _CSV, _IT, error="no csv file matches day=2/*.csv", path="day=2/*.csv"
    ),
    "a later file with one more column": Case(
        "a1.csv", _CSV, _IT, error="a2.csv", path="a*.csv", others={"a2.csv": b"id,t,x\n3,c,d\n"}
    ),
    "a later file with other order": Case(
        "a1.csv", b"id,t\n1,a\n", _IT, _TWO, path="a*.csv", others={"a2.csv": b"t,id\nb,2\n"}
    ),
    "a lost column": Case("a.csv", b"id\n1\n", _IT, error="t"),
    "integers past 2^53": Case(
        "a.csv", b"id,t\n%d,a\n%d,b\n" % (_BIG, 2**63), _IT, ((_BIG, "a"),), {"column id": 1}
    ),
    "integers past 2^53 (JSON)": Case(
        "a.ndjson",
        b'{"id":%d,"t":"a"}\n{"id":%d,"t":"b"}\n{"id":1.5,"t":"c"}\n' % (_BIG, 2**63),
        _IT,
        ((_BIG, "a"),),
        {"column id": 2},
    ),
    "decimals against floats": Case(  # nothing is rounded, nothing becomes infinite
        "a.csv",
        b"d,f\n0.10,0.1\n1.005,1\n1.500,1e300\n9999999999,1\n1,1e400\n",
        {"d": "DECIMAL(5,2)", "f": "DOUBLE"},
        (("0.10", 0.1), ("1.50", 1e300)),
        {"column d": 2, "column f": 1},
    ),
    "NaN against null": Case(
        "a.csv", b"f,t\nnan,a\n,b\n", {"f": "DOUBLE", "t": "VARCHAR"}, (("nan", "a"), (None, "b"))
    ),
    "year 1 and hours that don't exist": Case(
        "a.csv",
        b"at_,t\n0001-01-01 00:00:00,a\n2026-03-29 02:30:00,b\n2026-02-30 00:00:00,c\n",
        {"at_": "TIMESTAMP", "t": "VARCHAR"},
        (("0001-01-01 00:00:00", "a"), ("2026-03-29 02:30:00", "b")),
        {"column at_": 1},
    ),
    "the hour that comes twice in autumn": Case(
        "a.csv",
        b"at_,t\n2026-10-25 02:30:00+02:00,a\n2026-10-25 02:30:00+01:00,b\n",
        {"at_": "TIMESTAMPTZ", "t": "VARCHAR"},
        (("2026-10-25 00:30:00+00:00", "a"), ("2026-10-25 01:30:00+00:00", "b")),
    ),
}

_NODE = """\
- name: load
  read:
    connection: data
    format: {format}
    path: {path}
{options}    bad_lines: {{connection: data, path: bad.parquet}}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""


def try_case(folder: Path, case: Case, engine: str) -> list[str]:
    """What is wrong with what becomes of the case; nothing is good."""
    found = carry_out(folder, case, engine)
    if case.error is not None:
        if found.error is None or case.error not in found.error:
            return [f"should have failed with {case.error!r}: {found}"]
        return ["it failed, and stored rows"] if found.rows else []
    if found.error is not None:
        return [f"failed: {found.error}"]
    wanted = sorted(map(repr, case.good))
    problems = [] if sorted(map(repr, found.rows)) == wanted else [f"rows: {found.rows}"]
    if wrong := _wrong_reasons(case.bad, found.reasons):
        problems.append(f"reasons: {wrong}")
    read, unreadable, stored = found.counted
    if (read, unreadable, stored) != (
        len(case.good) + sum(case.bad.values()),
        sum(case.bad.values()),
        len(case.good),
    ):
        problems.append(f"counted {found.counted}")
    return problems


def _wrong_reasons(wanted: dict[str, int], found: dict[str, int]) -> dict[str, int]:
    for start, count in wanted.items():
        told = sum(n for why, n in found.items() if why.startswith(start))
        if told != count:
            return found
    return {} if sum(wanted.values()) == sum(found.values()) else found


def carry_out(folder: Path, case: Case, engine: str) -> Found:
    """Run a node that reads the case; what came of it."""
    format = "json" if "json" in case.name else "csv"
    more = {"header": "true"} if format == "csv" else {}
    if case.columns is not None:
        more["columns"] = "{" + ", ".join(f"{k}: '{v}'" for k, v in case.columns.items()) + "}"
    options = "    options: {" + ", ".join(f"{k}: {v}" for k, v in more.items()) + "}\n"
    path = case.path or case.name
    folder = project(folder, _NODE.format(format=format, path=path, options=options), engine=engine)
    for name, content in {case.name: case.content, **case.others}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    node = run(folder).state.nodes["p.load"]
    bad = _rows(folder / "bad.parquet", "reason, count(*)", "GROUP BY 1")
    return Found(
        rows=_rows(folder / "out.parquet", "*", ""),
        reasons={str(why): int(n) for why, n in bad},
        counted=(node.counts.read, node.counts.unreadable, node.counts.rows_out)
        if node.counts
        else (),
        error=node.error.message if node.error else None,
    )


def _rows(path: Path, what: str, group: str) -> tuple[tuple[Any, ...], ...]:
    if not path.exists():
        return ()
    with duckdb.connect() as database:
        found = database.execute(f"SELECT {what} FROM read_parquet('{path}') {group}").fetchall()
    return tuple(tuple(map(plain, row)) for row in found)


def plain(value: Any) -> Any:
    """The value as the cases spell it: times, decimals and NaN as texts."""
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(value.astimezone(UTC))
    return value if value is None or isinstance(value, int | float | str) else str(value)


def checks(engine: str) -> dict[str, Callable[[Path], list[str]]]:
    """The cases as checks of one engine, each taking an empty folder."""
    return {
        name: lambda folder, case=case: try_case(folder, case, engine)  # type: ignore[misc]
        for name, case in CASES.items()
    }
