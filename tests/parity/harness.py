"""Cases of one node each, run by the real runner: all cases of a file as one project, once on every engine.

A case is a map in a file of `cases/`:

    name       what it shows
    df         the rows that the node starts with (see tables.py); `tables` are others by name
    files      texts that lie there as well: {in.csv: "..."}; `delta`: {name: rows};
               `sqlite`: {shop.db: script of SQL}, to which the connection HERE_shop leads
    node       the node as in odibi.yaml; `HERE` is the case's own connection, `HERE_web`
               a service of its files. What isn't said is filled in: df and tables are read, the
               result is written to out.parquet
    result     the rows that it leaves, types and all; `places` are other places: {path: rows}
    stored     files byte by byte: {path: text}
    ignore     columns that no case can state (moments of the run)
    fails      part of the message with which the node fails; `warns` part of a warning
    runs       instead of df, tables and result: these of every run, one after the other
"""

from __future__ import annotations

import copy
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from deltalake import write_deltalake

from odibi import config
from odibi.runner import RunRequest, RunResult, launch
from odibi.transforms import registry

from .tables import Found, at, found, stated

__all__ = ["Case", "cases_of", "names_in", "run"]

_OF_A_RUN = {
    "df",
    "tables",
    "files",
    "delta",
    "sqlite",
    "result",
    "places",
    "stored",
    "fails",
    "warns",
}
_KEYS = _OF_A_RUN | {"name", "node", "ignore", "runs", "python"}


@dataclass(frozen=True)
class Case:
    """One node, what is there before each run, and what is there after it."""

    name: str
    node: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]]
    ignore: tuple[str, ...] = ()
    python: str = ""
    number: int = field(default=0, compare=False)

    @property
    def here(self) -> str:
        """The name of its node, its connection and its folder."""
        return f"case{self.number}"


def cases_of(file: Path) -> list[Case]:
    """The cases in a file. Raises ValueError for a key that no case has."""
    with file.open() as lines:
        listed = yaml.safe_load(lines)
    return [_case(number, entry) for number, entry in enumerate(listed, 1)]


def _case(number: int, entry: Mapping[str, Any]) -> Case:
    for part in (entry, *entry.get("runs", ())):
        if unknown := set(part) - _KEYS:
            raise ValueError(f"{entry.get('name')}: no case has {sorted(unknown)}")
    runs = entry.get("runs") or [{key: entry[key] for key in _OF_A_RUN & set(entry)}]
    ignore, python = tuple(entry.get("ignore", ())), entry.get("python", "")
    return Case(entry["name"], entry["node"], runs, ignore, python, number)


def names_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(kind, name) of everything that a node of a case uses: formats, transformers, patterns, tests."""
    if not isinstance(value, Mapping):
        return
    for below, kind in _KINDS.items():
        if isinstance(name := value.get(below), str):
            yield (registry.get(name).KIND if name in registry.names() else kind), name
    if "pattern" in value:
        yield "pattern", value["pattern"]["type"]
    for side in ("read", "write"):
        if side in value:
            yield f"{side} format", value[side]["format"]
    for step in value.get("transform", {}).get("steps", ()):
        yield from names_in(step)
    for test in [*value.get("validation", {}).get("tests", ()), *value.get("contracts", ())]:
        yield "test", test["type"]


_KINDS = {"transformer": "transformer", "function": "transformer", "operation": "operation"}


# Running


def run(cases: Sequence[Case], folder: Path, engine: str) -> dict[str, list[str]]:
    """Run the cases as one project; for each case that isn't as stated, what is wrong."""
    folder.mkdir(parents=True)
    with _served(folder) as url:
        _write_project(cases, folder, engine, url)
        return _run_all(cases, folder)


def _run_all(cases: Sequence[Case], folder: Path) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    for number in range(max(len(case.runs) for case in cases)):
        now = [case for case in cases if number < len(case.runs)]
        for case in now:
            _arrive(folder / case.here, case.runs[number])
        select = tuple(case.here for case in now)
        result = launch(config.load(folder / "odibi.yaml"), RunRequest(select=select))
        for case in now:
            problems = list(_wrong(case, case.runs[number], folder, result))
            where = f"{case.name} (run {number + 1})" if len(case.runs) > 1 else case.name
            if problems:
                wrong[where] = problems
    return wrong


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address of a web service that gives the files in the folder."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked is no news."""


