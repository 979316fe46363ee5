"""Write the generated pages: every key of odibi.yaml, and every built-in with its example.

python docs/make_reference.py            write them
python docs/make_reference.py --check    exit 1 when they are stale
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from odibi import config
from odibi.config import KeyDoc, unsupported
from odibi.explain import Explanation, ShownTable, explain, names
from odibi.migration import DIFFERENCES
from odibi_tui.actions import ACTIONS, Action, display

HERE = Path(__file__).parent
_NOTE = "<!-- written by docs/make_reference.py: `make docs` -->"
_INTRO = """\
# odibi.yaml, key by key

{note}

The language is that of Odibi 3.x with extensions; [compat.md](compat.md) says where it differs. `odibi explain nodes.write.mode` shows the same for one key, `odibi schema config` is the JSON Schema for editors.

Paths of a connection are relative to the YAML's folder, paths of nodes to their connection, SQL files to the YAML that names them. `${{NAME}}` is an environment variable (`${{NAME:-default}}` with a default), `${{vars.x}}` a variable of the project, `${{date:today}}` a date. `?` marks what may also be null.
"""
_SECTIONS = {
    "": "Project",
    "connections": "Connections",
    "pipelines": "Pipelines",
    "nodes": "Nodes",
    "nodes.read": "Read",
    "nodes.transform": "Transform",
    "nodes.write": "Write",
    "nodes.validation": "Validation",
}
_KINDS = {"connections": "connections.", "nodes.validation": "nodes.validation.tests."}
_SAME = ("nodes.inputs.", "nodes.contracts.")  # as nodes.read. and nodes.validation.tests.


def configuration() -> str:
    """The page about keys."""
    keys = [key for key in config.reference() if not key.path.startswith(_SAME)]
    parts = [_INTRO.format(note=_NOTE)]
    for prefix, title in _SECTIONS.items():
        parts.append(f"## {title}\n")
        for heading, group in _groups(
            prefix, [key for key in keys if _section(key.path) == prefix]
        ):
            parts += [f"### {heading}\n"] if heading else []
            parts.append(_table(prefix, group))
    return "\n".join([*parts, *_unsupported()])


def _unsupported() -> Iterator[str]:
    yield "## Not supported yet\n"
    yield "Known from 3.x, and refused with its place and this reason, never ignored.\n"
    yield "| key of a node | why |\n|---|---|"
    for path, (_, why) in unsupported.REFUSED.items():
        yield f"| `{'.'.join(path)}` | {why} |"
    yield f"\nFormats that can be read: {_list(unsupported.FORMATS_READ)}; written: {_list(unsupported.FORMATS_WRITTEN)}."
    yield f"Types of connection that nodes can use: {_list(unsupported.CONNECTIONS)}."


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(path: str) -> str:
    """The longest section whose keys this one belongs to; a section's own key stays with its parent."""
    return max((name for name in _SECTIONS if path.startswith(f"{name}." if name else "")), key=len)


def _groups(prefix: str, keys: Sequence[KeyDoc]) -> Iterator[tuple[str, list[KeyDoc]]]:
    """Keys as they come; those of a kind of connection or test under the name of the kind."""
    kinds: dict[str, list[KeyDoc]] = {"": []}
    before_type: list[KeyDoc] = []
    kind = ""
    for key in keys:
        name = key.path.removeprefix(_KINDS.get(prefix, "-"))
        if name == key.path:
            kinds[""].append(key)
        elif name == "type":
            kind = "any other type" if key.type == "text" else f"`type: {key.type}`"
            kinds[kind], before_type = before_type, []
        elif name in ("name", "on_fail"):  # these two stand before the type
            before_type.append(key)
        else:
            kinds[kind].append(key)
    yield from ((heading, group) for heading, group in kinds.items() if group)


