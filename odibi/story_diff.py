"""What changed between two runs, node by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from odibi.story import NodeStory, SchemaChange, Story, schema_change

__all__ = ["NodeDiff", "StoryDiff", "compare"]


@dataclass(frozen=True, slots=True)
class NodeDiff:
    """One node in two runs. `only` names the side when the other run doesn't know the node.

    `fingerprint_changed` is true when its configuration, inputs or code did; null when unknown.
    `newly_failing` and `mended` are checks by name.
    """

    key: str
    only: Literal["before", "after"] | None = None
    status: tuple[str | None, str | None] = (None, None)
    rows: tuple[int | None, int | None] = (None, None)
    set_aside: tuple[int, int] = (0, 0)
    seconds: tuple[float | None, float | None] = (None, None)
    schema_change: SchemaChange | None = None
    fingerprint_changed: bool | None = None
    newly_failing: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything but the time it took differs."""
        return bool(
            self.only
            or self.status[0] != self.status[1]
            or self.rows[0] != self.rows[1]
            or self.set_aside[0] != self.set_aside[1]
            or self.schema_change
            or self.fingerprint_changed
            or self.newly_failing
            or self.mended
        )


@dataclass(frozen=True, slots=True)
class StoryDiff:
    """Two runs by id, with their nodes in the order of the later plan."""

    before: str
    after: str
    status: tuple[str, str]
    seconds: tuple[float | None, float | None]
    nodes: tuple[NodeDiff, ...]


def compare(before: Story, after: Story) -> StoryDiff:
    """What differs in `after`, seen from `before`."""
    old = {node.key: node for node in before.nodes}
    new = {node.key: node for node in after.nodes}
    keys = [*new, *(key for key in old if key not in new)]
    return StoryDiff(
        before=before.run.run_id,
        after=after.run.run_id,
        status=(before.run.status, after.run.status),
        seconds=(before.run.seconds, after.run.seconds),
        nodes=tuple(_compared(key, old.get(key), new.get(key)) for key in keys),
    )


def _compared(key: str, old: NodeStory | None, new: NodeStory | None) -> NodeDiff:
    failing = (_failing(old), _failing(new))
    return NodeDiff(
        key=key,
        only="after" if old is None else "before" if new is None else None,
        status=(old.status if old else None, new.status if new else None),
        rows=(_rows(old), _rows(new)),
        set_aside=(_aside(old), _aside(new)),
        seconds=(old.seconds if old else None, new.seconds if new else None),
        schema_change=_schema(old, new),
        fingerprint_changed=_refingered(old, new),
        newly_failing=tuple(name for name in failing[1] if name not in failing[0]),
        mended=tuple(name for name in failing[0] if new and name not in failing[1]),
    )


def _failing(node: NodeStory | None) -> list[str]:
    return [check.check for check in node.checks if not check.passed] if node else []


def _rows(node: NodeStory | None) -> int | None:
    return node.rows.rows_out if node and node.rows else None


def _aside(node: NodeStory | None) -> int:
    return node.rows.quarantined + node.rows.unreadable if node and node.rows else 0


def _schema(old: NodeStory | None, new: NodeStory | None) -> SchemaChange | None:
    if old is None or new is None or old.schema_out is None or new.schema_out is None:
        return None
    sides = [[(c.name, c.type) for c in side] for side in (old.schema_out, new.schema_out)]
    change = schema_change(*sides)
    return change if change != SchemaChange() else None


def _refingered(old: NodeStory | None, new: NodeStory | None) -> bool | None:
    if not (old and new and old.fingerprint and new.fingerprint):
        return None
    return old.fingerprint != new.fingerprint
