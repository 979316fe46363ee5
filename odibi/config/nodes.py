"""Models of pipelines and nodes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from odibi.config.fields import Duration, Format, Model
from odibi.config.orchestration import NodeOrchestration, Orchestration
from odibi.config.validation import TestConfig, ValidationConfig

__all__ = [
    "BadLinesConfig",
    "ColumnMetadata",
    "IncrementalConfig",
    "NodeConfig",
    "NodeRef",
    "PipelineConfig",
    "PrivacyConfig",
    "ReadConfig",
    "RetryConfig",
    "TransformConfig",
    "TransformStep",
    "WriteConfig",
]
_NAME = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class RetryConfig(Model):
    enabled: bool = Field(True, description="Whether transient failures are tried again.")
    max_attempts: int = Field(3, ge=1, description="Attempts in all, the first included.")
    backoff: Literal["exponential", "linear", "constant"] = Field(
        "exponential", description="How the wait between attempts grows."
    )


class IncrementalConfig(Model):
    mode: Literal["rolling_window", "stateful"] = Field(
        "rolling_window", description="A window back from now, or rows above a stored mark."
    )
    key_column: str = Field(alias="column", description="Column that tells new rows.")
    fallback_column: str | None = Field(None, description="Used where the column is null.")
    lookback: int | None = Field(
        None, ge=1, description="Length of the window, in units (rolling_window; 1 when absent)."
    )
    unit: Literal["hour", "day", "month", "year"] | None = Field(
        None, description="Unit of the window (rolling_window; day when absent)."
    )
    state_key: str | None = Field(
        None,
        min_length=1,
        max_length=80,
        description="Name of the mark; pipeline.node when absent.",
    )
    watermark_lag: Duration | None = Field(
        None, description="How far below the mark rows are read again, such as 2h (stateful)."
    )
    date_format: Literal["iso", "us", "eu", "sql_server", "oracle", "oracle_sqlserver"] | None = (
        Field(None, description="How dates and times are written in a column of text.")
    )


class TimeTravelConfig(Model):
    as_of_version: int | None = Field(None, description="Version of the Delta table.")
    as_of_timestamp: str | None = Field(None, description="Time whose version is read.")


class BadLinesConfig(Model):
    """What happens to input lines that can't be read (ours)."""

    on_error: Literal["quarantine", "fail"] = Field(
        "quarantine", description="Put unreadable lines aside, or fail the node."
    )
    connection: str | None = Field(
        None, description="Connection that keeps unreadable lines; beside the ledger when absent."
    )
    path: str | None = Field(None, description="File of unreadable lines.")
    max_rate: float | None = Field(
        None, ge=0, le=1, description="Share of unreadable lines above which the node fails."
    )


class ReadConfig(Model):
    connection: str | None = Field(None, description="Connection to read from.")
    format: Format = Field(description="Format of the source.")
    table: str | None = Field(None, description="Table, for databases.")
    path: str | None = Field(None, description="File, folder or glob below the connection.")
    streaming: bool = Field(False, description="Refused: streaming is not supported.")
    schema_ddl: str | None = Field(None, description="Columns as DDL.")
    query: str | None = Field(None, description="Query, for databases.")
    sql_file: str | None = Field(None, description="File with the query, for databases.")
    filter: str | None = Field(None, description="SQL condition on the rows read.")
    incremental: IncrementalConfig | None = Field(None, description="Read only what is new.")
    time_travel: TimeTravelConfig | None = Field(
        None, description="Read an earlier version of a Delta table."
    )
    archive_options: dict[str, Any] = Field(
        default_factory=dict, description="Refused: Spark's archiving options."
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the format: columns, header, delimiter, lines, …",
    )
    bad_lines: BadLinesConfig | None = Field(None, description="What happens to unreadable lines.")


class NodeRef(Model):
    """`$pipeline.node`: the result that the node stored last, or of this run."""

    pipeline: str = Field(description="Name of the pipeline.")
    node: str = Field(description="Name of the node in it.")

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pipeline, dot, node = value.removeprefix("$").partition(".")
        if not value.startswith("$") or not dot or not node:
            raise ValueError(
                "not a reference; write $pipeline.node, or a map with connection, format and path"
            )
        return {"pipeline": pipeline, "node": node}

    @property
    def key(self) -> str:
        return f"{self.pipeline}.{self.node}"


def _input_kind(value: Any) -> str:
    return "map" if isinstance(value, dict | ReadConfig) else "reference"


InputConfig = Annotated[
    Annotated[NodeRef, Tag("reference")] | Annotated[ReadConfig, Tag("map")],
    Discriminator(_input_kind),
]


