"""What our code never does with data, and what an install brings along."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[2]
_OURS = ["odibi", "engines", "tui", "gen", "datagen"]
_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "zipfile", "tarfile"}
_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
_BASE = {
    "annotated-doc", "annotated-types", "anyio", "click", "duckdb", "idna", "linkify-it-py", "markdown-it-py",
    "mdit-py-plugins", "mdurl", "platformdirs", "pyarrow", "pydantic", "pydantic-core", "pygments", "pyyaml",
    "rich", "shellingham", "sniffio", "sqlglot", "textual", "typer", "typing-extensions", "typing-inspection",
    "uc-micro-py", "watchfiles",
}  # fmt: skip
"""All distributions of an install without extras; a new one is a decision."""


def _does(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            names = []
            if (called := ast.unparse(node.func)) in _CALLS:
                yield node.lineno, called
            if any(word.arg == "shell" for word in node.keywords):
                yield node.lineno, "shell"
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.partition(".")[0] in _MODULES)


def test_the_search_finds_what_it_looks_for() -> None:
    code = "import pickle\nfrom zipfile import ZipFile\neval('1')\nrun('ls', shell=True)\nos.system('ls')\n"
    found = [(1, "pickle"), (2, "zipfile"), (3, "eval"), (4, "shell"), (5, "os.system")]
    assert sorted(_does(ast.parse(code))) == found


@pytest.mark.parametrize("folder", _OURS)
def test_nothing_is_unpickled_evaluated_unpacked_or_given_to_a_shell(folder: str) -> None:
    files = sorted((_ROOT / folder).rglob("*.py"))
    assert files
    found = [
        f"{path.relative_to(_ROOT)}:{line}: {what}"
        for path in files
        for line, what in _does(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_an_install_without_extras_stays_small() -> None:
    wanted, found = [Requirement("odibi")], set[str]()
    while wanted:
        one = wanted.pop()
        name = one.name.lower().replace("_", "-")
        if name in found and not one.extras:
            continue
        found.add(name)
        for line in requires(name) or ():
            need = Requirement(line)
            extras = one.extras or {""}
            if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append(need)
    assert found - {"odibi"} - _BASE == set()
