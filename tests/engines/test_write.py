"""Writing: each mode and format, whole or not at all, and recognised again by its write id."""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Session, Source, Target, Written
from odibi.errors import EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.engines.probe import values

FORMATS = ["parquet", "csv", "json", "delta"]
SUFFIX = {"parquet": ".parquet", "csv": ".csv", "json": ".ndjson", "delta": ""}


def target(
    folder: Path, format_: str, mode: str = "overwrite", write_id: str = "w1", **more: Any
) -> Target:
    return Target(format_, folder / f"table{SUFFIX[format_]}", mode, write_id, **more)


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".odibi-tmp/*"))


def put(session: Session, query: str, to: Target) -> Written:
    return session.commit(session.stage(session.sql(query, {}), to))


def stored(
    session: Session, to: Target, columns: dict[str, str] | None = None
) -> list[tuple[Any, ...]]:
    files = (to.path,) if to.path.is_file() else tuple(sorted(to.path.rglob("*.parquet")))
    found = Source(to.format, to.path, files, columns if to.format in ("csv", "json") else None)
    return values(session, session.hold(session.read(found)))


TYPED = {"id": "BIGINT", "name": "VARCHAR"}
OLD = "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, 'b'), (NULL, 'none')) t(id, name)"
NEW = "SELECT * FROM (VALUES (2::BIGINT, 'B'), (3, 'c'), (NULL, 'nobody')) t(id, name)"


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("overwrite", [(2, "B"), (3, "c"), (None, "nobody")]),
        ("append", [(1, "a"), (2, "B"), (2, "b"), (3, "c"), (None, "nobody"), (None, "none")]),
        ("upsert", [(1, "a"), (2, "B"), (3, "c"), (None, "nobody")]),
        ("merge", [(1, "a"), (2, "B"), (3, "c"), (None, "nobody")]),
        ("append_once", [(1, "a"), (2, "b"), (3, "c"), (None, "none")]),
    ],
)
def test_modes(
    session: Session, engine: Any, tmp_path: Path, format_: str, mode: str, expected: Any
) -> None:
    put(session, OLD, target(tmp_path, format_))
    second = target(tmp_path, format_, mode, "w2", keys=("id",))
    assert not engine.was_written(second)
    assert put(session, NEW, second).rows == (1 if mode == "append_once" else 3)
    assert stored(session, second, TYPED) == expected
    assert engine.was_written(second)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("mode", ["append", "upsert", "append_once"])
def test_a_missing_target_is_made(
    session: Session, tmp_path: Path, format_: str, mode: str
) -> None:
    to = target(tmp_path, format_, mode, keys=("id",))
    put(session, OLD, to)
    assert stored(session, to, TYPED) == [(1, "a"), (2, "b"), (None, "none")]


def test_all_writes_that_a_table_holds_are_known(
    session: Session, engine: Any, tmp_path: Path
) -> None:
    for format_ in FORMATS:
        for number in (1, 2, 3):
            put(session, OLD, target(tmp_path, format_, "append", f"w{number}"))
        written = [
            engine.was_written(target(tmp_path, format_, "append", f"w{n}")) for n in (1, 2, 3, 4)
        ]
        assert written == [True, True, True, False]
        if format_ != "delta":
            put(session, OLD, target(tmp_path, format_, "overwrite", "w5"))
            assert not engine.was_written(target(tmp_path, format_, "append", "w3"))


@pytest.mark.parametrize("format_", ["parquet", "csv", "json"])
def test_a_failing_query_leaves_the_table_as_it_was(
    session: Session, tmp_path: Path, format_: str
) -> None:
    to = target(tmp_path, format_)
    put(session, OLD, to)
    before = to.path.read_bytes()
    with pytest.raises(EngineError, match="Could not convert string 'x'"):
        put(
            session,
            "SELECT CASE WHEN i < 5000 THEN i ELSE 'x'::INT END AS id FROM range(9000) t(i)",
            target(tmp_path, format_, write_id="w2"),
        )
    assert to.path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_a_staged_write_is_invisible_and_can_be_discarded(
    session: Session, engine: Any, tmp_path: Path
) -> None:
    to = target(tmp_path, "parquet")
    staged = session.stage(session.sql(OLD, {}), to)
    assert staged.rows == 3
    assert staged.frame is not None
    assert values(session, staged.frame) == [(1, "a"), (2, "b"), (None, "none")]
    assert staged.staging is not None
    assert staged.staging.exists()
    assert not to.path.exists()
    session.discard(staged)
    assert leftovers(tmp_path) == []
    again = session.stage(session.sql(OLD, {}), to)
    engine.sweep(to)  # as after a crash
    assert again.staging is not None
    assert not again.staging.exists()
    assert not again.staging.parent.exists()


def test_a_closed_engine_leaves_no_folder(duck: DuckDBEngine, tmp_path: Path) -> None:
    session = duck.session("n")
    put(session, OLD, target(tmp_path, "parquet"))
    session.close()
    duck.close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "work") == [
        "table.parquet"
    ]


