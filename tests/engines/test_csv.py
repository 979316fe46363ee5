"""CSV: every line is a row or a reject, and says why."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Session, Source, Target
from odibi.errors import EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.engines.probe import rejects, source, values

TYPES = {"id": "BIGINT", "name": "VARCHAR", "amount": "DOUBLE", "day": "DATE"}


def file_of(folder: Path, text: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(session: Session, *args: Any, **more: Any) -> Any:
    return session.hold(session.read(source(*args, **more)))


def test_bad_lines_are_set_aside_with_their_line_and_reason(
    session: Session, tmp_path: Path
) -> None:
    file = file_of(
        tmp_path,
        "id,name,amount,day\n"
        "1,a,1.5,2024-01-01\n"
        "x,b,2.5,2024-01-02\n"
        "3,c\n"
        "4,d,4.5,2024-01-04,more\n"
        "5.7,e,5.5,2024-01-05\n"
        '7.0,"two\nlines",7.5,2024-01-07\n'
        "6,f,zz,2024-99-01\n"
        "99999999999999999999,g,,\n",
    )
    frame = read(session, file, TYPES)
    assert values(session, frame) == [
        (1, "a", 1.5, date(2024, 1, 1)),
        (7, "two\nlines", 7.5, date(2024, 1, 7)),
    ]
    report = session.read_reports()[0]
    assert (report.read, report.unreadable) == (8, 6)
    assert rejects(session) == [
        (3, "column id: x is not a BIGINT", "x,b,2.5,2024-01-02"),
        (4, "too few columns", "3,c"),
        (5, "too many columns", "4,d,4.5,2024-01-04,more"),
        (6, "column id: 5.7 is not a BIGINT", "5.7,e,5.5,2024-01-05"),
        (
            9,
            "column amount: zz is not a DOUBLE; column day: 2024-99-01 is not a DATE",
            "6,f,zz,2024-99-01",
        ),
        (10, "column id: 99999999999999999999 is not a BIGINT", "99999999999999999999,g,,"),
    ]


def test_columns_that_no_step_uses_are_checked_too(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, "id,name,amount,day\n1,a,zz,2024-01-01\n2,b,2,2024-01-01\n")
    frame = session.read(source(file, TYPES))
    assert values(session, session.hold(session.sql("SELECT name FROM df", {"df": frame}))) == [
        ("b",)
    ]
    assert [line for line, *_ in rejects(session)] == [2]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id FROM df WHERE id > 1", 1),
        ("SELECT count(*) FROM df", 1),
        ("SELECT id FROM df LIMIT 1", 1),
        ("SELECT id FROM df ORDER BY id DESC LIMIT 1", 1),
        ("SELECT * FROM df, range(0) r(i)", 0),
        ("SELECT id FROM df WHERE id IN (SELECT i FROM range(2) r(i))", 1),
        ("SELECT a.id FROM df a JOIN df b ON a.id = b.id", 2),
        ("WITH x AS (SELECT * FROM df) SELECT x.id FROM x SEMI JOIN x AS y USING (id)", 2),
        ("FROM df SELECT sum(id) OVER (ORDER BY name)", 2),
    ],
)
def test_counts_do_not_depend_on_the_query(
    session: Session, tmp_path: Path, query: str, rows: int
) -> None:
    file = file_of(tmp_path, "id,name,amount,day\n1,a,1,\n2,b,2,\nx,c,3,\n4,d,y,\n")
    frame = session.sql(query, {"df": session.read(source(file, TYPES))})
    staged = session.stage(frame, Target("parquet", tmp_path / "out.parquet", "overwrite", "w"))
    assert staged.rows == rows
    session.commit(staged)
    report = session.read_reports()[0]
    assert (report.read, report.unreadable) == (4, 2)
    assert [line for line, *_ in rejects(session)] == [4, 5]


def test_a_sample_reads_no_further(duck: DuckDBEngine, tmp_path: Path) -> None:
    session = duck.session("n")
    file = file_of(tmp_path, "id\n1\nx\n3\n")
    frame = session.sql(
        "SELECT * FROM df LIMIT 1", {"df": session.read(source(file, {"id": "BIGINT"}))}
    )
    assert values(session, frame) == [(1,)]
    assert [(r.read, r.unreadable) for r in session.read_reports()] == [(1, 0)]
    session.close()


def test_column_order_is_the_files_own(session: Session, tmp_path: Path) -> None:
    one = file_of(tmp_path, "id,name\n1,a\nx,y\n", "1.csv")
    two = file_of(tmp_path, "name,id\nb,2\nc,zz\n", "2.csv")
    frame = session.hold(
        session.read(Source("csv", tmp_path, (one, two), {"id": "INTEGER", "name": "VARCHAR"}))
    )
    assert values(session, frame) == [(1, "a"), (2, "b")]
    assert rejects(session) == [
        (3, "column id: x is not an INTEGER", "x,y"),
        (3, "column id: zz is not an INTEGER", "c,zz"),
    ]


def test_compressed_marked_and_windows_files(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, b"\xef\xbb\xbfid,name\r\n1,a\r\n\r\nx,b\r\n", "in.csv.gz")
    assert values(session, read(session, file, {"id": "BIGINT", "name": "VARCHAR"})) == [(1, "a")]
    assert rejects(session) == [(4, "column id: x is not a BIGINT", "x,b")]


def test_bytes_that_are_not_utf8_are_rejects(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, b"id,name\n1,a\n2,\xff\xfe\n3,c\n")
    assert values(session, read(session, file, {"id": "BIGINT", "name": "VARCHAR"})) == [
        (1, "a"),
        (3, "c"),
    ]
    assert [(line, reason) for line, reason, _ in rejects(session)] == [
        (3, "not in the file's encoding")
    ]


def test_options_of_other_readers_mean_the_same(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, "# made by hand\nid;amount\n1;1,5\n2;NA\n")
    options = {"sep": ";", "skiprows": 1, "decimal": ",", "na_values": ["NA"], "inferSchema": True}
    frame = read(session, file, {"id": "BIGINT", "amount": "DOUBLE"}, options=options)
    assert values(session, frame) == [(1, 1.5), (2, None)]


def test_types_are_guessed_when_not_declared(session: Session, tmp_path: Path) -> None:
    frame = read(session, file_of(tmp_path, "id,day,name\n1,2024-01-01,a\n2,2024-01-02,b\n"))
    assert [(column.name, column.type) for column in frame.schema] == [
        ("id", "BIGINT"), ("day", "DATE"), ("name", "VARCHAR"),
    ]  # fmt: skip
    assert values(session, frame) == [(1, date(2024, 1, 1), "a"), (2, date(2024, 1, 2), "b")]


def test_an_empty_file_has_no_rows(session: Session, tmp_path: Path) -> None:
    frame = read(session, file_of(tmp_path, ""), TYPES)
    assert frame.rows == 0
    assert session.read_reports()[0].read == 0


@pytest.mark.parametrize(
    ("text", "columns", "message", "hint"),
    [
        ("id,nane\n", {"id": "BIGINT", "name": "VARCHAR"}, "in.csv:1: no column 'name' in the header", "did you mean 'nane'?"),
        ("id;name\n", {"id": "BIGINT", "name": "VARCHAR"}, "in.csv:1: no column 'id' in the header", "set `options.delimiter`"),
        ("id,name\n", {"id": "BIGINT"}, "in.csv:1: column 'name' is not declared", "options.columns"),
        ("id,id\n", {"id": "BIGINT"}, "in.csv:1: column 'id' occurs more than once", None),
        ("id\n", {"id": "BIGNT"}, "column 'id': there is no type 'BIGNT'", "BIGINT"),
    ],
)  # fmt: skip
def test_a_header_that_differs_is_refused(
    session: Session,
    tmp_path: Path,
    text: str,
    columns: dict[str, str],
    message: str,
    hint: str | None,
) -> None:
    with pytest.raises(EngineError) as raised:
        session.read(source(file_of(tmp_path, text), columns))
    assert message in raised.value.message
    if hint:
        assert hint in (raised.value.hint or "")


def test_an_unknown_option_is_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="csv has no read option 'delimeter'") as raised:
        session.read(
            source(file_of(tmp_path, "id\n1\n"), {"id": "BIGINT"}, options={"delimeter": ";"})
        )
    assert raised.value.hint == "did you mean 'delimiter'?"


def test_a_missing_file_is_named(session: Session, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no file at gone\.csv"):
        session.read(Source("csv", tmp_path / "gone.csv", (), TYPES))


def test_infinity_is_one_number_and_what_overflows_is_none(
    session: Session, tmp_path: Path
) -> None:
    file = file_of(tmp_path, "id,f\n1,inf\n2,1e400\n3,0.5\n4,-Infinity\n5,nan\n6,\n7,-1e999\n")
    frame = read(session, file, {"id": "BIGINT", "f": "DOUBLE"})
    found = dict(values(session, frame))
    assert (found.pop(5)) != 0.5
    assert found == {1: float("inf"), 3: 0.5, 4: float("-inf"), 6: None}
    assert session.read_reports()[0].unreadable == 2
    assert rejects(session) == [
        (3, "column f: 1e400 is not a DOUBLE", "2,1e400"),
        (8, "column f: -1e999 is not a DOUBLE", "7,-1e999"),
    ]


def test_only_the_columns_that_a_step_uses_stream_and_overflow_is_still_found(
    session: Session, tmp_path: Path
) -> None:
    file = file_of(tmp_path, "id,f\n1,inf\n2,1e400\n3,0.5\n")
    frame = session.read(source(file, {"id": "BIGINT", "f": "DOUBLE"}))
    ids = session.sql("SELECT id FROM df WHERE id > 0", {"df": frame})
    assert values(session, session.hold(ids)) == [(1,), (3,)]
    assert [line for line, *_ in rejects(session)] == [3]


def test_marks_of_thousands_and_decimal_commas(session: Session, tmp_path: Path) -> None:
    file = file_of(
        tmp_path,
        'id;d;f\n"1.000";1.234,50;1.000,25\n2;1,005;2\n3;0,10;3,5\n4,5;1;1\n5;x;1\n6;7,5e-3;0\n',
    )
    types = {"id": "BIGINT", "d": "DECIMAL(12,2)", "f": "DOUBLE"}
    frame = read(session, file, types, options={"delimiter": ";", "decimal": ",", "thousands": "."})
    found = [(one, str(two), three) for one, two, three in values(session, frame)]
    assert found == [(3, "0.10", 3.5), (1000, "1234.50", 1000.25)]
    assert [(line, reason) for line, reason, _ in rejects(session)] == [
        (3, "column d: 1,005 is not a DECIMAL(12,2)"),
        (5, "column id: 4,5 is not a BIGINT"),
        (6, "column d: x is not a DECIMAL(12,2)"),
        (7, "column d: 7,5e-3 is not a DECIMAL(12,2)"),
    ]


def test_a_declared_form_of_times_is_taken_as_declared(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, "day,at\n31.12.2025,2025-12-31 23:00:00 +0200\n1.2.2026,x\n")
    options = {"date_format": "%d.%m.%Y", "timestamp_format": "%Y-%m-%d %H:%M:%S %z"}
    frame = read(session, file, {"day": "DATE", "at": "TIMESTAMP"}, options=options)
    assert values(session, frame) == [(date(2025, 12, 31), datetime(2025, 12, 31, 21))]
    assert [line for line, *_ in rejects(session)] == [3]


def test_nothing_in_quotes_is_null(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, 'id,d,day,f\n1,"",2026-01-01,1\n2,,,\n"",1,"",""\n')
    types = {"id": "BIGINT", "d": "DECIMAL(5,1)", "day": "DATE", "f": "DOUBLE"}
    frame = read(session, file, types)
    assert values(session, frame) == [
        (1, None, date(2026, 1, 1), 1.0),
        (2, None, None, None),
        (None, Decimal("1.0"), None, None),
    ]
    assert rejects(session) == []
