"""`odibi schema`: the JSON Schema of what people write and of what runs leave behind."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from odibi.cli.common import print_json
from odibi.cli.exits import fail, reported

app = typer.Typer(add_completion=False)

_DOCUMENTS = ("config", "story")


@app.command()
def schema(
    document: Annotated[
        str, typer.Argument(help="config: odibi.yaml. story: what a run leaves.")
    ] = "config",
) -> None:
    """Print a JSON Schema: of odibi.yaml for editors, of the story for programs that read it."""
    if document not in _DOCUMENTS:
        fail(f"there is no schema {document!r}", f"schemas: {', '.join(_DOCUMENTS)}")
    with reported():
        print_json(_schema(document))


def _schema(document: str) -> dict[str, Any]:
    if document == "story":
        from odibi import story

        return story.schema()
    from odibi import config

    return config.schema()
