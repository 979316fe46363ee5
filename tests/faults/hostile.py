"""Hostile input: data, names and files that try to be more than data, and secrets that try to get out.

Each check takes an empty folder and returns what went wrong, in words; an empty list is good.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb

from tests.runner.running import command, project

__all__ = ["CHECKS"]

_CANARY = "kanari-7f3e-geheim"
_ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e[bold red]x[/] <script>alert(1)</script>"
_SECRETIVE = """\
- name: sql
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: ["SELECT id FROM df WHERE kind::VARCHAR <> '${vars.token}'"]}
  write: {connection: data, format: parquet, path: sql.parquet}
- name: talks
  depends_on: [sql]
  transform: {steps: [{function: talks, params: {token: "${vars.token}"}}]}
- name: wrong
  read: {connection: data, format: parquet, path: numbers.parquet}
  transform: {steps: ["SELECT CAST('${vars.token}' AS BIGINT) AS n FROM df"]}
- name: asks
  read: {connection: shop, format: api, path: "/orders?key=${KANARI}", options: {retry: {max_retries: 0}}}
  write: {connection: data, format: parquet, path: asks.parquet}
"""
_TALKS = """\
import logging

from odibi import transform


@transform
def talks(df, token):
    print("the token is", token)
    logging.getLogger("mine").warning("the token is %s", token)
    raise RuntimeError(f"the token {token} isn't accepted")
"""
_SHOP = """\
  shop:
    type: http
    base_url: http://127.0.0.1:9/
    auth: {mode: bearer, token: "${KANARI}"}
vars: {token: "${KANARI}"}
"""


def secrets_stay_in(folder: Path) -> list[str]:
    """A secret from the environment is in nothing that is written or shown, nor in the process list."""
    project(folder, _SECRETIVE, extra=_SHOP, functions=_TALKS)
    environment = {**os.environ, "KANARI": _CANARY}
    lines = set[bytes]()
    stop = threading.Event()
    looker = threading.Thread(target=_command_lines, args=(lines, stop))
    looker.start()
    words = [
        ["run"], ["history"], ["story", "last"], ["story", "last", "--json"], ["plan"], ["validate"],
        ["list"], ["graph"], ["query", "FROM sql"], ["run", "--scratch"], ["run", "--resume"],
        ["run", "--sample", "3"], ["top", "--once", "--json"], ["doctor"],
    ]  # fmt: skip
    done = [(each, command(folder, *each, env=environment)) for each in words]
    stop.set()
    looker.join()
    problems = [
        f"odibi {' '.join(each)} shows it"
        for each, ran in done
        if _CANARY in ran.stdout + ran.stderr
    ]
    files = [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    problems += [f"it is in {path.relative_to(folder)}" for path in files if _holds(path)]
    problems += ["it was in the process list"] * any(_CANARY.encode() in line for line in lines)
    return problems + ([] if done[0][1].returncode == 1 else [f"the run: {done[0][1].stderr}"])


def _holds(path: Path) -> bool:
    import base64

    content = path.read_bytes()
    return _CANARY.encode() in content or base64.b64encode(_CANARY.encode())[:-3] in content


def _command_lines(found: set[bytes], stop: threading.Event) -> None:
    while not stop.is_set():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.add(path.read_bytes())
            except OSError:  # it has ended
                continue
        time.sleep(0.02)


_SHOWN = """\
- name: shown
  description: "DESCRIPTION"
  read: {connection: data, format: parquet, path: hostile.parquet}
  write: {connection: data, format: parquet, path: shown.parquet}
- name: failing
  depends_on: [shown]
  transform: {steps: ["SELECT error(text) AS text FROM shown"]}
"""


def terminals_are_left_alone(folder: Path) -> list[str]:
    """Escapes, direction marks and markup in data, column names and errors reach no terminal as such."""
    project(folder, _SHOWN.replace("DESCRIPTION", "[bold red]x[/]"))
    _write(folder / "hostile.parquet", _ESCAPES)
    words = [
        ["run"], ["story", "last"], ["history"], ["query", "FROM shown"], ["graph"], ["list"], ["plan"],
        ["query", "FROM nowhere\x1b[2J"], ["story", "last", "shown"],
    ]  # fmt: skip
    bad = {"\x1b", "\x07", "\x9b", "\u202e"}
    problems = []
    for each in words:
        ran = command(folder, *each)
        if found := bad & set(ran.stdout + ran.stderr):
            problems.append(f"odibi {each[0]} lets {sorted(map(repr, found))} through")
    shown = command(folder, "query", "SELECT text FROM shown").stdout
    return problems + ([] if "[bold red]x[/]" in shown else [f"markup was interpreted: {shown}"])


def _write(path: Path, text: str) -> None:
    with duckdb.connect() as database:
        name = _quoted("n" + text)
        database.execute("CREATE TABLE t AS SELECT $1 AS text", [text])
        database.execute(f"COPY (SELECT text, 1 AS {name} FROM t) TO '{path}'")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_EVIL = 'x"; DROP TABLE df; --'
_NAMED = """\
- name: named
  read: {connection: data, format: parquet, path: "it's.parquet"}
  transform: {steps: [{operation: add_prefix, params: {prefix: "'; --"}}, {operation: sort, params: {by: COLUMN}}]}
  validation: {tests: [{type: not_null, columns: [COLUMN]}, {type: unique, columns: [COLUMN]}]}
  write: {connection: data, format: FORMAT, path: "o'ut.FORMAT", mode: upsert, options: {keys: [COLUMN]}}
