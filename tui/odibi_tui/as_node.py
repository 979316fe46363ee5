"""A question as a node for odibi.yaml: a person chooses its name and puts it where it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from odibi.graph import Graph
from odibi.sqlrefs import KnownTables
from odibi.tables import StoredTable, quoted, sql_name

__all__ = ["as_node"]

_SKIPPED = r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'"


def as_node(sql: str, graph: Graph, tables: Iterable[StoredTable]) -> str:
    """YAML of a node that makes the table which `sql` asks for, with a free name.

    The tables that it reads become inputs. Those that no node makes (rows set aside) stay as they are,
    and a comment says so.
    """
    import yaml

    known = list(tables)
    sql, reads = _named(sql.strip().rstrip(";"), known)
    made = [table for table in reads.values() if table.key in graph.nodes]
    foreign = [table.sql_name for table in reads.values() if table.key not in graph.nodes]
    name = _free_name(f"{made[0].node if made else 'question'}_query", graph)
    target = graph.nodes[made[0].key].config.write if made else None
    connection = target.connection if target else next(iter(graph.loaded.project.connections))
    head: dict[str, object] = {"name": name}
    if made:
        head["inputs"] = {alias: f"${t.key}" for alias, t in reads.items() if t in made}
    notes = ["put it below `nodes:` of a pipeline; choose its name and its path"]
    notes += [f"{each} is no node: read its file as an input" for each in foreign]
    lines = [
        *(f"# {note}" for note in notes),
        *_indented(yaml.safe_dump([head], sort_keys=False, allow_unicode=True).rstrip(), ""),
        "  transform:",
        "    steps:",
        f"      - sql: |{2 if sql[:1] == ' ' else ''}",
        *_indented(sql, " " * 10),
        f"  write: {{connection: {_word(connection)}, format: parquet, path: {_word(name)}.parquet}}",
    ]
    return "\n".join(lines) + "\n"


def _indented(text: str, by: str) -> list[str]:
    return [(by + line).rstrip() for line in text.expandtabs(4).splitlines()]


def _word(text: str) -> str:
    """The text as a YAML scalar within braces."""
    import json

    return text if re.fullmatch(r"[A-Za-z_][\w-]*", text, re.ASCII) else json.dumps(text)


def _free_name(name: str, graph: Graph) -> str:
    taken = {node.name.lower() for node in graph.nodes.values()}
    name = re.sub(r"\W+", "_", name)
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _named(sql: str, tables: list[StoredTable]) -> tuple[str, Mapping[str, StoredTable]]:
    """The statement with one name for each table that it reads, and those tables by that name."""
    aliases = dict(_aliases(tables))
    by_alias = {aliases[table.key]: table for table in tables}
    forms = {form: table for table in tables for form in _forms(table)}
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))

    def rename(match: re.Match[str]) -> str:
        table = forms.get(match["table"] or "")
        return sql_name(aliases[table.key]) if table else match[0]

    if pattern:
        sql = re.sub(
            rf'{_SKIPPED}|(?<![\w.])(?P<table>{pattern})(?![\w"])', rename, sql, flags=re.S
        )
    return sql, {name: by_alias[name] for name in KnownTables(by_alias).read_by(sql)}


def _aliases(tables: Iterable[StoredTable]) -> Iterator[tuple[str, str]]:
    """For each table by its key a name that no other has."""
    taken: set[str] = set()
    for table in sorted(tables, key=lambda table: not table.unique):
        alias = table.node if table.unique else f"{table.pipeline}_{table.node}"
        while alias.lower() in taken:
            alias += "_"
        taken.add(alias.lower())
        yield table.key, alias


def _forms(table: StoredTable) -> list[str]:
    """How SQL may name the table by pipeline and node."""
    pipelines = {sql_name(table.pipeline), quoted(table.pipeline)}
    return [f"{p}.{n}" for p in pipelines for n in {sql_name(table.node), quoted(table.node)}]
