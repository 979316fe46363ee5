"""Which values of the YAML are secret by the name of their key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from odibi.config.tree import Value

__all__ = ["MIN_LENGTH", "secret_values"]

MIN_LENGTH = 4  # hiding shorter ones would turn ordinary text into stars
_SECRET = re.compile(
    r"(?:.*[_-])?(?:password|passwd|pwd|secret|token|api[_-]?key|account_key|access_key"
    r"|private_key|sas_token|connection_string|authorization|salt)",
    re.IGNORECASE,
)
# sections whose keys are settings; elsewhere a key may be the name of a column
_SETTINGS = ("connections", "lineage", "alerts", "assistant", "vars", "system", "environments")
_BLOCKS = ("privacy", "params", "options", "headers", "auth")


def secret_values(tree: Value) -> Iterator[str]:
    """Values of fields of a secret kind, as text."""
    for name, section in tree.data.items():
        if name in _SETTINGS or name == "pipelines":
            yield from _below(section, name in _SETTINGS, everywhere=name in _SETTINGS)


def _below(value: Value, in_block: bool, *, everywhere: bool) -> Iterator[str]:
    """Secrets below a value; in nodes only direct entries of blocks of settings count, for
    `columns: {token: VARCHAR}` keeps no secret."""
    if isinstance(value.data, list):
        for item in value.data:
            yield from _below(item, everywhere, everywhere=everywhere)
    elif isinstance(value.data, dict):
        for name, entry in value.data.items():
            if in_block and _SECRET.fullmatch(name):
                yield from _text(entry)
            if isinstance(entry.data, dict | list):
                yield from _below(entry, everywhere or name in _BLOCKS, everywhere=everywhere)


def _text(value: Value) -> Iterator[str]:
    data = value.data
    if isinstance(data, str | int | float) and not isinstance(data, bool):
        text = str(data)
        if len(text) >= MIN_LENGTH:
            yield text
