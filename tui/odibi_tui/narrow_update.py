"""Writes to the terminal only the cells that changed; Textual 8 writes a row from its widget's left edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["narrowed"]


class _NarrowUpdate(CompositorUpdate):
    """A partial update whose strips are cut at both ends of each span."""

    def __init__(self, whole: ChopsUpdate) -> None:
        self._whole = whole

    def render_segments(self, console: Console) -> str:
        update, out = self._whole, []
        for y, first, last in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                start, stop = max(x, first), min(end, last)
                if strip is not None and start < stop:
                    out += [
                        Control.move_to(start, y).segment.text,
                        strip.crop(start - x, stop - x).render(console),
                    ]
        return "".join(out)


def narrowed(update: RenderableType | None) -> RenderableType | None:
    """The update with less to write, when it is one of those that can be cut."""
    if isinstance(update, ChopsUpdate):
        return cast("RenderableType", _NarrowUpdate(update))  # as Textual does with its own
    return update
