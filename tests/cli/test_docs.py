"""The docs say what is: generated pages are current, links lead somewhere, commands exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import odibi
from odibi.cli.main import COMMANDS
from tests.cli.command import odibi as odibi_command

ROOT = Path(odibi.__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("[a-z]*/README.md")])


def make_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current() -> None:
    assert make_reference().main(["--check"]) == 0, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_mentioned_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    words = re.findall(r"`odibi ([a-z-]+)", text)
    words += re.findall(r"^(?:\$ )?odibi ([a-z-]+)", "\n".join(blocks), re.MULTILINE)
    assert {word for word in words if not word.startswith("-")} <= set(COMMANDS)


def test_every_option_of_run_is_in_the_docs() -> None:
    import typer

    from odibi.cli.run import app

    page = (ROOT / "docs/cli.md").read_text()
    for parameter in typer.main.get_command(app).params:
        longest = max(parameter.opts, key=len)
        assert longest in page or longest in ("--project", "--help"), longest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_projects_that_are_shown_are_valid(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for block in blocks:
        if block.startswith("project:"):
            (tmp_path / "odibi.yaml").write_text(block, encoding="utf-8")
            outcome = odibi_command("validate", cwd=tmp_path)
            assert outcome.code == 0, outcome.out


@pytest.mark.parametrize("component", ["odibi", "engines", "datagen"])
def test_python_that_is_shown_runs(component: str, tmp_path: Path) -> None:
    (tmp_path / "reference_project").symlink_to(ROOT / "reference_project")
    page = (ROOT / component / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
