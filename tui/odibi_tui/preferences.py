"""What a person chose and finds again next time: colours, the view, keys."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi_tui.actions import BY_ID

__all__ = ["Preferences"]


@dataclass(slots=True)
class Preferences:
    """`keys` maps ids of actions to keys and comes from `keys.toml`; `problems` say what in it is wrong.

    The rest is remembered in `top.json`. A missing or damaged file is as good as an empty one.
    """

    folder: Path
    theme: str | None = None
    view: str = "graph"
    zoomed: bool = False
    looks: dict[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path | None = None) -> Preferences:
        """Read both files from `folder`, by default `odibi/` below $XDG_CONFIG_HOME."""
        place = folder or _config_home() / "odibi"
        keys, problems = _read_keys(place / "keys.toml")
        found = cls(place, keys=keys, problems=problems)
        with suppress(OSError, ValueError, TypeError, AttributeError):
            remembered = json.loads((place / "top.json").read_text(encoding="utf-8"))
            found.theme = _text(remembered.get("theme"))
            found.view = _text(remembered.get("view")) or "graph"
            found.zoomed = remembered.get("zoomed") is True
            found.looks = dict(remembered.get("looks") or {})
        return found

    def save(self) -> None:
        """Remember; whoever can't write there does without."""
        kept = {
            "theme": self.theme,
            "view": self.view,
            "zoomed": self.zoomed,
            "looks": self.looks,
        }
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            new = self.folder / f"top.json.{os.getpid()}"
            new.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
            new.replace(self.folder / "top.json")


def _config_home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _read_keys(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """`[keys]` of the file: `"rerun.node" = "r"`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ()
    except (OSError, ValueError) as error:
        return {}, (f"{path}: {error}",)
    given = document.get("keys", {})
    if not isinstance(given, dict):
        return {}, (f"{path}: [keys] maps actions to keys",)
    good = {name: key for name, key in given.items() if name in BY_ID and isinstance(key, str)}
    wrong = tuple(_wrong(path, name) for name in given if name not in good)
    return good, wrong


def _wrong(path: Path, name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, BY_ID, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{path}: there is no action {name!r}{meant}"
