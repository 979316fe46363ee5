"""The docs say what is: generated pages are current, links lead somewhere, commands exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import odibi
from odibi.cli.main import COMMANDS

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
