"""What odibi adds to the engine's own work, per node and at the start, in CPU seconds.

Three processes do the same N small jobs (read a tiny Parquet file, one SELECT, write Parquet):
  odibi   the project through `odibi run`
  by hand the same statements in one DuckDB script
  no-op   `odibi run` on an engine that does nothing: scheduling, events and story alone
Per-node figures are differences between two sizes of the same process, so start-up cancels out.

    python perf/overhead.py [--nodes 200] [--times 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from meter import Cost, median_cost, run

_NODE = """      - name: n{i}
        read: {{connection: data, format: parquet, path: tiny.parquet}}
        transform: {{steps: ["SELECT id, v * 2 AS v FROM df"]}}
        write: {{connection: data, format: parquet, path: out/n{i}.parquet}}
"""
_PROJECT = """project: overhead
engine: duckdb
connections:
  data: {{type: local, base_path: .}}
pipelines:
  - pipeline: p
    nodes:
{nodes}"""
_BY_HAND = """
import duckdb, sys
from pathlib import Path
root, n = Path(sys.argv[1]), int(sys.argv[2])
(root / "hand").mkdir(exist_ok=True)
con = duckdb.connect()
for i in range(n):
    con.execute(f"COPY (SELECT id, v * 2 AS v FROM read_parquet('{root}/tiny.parquet')) "
                f"TO '{root}/hand/n{i}.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
"""
_NO_OP = Path(__file__).with_name("no_op_engine.py")


def project(root: Path, nodes: int) -> Path:
    """A project of `nodes` independent small nodes in `root`; returns its YAML file."""
    import duckdb

    root.mkdir(parents=True)
    duckdb.sql("SELECT range AS id, range * 1.5 AS v FROM range(100)").write_parquet(
        str(root / "tiny.parquet")
    )
    (root / "out").mkdir()
    text = _PROJECT.format(nodes="".join(_NODE.format(i=i) for i in range(nodes)))
    (root / "odibi.yaml").write_text(text)
    return root / "odibi.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    sizes = (1, args.nodes, args.nodes * 4)
    with tempfile.TemporaryDirectory() as folder:
        yamls = {n: project(Path(folder) / str(n), n) for n in sizes}
        hand = Path(folder) / "hand.py"
        hand.write_text(_BY_HAND)
        python = sys.executable
        odibi = [python, "-m", "odibi", "run", "--jobs", "1"]

        def cost(kind: str, n: int) -> Cost:
            root = str(yamls[n].parent)
            command = {
                "odibi": [*odibi, "-p", root],
                "odibi, no profile": [*odibi, "-p", root, "--profile", "off"],
                "by hand": [python, str(hand), root, str(n)],
                "no-op": [python, str(_NO_OP), root],
            }[kind]
            return median_cost(args.times, lambda: run(command))

        table = {
            (kind, n): cost(kind, n).cpu
            for kind in ("by hand", "no-op", "odibi, no profile", "odibi")
            for n in sizes
        }
    _report(table, sizes)


def _report(table: dict[tuple[str, int], float], sizes: tuple[int, ...]) -> None:
    one, many, more = sizes
    print(f"CPU seconds of the whole process, median; nodes: {one}, {many}, {more}")
    for kind in dict.fromkeys(kind for kind, _ in table):
        a, b, c = (table[kind, n] for n in sizes)
        print(
            f"  {kind:18s} {a:6.3f} {b:6.3f} {c:6.3f}   "
            f"{(b - a) / (many - one) * 1000:6.2f} ms/node to {many}, "
            f"{(c - b) / (more - many) * 1000:6.2f} ms/node from {many} to {more}"
        )
    per_node = {
        kind: (table[kind, many] - table[kind, one]) / (many - one) * 1000
        for kind in ("by hand", "no-op", "odibi, no profile", "odibi")
    }
    print(f"scheduling, events and story: {per_node['no-op']:.2f} ms CPU a node (aim: 1)")
    for kind in ("odibi, no profile", "odibi"):
        print(
            f"{kind}: {per_node[kind] - per_node['by hand']:.2f} ms a node above the same SQL by hand"
        )
    print(f"start, one node included: {table['odibi', one]:.2f} s CPU")
    slopes = [
        (table["no-op", more] - table["no-op", many]) / (more - many) * 1000,
        per_node["no-op"],
    ]
    print(
        f"linear: ratio of the two slopes {slopes[0] / slopes[1]:.2f}, {statistics.mean(slopes):.2f} ms"
    )


if __name__ == "__main__":
    main()
