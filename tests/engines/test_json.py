"""JSON lines: every line is a row or a reject; documents are read whole or not at all."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.engine import Session, Source
from odibi.errors import EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.engines.probe import rejects, source, values


def file_of(folder: Path, data: bytes, name: str = "in.ndjson") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


DAMAGED = (
    b'\xef\xbb\xbf{"a": 1, "t": "x"}\r\n'
    b"\r\n"
    b'{"a": 2\r\n'
    b'{"a": 5.7, "t": "x"}\r\n'
    b"   \r\n"
    b'{"a": "7", "t": 5}\r\n'
    b'{"a": true, "t": "x"}\r\n'
    b'{"a": "\xff"}\r\n'
    b'{"a": 5}{"a": 6}\r\n'
    b"[1, 2]\r\n"
    b"null\r\n"
    b'{"b": 1}\r\n'
    b'{"a": 8.0, "t": null, "extra": 1}'
)


@pytest.mark.parametrize("name", ["in.ndjson", "in.jsonl.gz"])
def test_bad_lines_are_set_aside_with_their_line_and_reason(
    session: Session, tmp_path: Path, name: str
) -> None:
    file = file_of(tmp_path, DAMAGED, name)
    frame = session.hold(session.read(source(file, {"a": "BIGINT", "t": "VARCHAR"})))
    assert values(session, frame) == [(1, "x"), (7, "5"), (8, None)]
    report = session.read_reports()[0]
    assert (report.read, report.unreadable) == (11, 8)
    assert [(line, reason) for line, reason, _ in rejects(session)] == [
        (3, "not valid JSON"),
        (4, "column a: 5.7 is not a BIGINT"),
        (7, "column a: true is not a BIGINT"),
        (8, "not UTF-8"),
        (9, "not valid JSON"),
        (10, "not a JSON object"),
        (11, "not a JSON object"),
        (12, "no declared column has a value"),
    ]
    assert report.rejects is not None
    named = session.fetch("SELECT DISTINCT file FROM df", {"df": report.rejects}).rows
    assert named == [(str(file),)]


NESTED = {
    "id": "BIGINT",
    "pos": "STRUCT(lat DOUBLE, tags VARCHAR[])",
    "n": "INTEGER[]",
    "m": "MAP(VARCHAR, BIGINT)",
}


def test_nested_values_keep_their_shape(session: Session, tmp_path: Path) -> None:
    lines = [
        {"id": 1, "pos": {"lat": 1.5, "tags": ["a"]}, "n": [1, None], "m": {"k": 1}},
        {"id": 2, "pos": "somewhere"},
        {"id": 3, "n": 5},
        {"id": 4, "pos": {"lat": "north"}},
        {"id": 5, "n": [1, 2.5]},
        {"id": 6, "m": {"k": "x"}},
        {"id": 7, "pos": {"tags": "a"}},
        {"id": 8, "pos": None, "n": [], "m": {}},
    ]
    file = file_of(tmp_path, "\n".join(map(json.dumps, lines)).encode())
    frame = session.hold(session.read(source(file, NESTED)))
    assert values(session, frame, "id") == [
        (1, {"lat": 1.5, "tags": ["a"]}, [1, None], {"k": 1}),
        (8, None, [], {}),
    ]
    assert [line for line, *_ in rejects(session)] == [2, 3, 4, 5, 6, 7]
    assert (
        rejects(session)[0][1]
        == 'column pos: "somewhere" is not a STRUCT(lat DOUBLE, tags VARCHAR[])'
    )


def test_files_are_told_apart(session: Session, tmp_path: Path) -> None:
    one = file_of(tmp_path, b'{"a": 1}\n{"a": "x"}\n', "1.ndjson")
    two = file_of(tmp_path, b'{"a": 2}\n\n{"a": "y"}\n', "2.ndjson")
    session.hold(session.read(Source("json", tmp_path, (one, two), {"a": "BIGINT"})))
    report = session.read_reports()[0]
    assert report.rejects is not None
    assert session.fetch("SELECT file, line FROM df ORDER BY ALL", {"df": report.rejects}).rows == [
        (str(one), 2),
        (str(two), 3),
    ]


def test_columns_are_guessed_when_not_declared(session: Session, tmp_path: Path) -> None:
    lines = [
        {"id": 1, "at": "2024-01-01T10:00:00Z", "odd": "01/02/2024", "p": {"x": 1.5}},
        {"id": 2},
    ]
    frame = session.hold(
        session.read(source(file_of(tmp_path, "\n".join(map(json.dumps, lines)).encode())))
    )
    assert [column.name for column in frame.schema] == ["id", "at", "odd", "p"]
    types = {column.name: column.type for column in frame.schema}
    assert (types["id"], types["at"], types["p"]) == (
        "BIGINT",
        "TIMESTAMP WITH TIME ZONE",
        "STRUCT(x DOUBLE)",
    )
    assert values(session, frame, "id")[0] == (
        1,
        datetime(2024, 1, 1, 10, tzinfo=UTC),
        "01/02/2024",
        {"x": 1.5},
    )
    assert session.read_reports()[0].unreadable == 0


@pytest.mark.parametrize("name", ["zones.json", "zones.geojson", "zones.json.gz"])
def test_a_document_is_one_or_many_records(session: Session, tmp_path: Path, name: str) -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    many = session.hold(
        session.read(
            source(
                file_of(tmp_path, json.dumps(rows, indent=1).encode(), name),
                {"id": "BIGINT", "name": "VARCHAR"},
            )
        )
    )
    assert values(session, many) == [(1, "a"), (2, "b")]
    collection = {"type": "FeatureCollection", "features": [{"id": 1}, {"id": 2}]}
    whole = session.read(
        source(
            file_of(tmp_path, json.dumps(collection, indent=1).encode(), name),
            {"features": "STRUCT(id BIGINT)[]"},
        )
    )
    unnested = session.sql("SELECT unnest(features).id AS id FROM df", {"df": whole})
    assert values(session, session.hold(unnested)) == [(1,), (2,)]
    assert [(r.read, r.unreadable) for r in session.read_reports()] == [(2, 0), (1, 0)]


def test_a_broken_document_is_an_error(session: Session, tmp_path: Path) -> None:
    file = file_of(tmp_path, b'[{"id": 1},\n {"id": ', "in.json")
    with pytest.raises(EngineError, match="JSON"):
        session.hold(session.read(source(file, {"id": "BIGINT"})))
    file = file_of(tmp_path, b'[{"id": 1},\n {"id": "x"}]', "in.json")
    with pytest.raises(EngineError, match="column id: x is not a BIGINT"):
        session.hold(session.read(source(file, {"id": "BIGINT"})))


def test_empty_files_have_no_rows(session: Session, tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"\n\n")):
        frame = session.hold(
            session.read(source(file_of(tmp_path, data, f"{number}.ndjson"), {"a": "BIGINT"}))
        )
        assert frame.rows == 0
    assert [(r.read, r.unreadable) for r in session.read_reports()] == [(0, 0), (0, 0)]


def test_text_is_parsed_once_however_often_it_is_used(duck: DuckDBEngine, tmp_path: Path) -> None:
    session = duck.session("n")
    file = file_of(tmp_path, b'{"a": 1}\n{"a": "x"}\n{"a": 3}\n')
    frame = session.read(source(file, {"a": "BIGINT"}))
    first = session.sql("SELECT a FROM df WHERE a > 1", {"df": frame})
    second = session.sql(
        "SELECT a FROM df WHERE a < 2", {"df": frame}
    )  # the source becomes a table here
    file.unlink()
    assert values(session, session.hold(first)) == [(3,)]
    assert values(session, session.hold(second)) == [(1,)]
    report = session.read_reports()[0]
    assert (report.read, report.unreadable) == (3, 1)
    session.close()


JSON_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)  # fmt: skip
LINES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {}, optional={"a": JSON_VALUES, "s": JSON_VALUES, "l": JSON_VALUES}
        ).map(json.dumps),
        st.text(
            st.characters(
                exclude_characters="\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", exclude_categories=["Cs"]
            ),
            max_size=12,
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
def test_every_line_is_a_row_or_a_reject(
    duck: DuckDBEngine, tmp_path: Path, lines: list[str]
) -> None:
    """Any lines at all: nothing is lost, and an integer that was read is the integer in the file."""
    session = duck.session("n")
    file = file_of(tmp_path, "\n".join(lines).encode())
    frame = session.hold(
        session.read(source(file, {"a": "BIGINT", "s": "VARCHAR", "l": "BIGINT[]"}))
    )
    report = session.read_reports()[0]
    filled = [number for number, line in enumerate(lines, start=1) if line.strip(" \t\r\n")]
    assert report.read == len(filled)
    assert report.read == (frame.rows or 0) + report.unreadable
    bad = {line for line, *_ in rejects(session)}
    assert bad <= set(filled)
    kept = [
        json.loads(lines[number - 1], parse_float=Decimal) for number in filled if number not in bad
    ]
    expected = sorted(int(Decimal(row["a"])) for row in kept if row.get("a") is not None)
    assert (
        sorted(
            a for (a,) in session.fetch("SELECT a FROM df WHERE a IS NOT NULL", {"df": frame}).rows
        )
        == expected
    )
    session.close()