def _table(prefix: str, keys: Iterable[KeyDoc]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        name = key.path.removeprefix(f"{prefix}.") if prefix else key.path
        lines.append(f"| `{name}` | {_type(key)} | {_default(key)} | {_cell(key.description)} |")
    return "\n".join(lines) + "\n"


def _type(key: KeyDoc) -> str:
    if key.choices:
        return " / ".join(f"`{choice}`" for choice in key.choices) + (
            "?" if "null" in key.type else ""
        )
    return _cell(key.type.replace(" or null", "?"))


def _default(key: KeyDoc) -> str:
    if key.required:
        return "**required**"
    return "" if key.default is None else f"`{key.default}`"


def _cell(text: str) -> str:
    return (
        text.replace("|", "\\|").replace("\n", " ").removesuffix(" (ours).").removesuffix(" (ours)")
    )


_KINDS_OF_BUILTINS = {
    "transformer": (
        "Transformers",
        "`transformer: NAME` with `params`, or a step `operation: NAME`.",
    ),
    "pattern": ("Patterns", "`pattern: {type: NAME, params: …}`."),
    "operation": ("Operations", "Names that steps of 3.x use: `operation: NAME`."),
    "test": ("Tests", "Members of `validation.tests` and of `contracts`."),
}


def transformers() -> str:
    """The page about built-ins and tests."""
    explanations = [explain(name) for name in names()]
    parts = [
        f"# Transformers, patterns and tests\n\n{_NOTE}\n",
        "Each example below is run by a test and gives the result that is shown. "
        "`odibi explain NAME` shows the same, and the SQL that runs.\n",
    ]
    for kind, (title, use) in _KINDS_OF_BUILTINS.items():
        parts.append(f"## {title}\n\n{use}\n")
        parts += [_builtin(each) for each in explanations if each.kind == kind]
    return "\n".join(parts)


def _builtin(found: Explanation) -> str:
    parts = [f"### {found.name}\n", found.summary + "\n"]
    if found.details and found.details.rstrip(".") != found.summary.rstrip("."):
        parts.append(found.details + "\n")
    parts += ["| param | type | default | meaning |", "|---|---|---|---|"]
    for param in found.params:
        default = (
            "**required**" if param.required else f"`{param.default}`" if param.default else ""
        )
        parts.append(
            f"| `{param.name}` | {_cell(param.type)} | {default} | {_cell(param.description)} |"
        )
    parts.append(f"\n```yaml\n{found.yaml}\n```\n")
    shown = [*found.inputs, *([found.result] if found.result else [])]
    parts += [_shown(each) for each in shown]
    if found.verdict:
        parts.append(f"Verdict: {found.verdict}\n")
    return "\n".join(parts)


def _shown(table: ShownTable) -> str:
    if not table.rows:
        return f"`{table.title}`: no rows\n"
    lines = [f"`{table.title}`:\n", "| " + " | ".join(map(_cell, table.columns)) + " |"]
    lines.append("|" + "---|" * len(table.columns))
    for row in table.rows:
        cells = ("*null*" if cell is None else _cell(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


_KEYS = """\
# Keys of `odibi top`

{note}

From the same table come the footer, `?` and the command palette. Put other keys for an action into `~/.config/odibi/keys.toml` (below `$XDG_CONFIG_HOME` when that is set):

```toml
[keys]
"rerun.node" = "r"
"view.query" = "6,a"
```
"""


def keys() -> str:
    """The page about the keys of `odibi top`."""
    groups: dict[str, list[Action]] = {}
    for action in ACTIONS:
        groups.setdefault(action.group, []).append(action)
    parts = [_KEYS.format(note=_NOTE)]
    for name, actions in groups.items():
        parts += [f"## {name}\n", "| key | what it does | action |\n|---|---|---|"]
        parts += [
            f"| {_keys(action.keys)} | {_cell(action.help)} | `{action.id}` |" for action in actions
        ]
        parts.append("")
    return "\n".join(parts)


def _keys(keys: str) -> str:
    return " ".join(f"`{display(key)}`" for key in keys.split(","))


_COMPAT = """\
# Projects written for Odibi 3.x

{note}

odibi reads the configuration language of the public Odibi 3.x: same keys, same defaults, same meaning. `odibi migrate check PROJECT` says what a project meets here: what isn't supported, with its line and the reason, what has no effect yet, and which of the differences below its nodes come across. Nothing is ignored in silence.

`tests/compat` holds projects in that language with the tables that they must give.

## What is different, and why

| in 3.x | here | why |
|---|---|---|
"""
_COMPAT_END = """
## Not supported yet

[configuration.md](configuration.md#not-supported-yet) lists the keys, formats and connections that are known and refused. A connection of an unsupported type that no node uses is only a warning.

These built-ins of 3.x don't exist here:

{missing}
"""


def compat() -> str:
    """The page about projects of 3.x."""
    rows = "".join(f"| {one.before} | {one.now} | {one.why} |\n" for one in DIFFERENCES)
    missing = "\n".join(f"- `{name}`: {why}" for name, why in unsupported.TRANSFORMERS.items())
    return _COMPAT.format(note=_NOTE) + rows + _COMPAT_END.format(missing=missing)


PAGES = {
    "compat.md": compat,
    "configuration.md": configuration,
    "transformers.md": transformers,
    "keys.md": keys,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check say which are stale."""
    stale = []
    for name, make in PAGES.items():
        page, text = HERE / name, make().rstrip() + "\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                page.write_text(text, encoding="utf-8")
    if stale:
        word = "stale" if "--check" in arguments else "written"
        print(f"{word}: {', '.join(stale)}")  # noqa: T201 - this is a script
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
