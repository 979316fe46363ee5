"""High-water marks: what is stored counts after any crash, and each key and environment is its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import StateError
from odibi.marks import Mark, Marks, Record

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def record(value: str, key: str = "p.n") -> Record:
    return Record(
        key, Mark("BIGINT", value), "id", f"r1-{key}-{value}", "r1", AT, {"at": [1, None]}
    )


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    assert marks.read("p.n") is None
    assert marks.all() == []
    marks.store(record("7"))
    marks.store(record("8"))
    marks.store(record("3", "p.a"))
    assert marks.read("p.n") == record("8")
    assert marks.all() == [record("3", "p.a"), record("8")]


def test_only_a_published_write_moves_the_mark(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.store(record("7"))
    marks.prepare(record("9"))
    assert marks.read("p.n") == record("7")
    assert marks.settle("p.n", {"r1-p.n-9"}.__contains__) == record("9")
    assert marks.read("p.n") == record("9")
    marks.prepare(record("12"))
    assert marks.settle("p.n", lambda _id: False) == record("9")
    assert marks.pending("p.n") is None


def test_confirmed_write_counts_without_asking(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.prepare(record("9"))
    assert marks.read("p.n") is None
    assert marks.confirm("p.n") == record("9") == marks.confirm("p.n") == marks.read("p.n")


def test_first_write_that_failed_leaves_nothing(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.prepare(record("9"))
    assert marks.settle("p.n", lambda _id: False) is None
    assert list(tmp_path.iterdir()) == []


def test_reset_forgets_one(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.store(record("9"))
    marks.store(record("9", "p.m"))
    assert marks.reset("p.n")
    assert not marks.reset("p.n")
    assert marks.all() == [record("9", "p.m")]


def test_environments_are_apart(tmp_path: Path) -> None:
    Marks(tmp_path).store(record("1"))
    Marks(tmp_path, "prod").store(record("2"))
    assert Marks(tmp_path).all() == [record("1")]
    assert Marks(tmp_path, "prod").all() == [record("2")]
    assert Marks(tmp_path, "dev").read("p.n") is None


@given(st.sets(keys, max_size=4))
def test_any_keys_are_files_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    marks = Marks(tmp_path_factory.mktemp("marks"), "env@1/é")
    for name in names:
        marks.store(record("1", name))
    assert {r.key for r in marks.all()} == names
    assert all(path.parent == marks.folder for path in marks.folder.rglob("*"))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"current": {"mark": 1}, "pending": null}'])
def test_damaged_file_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.n.json").write_text(content)
    with pytest.raises(StateError, match=r"p\.n is damaged.*p\.n\.json"):
        Marks(tmp_path).read("p.n")


def test_file_says_what_it_holds(tmp_path: Path) -> None:
    Marks(tmp_path).store(record("7"))
    content = json.loads((tmp_path / "p.n.json").read_text())
    assert content["current"]["mark"] == {"kind": "BIGINT", "value": "7"}
    assert content["pending"] is None
