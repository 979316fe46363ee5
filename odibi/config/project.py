"""The model of the whole file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from odibi.config.connections import ConnectionConfig
from odibi.config.fields import Model
from odibi.config.nodes import Level, PipelineConfig, RetryConfig
from odibi.config.orchestration import Orchestration

__all__ = ["ProjectConfig"]

AlertEvent = Literal[
    "on_start", "on_success", "on_failure", "on_quarantine", "on_gate_block", "on_threshold_breach"
]


class StoryConfig(Model):
    connection: str = Field(description="Connection that keeps stories.")
    path: str = Field(description="Folder of stories below the connection.")
    max_sample_rows: int = Field(10, ge=0, description="Rows shown of each result.")
    auto_generate: bool = Field(True, description="Whether stories are written there.")
    retention_days: int | None = Field(30, description="Days to keep stories.")
    retention_count: int | None = Field(100, description="Stories to keep.")
    failure_sample_size: int = Field(100, description="Failing rows kept per test.")
    max_failure_samples: int = Field(500, description="Failing rows kept per node.")
    max_sampled_validations: int = Field(5, description="Tests with failing rows kept.")
    async_generation: bool = Field(
        False, description="Accepted for 3.x; stories cost next to nothing."
    )
    generate_lineage: bool = Field(True, description="Whether the graph is part of the story.")
    docs: dict[str, Any] | None = Field(None, description="Accepted for 3.x.")


class SystemConfig(Model):
    connection: str = Field(description="Connection that keeps run metadata for other tools.")
    path: str = Field("_odibi_system", description="Folder of run metadata.")
    environment: str | None = Field(None, description="Label of the environment.")
    schema_name: str | None = Field(None, description="Schema of the tables.")
    sync_to: dict[str, Any] | None = Field(None, description="Accepted for 3.x.")
    sync_from: dict[str, Any] | None = Field(None, description="Accepted for 3.x.")
    cost_per_compute_hour: float | None = Field(None, description="Price of an hour, for reports.")
    databricks_billing_enabled: bool = Field(False, description="Accepted for 3.x.")
    retention_days: Any = Field(None, description="Accepted for 3.x.")
    optimize_catalog: bool = Field(False, description="Accepted for 3.x.")
    sync_timeout_seconds: float = Field(30.0, description="Accepted for 3.x.")
    async_derived_updates: bool = Field(True, description="Accepted for 3.x.")
    async_lineage: bool = Field(True, description="Accepted for 3.x.")
    skip_sync_wait_in_databricks: bool = Field(True, description="Accepted for 3.x.")


class LoggingConfig(Model):
    level: Level = Field("INFO", description="Least severe lines shown.")
    structured: bool = Field(False, description="JSON lines instead of text.")
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Fields added to every line."
    )


class AlertConfig(Model):
    type: Literal["webhook", "slack", "teams", "teams_workflow"] = Field(
        description="Kind of receiver."
    )
    url: str = Field(description="Address of the receiver.")
    on_events: list[AlertEvent] = Field(
        default_factory=lambda: list[AlertEvent](["on_failure"]), description="What is told."
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Settings of the receiver.")


class PerformanceConfig(Model):
    use_arrow: bool = Field(True, description="Accepted for 3.x; odibi always uses Arrow.")
    spark_config: dict[str, str] = Field(default_factory=dict, description="Settings of Spark.")
    delta_table_properties: dict[str, str] = Field(
        default_factory=dict, description="Properties of all Delta tables that are written."
    )
    skip_null_profiling: bool = Field(
        False, description="Accepted for 3.x; profiles come from file footers."
    )
    skip_catalog_writes: bool = Field(False, description="Accepted for 3.x.")
    skip_run_logging: bool = Field(False, description="Accepted for 3.x.")
    threads: int | None = Field(None, ge=1, description="Threads of the embedded engine (ours).")
    memory_limit: str | None = Field(
        None, description="Memory of the embedded engine, such as 4GB (ours)."
    )


class LineageConfig(Model):
    url: str | None = Field(None, description="Receiver of OpenLineage events.")
    namespace: str = Field("odibi", description="Namespace of jobs and tables.")
    api_key: str | None = Field(None, description="Key of the receiver.")


class ProjectConfig(Model):
    project: str = Field(description="Name of the project.")
    engine: Literal["duckdb", "pandas", "polars", "spark"] = Field(
        "pandas", description="Engine that runs the nodes."
    )
    connections: dict[str, ConnectionConfig] = Field(
        description="Places to read from and write to, by name."
    )
    pipelines: list[PipelineConfig] = Field(description="The pipelines.")
    story: StoryConfig | None = Field(None, description="Where stories go besides the ledger.")
    system: SystemConfig | None = Field(
        None, description="Where run metadata goes besides the ledger."
    )
    lineage: LineageConfig | None = Field(None, description="OpenLineage settings.")
    description: str | None = Field(None, description="What the project is for.")
    version: str = Field("1.0.0", description="Version of the project.")
    owner: str | None = Field(None, description="Who answers for the project.")
    vars: dict[str, Any] = Field(default_factory=dict, description="Values for ${vars.name}.")
    retry: RetryConfig = Field(
        default_factory=RetryConfig, description="Retry settings of all nodes."
    )
    orchestration: Orchestration | None = Field(
        None, description="Settings for generated schedulers (`odibi gen`), of all pipelines."
    )
    logging: LoggingConfig = Field(default_factory=LoggingConfig, description="What is logged.")
    alerts: list[AlertConfig] = Field(default_factory=list, description="Who is told what.")
    performance: PerformanceConfig = Field(
        default_factory=PerformanceConfig, description="Settings of the engines."
    )
    environments: dict[str, Any] | None = Field(None, description="Overrides per --env.")
    semantic: dict[str, Any] | None = Field(None, description="Metrics and dimensions (3.x).")
    metrics: Any = Field(None, description="Metrics for the assistant (ours).")
    dimensions: Any = Field(None, description="Dimensions for the assistant (ours).")
    relationships: Any = Field(None, description="Joins for the assistant (ours).")
    assistant: dict[str, Any] | None = Field(None, description="Settings of the assistant (ours).")
    imports: Any = Field(None, description="Other YAML files merged into this one.")
