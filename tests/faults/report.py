"""The table of faults: what was tried, what survived, how many rows were lost or doubled. All of it is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Fault", "complaints", "head", "line"]

_WIDE = 42


@dataclass(slots=True)
class Fault:
    """One kind of fault. `problems` says, in words, why each try that didn't survive didn't."""

    name: str
    tries: int = 0
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problems: Iterable[str], lost: int = 0, doubled: int = 0) -> None:
        """Count one try: it survived when nothing is said against it."""
        found = list(problems)
        self.tries += 1
        self.survived += not found
        self.lost += lost
        self.doubled += doubled
        self.problems += found


def head() -> str:
    """The table's first lines, in Markdown."""
    return (
        f"| {'fault':<{_WIDE}} | tries | survived | rows lost | rows doubled |\n"
        f"|{'-' * (_WIDE + 2)}|------:|---------:|----------:|-------------:|"
    )


def line(fault: Fault) -> str:
    """A line of the table."""
    numbers = f"{fault.tries:>5} | {fault.survived:>8} | {fault.lost:>9} | {fault.doubled:>12}"
    return f"| {fault.name:<{_WIDE}} | {numbers} |"


def complaints(faults: Iterable[Fault]) -> str:
    """What went wrong, a line each."""
    return "\n".join(f"{fault.name}: {problem}" for fault in faults for problem in fault.problems)