@pytest.mark.parametrize("format_", ["parquet", "csv", "json", "delta"])
def test_equal_keys_in_a_batch_are_refused(session: Session, tmp_path: Path, format_: str) -> None:
    with pytest.raises(EngineError, match=r"2 rows of the result have the same key \(id = 1\)"):
        put(
            session,
            "SELECT 1 AS id UNION ALL SELECT 1",
            target(tmp_path, format_, "upsert", keys=("id",)),
        )


def test_append_once_keeps_the_first_of_equal_keys(session: Session, tmp_path: Path) -> None:
    to = target(tmp_path, "parquet", "append_once", keys=("id",))
    put(session, "SELECT * FROM (VALUES (1, 'first'), (1, 'second'), (2, 'x')) t(id, name)", to)
    assert stored(session, to) == [(1, "first"), (2, "x")]


@pytest.mark.parametrize("keys", [(), ("nmae",)])
def test_keys_must_be_columns(session: Session, tmp_path: Path, keys: tuple[str, ...]) -> None:
    with pytest.raises(EngineError, match="key") as raised:
        put(session, OLD, target(tmp_path, "parquet", "upsert", keys=keys))
    assert raised.value.hint == (
        "did you mean 'name'? columns: id, name" if keys else "name them in write.options.keys"
    )


@pytest.mark.parametrize("format_", ["parquet", "csv"])
def test_other_columns_are_refused_or_merged(
    session: Session, tmp_path: Path, format_: str
) -> None:
    put(session, "SELECT 1::BIGINT AS id, 'a' AS name", target(tmp_path, format_))
    other = "SELECT 2::BIGINT AS id, 'x' AS city"
    with pytest.raises(EngineError, match="column city is new; column name is missing"):
        put(session, other, target(tmp_path, format_, "append", "w2"))
    to = target(tmp_path, format_, "append", "w3", merge_schema=True)
    put(session, other, to)
    assert stored(session, to, {"id": "BIGINT", "name": "VARCHAR", "city": "VARCHAR"}) == [
        (1, "a", None),
        (2, None, "x"),
    ]


def test_other_types_are_refused_unless_they_fit(session: Session, tmp_path: Path) -> None:
    put(session, "SELECT 1::BIGINT AS id", target(tmp_path, "parquet"))
    to = target(tmp_path, "parquet", "append", "w2")
    with pytest.raises(EngineError, match="column id is VARCHAR, in the table BIGINT"):
        put(session, "SELECT 'x' AS id", to)
    put(session, "SELECT 2::INTEGER AS id", to)
    assert stored(session, to) == [(1,), (2,)]


PARTS = "SELECT * FROM (VALUES (1, '007', DATE '2024-01-01'), (2, 'a/b=c', DATE '2024-01-02'), (3, NULL, NULL)) t(id, code, day)"


def test_partitions_are_folders_with_their_types(
    session: Session, engine: Any, tmp_path: Path
) -> None:
    to = Target("parquet", tmp_path / "parts", "overwrite", "w1", partition_by=("code", "day"))
    written = put(session, PARTS, to)
    assert len(written.files) == 3
    assert all(file.is_file() for file in written.files)
    assert (tmp_path / "parts" / "code=007").is_dir()
    rows = [(1, "007", date(2024, 1, 1)), (2, "a/b=c", date(2024, 1, 2)), (3, None, None)]
    assert stored(session, to) == rows
    assert engine.was_written(to)
    more = Target("parquet", tmp_path / "parts", "append", "w2", partition_by=("code", "day"))
    put(session, "SELECT 4 AS id, '007' AS code, DATE '2024-01-01' AS day", more)
    assert stored(session, more) == sorted([*rows, (4, "007", date(2024, 1, 1))])
    assert engine.was_written(to)
    assert engine.was_written(more)
    up = Target(
        "parquet", tmp_path / "parts", "upsert", "w3", keys=("id",), partition_by=("code", "day")
    )
    put(session, "SELECT 1 AS id, '008' AS code, DATE '2024-01-09' AS day", up)
    assert [row[:2] for row in stored(session, up)] == [
        (1, "008"),
        (2, "a/b=c"),
        (3, None),
        (4, "007"),
    ]


def test_a_file_and_a_folder_replace_each_other(session: Session, tmp_path: Path) -> None:
    folder = Target("parquet", tmp_path / "t", "overwrite", "w1", partition_by=("code", "day"))
    file = Target("parquet", tmp_path / "t", "overwrite", "w2")
    put(session, PARTS, folder)
    put(session, PARTS, file)
    assert file.path.is_file()
    put(session, PARTS, folder)
    assert folder.path.is_dir()
    assert len(stored(session, folder)) == 3
    assert leftovers(tmp_path) == []


def test_no_rows_make_an_empty_table(session: Session, tmp_path: Path) -> None:
    for to in (
        target(tmp_path, "parquet"),
        Target("parquet", tmp_path / "p", "overwrite", "w", partition_by=("code",)),
    ):
        put(session, f"SELECT id, code FROM ({PARTS}) WHERE false", to)
        assert stored(session, to) == []