def _write_project(cases: Sequence[Case], folder: Path, engine: str, url: str) -> None:
    project = {
        "project": "parity",
        "engine": engine,
        "performance": {"threads": 2, "memory_limit": "1GB"},
        "connections": {case.here: _connection(case) for case in cases},
        "pipelines": [{"pipeline": "p", "nodes": [_node(case) for case in cases]}],
    }
    for case in cases:
        for other, there in _other_connections(case, url):
            project["connections"][other] = there
    (folder / "odibi.yaml").write_text(yaml.safe_dump(project, sort_keys=False, allow_unicode=True))
    python = "\n\n".join(case.python for case in cases if case.python)
    (folder / "transforms.py").write_text(f"from odibi.functions import transform\n\n\n{python}\n")


def _connection(case: Case) -> dict[str, Any]:
    return {"type": "local", "base_path": case.here}


def _other_connections(case: Case, url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A connection for each database of the case, `HERE_shop` for shop.db, and its service."""
    if case.node.get("read", {}).get("format") == "api":
        yield f"{case.here}_web", {"type": "http", "base_url": f"{url}/{case.here}"}
    for file in case.runs[0].get("sqlite", {}):
        name = f"{case.here}_{Path(file).stem}"
        yield name, {"type": "sqlite", "path": f"{case.here}/{file}"}


def _node(case: Case) -> dict[str, Any]:
    node = _placed(copy.deepcopy(dict(case.node)), case.here)
    given = case.runs[0]
    tables = given.get("tables", {})
    if "df" in given and not tables:
        node.setdefault("read", _parquet(case, "df.parquet"))
    elif tables:  # the first input is what the node starts with
        first = ["rows"] if "df" in given else []
        reads = {name: _parquet(case, f"{name}.parquet") for name in [*first, *tables]}
        node["inputs"] = {**reads, **node.get("inputs", {})}
    node.setdefault("write", _parquet(case, "out.parquet"))
    return {"name": case.here, **node}


def _parquet(case: Case, path: str) -> dict[str, str]:
    return {"connection": case.here, "format": "parquet", "path": path}


def _placed(value: Any, here: str) -> Any:
    """The value with HERE named."""
    if isinstance(value, dict):
        return {key: _placed(part, here) for key, part in value.items()}
    if isinstance(value, list):
        return [_placed(part, here) for part in value]
    return re.sub(r"\bHERE", here, value) if isinstance(value, str) else value


def _arrive(folder: Path, given: Mapping[str, Any]) -> None:
    """Put the inputs of a run in place."""
    folder.mkdir(exist_ok=True)
    tables = dict(given.get("tables", {}))
    if "df" in given:
        tables["rows" if tables else "df"] = given["df"]
    for name, text in tables.items():
        stated(text).relation().write_parquet(str(folder / f"{name}.parquet"))
    for name, text in given.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, rows in given.get("delta", {}).items():
        write_deltalake(folder / name, stated(rows).relation().to_arrow_table())
    for name, made in given.get("sqlite", {}).items():
        with sqlite3.connect(folder / name) as db:
            db.executescript(made)
        db.close()


# Comparing


def _wrong(case: Case, given: Mapping[str, Any], folder: Path, result: RunResult) -> Iterator[str]:
    node = result.state.nodes[f"p.{case.here}"]
    message = node.error.message if node.error else ""
    if fails := given.get("fails"):
        if fails not in message:
            yield f"should fail with {fails!r}: {node.status} {message}"
        return
    if node.status != "succeeded":
        yield f"{node.status}: {message}"
        return
    if (warns := given.get("warns")) and not any(warns in said for said in node.warnings):
        yield f"should warn of {warns!r}: {list(node.warnings)}"
    written = case.node.get("write", {}).get("path", "out.parquet")
    expected = {written: given["result"]} if "result" in given else {}
    for place, text in {**expected, **given.get("places", {})}.items():
        yield from _different(case, folder / case.here / place, text)
    for place, text in given.get("stored", {}).items():
        if (stored := (folder / case.here / place).read_text()) != text:
            yield f"{place} holds {stored!r}, not {text!r}"


def _different(case: Case, path: Path, text: str) -> Iterator[str]:
    expected = found(stated(text).relation())
    there = found(at(path), case.ignore)
    if there.columns != expected.columns:
        yield f"columns {_listed(there.columns)}\n    not {_listed(expected.columns)}"
    elif there.rows != expected.rows:
        yield f"rows {_shown(there)}\n    not {_shown(expected)}"


def _listed(columns: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns)


def _shown(table: Found) -> str:
    return "\n        ".join(["", *(repr(row) for row in table.rows)])
