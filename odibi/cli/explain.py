"""`odibi explain`: what a word of the YAML means, with an example and what it does to a few rows."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from odibi.cli.common import JsonOption, has_colour, print_json, say, styled, table, terminal_width
from odibi.cli.exits import reported

if TYPE_CHECKING:
    from odibi.explain import Explanation, Param, ShownTable

app = typer.Typer(add_completion=False)

_INDENT = "  "


@app.command()
def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A transformer, pattern, test or key (write.mode); nothing lists the names."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a transformer, pattern, operation, test or key: params, an example, its SQL, its result."""
    with reported():
        from odibi import explain as explaining

        if name is None:
            _show_names(as_json)
        elif as_json:
            print_json(asdict(explaining.explain(name)))
        else:
            _show(explaining.explain(name))


def _show_names(as_json: bool) -> None:
    from odibi.checks.examples import EXAMPLES
    from odibi.transforms import registry

    groups = {
        "transformers": registry.names("transformer"),
        "patterns": registry.names("pattern"),
        "operations": registry.names("operation"),
        "tests": sorted(EXAMPLES),
    }
    if as_json:
        print_json(groups)
        return
    for kind, names in groups.items():
        print(styled(kind, "bold"))
        say(
            textwrap.wrap(
                ", ".join(names), _width(), initial_indent=_INDENT, subsequent_indent=_INDENT
            )
        )
    say(["", "keys go by path: odibi explain nodes.write.mode, or write.mode"])


def _width() -> int:
    return shutil.get_terminal_size().columns


def _show(found: Explanation) -> None:
    print(f"{styled(found.name, 'bold')} · {styled(found.kind, 'dim')}")
    say(_paragraphs(found.summary))
    if found.details and found.details.rstrip(".") != found.summary.rstrip("."):
        say(["", *_paragraphs(found.details)])
    if found.params:
        _heading("keys" if found.kind == "key" else "params")
        for param in found.params:
            _show_param(param)
    if found.yaml:
        _heading("example")
        _show_code(found.yaml, "yaml")
    for shown in [*found.inputs, *([found.result] if found.result else [])]:
        _show_table(shown)
    if found.verdict:
        _heading("verdict")
        say(_paragraphs(found.verdict, _INDENT))
    if found.sql:
        _heading("as SQL")
        _show_code(found.sql, "sql")


def _heading(text: str) -> None:
    print(f"\n{styled(text, 'bold')}")


def _paragraphs(text: str, indent: str = "") -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ""
        yield from textwrap.wrap(
            paragraph, _width(), initial_indent=indent, subsequent_indent=indent
        )


def _show_param(param: Param) -> None:
    need = (
        "required"
        if param.required
        else f"default {param.default}"
        if param.default
        else "optional"
    )
    print(f"{_INDENT}{styled(param.name, 'cyan')}  {styled(f'{param.type} · {need}', 'dim')}")
    say(_paragraphs(param.description, _INDENT * 3))


def _show_table(shown: ShownTable) -> None:
    _heading(shown.title)
    if not shown.rows:
        say([f"{_INDENT}no rows"])
        return
    rows = [["NULL" if cell is None else cell for cell in row] for row in shown.rows]
    width = terminal_width()
    lines = table(shown.columns, rows, width=None if width is None else width - len(_INDENT))
    print(_INDENT + styled(lines[0], "dim"))
    say(_INDENT + line for line in lines[1:])


def _show_code(code: str, language: str) -> None:
    """Code as it is; on a terminal with its syntax in colour."""
    if not has_colour():
        say(_INDENT + line for line in code.splitlines())
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.syntax import Syntax

    syntax = Syntax(code, language, theme="ansi_dark", background_color="default", word_wrap=True)
    Console().print(Padding(syntax, (0, 0, 0, len(_INDENT))))
