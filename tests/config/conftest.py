"""A project's text in, the project or what is wrong out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odibi.config import ConfigError, Loaded, Problem, load

MINIMAL = """\
project: demo
engine: duckdb
connections:
  data: {type: local, base_path: .}
pipelines:
  - pipeline: p
    nodes:
      - name: a
        read: {connection: data, format: parquet, path: a.parquet}
"""
HERE = "‸"  # where a message must point; not part of the text


def marked(text: str) -> tuple[str, str]:
    """The place of the mark as `line:column`, and the text without it."""
    before = text[: text.index(HERE)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{line}:{column}", text.replace(HERE, "")


class Folder:
    """A project folder; `more` is appended to a minimal project, first the keys of its one node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.yaml = path / "odibi.yaml"

    def write(self, text: str, name: str = "odibi.yaml") -> None:
        (self.path / name).write_text(text, encoding="utf-8")

    def load(self, text: str, **options: Any) -> Loaded:
        self.write(text)
        return load(self.yaml, **{"environ": {}, **options})

    def node(self, more: str, **options: Any) -> Any:
        return self.load(MINIMAL + more, **options).project.pipelines[0].nodes[0]

    def problems(self, text: str, **options: Any) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, **options)
        return caught.value.problems

    def said(self, text: str, **options: Any) -> list[str]:
        """What is wrong with a text, as `line:column: message`."""
        return [f"{p.line}:{p.column}: {p.message}" for p in self.problems(text, **options)]

    def said_of_node(self, more: str, **options: Any) -> list[str]:
        return self.said(MINIMAL + more, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
