"""The table counts what it is told."""

from __future__ import annotations

from tests.faults.report import Fault, complaints, head, line


def test_a_table_counts_tries_and_rows() -> None:
    fault = Fault("kill")
    fault.add([])
    fault.add(["t: 2 rows lost", "t: torn"], lost=2, doubled=1)
    assert (fault.tries, fault.survived, fault.lost, fault.doubled) == (2, 1, 2, 1)
    assert [cell.strip() for cell in line(fault).split("|")[1:-1]] == ["kill", "2", "1", "2", "1"]
    assert len({len(row) for row in [*head().splitlines(), line(fault)]}) == 1
    assert complaints([fault]) == "kill: t: 2 rows lost\nkill: t: torn"