class TransformStep(Model):
    sql: str | None = Field(None, description="SELECT over df and the node's inputs.")
    sql_file: str | None = Field(None, description="File with the SELECT, relative to this YAML.")
    function: str | None = Field(None, description="Registered Python function, or built-in.")
    operation: str | None = Field(None, description="Built-in by its name.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the function or built-in."
    )


class TransformConfig(Model):
    steps: list[TransformStep] = Field(
        description="Steps in order; each sees the one before as df."
    )


class WriteMetadataConfig(Model):
    extracted_at: bool = Field(True, description="Add _extracted_at.")
    source_file: bool = Field(True, description="Add _source_file.")
    source_connection: bool = Field(False, description="Add _source_connection.")
    source_table: bool = Field(False, description="Add _source_table.")


class AutoOptimizeConfig(Model):
    enabled: bool = Field(True, description="Join small files after each write.")
    vacuum_retention_hours: int | None = Field(
        None,
        ge=1,
        description="Also remove files that no version of the last hours needs (168: a week); none without it.",
    )


class WriteConfig(Model):
    connection: str = Field(description="Connection to write to.")
    format: Format = Field(description="Format of the target.")
    table: str | None = Field(
        None, description="Table of the target; in a database it may name its schema."
    )
    path: str | None = Field(None, description="File or folder below the connection.")
    register_table: str | None = Field(None, description="Name to register the table by.")
    mode: Literal["overwrite", "append", "upsert", "append_once", "merge"] = Field(
        "overwrite", description="How rows meet those already there."
    )
    partition_by: list[str] = Field(
        default_factory=list, description="Columns that make hive folders."
    )
    zorder_by: list[str] = Field(
        default_factory=list,
        description="Columns that the table's files are clustered by after each write (Delta).",
    )
    table_properties: dict[str, str] = Field(
        default_factory=dict,
        description="Properties of the table, beside performance.delta_table_properties (Delta).",
    )
    merge_schema: bool = Field(False, description="Let appended rows bring new columns.")
    overwrite_schema: bool = Field(
        False, description="Let an overwrite change the schema (Delta, databases)."
    )
    first_run_query: str | None = Field(
        None, description="Query of the read while the table isn't there (format: sql)."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the format: keys, compression, header, …"
    )
    auto_optimize: bool | AutoOptimizeConfig | None = Field(
        None, description="Join the small files of the table after each write (Delta)."
    )
    add_metadata: bool | WriteMetadataConfig | None = Field(
        None, description="Add columns that say where rows came from."
    )
    skip_if_unchanged: bool = Field(
        False, description="Don't write when the content is that of the last write."
    )
    skip_hash_columns: list[str] | None = Field(
        None, description="Columns that are compared; all when absent."
    )
    skip_hash_sort_columns: list[str] | None = Field(
        None, description="Accepted for 3.x: rows in another order are the same content."
    )
    streaming: dict[str, Any] | None = Field(
        None, description="Refused: streaming is not supported."
    )
    merge_keys: list[str] | None = Field(None, description="Keys of upsert, merge and append_once.")
    merge_options: dict[str, Any] | None = Field(
        None, description="Refused: SQL Server's merge options."
    )
    overwrite_options: dict[str, Any] | None = Field(
        None, description="Refused: SQL Server's overwrite options."
    )

    @property
    def keys(self) -> tuple[str, ...]:
        """Merge keys, wherever the YAML gives them."""
        keys = self.merge_keys or self.options.get("keys")
        if isinstance(keys, str):
            return (keys,)
        return tuple(map(str, keys)) if isinstance(keys, list) else ()


class ColumnMetadata(Model):
    description: str | None = Field(None, description="What the column means.")
    pii: bool = Field(False, description="Personal data: masked in stories, treated by privacy.")
    tags: list[str] = Field(default_factory=list, description="Labels.")
    type: str | None = Field(None, description="Declared type, for schema tests.")


class PrivacyConfig(Model):
    method: Literal["hash", "mask", "redact"] = Field(description="What happens to personal data.")
    salt: str | None = Field(None, description="Secret mixed into hashes.")
    declassify: list[str] = Field(default_factory=list, description="Columns to leave as they are.")


class SchemaPolicyConfig(Model):
    mode: Literal["enforce", "evolve"] = Field(
        "enforce", description="Keep the stored table's columns and types, or let it grow."
    )
    on_new_columns: Literal["ignore", "fail", "add_nullable"] | None = Field(
        None, description="When absent: ignore with enforce, add_nullable with evolve."
    )
    on_missing_columns: Literal["fail", "fill_null"] = Field(
        "fill_null", description="What columns mean that the result lacks."
    )


