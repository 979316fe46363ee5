"""`make faults`: every fault there is, tried for real, as a table of what survived."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from tests.faults import bad_data, crowds, hostile, kills, resources, services, soak
from tests.faults.report import Fault, complaints, head, line
from tests.faults.victim import Victims

_Checks = Mapping[str, Callable[[Path], list[str]]]
# faults that need so much around them that they are tests of their own
_TESTS = {
    "databases: kills, lost connections, locks": "tests/databases/test_write_faults.py",
    "object stores: broken and missing answers": "tests/api/test_remote_faults.py",
    "files cut and spelt by chance": "tests/faults/test_any_bytes.py",
    "ten screens on one run, one is killed": "tests/faults/test_ten_screens.py",
}


def main() -> int:
    """Try all of it; the exit code is 1 when anything didn't survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=3, help="kill at every Nth place (1: at each)")
    parser.add_argument("--moments", type=int, default=100, help="random moments per engine")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--runs", type=int, default=200, help="runs of the soak")
    given = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(head() + "\n")
        for fault in _all(Path(folder), given):
            sys.stdout.write(line(fault) + "\n")
            sys.stdout.flush()
            faults.append(fault)
    if wrong := [fault for fault in faults if fault.problems]:
        sys.stdout.write(complaints(wrong) + "\n")
    tries, survived = sum(f.tries for f in faults), sum(f.survived for f in faults)
    sys.stdout.write(f"\n{survived} of {tries} tries survived\n")
    return 1 if wrong else 0


def _all(folder: Path, given: argparse.Namespace) -> Iterator[Fault]:
    for engine in ("duckdb", "pandas"):
        yield from _kills(folder / f"kills-{engine}", engine, given)
    yield from _checked(folder / "crowds", crowds.CHECKS)
    if not resources.can_mount():
        sys.stderr.write(
            "full disks are left out (only root may mount one); quotas stand for them\n"
        )
    yield from _checked(folder / "resources", resources.CHECKS)
    yield from _checked(folder / "services", services.CHECKS)
    for engine in ("duckdb", "pandas"):
        fault = Fault(f"broken files ({engine})")
        for number, (name, check) in enumerate(bad_data.checks(engine).items()):
            fault.add(f"{name}: {each}" for each in check(folder / engine / str(number)))
        yield fault
    yield from _checked(folder / "hostile", hostile.CHECKS)
    for name, tests in _TESTS.items():
        yield _tested(name, tests, folder)
    fault = Fault(f"soak of {given.runs} runs, screen following")
    fault.add(soak.problems(soak.soak(folder / "soak", given.runs)))
    yield fault


def _kills(folder: Path, engine: str, given: argparse.Namespace) -> Iterator[Fault]:
    with Victims() as victims:
        stage = kills.prepare(folder, victims, engine)
        places: dict[kills.Kind, tuple[str, range]] = {
            "event": ("after an event", range(1, stage.measured.events, given.every)),
            "step": ("before a file operation", range(1, stage.measured.steps, given.every)),
            "moment": ("at a random moment", range(given.moments)),
            "broken event": ("after an event", range(1, stage.measured.events, given.every)),
            "broken step": ("before a file operation", range(1, stage.measured.steps, given.every)),
        }
        for kind, (words, numbers) in places.items():
            what = "a node fails, is tried again" if kind.startswith("broken") else "kill -9"
            fault = Fault(f"{what} {words} ({engine})")
            for trial in kills.trials(stage, victims, folder, kind, numbers, given.seed):
                named = [f"{trial.name}: {problem}" for problem in trial.problems]
                fault.add(named, trial.lost, trial.doubled)
            yield fault


def _checked(folder: Path, checks: _Checks) -> Iterator[Fault]:
    for number, (name, check) in enumerate(checks.items()):
        fault = Fault(name)
        fault.add(check(folder / str(number) / "project"))
        yield fault


def _tested(name: str, tests: str, folder: Path) -> Fault:
    """Carry out a file of tests; those that this machine can't run are named and not counted."""
    told = folder / "told.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", f"--junitxml={told}", tests]
    subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, check=False)
    fault = Fault(name)
    for case in ElementTree.parse(told).iter("testcase"):
        if (skipped := case.find("skipped")) is not None:
            sys.stderr.write(f"left out: {case.get('name')}: {skipped.get('message')}\n")
            continue
        wrong = [part for part in case if part.tag in ("failure", "error")]
        fault.add(f"{case.get('name')}: {part.get('message')}" for part in wrong)
    return fault


if __name__ == "__main__":
    raise SystemExit(main())
