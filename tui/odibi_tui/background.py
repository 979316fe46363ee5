"""Work beside the screen."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker

__all__ = ["in_background"]


def in_background(
    owner: DOMNode,
    work: Callable[[], Coroutine[Any, Any, None]],
    group: str,
    *,
    exclusive: bool = False,
) -> Worker[None]:
    """Start `work` on the app's loop; it ends with its owner. `exclusive` cancels others of its group.

    A function, not a coroutine: work that is cancelled before it begins then leaves nothing unawaited.
    """
    begun: Callable[[], Coroutine[None, None, None]] = work
    return owner.run_worker(begun, group=group, exclusive=exclusive)
