"""odibi.yaml: the language as typed models, and the loader that keeps source positions."""

from odibi.config.connections import ConnectionConfig, LocalConnection, SqliteConnection
from odibi.config.loader import Loaded, Positions, load
from odibi.config.nodes import (
    AutoOptimizeConfig,
    BadLinesConfig,
    ColumnMetadata,
    IncrementalConfig,
    NodeConfig,
    NodeRef,
    PipelineConfig,
    PrivacyConfig,
    ReadConfig,
    RetryConfig,
    TransformConfig,
    TransformStep,
    WriteConfig,
)
from odibi.config.problems import ConfigError, Position, Problem
from odibi.config.project import ProjectConfig
from odibi.config.reference import KeyDoc, reference, schema
from odibi.config.validation import GateConfig, QuarantineConfig, TestConfig, ValidationConfig

__all__ = [
    "AutoOptimizeConfig",
    "BadLinesConfig",
    "ColumnMetadata",
    "ConfigError",
    "ConnectionConfig",
    "GateConfig",
    "IncrementalConfig",
    "KeyDoc",
    "Loaded",
    "LocalConnection",
    "NodeConfig",
    "NodeRef",
    "PipelineConfig",
    "Position",
    "Positions",
    "PrivacyConfig",
    "Problem",
    "ProjectConfig",
    "QuarantineConfig",
    "ReadConfig",
    "RetryConfig",
    "SqliteConnection",
    "TestConfig",
    "TransformConfig",
    "TransformStep",
    "ValidationConfig",
    "WriteConfig",
    "load",
    "reference",
    "schema",
]