@pytest.mark.parametrize("mode", ["append", "append_once", "upsert", "merge"])
@pytest.mark.parametrize("format_", [*FORMATS, "folder"])
def test_no_rows_leave_the_table_and_its_types(
    session: Session, duck: DuckDBEngine, tmp_path: Path, format_: str, mode: str
) -> None:
    """A batch without rows may come without types as well: from a text file, all of it is VARCHAR."""
    parts: dict[str, Any] = {"partition_by": ("name",)} if format_ == "folder" else {}
    format_ = "parquet" if format_ == "folder" else format_
    put(session, OLD, target(tmp_path, format_, **parts))
    empty = target(tmp_path, format_, mode, "w2", keys=("id",), **parts)
    put(session, "SELECT '' AS id, '' AS name WHERE false", empty)
    assert duck.was_written(empty) or (format_ == "delta" and mode != "append")  # no version then
    put(session, NEW, target(tmp_path, format_, "append", "w3", **parts))
    expected = [(1, "a"), (2, "B"), (2, "b"), (3, "c"), (None, "nobody"), (None, "none")]
    assert sorted(stored(session, empty, TYPED), key=str) == sorted(expected, key=str)
    assert leftovers(tmp_path) == []


def test_csv_and_json_files_are_what_others_expect(session: Session, tmp_path: Path) -> None:
    query = (
        "SELECT 1 AS id, 'say \"hi\", now' AS text, NULL::INT AS n, 1.50::DECIMAL(10,2) AS price"
    )
    put(session, query, target(tmp_path, "csv"))
    assert (tmp_path / "table.csv").read_text() == 'id,text,n,price\n1,"say ""hi"", now",,1.50\n'
    put(session, query, target(tmp_path, "json"))
    assert (
        tmp_path / "table.ndjson"
    ).read_text() == '{"id":1,"text":"say \\"hi\\", now","n":null,"price":1.5}\n'
    put(
        session,
        "SELECT 1 AS id",
        Target("csv", tmp_path / "t.csv.gz", "overwrite", "w", options={"sep": ";"}),
    )
    put(
        session,
        "SELECT 2 AS id",
        Target("csv", tmp_path / "t.csv.gz", "append", "w2", options={"sep": ";"}),
    )
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == b"id\n1\n2\n"


def test_sums_stay_exact(session: Session, tmp_path: Path) -> None:
    """A sum of integers is 128 bits wide, which Parquet has no type for: a writer would round it."""
    to = target(tmp_path, "parquet")
    put(
        session,
        "SELECT sum(x)::HUGEINT AS total FROM (VALUES (9007199254740993::BIGINT), (2)) t(x)",
        to,
    )
    assert stored(session, to) == [(9007199254740995,)]
    with pytest.raises(EngineError, match="out of range"):
        put(session, "SELECT sum(9223372036854775807::BIGINT) AS total FROM range(3)", to)


def test_write_options(session: Session, tmp_path: Path) -> None:
    put(
        session,
        OLD,
        target(tmp_path, "parquet", options={"compression": "snappy", "row_group_size": 10_000}),
    )
    with pytest.raises(EngineError, match="parquet has no write option 'compresion'") as raised:
        put(session, OLD, target(tmp_path, "parquet", options={"compresion": "snappy"}))
    assert raised.value.hint == "did you mean 'compression'?"
    with pytest.raises(EngineError, match="parquet has no compression 'rar'"):
        put(session, OLD, target(tmp_path, "parquet", options={"compression": "rar"}))


def test_delta_versions(session: Session, tmp_path: Path) -> None:
    query = "SELECT 1::BIGINT AS id, 1.25::DECIMAL(10,2) AS price, TIMESTAMP '2024-01-01 10:00:00' AS seen_at"
    assert put(session, query, target(tmp_path, "delta", "append", "w1")).version == 0
    assert (
        put(session, query.replace("1::", "2::"), target(tmp_path, "delta", "append", "w2")).version
        == 1
    )
    path = tmp_path / "table"
    first = session.hold(session.read(Source("delta", path, version=0)))
    assert session.fetch("SELECT id, price FROM df", {"df": first}).rows == [(1, Decimal("1.25"))]
    latest = session.read(Source("delta", path))
    assert session.fetch("SELECT count(*), max(seen_at)::VARCHAR FROM df", {"df": latest}).rows == [
        (2, "2024-01-01 10:00:00")
    ]
    with pytest.raises(EngineError, match="Delta table table") as raised:
        session.read(Source("delta", path, version=7))
    assert raised.value.hint == "it has the versions 0 to 1"


def test_delta_partitions(session: Session, tmp_path: Path) -> None:
    to = target(tmp_path, "delta", partition_by=("city",))
    put(session, "SELECT 1 AS id, 'x y' AS city UNION ALL SELECT 2, NULL", to)
    assert values(session, session.read(Source("delta", to.path))) == [(1, "x y"), (2, None)]
