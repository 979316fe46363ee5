"""The process behind questions: reads requests as lines of JSON and answers each with one.

It is a process of its own so that a question can be stopped whatever it does, and so that its memory
goes away with it. `{"ask": sql, "limit": n}` brings rows, `{"count": true}` the number of rows of the
question before, `{"tables": true}` what there is to ask, `{"node": sql}` the question as YAML.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from odibi import config, graph
from odibi.errors import OdibiError
from odibi.graph import Graph
from odibi.questions import Question, check, is_number
from odibi.tables import StoredTable, set_aside_tables, stored_tables
from odibi_tui.as_node import as_node

__all__ = ["Answerer", "main"]

_VALUE = 20_000  # characters of a value that are sent
_BUDGET = 4_000_000  # characters of all values of an answer
_FILES = 2_000  # files of a table that are opened to count its rows


class Answerer:
    """Answers requests about the project at `path`, as it is when it is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._question: Question | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request; what is wrong with it is in `error` and `hint`."""
        try:
            if "count" in request:
                return {"total": self._question.count() if self._question else None}
            built = graph.build(config.load(self._path))
            tables = [*stored_tables(built), *set_aside_tables(built)]
            if "tables" in request:
                return {"tables": list(_listed(built, tables))}
            if "node" in request:
                return {"yaml": as_node(request["node"], built, tables)}
            return self._ask(request["ask"], request["limit"], tables)
        except config.ConfigError as error:
            return {"error": "\n".join(str(problem) for problem in error.problems), "hint": None}
        except OdibiError as error:
            return {"error": error.message, "hint": error.hint}

    def _ask(self, sql: str, limit: int, tables: list[StoredTable]) -> dict[str, Any]:
        self._question = None
        check(sql)
        self._question = question = Question(sql, tables)
        rows, more = _affordable(question.texts(limit + 1), limit)
        return {
            "columns": list(zip(question.columns, question.types, strict=True)),
            "right": [place for place, kind in enumerate(question.types) if is_number(kind)],
            "rows": rows,
            "more": more,
        }


def _affordable(
    found: Iterator[tuple[str | None, ...]], limit: int
) -> tuple[list[list[str | None]], bool]:
    """As many rows as may be sent, values cut where they are too long, and whether there are more."""
    rows: list[list[str | None]] = []
    left = _BUDGET
    for row in found:
        if len(rows) == limit or (rows and left < 0):
            return rows, True
        rows.append([cell if cell is None else _cut(cell) for cell in row])
        left -= sum(len(cell) for cell in rows[-1] if cell is not None)
    return rows, False


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"


def _listed(built: Graph, tables: list[StoredTable]) -> Iterator[dict[str, Any]]:
    """What is known of each table without reading it."""
    for table in tables:
        node = built.nodes.get(table.key)
        write = node.config.write if node is not None else None
        yield {
            **table.as_json(),
            "key": table.key,
            "rows": _counted(table),
            "whole": write is not None and write.mode == "overwrite",
        }


def _counted(table: StoredTable) -> int | None:
    """Rows by the footers of Parquet files; None for other formats."""
    source = table.source
    if source is None or source.format != "parquet" or not 0 < len(source.files) <= _FILES:
        return None
    import duckdb

    with suppress(duckdb.Error):  # a damaged file: looking at the table says more
        found = duckdb.execute(
            "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata($files)",
            {"files": [str(file) for file in source.files]},
        ).fetchone()
        return found[0] if found else None
    return None


def main(path: Path) -> None:
    """Answer until nobody asks any more; a question that goes on then ends with the process.

    What DuckDB puts on disk lies in a folder of its own.
    """
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="odibi-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        tempfile.tempdir = folder
        threading.Thread(target=_work, args=(path, requests), daemon=True).start()
        for line in sys.stdin:
            requests.put(line)
    os._exit(0)


def _work(path: Path, requests: queue.SimpleQueue[str]) -> None:
    """Answer one request after the other; a bug ends the process, which says so by its traceback."""
    answerer = Answerer(path)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        sys.stdout = sys.stderr  # nothing else may come between the answers
        try:
            while True:
                out.write(json.dumps(answerer.answer(json.loads(requests.get()))) + "\n")
                out.flush()
        finally:
            sys.stderr.flush()
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), None)))
            os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
