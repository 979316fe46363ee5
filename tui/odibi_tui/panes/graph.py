"""The graph: nodes in layers, their states, the path through the selected one, the critical path."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from textual.geometry import Region

from odibi import layout
from odibi.layout import Drawing
from odibi.safe_text import safe_line
from odibi_tui import eta, picture
from odibi_tui.background import in_background
from odibi_tui.filtering import matching, rows_before
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, amount, duration, percent, width
from odibi_tui.pane import Pane
from odibi_tui.picture import Lit, Look, NodeLook
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change, World

if TYPE_CHECKING:
    from textual import events

__all__ = ["GraphPane"]

GROUPS = ("none", "layer", "pipeline")
MODES = ("state", "rows", "time", "drift")
_SLOW = 400  # nodes above which the layout is made in a thread
_WORST = ("failed", "lost", "running", "retrying", "warning", "cancelled", "queued", "skipped")
_FOLDED = "\x00"  # keys of folded groups; no node's key has it


class GraphPane(Pane):
    """The layered drawing; states repaint single rows, the layout is made once per graph and form."""

    heading = "Graph"
    footer = ("rerun.node", "rerun.downstream", "cancel.node", "open", "focus", "group", "direction", "mode", "zoom")  # fmt: skip
    body: GraphBody

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = GraphBody()

    def on_mount(self) -> None:
        looks = self.top.preferences.looks
        self.body.direction = "down" if looks.get("graph.direction") == "down" else "right"
        if looks.get("graph.group") in GROUPS:
            self.body.grouping = looks["graph.group"]

    def on_world(self, change: Change) -> None:
        self.body.on_world(change)

    def title(self) -> tuple[Line, Line]:
        body, world = self.body, self.world
        drawing = body.drawing
        if drawing is None:
            return (("Graph", "title"),), ()
        parts = [f"{len(drawing.boxes)} nodes"]
        if body.grouping != "none":
            parts.append(f"by {body.grouping}")
        if body.mode != "state":
            parts.append(body.mode)
        if body.around is not None:
            parts.append(f"around {world.name(body.around)}")
        elif world.node in drawing.boxes:
            parts.append(f"path of {world.name(world.node or '')} lit")
        if drawing.left_out:
            parts.append(f"{len(drawing.left_out)} edges back left out")
        return (("Graph", "title"),), ((" · ".join(parts), "dim"),)

    # Moving and choosing --------------------------------------------------------------------------------

    def do_move_left(self) -> None:
        self.body.step("left")

    def do_move_right(self) -> None:
        self.body.step("right")

    def do_move_up(self) -> None:
        self.body.step("up")

    def do_move_down(self) -> None:
        self.body.step("down")

    def do_move_top(self) -> None:
        self.body.go_to_end(first=True)

    def do_move_bottom(self) -> None:
        self.body.go_to_end(first=False)

    def do_move_half_down(self) -> None:
        self.body.scroll_relative(y=self.body.size.height // 2, animate=False)

    def do_move_half_up(self) -> None:
        self.body.scroll_relative(y=-(self.body.size.height // 2), animate=False)

    def do_move_page_down(self) -> None:
        self.body.scroll_relative(x=self.body.size.width // 2, animate=False)

    def do_move_page_up(self) -> None:
        self.body.scroll_relative(x=-(self.body.size.width // 2), animate=False)

    async def do_open(self) -> None:
        await self.body.open_selected()

    def do_group(self) -> None:
        body = self.body
        body.grouping = GROUPS[(GROUPS.index(body.grouping) + 1) % len(GROUPS)]
        body.opened.clear()
        self.top.preferences.looks["graph.group"] = body.grouping
        body.redraw()
        self.retitle()

    def do_direction(self) -> None:
        body = self.body
        body.direction = "down" if body.direction == "right" else "right"
        self.top.preferences.looks["graph.direction"] = body.direction
        body.redraw()

    def do_focus(self) -> None:
        body = self.body
        body.around = None if body.around is not None else self.world.node
        body.hops = None
        body.redraw()
        self.retitle()

    def do_hops_more(self) -> None:
        self.body.resize(1)
        self.retitle()

    def do_hops_less(self) -> None:
        self.body.resize(-1)
        self.retitle()

    def do_mode(self) -> None:
        body = self.body
        body.mode = MODES[(MODES.index(body.mode) + 1) % len(MODES)]
        body.all_changed()
        self.retitle()


def _marks_of(body: GraphBody) -> tuple[frozenset[str], frozenset[str]]:
    """What is marked and what a rerun would run: it may light nodes anywhere."""
    return body.world.marked, body.world.planned


class GraphBody(LinePane):
    """Draws the rows of the drawing that are in sight; the selected node is the cursor."""

    has_cursor = False
    wide = True

    def __init__(self) -> None:
        super().__init__()
        self.direction: Literal["right", "down"] = "right"
        self.grouping = "none"
        self.opened: set[str] = set()
        self.mode = "state"
        self.around: str | None = None
        self.hops: int | None = None
        self.larger = 0
        self.drawing: Drawing | None = None
        self.lit: Lit = {}
        self._look: Look | None = None
        self._members: dict[str, list[str]] = {}
        self._matching: frozenset[str] | None = None
        self._chosen_by_hand = False
        self._shown: str | None = None
        self._marks: object = None

    @property
    def world(self) -> World:
        return self.top.world

    # What changed -----------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        if change.run or change.project:
            self._chosen_by_hand = False
            self.redraw()
        if change.filter or change.run:
            world = self.world
            self._matching = frozenset(matching(world)) if world.filter else None
            self.all_changed()
        if change.history and self.mode != "state":
            self.all_changed()
        if change.nodes:
            if self.grouping != "none" and self._look != self._wanted():
                self.redraw()  # a group with a failure opens by itself
            self.lines_changed(self._rows_of(change.nodes))
            self._follow_front()
        if change.selection:
            self._relight()
            if self.grouping != "none" or _marks_of(self) != self._marks:
                self._marks = _marks_of(self)
                self.style_changed()
            self._show_selected()
        if change.state and not change.nodes and self.world.state.done:
            self._relight()

    def _rows_of(self, keys: frozenset[str]) -> set[int]:
        drawing = self.drawing
        if drawing is None:
            return set()
        rows: set[int] = set()
        for key in keys:
            box = drawing.boxes.get(key) or drawing.boxes.get(self._group_key(key))
            if box is not None:
                rows.update(range(box.y + 1, box.y + 1 + box.height))
        return rows

    def redraw(self) -> None:
        """Choose and make the drawing for what is shown now."""
        look = self._wanted()
        if len(look.nodes) > _SLOW:
            in_background(self, partial(self._draw_slowly, look), "layout", exclusive=True)
            return
        self._take(look, self._draw(look))

    async def _draw_slowly(self, look: Look) -> None:
        self._take(look, await asyncio.to_thread(self._draw, look))

    def _draw(self, look: Look) -> Drawing | None:
        if not look.nodes:
            return None
        size = self.size
        return picture.drawn(
            look, picture.chosen_form(look, size.width, size.height - 1, self.larger)
        )

    def _take(self, look: Look, drawing: Drawing | None) -> None:
        self._look, self.drawing = look, drawing
        self._relight()
        self.all_changed()
        self._show_selected()

    def on_resize(self) -> None:
        super().on_resize()
        if self.world.nodes:
            self.redraw()

    def _wanted(self) -> Look:
        """What is to be drawn: the nodes in focus, with groups folded."""
        world = self.world
        nodes, edges = world.nodes, world.edges
        if self.around is not None and self.around in nodes:
            nodes, edges = layout.subgraph(nodes, edges, [self.around], self.hops, self.hops)
        labels = {key: world.name(key) for key in nodes}
        layers = {key: name for key in nodes if (name := world.layer(key))}
        self._members = {}
        if self.grouping != "none":
            folded = picture.groups_of(nodes, self._group_of, self._open_groups(nodes))
            for key, name in folded.items():
                self._members.setdefault(_FOLDED + name, []).append(key)
            nodes, edges = layout.collapse(
                nodes, edges, {key: _FOLDED + name for key, name in folded.items()}
            )
            labels |= {key: f"▸ {safe_line(key[1:])} {len(m)}" for key, m in self._members.items()}
            layers |= {key: layers.get(m[0], "") for key, m in self._members.items()}
        return Look(
            nodes,
            edges,
            tuple((key, layers[key]) for key in nodes if layers.get(key)),
            tuple((key, labels[key]) for key in nodes),
            self.direction,
            self.top.ascii,
        )

    def _group_of(self, key: str) -> str:
        return self.world.layer(key) if self.grouping == "layer" else key.rpartition(".")[0]

    def _group_key(self, key: str) -> str:
        return _FOLDED + self._group_of(key) if self.grouping != "none" else ""

    def _open_groups(self, nodes: tuple[str, ...]) -> set[str]:
        failed = {self._group_of(k) for k in nodes if self.world.status(k) in ("failed", "lost")}
        return self.opened | failed

    def _relight(self) -> None:
        """Light the path through the selected node, and the critical path."""
        drawing, world = self.drawing, self.world
        before, self.lit = self.lit, {}
        if drawing is None:
            return
        path = world.critical
        chain = [(edge, "critical") for edge in pairwise(path)]
        node = world.node
        if node is not None and node in drawing.boxes:
            up, below = drawing.upstream(node), drawing.downstream(node)
            chain += [
                ((a, b), "lit")
                for a, b in drawing.edges
                if (a in up and b in up) or (a in below and b in below)
            ]
        self.lit = picture.light(drawing, chain)
        changed = {y for y in before.keys() | self.lit.keys() if before.get(y) != self.lit.get(y)}
        selected = [
            drawing.boxes[key] for key in (self._shown, node) if key and key in drawing.boxes
        ]
        changed |= {y for box in selected for y in range(box.y, box.y + box.height)}
        self._shown = node
        self.lines_changed(y + 1 for y in changed)

    # Lines --------------------------------------------------------------------------------------------------

    def count(self) -> int:
        return self.drawing.height + 1 if self.drawing else len(self._empty())

    def widest(self) -> int:
        return self.drawing.width if self.drawing else 0

    def line(self, index: int) -> Line:
        drawing = self.drawing
        if drawing is None:
            return self._empty()[index]
        if index == 0:
            return self._headings(drawing)
        return picture.row_line(drawing, index - 1, self.lit, self._node_look)

    def _headings(self, drawing: Drawing) -> Line:
        """The layers above the columns that begin them."""
        if drawing.direction == "down" or self._look is None:
            return ()
        first: dict[str, int] = {}
        for key, name in self._look.layers:
            box = drawing.boxes[key]
            first[name] = min(first.get(name, box.x), box.x)
        spans: list[tuple[str, str]] = []
        at = 0
        for name, x in sorted(first.items(), key=lambda item: item[1]):
            if x >= at:
                spans += [(" " * (x - at), "text"), (name, "heading")]
                at = x + width((spans[-1],))
        return tuple(spans)

    def _node_look(self, key: str) -> NodeLook:
        if key.startswith(_FOLDED):
            return self._group_look(key)
        world = self.world
        status = world.status(key)
        style = style_of_status(status)
        planned = key in world.planned
        sign = self.top.sign("retrying" if planned else status)
        dim = (self._matching is not None and key not in self._matching) or status == "none"
        name = "dim" if dim else "failed" if status in ("failed", "lost") else "text"
        frame = "rule"
        if key in world.marked:
            name = "planned"
        if key == world.node:
            name, frame = "cursor" if self.has_focus else "cursor.idle", "rule.focus"
        detail, detail_style = self._detail(key)
        return NodeLook(
            sign,
            "planned" if planned else "dim" if dim else style,
            name,
            detail,
            detail_style,
            frame,
        )

    def _detail(self, key: str) -> tuple[str, str]:
        """The second line of a box, as the mode says."""
        world = self.world
        node = world.node_state(key)
        if node is None:
            return "", "dim"
        rows = node.counts.rows_out if node.counts else node.rows_done
        if self.mode == "drift":
            change = percent(rows_before(world, key), rows)
            return change or "no rows before", "warning" if change not in ("", "=") else "dim"
        if self.mode == "time":
            usual = eta.usual(world.past, key, node)
            return f"{duration(node.seconds)} of {duration(usual)}", "dim"
        if node.status == "running":
            share = f" {node.fraction:.0%}" if node.fraction is not None else ""
            return f"{safe_line(node.stage or '')}{share}", "running"
        if node.status in ("skipped", "reused", "queued"):
            return safe_line(node.reason) if node.status != "queued" else "", "dim"
        if node.status in ("failed", "lost") and node.error is not None:
            return safe_line(node.error.kind), "failed"
        took = f"  {duration(node.seconds)}" if self.mode == "state" else ""
        return f"{amount(rows)}{took}", "dim"

    def _group_look(self, key: str) -> NodeLook:
        members = self._members.get(key, [])
        statuses = [self.world.status(member) for member in members]
        worst = next((status for status in _WORST if status in statuses), "succeeded")
        done = sum(status in ("succeeded", "warning", "reused") for status in statuses)
        chosen = self.world.node in members
        name = ("cursor" if self.has_focus else "cursor.idle") if chosen else "bold"
        detail = f"{done}/{len(members)} done"
        return NodeLook(self.top.sign(worst), style_of_status(worst), name, detail)

    def _empty(self) -> list[Line]:
        world = self.world
        if not world.loaded:
            return [((" reading …", "dim"),)]
        if world.project.problems:
            lines: list[Line] = [((" odibi.yaml can't be used yet:", "bold"),), ()]
            return lines + [
                ((f"  {safe_line(text)}", "failed"),) for text in world.project.problems[:30]
            ]
        return [
            (),
            ((f"  No runs yet in {safe_line(world.root.name)}/.odibi", "bold"),),
            (),
            (("  odibi top is watching this folder. Start a run in any terminal:", "text"),),
            (),
            (("      odibi run", "accent"),),
            (),
            (("  and it appears here by itself. ", "text"), ("A", "key"), (" runs everything now.", "text")),
        ]  # fmt: skip

    # Selecting ------------------------------------------------------------------------------------------------

    def _selected(self) -> str | None:
        """The selected node as the drawing has it: by itself or in its folded group."""
        drawing, node = self.drawing, self.world.node
        if drawing is None or node is None:
            return None
        if node in drawing.boxes:
            return node
        group = self._group_key(node)
        return group if group in drawing.boxes else None

    def step(self, way: layout.Way) -> None:
        """Select the neighbour on that side; the first node when none is selected."""
        if self.drawing is None:
            return
        here = self._selected()
        if here is None:
            self._select(self._first())
        else:
            self._select(self.drawing.move(here, way))

    def _first(self) -> str:
        assert self.drawing is not None
        failed = [k for k in self.drawing.boxes if self.world.status(k) in ("failed", "lost")]
        return (failed or list(self.drawing.boxes))[0]

    def go_to_end(self, first: bool) -> None:
        if self.drawing is not None:
            keys = list(self.drawing.boxes)
            self._select(keys[0] if first else keys[-1])

    def _select(self, key: str) -> None:
        self._chosen_by_hand = True
        member = self._members.get(key, [key])[0]
        self.top.changed(self.world.select(member))

    async def open_selected(self) -> None:
        """Open the story of the selected node, or its folded group."""
        here = self._selected()
        if here is not None and here.startswith(_FOLDED):
            self.opened.add(here[1:])
            self.redraw()
        elif here is not None:
            await self.top.main.show_view("story")

    def resize(self, step: int) -> None:
        """Larger or smaller; with a focus, more or fewer hops around it."""
        if self.around is not None:
            hops = 4 if self.hops is None else self.hops
            self.hops = max(hops + step, 1) if hops + step < 4 else None
        else:
            self.larger = min(max(self.larger + step, -3), 3)
        self.redraw()

    def _show_selected(self) -> None:
        here = self._selected()
        if here is not None and self.drawing is not None:
            self._reveal(here)

    def _reveal(self, key: str) -> None:
        """Scroll as little as it takes to see the node."""
        assert self.drawing is not None
        box = self.drawing.boxes[key]
        spot = Region(box.x, box.y + 1, box.width, box.height)
        if not self.size.area:
            return
        self.scroll_to_region(spot, animate=False, force=True, immediate=True)

    def _follow_front(self) -> None:
        """Keep what began last in sight, until a person selects a node."""
        world = self.world
        if not world.follow or self._chosen_by_hand or self.drawing is None:
            return
        running = [n for n in world.state.nodes.values() if n.status == "running" and n.started]
        if running:
            newest = max(running, key=lambda node: (node.started, node.key))
            if newest.key in self.drawing.boxes:
                self._reveal(newest.key)

    def on_click(self, event: events.Click) -> None:
        spot = event.get_content_offset(self)
        if spot is None or self.drawing is None:
            return
        x, y = spot.x + self.scroll_offset.x, spot.y + self.scroll_offset.y - 1
        node = self.drawing.at(x, y)
        if node is not None:
            again = node == self._selected()
            self._select(node)
            if again or event.chain == 2:
                self.top.call_later(self.open_selected)
