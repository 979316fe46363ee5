"""Tests, contracts and gates of the YAML as SQL over `df`, and their verdicts.

`predicates`: what makes a row fail. `evaluate`: counting failing rows and judging tables.
`gate`: whether enough passed.
"""

from odibi.checks.evaluate import Verdict, judge, masked, verdicts_of_masks
from odibi.checks.gate import GateOutcome, evaluate_gate
from odibi.checks.predicates import ROW_LEVEL, check_columns, failed_condition, test_name

__all__ = [
    "ROW_LEVEL",
    "GateOutcome",
    "Verdict",
    "check_columns",
    "evaluate_gate",
    "failed_condition",
    "judge",
    "masked",
    "test_name",
    "verdicts_of_masks",
]
