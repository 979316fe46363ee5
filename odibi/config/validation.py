"""Models of tests, quarantine and gates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from odibi.config.fields import Duration, Model, OnFail, Share

__all__ = ["GateConfig", "QuarantineConfig", "TestConfig", "ValidationConfig"]

_COMPARISON = r"^\s*(>=|<=|==|!=|>|<|=)\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


class _Test(Model):
    name: str | None = Field(
        None, description="Name of the test in stories; made from its type and columns when absent."
    )
    on_fail: OnFail = Field(
        "fail",
        description="What rows that break the test mean: fail the node, warn, or quarantine them.",
    )


class NotNullTest(_Test):
    type: Literal["not_null"] = Field("not_null", description="No nulls in the columns.")
    columns: list[str] = Field(min_length=1, description="Columns that must not be null.")


class UniqueTest(_Test):
    type: Literal["unique"] = Field(
        "unique", description="No two rows with the same values of the columns."
    )
    columns: list[str] = Field(
        min_length=1, description="Columns whose values together must not repeat."
    )


class AcceptedValuesTest(_Test):
    type: Literal["accepted_values"] = Field(
        "accepted_values", description="Only the listed values in a column."
    )
    column: str = Field(description="Column to test.")
    values: list[Any] = Field(description="All values that may occur.")


class RangeTest(_Test):
    type: Literal["range"] = Field(
        "range", description="Values of a column between two bounds, these included."
    )
    column: str = Field(description="Column to test.")
    min: int | float | str | None = Field(None, description="Smallest value allowed.")
    max: int | float | str | None = Field(None, description="Largest value allowed.")


class RegexMatchTest(_Test):
    type: Literal["regex_match"] = Field(
        "regex_match", description="Texts of a column that match a pattern."
    )
    column: str = Field(description="Column to test.")
    pattern: str = Field(description="Regular expression that values must match from their start.")


class RowCountTest(_Test):
    type: Literal["row_count"] = Field(
        "row_count", description="A number of rows between two bounds."
    )
    min: int | None = Field(None, ge=0, description="Fewest rows allowed.")
    max: int | None = Field(None, ge=0, description="Most rows allowed.")


class CustomSQLTest(_Test):
    type: Literal["custom_sql"] = Field(
        "custom_sql", description="A condition that every row meets."
    )
    condition: str = Field(description="SQL condition that is true for good rows.")
    threshold: Share = Field(
        0.0, description="Share of rows (0 to 1) that may break the condition."
    )


class VolumeDropTest(_Test):
    type: Literal["volume_drop"] = Field(
        "volume_drop", description="Not far fewer rows than usual."
    )
    threshold: Share = Field(
        0.5, description="Largest drop against the usual number of rows, as a share."
    )
    lookback_days: int = Field(
        7, ge=1, description="Days of history that make the usual number of rows."
    )


class SchemaTest(_Test):
    type: Literal["schema"] = Field("schema", description="The columns that the node declares.")
    strict: bool = Field(True, description="Whether columns that aren't declared break the test.")


class DistributionTest(_Test):
    type: Literal["distribution"] = Field(
        "distribution", description="A statistic of a column within a bound."
    )
    on_fail: OnFail = Field("warn", description="What breaking the test means.")
    column: str = Field(description="Column to test.")
    metric: Literal["mean", "min", "max", "null_percentage"] = Field(
        description="What to compute over the column."
    )
    threshold: str = Field(
        pattern=_COMPARISON, description="Comparison that must hold, such as '> 100' or '<= 0.05'."
    )


class FreshnessTest(_Test):
    type: Literal["freshness"] = Field(
        "freshness", description="Newest value of a column not too old."
    )
    column: str = Field("updated_at", description="Timestamp column whose newest value counts.")
    max_age: Duration = Field(description="Greatest age allowed, such as 24h or 7d.")


TestConfig = Annotated[
    NotNullTest | UniqueTest | AcceptedValuesTest | RangeTest | RegexMatchTest | RowCountTest
    | CustomSQLTest | VolumeDropTest | SchemaTest | DistributionTest | FreshnessTest,
    Field(discriminator="type"),
]  # fmt: skip


class QuarantineColumnsConfig(Model):
    rejection_reason: bool = Field(True, description="Add _rejection_reason.")
    rejected_at: bool = Field(True, description="Add _rejected_at.")
    source_batch_id: bool = Field(True, description="Add _source_batch_id, the run.")
    failed_tests: bool = Field(True, description="Add _failed_tests.")
    original_node: bool = Field(False, description="Add _original_node.")


class QuarantineConfig(Model):
    connection: str = Field(description="Connection that keeps the rejected rows.")
    path: str | None = Field(None, description="File of rejected rows.")
    table: str | None = Field(None, description="Table of rejected rows, in a database.")
    add_columns: QuarantineColumnsConfig = Field(
        default_factory=QuarantineColumnsConfig,
        description="Columns added to rejected rows.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="Days to keep rejected rows: older ones go when new ones come. All stay without it.",
    )
    max_rows: int | None = Field(None, description="Refused: a quarantine keeps every row.")
    sample_fraction: float | None = Field(
        None, description="Refused: a quarantine keeps every row."
    )


class GateThreshold(Model):
    test: str = Field(description="Name or type of a test.")
    min_pass_rate: Share = Field(description="Share of rows that must pass it.")


class RowCountGate(Model):
    min: int | None = Field(None, ge=0, description="Fewest rows allowed.")
    max: int | None = Field(None, ge=0, description="Most rows allowed.")
    change_threshold: float | None = Field(
        None, ge=0, description="Largest change against the last run, as a share."
    )


class GateConfig(Model):
    require_pass_rate: Share = Field(0.95, description="Share of rows that must pass all tests.")
    on_fail: Literal["abort", "warn_and_write", "write_valid_only"] = Field(
        "abort", description="What a closed gate does."
    )
    thresholds: list[GateThreshold] = Field(
        default_factory=list, description="Pass rates for single tests."
    )
    row_count: RowCountGate | None = Field(None, description="Limits on the number of rows.")


class ValidationConfig(Model):
    mode: Literal["fail", "warn"] = Field(
        "fail", description="warn turns failing tests into warnings."
    )
    on_fail: Literal["alert", "ignore"] = Field(
        "alert", description="Whether failures raise alerts."
    )
    tests: list[TestConfig] = Field(default_factory=list, description="Tests on the result.")
    quarantine: QuarantineConfig | None = Field(
        None, description="Where rows go that break a quarantine test."
    )
    gate: GateConfig | None = Field(None, description="What must hold before anything is written.")
    fail_fast: bool = Field(False, description="Stop at the first failing test.")
    cache_df: bool = Field(
        False, description="Accepted for 3.x; odibi holds the result when tests need it twice."
    )
