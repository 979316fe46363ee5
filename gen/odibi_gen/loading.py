"""Reading a project where its secrets aren't: generated code needs their names only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["environ"]

_NAME = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\}")


def environ(root: Path) -> Mapping[str, str]:
    """This process's environment, with a stand-in for each variable that a YAML of the project names
    and that isn't set: a machine that checks generated code holds no passwords."""
    stand_ins: dict[str, str] = {}
    for file in (*root.rglob("*.yaml"), *root.rglob("*.yml")):
        if any(part.startswith(".") for part in file.relative_to(root).parts):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        stand_ins |= {name: f"stand-in-for-{name}" for name in _NAME.findall(text)}
    return {**stand_ins, **os.environ}
