"""Generated files on disk: nobody's work is lost, and what differs is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import UsageError
from odibi_gen.files import Header, changes, signed, write

HEADER = Header("shop", "airflow", "odibi gen airflow --select 'tag:x y'")


def files(**bodies: str) -> dict[str, str]:
    return signed(HEADER, {f"{name}.py": body for name, body in bodies.items()})


def put(folder: Path, wanted: dict[str, str], *, force: bool = False, whole: bool = True) -> None:
    write(changes(folder, wanted, HEADER, whole=whole), force=force)


def kinds(folder: Path, wanted: dict[str, str], *, whole: bool = True) -> dict[str, str]:
    return {c.path.name: c.kind for c in changes(folder, wanted, HEADER, whole=whole)}


def test_files_are_written_with_a_header_and_are_the_same_afterwards(tmp_path: Path) -> None:
    wanted = files(a="x = 1\n", b="y = 2\n")
    assert kinds(tmp_path / "dags", wanted) == {"a.py": "new", "b.py": "new"}
    put(tmp_path / "dags", wanted)
    assert kinds(tmp_path / "dags", wanted) == {"a.py": "same", "b.py": "same"}
    first, second, *rest = (tmp_path / "dags" / "a.py").read_text().splitlines()
    assert first.startswith("# Made by odibi from odibi.yaml") and rest == ["x = 1"]
    facts = json.loads(second.removeprefix("# odibi-gen: "))
    assert facts["command"] == "odibi gen airflow --select 'tag:x y'"
    assert (facts["project"], facts["target"]) == ("shop", "airflow")
    assert sorted(path.name for path in (tmp_path / "dags").iterdir()) == ["a.py", "b.py"]


def test_the_difference_is_told_from_disk_to_project(tmp_path: Path) -> None:
    put(tmp_path, files(a="x = 1\n"))
    (change,) = changes(tmp_path, files(a="x = 2\n"), HEADER, whole=True)
    assert (change.kind, change.reason) == ("changed", None)
    told = change.diff().splitlines()
    assert "-x = 1" in told and "+x = 2" in told
    put(tmp_path, files(a="x = 2\n"))
    assert (tmp_path / "a.py").read_text().endswith("\nx = 2\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('mine')\n", "it was not made by odibi gen"),
        ("", "it was not made by odibi gen"),
        ("# odibi-gen: {broken}\n# second\nx = 1\n", "its header was edited"),
        ('# odibi-gen: {"sha256": 5}\n# second\nx = 1\n', "it was edited since it was made"),
        ("# odibi-gen: {}\n# second\nx = 1\n", "its header was edited"),
    ],
)
def test_what_is_not_ours_stays(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(UsageError, match=reason) as caught:
        put(tmp_path, files(a="x = 1\n", b="y = 2\n"))
    assert "--force" in str(caught.value.hint)
    assert (tmp_path / "a.py").read_text() == text
    assert not (tmp_path / "b.py").exists(), "all files or none"
    put(tmp_path, files(a="x = 1\n", b="y = 2\n"), force=True)
    assert kinds(tmp_path, files(a="x = 1\n", b="y = 2\n")) == {"a.py": "same", "b.py": "same"}


def test_an_edit_by_hand_stays(tmp_path: Path) -> None:
    put(tmp_path, files(a="x = 1\n"))
    path = tmp_path / "a.py"
    path.write_text(path.read_text() + "mine = 3\n")
    with pytest.raises(UsageError, match="edited since it was made"):
        put(tmp_path, files(a="x = 2\n"))
    assert path.read_text().endswith("mine = 3\n")


def test_a_file_that_is_not_made_any_more_goes_if_it_is_ours(tmp_path: Path) -> None:
    put(tmp_path, files(a="x = 1\n", old="y = 2\n"))
    (tmp_path / "mine.py").write_text("z = 3\n")
    other = Header("warehouse", "airflow", "odibi gen airflow")
    theirs = signed(other, {"theirs.py": "w = 4\n"})
    write(changes(tmp_path, theirs, other, whole=False), force=False)
    assert kinds(tmp_path, files(a="x = 1\n")) == {"a.py": "same", "old.py": "gone"}
    assert kinds(tmp_path, files(a="x = 1\n"), whole=False) == {"a.py": "same"}
    put(tmp_path, files(a="x = 1\n"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "mine.py", "theirs.py"]


def test_a_file_that_is_not_made_any_more_and_was_edited_stays(tmp_path: Path) -> None:
    put(tmp_path, files(a="x = 1\n", old="y = 2\n"))
    old = tmp_path / "old.py"
    old.write_text(old.read_text() + "mine = 3\n")
    with pytest.raises(UsageError, match=r"old\.py: it was edited"):
        put(tmp_path, files(a="x = 1\n"))
    assert old.exists()


@given(st.text(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_header_says_it_is_two_lines_of_comment(
    body: str, project: str, command: str
) -> None:
    text = Header(project, "airflow", command).text(body.encode("utf-8", "replace").decode())
    assert len(text.splitlines()) == 2
    assert all(line.startswith("# ") for line in text.splitlines())


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"a\.py can't be read: it isn't UTF-8 text"):
        changes(tmp_path, files(a="x = 1\n"), HEADER, whole=True)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").mkdir()
    with pytest.raises(UsageError, match=r"a\.py can't be read"):
        changes(tmp_path, files(a="x = 1\n"), HEADER, whole=True)