"""


def names_are_only_names(folder: Path) -> list[str]:
    """Columns and files whose names are SQL are columns and files."""
    import json

    problems = []
    for format in ("parquet", "delta"):
        root = folder / format
        column = json.dumps("'; --" + _EVIL)
        project(root, _NAMED.replace("COLUMN", column).replace("FORMAT", format))
        with duckdb.connect() as database:
            target = str(root / "it's.parquet").replace("'", "''")
            database.execute(f"COPY (SELECT range AS {_quoted(_EVIL)} FROM range(5)) TO '{target}'")
        for _ in range(2):
            ran = command(root, "run")
        asked = command(root, "query", "SELECT count(*) AS n FROM named", "--csv")
        if (ran.returncode, asked.stdout) != (0, "n\n5\n"):
            problems.append(f"{format}: {ran.stdout}{ran.stderr}{asked.stdout}{asked.stderr}")
    return problems


_READS = """\
- name: reads
  read: {connection: inside, format: csv, path: "PATH", options: {header: true}}
  write: {connection: data, format: csv, path: got.csv}
"""
_WRITES = """\
- name: writes
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: inside, format: csv, path: "PATH"}
"""
_INSIDE = "  inside: {type: local, base_path: inside}\n"


def paths_stay_inside(folder: Path) -> list[str]:
    """Neither `..`, absolute paths nor links lead out of a connection's folder, to read or to write."""
    outside = folder / "outside"
    outside.mkdir(parents=True)
    (outside / "secret.csv").write_text("a\nsecret\n")
    root = folder / "project"
    (root / "inside").mkdir(parents=True)
    (root / "inside" / "link").symlink_to(outside)
    (root / "inside" / "link.csv").symlink_to(outside / "secret.csv")
    reads = ["../../outside/secret.csv", str(outside / "secret.csv"), "link/secret.csv", "link.csv",
             "link/*.csv", "*.csv", "x/../../../outside/secret.csv"]  # fmt: skip
    writes = ["../../outside/new.csv", str(outside / "new.csv"), "link/new.csv", "link.csv"]
    problems = []
    for node, paths in ((_READS, reads), (_WRITES, writes)):
        for path in paths:
            project(root, node.replace("PATH", path), extra=_INSIDE)
            ran = command(root, "run")
            if ran.returncode not in (1, 2) or (root / "got.csv").exists():
                problems.append(f"{path}: ended with {ran.returncode} {ran.stdout}")
    left = {path.name: path.read_text() for path in outside.iterdir()}
    return problems + ([] if left == {"secret.csv": "a\nsecret\n"} else [f"outside: {left}"])


def yaml_is_only_data(folder: Path) -> list[str]:
    """YAML that would build objects, or explode, is refused at its line and runs nothing."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    texts = {
        "a Python object": "project: !!python/object/apply:os.system ['touch owned']\n",
        "a tag of its own": "project: !evil x\n",
        "a bomb": bomb,
        "great depth": "a: " + "[" * 5000,
    }
    problems = []
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / "odibi.yaml").write_text(text)
        ran = command(folder, "run", cwd=folder, timeout=60)
        if ran.returncode != 2 or "odibi.yaml:" not in ran.stderr or "Traceback" in ran.stderr:
            problems.append(f"{name}: {ran.returncode} {ran.stderr[:500]}")
    return problems + (["it ran"] if (folder / "owned").exists() else [])


_PLAIN = """\
- name: plain
  read: {connection: data, format: parquet, path: numbers.parquet}
  write: {connection: data, format: FORMAT, path: out.FORMAT, mode: append}
"""


def files_are_as_private_as_asked(folder: Path) -> list[str]:
    """What a run makes keeps to the user's umask: nothing for others with 077, nothing writable with 022."""
    problems = []
    for mask, forbidden in ((0o077, 0o077), (0o022, 0o022)):
        for format in ("parquet", "csv", "delta"):
            root = project(folder / f"{mask:o}-{format}", _PLAIN.replace("FORMAT", format))
            known = set(root.rglob("*"))
            script = f"import os, runpy, sys; os.umask({mask}); sys.argv = ['odibi', 'run', '-p', {str(root)!r}]; runpy.run_module('odibi', run_name='__main__')"
            subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
            made = [path for path in root.rglob("*") if path not in known]
            problems += [f"{path}" for path in made if path.lstat().st_mode & forbidden]
    return problems


_FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "plain", "-5", "+49 30"]


def formulas_stay_texts(folder: Path) -> list[str]:
    """Texts that a spreadsheet would run come out of `odibi query --csv` as texts; --exact is exact."""
    import csv
    import io

    project(folder, _SHOWN.split("- name: failing")[0].replace("DESCRIPTION", "x"))
    with duckdb.connect() as database:
        database.execute("CREATE TABLE t (n INT, text VARCHAR)")
        database.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(_FORMULAS)))
        database.execute(f"COPY t TO '{folder / 'hostile.parquet'}'")
    command(folder, "run")
    query = ["query", "SELECT text, -n AS n FROM shown ORDER BY shown.n", "--csv"]
    safe, exact = (
        [row[0] for row in csv.reader(io.StringIO(command(folder, *query, *more).stdout))][1:]
        for more in ([], ["--exact"])
    )
    wanted = [f"'{text}" for text in _FORMULAS[:5]] + _FORMULAS[5:]
    problems = [] if safe == wanted else [f"safe: {safe}"]
    return problems + ([] if exact == _FORMULAS else [f"exact: {exact}"])


CHECKS = {
    "secrets, in all that is written": secrets_stay_in,
    "terminal escapes and markup": terminals_are_left_alone,
    "SQL in names": names_are_only_names,
    "paths and links that lead out": paths_stay_inside,
    "YAML tags and bombs": yaml_is_only_data,
    "permissions of files": files_are_as_private_as_asked,
    "formulas in CSV": formulas_stay_texts,
}