class NodeConfig(Model):
    name: str = Field(pattern=_NAME, description="Name of the node, and of its table in SQL.")
    description: str | None = Field(None, description="What the node makes.")
    explanation: str | None = Field(None, description="Longer text for the story.")
    explanation_file: str | None = Field(None, description="File with the longer text.")
    runbook_url: str | None = Field(None, description="Where to look when it fails.")
    enabled: bool = Field(True, description="Whether the node runs.")
    tags: list[str] = Field(default_factory=list, description="Labels for selection.")
    depends_on: list[str] = Field(
        default_factory=list, description="Nodes of the pipeline that run before."
    )
    columns: dict[str, ColumnMetadata] = Field(
        default_factory=dict, description="What is known about columns."
    )
    read: ReadConfig | None = Field(None, description="Source of the node.")
    inputs: dict[str, InputConfig] | None = Field(
        None, description="Inputs by name: $pipeline.node, or a source."
    )
    transform: TransformConfig | None = Field(None, description="Steps from input to result.")
    write: WriteConfig | None = Field(None, description="Where the result is stored.")
    streaming: bool = Field(False, description="Refused: streaming is not supported.")
    transformer: str | None = Field(
        None, description="Transformer or pattern applied before the steps."
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the transformer."
    )
    pre_sql: list[str] = Field(
        default_factory=list, description="Statements before the node reads."
    )
    post_sql: list[str] = Field(
        default_factory=list, description="Statements after the node has written."
    )
    materialized: Literal["table", "view", "incremental"] | None = Field(
        None,
        description="incremental: write.mode is append when absent; view: a node without write.",
    )
    cache: bool = Field(False, description="Accepted for 3.x; odibi holds what several nodes need.")
    log_level: Level | None = Field(None, description="Log level of the node.")
    on_error: Literal["fail_fast", "fail_later", "ignore"] = Field(
        "fail_later", description="What the node's failure means for the rest."
    )
    validation: ValidationConfig | None = Field(
        None, description="Tests on the result, quarantine and gate."
    )
    contracts: list[TestConfig] = Field(default_factory=list, description="Tests on the input.")
    schema_policy: SchemaPolicyConfig | None = Field(
        None, description="What happens when the result's columns aren't those of the table."
    )
    privacy: PrivacyConfig | None = Field(None, description="Treatment of personal data.")
    sensitive: bool | list[str] = Field(False, description="Columns (or all) hidden in stories.")
    timeout: Duration | None = Field(
        None, description="Longest time the node may take, such as 5m."
    )
    retry: RetryConfig | None = Field(None, description="Retry settings of this node.")
    orchestration: NodeOrchestration | None = Field(
        None, description="Settings for generated schedulers (`odibi gen`)."
    )
    unit_tests: list[dict[str, Any]] = Field(
        default_factory=list, description="Given and expected rows."
    )
    heal: dict[str, Any] | bool | None = Field(None, description="Healing of SQL in dev mode.")
    drift: dict[str, Any] | None = Field(None, description="Drift settings.")

    @model_validator(mode="before")
    @classmethod
    def _adding(cls, value: Any) -> Any:
        """`materialized: incremental` makes append the mode of a write that names none."""
        if not isinstance(value, dict) or value.get("materialized") != "incremental":
            return value
        write = value.get("write")
        if not isinstance(write, dict) or "mode" in write:
            return value
        return {**value, "write": {**write, "mode": "append"}}


class PipelineConfig(Model):
    pipeline: str = Field(pattern=_NAME, description="Name of the pipeline.")
    description: str | None = Field(None, description="What the pipeline makes.")
    layer: str | None = Field(None, description="Layer: bronze, silver, gold.")
    owner: str | None = Field(None, description="Who answers for it.")
    freshness_sla: Duration | None = Field(None, description="Greatest age of its results.")
    freshness_anchor: Literal["run_completion", "table_max_timestamp", "watermark_state"] = Field(
        "run_completion", description="What the age is measured from."
    )
    nodes: list[NodeConfig] = Field(description="The nodes.")
    tags: list[str] = Field(default_factory=list, description="Labels of all its nodes.")
    auto_cache_threshold: int | None = Field(
        3, description="Accepted for 3.x; odibi holds what several nodes need."
    )
    orchestration: Orchestration | None = Field(
        None, description="Settings for generated schedulers (`odibi gen`)."
    )
