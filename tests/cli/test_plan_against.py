"""What two copies of a project differ in, as a reviewer sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .command import odibi


def copied(folder: Path) -> tuple[Path, str]:
    """The copy that it was, and the text of odibi.yaml."""
    before = folder.parent / "before"
    shutil.copytree(folder, before)
    return before, (folder / "odibi.yaml").read_text()


def changes(folder: Path, before: Path) -> dict[str, tuple[str, str]]:
    done = odibi("plan", "--against", before, "--json", cwd=folder)
    assert done.code == 0, done.err
    return {n["node"]: (n["change"], n["because"]) for n in json.loads(done.out)["nodes"]}


def test_equal_copies_differ_in_nothing(medallion: Path) -> None:
    before, _ = copied(medallion)
    assert changes(medallion, before) == {}
    assert "no node differs" in odibi("plan", "--against", before, cwd=medallion).out


def test_a_changed_node_and_what_comes_after_it(medallion: Path) -> None:
    before, text = copied(medallion)
    nodes = [n["key"] for n in json.loads(odibi("plan", "--json", cwd=medallion).out)["nodes"]]
    first = nodes[0]
    name = first.partition(".")[2]
    edited = text.replace(
        f"- name: {name}\n", f"- name: {name}\n        runbook_url: https://example.org\n", 1
    )
    assert edited != text
    (medallion / "odibi.yaml").write_text(edited)
    found = changes(medallion, before)
    assert found[first] == ("changed", "")
    assert {change for key, change in found.items() if key != first} <= {("downstream", first)}
    assert len(found) > 1
    said = odibi("plan", "--against", before, "--markdown", cwd=medallion).out
    assert f"| changed | `{first}` |" in said and "1 node changed" in said


def test_a_copy_from_before_the_project(medallion: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = changes(medallion, tmp_path / "empty")
    assert found and set(found.values()) == {("new", "")}
    assert odibi("plan", "--against", tmp_path / "none", cwd=medallion).code == 2


def test_the_users_code_is_part_of_the_nodes_that_call_it(medallion: Path) -> None:
    before, _ = copied(medallion)
    code = medallion / "transforms.py"
    code.write_text(code.read_text() + "\n# other\n")
    assert "changed" in {change for change, _ in changes(medallion, before).values()}
