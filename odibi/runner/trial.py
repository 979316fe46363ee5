"""Trying out other SQL: the project with one node's SQL exchanged, as its YAML might be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from odibi.config import TransformConfig, TransformStep

if TYPE_CHECKING:
    from odibi.config import Loaded, NodeConfig

__all__ = ["with_sql"]

_Model = TypeVar("_Model", bound=BaseModel)


def with_sql(loaded: Loaded, key: str, sql: str) -> Loaded:
    """The project in which `sql` is the last SQL step of node `key`, or its last step if it has none."""
    pipeline_name, _, name = key.rpartition(".")
    pipelines = [
        _with(pipeline, nodes=[_exchanged(n, sql) if n.name == name else n for n in pipeline.nodes])
        if pipeline.pipeline == pipeline_name
        else pipeline
        for pipeline in loaded.project.pipelines
    ]
    return replace(loaded, project=_with(loaded.project, pipelines=pipelines))


def _exchanged(node: NodeConfig, sql: str) -> NodeConfig:
    steps = list(node.transform.steps if node.transform else ())
    written = [place for place, step in enumerate(steps) if step.sql or step.sql_file]
    place = written[-1] if written else len(steps)
    steps[place : place + 1] = [TransformStep(sql=sql)]
    return _with(node, transform=TransformConfig(steps=steps))


def _with(model: _Model, **changed: Any) -> _Model:
    return model.model_copy(update=changed)
