"""Everything that `odibi top` can do, as one table: keys, footer, help and palette derive from it.

An action `run.cancel` is carried out by the method `do_run_cancel` of the focused pane, the screen or
the app, whichever has it first. A method `can_run_cancel` beside it returns None when it can be done
now, else the reason why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ACTIONS", "BY_ID", "Action", "display", "method_of"]


@dataclass(frozen=True, slots=True)
class Action:
    """`keys` are Textual's names, separated by commas; `label` is the footer's word for it."""

    id: str
    keys: str
    label: str
    help: str
    group: str
    palette: bool = True

    @property
    def shown_key(self) -> str:
        """The first key as people read it."""
        return display(self.keys.split(",")[0])


_NAMES = {
    "enter": "⏎",
    "escape": "esc",
    "space": "space",
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "comma": ",",
    "full_stop": ".",
    "plus": "+",
    "minus": "-",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def display(key: str) -> str:
    """A key as people read it: `/` for `slash`, `^d` for `ctrl+d`."""
    if key.startswith("ctrl+"):
        return "^" + key[5:]
    return _NAMES.get(key, key)


ACTIONS: tuple[Action, ...] = (
    Action("view.graph", "1", "graph", "Show the graph", "Views"),
    Action("view.nodes", "2", "nodes", "Show the table of nodes", "Views"),
    Action("view.runs", "3", "runs", "Show past runs: nodes × runs", "Views"),
    Action("view.story", "4", "story", "Show the story of the selected node", "Views"),
    Action("view.logs", "5", "logs", "Show the log", "Views"),
    Action("view.query", "6,a", "ask", "Ask the tables: SQL, or words for a local model", "Views"),
    Action("view.tables", "7", "tables", "Browse the project's tables", "Views"),
    Action("pane.next", "tab", "next pane", "Go to the next pane or section", "Views", False),
    Action(
        "pane.previous", "shift+tab", "previous pane", "Go to the previous pane", "Views", False
    ),
    Action("zoom", "z", "zoom", "Give the pane the whole screen, and back", "Views"),
    Action("move.up", "k,up", "up", "Up", "Moving", False),
    Action("move.down", "j,down", "down", "Down", "Moving", False),
    Action("move.left", "h,left", "left", "Left; in the graph to the parent", "Moving", False),
    Action("move.right", "l,right", "right", "Right; in the graph to the child", "Moving", False),
    Action("move.top", "g,home", "top", "To the top", "Moving", False),
    Action(
        "move.bottom", "G,end", "bottom", "To the bottom; in a log: follow again", "Moving", False
    ),
    Action("move.half_down", "ctrl+d", "half page down", "Half a page down", "Moving", False),
    Action("move.half_up", "ctrl+u", "half page up", "Half a page up", "Moving", False),
    Action("move.page_down", "pagedown", "page down", "A page down", "Moving", False),
    Action("move.page_up", "pageup", "page up", "A page up", "Moving", False),
    Action("open", "enter", "open", "Open what is selected", "Moving", False),
    Action(
        "back", "escape", "back", "Back: close, clear the filter, leave the replay", "Moving", False
    ),
    Action(
        "filter",
        "slash",
        "filter",
        "Filter nodes: text, !text, s:failed, t>30, rows<0, d:orders+, tag:x, layer:x; in a log: find",
        "Finding",
    ),
    Action("match.next", "n", "next match", "Next match", "Finding", False),
    Action("match.previous", "N", "previous match", "Previous match", "Finding", False),
    Action("error.next", "e", "next error", "Next failed node", "Finding"),
    Action("error.previous", "E", "previous error", "Previous failed node", "Finding"),
    Action("mark", "space", "mark", "Mark the node for a rerun; in runs: replay", "Finding", False),
    Action("run.previous", "left_square_bracket", "older", "Show the run before", "Runs"),
    Action("run.next", "right_square_bracket", "newer", "Show the run after", "Runs"),
    Action("follow", "f", "follow", "Follow the newest run, and what is running in it", "Runs"),
    Action("freeze", "p", "freeze", "Stop the display, not the run; again: go on", "Runs"),
    Action("compare", "c", "compare", "Compare with another run: first A, then B", "Runs"),
    Action("replay", "T", "replay", "Replay the run from its events", "Runs"),
    Action(
        "replay.back", "left_curly_bracket", "step back", "Replay: one event back", "Runs", False
    ),
    Action("replay.forward", "right_curly_bracket", "step", "Replay: one event on", "Runs", False),
    Action("replay.slower", "comma", "slower", "Replay: slower", "Runs", False),
    Action("replay.faster", "full_stop", "faster", "Replay: faster", "Runs", False),
    Action("rerun.node", "r", "rerun", "Run the selected or marked nodes again", "Acting"),
    Action("rerun.downstream", "R", "rerun+", "Run the node and all that depends on it", "Acting"),
    Action("rerun.failed", "F", "rerun failed", "Go on after the last failed run", "Acting"),
    Action("run.all", "A", "run all", "Run the whole project", "Acting"),
    Action("run.plan", "P", "plan", "See what a run would do, before it does", "Acting"),
    Action("cancel.node", "x", "cancel", "Cancel the selected node", "Acting"),
    Action("cancel.run", "X", "cancel run", "Cancel the run", "Acting"),
    Action(
        "edit.sql", "i", "try SQL", "Edit the node's SQL and run it on a scratch output", "Acting"
    ),
    Action("edit.yaml", "o", "editor", "Open the node's lines in $EDITOR", "Acting"),
    Action("open.html", "O", "story file", "Say where the files of the run's story lie", "Acting"),
    Action("copy", "y", "copy", "Copy: name, row, SQL, error, sample or the whole view", "Acting"),
    Action("save.node", "ctrl+s", "as node", "Ask: the question as YAML of a node", "Acting"),
    Action(
        "watch.rerun",
        "W",
        "auto rerun",
        "Rerun what an edit of the YAML touches: on or off",
        "Acting",
    ),
    Action("mode", "v", "mode", "What is shown: state, rows, time, drift", "Looks"),
    Action("sort", "s", "sort", "Sort by the next column", "Looks", False),
    Action("sort.reverse", "S", "reverse", "Reverse the order", "Looks", False),
    Action("group", "b", "group", "Group or fold: by layer, pipeline, not at all", "Looks"),
    Action(
        "hops.more", "plus", "more", "Graph: larger, or more hops around the focus", "Looks", False
    ),
    Action("hops.less", "minus", "less", "Graph: smaller, or fewer hops", "Looks", False),
    Action("focus", "u", "focus", "Graph: only what the node needs and feeds", "Looks"),
    Action("direction", "d", "direction", "Graph: left to right, or top down", "Looks"),
    Action("wrap", "w", "wrap", "Wrap long lines", "Looks", False),
    Action("level", "L", "level", "Log: the least level to show", "Looks", False),
    Action("all.nodes", "m", "this/all", "Log: the selected node, or all", "Looks", False),
    Action("theme", "t", "theme", "Choose the colours", "Looks"),
    Action("palette", "colon,ctrl+p", "commands", "Find any command by name", "Help", False),
    Action("help", "question_mark", "help", "Keys and what they do, for the pane at hand", "Help"),
    Action("quit", "q", "quit", "Leave; runs go on", "Help"),
)

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}


def method_of(action: str, prefix: str = "do") -> str:
    """The name of the method that carries out an action."""
    return f"{prefix}_{action.replace('.', '_')}"
