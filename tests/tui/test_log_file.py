"""The log of a run: every line that says something, found again, filtered, wrapped, while it grows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from odibi import events as ev
from odibi.safe_text import safe
from odibi_tui.event_text import LEVELS, told
from odibi_tui.log_file import LogFile, wrapped

BEGAN = datetime(2026, 11, 22, 23, tzinfo=UTC)
FAULT = ev.ErrorInfo("ValidationError", "amount >= 0", "look\nthere", "odibi.yaml", 7)
KEYS = ("p.a", "p.b", "p.größe")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ('say "level":"ERROR"', '","node":"p.a"', "tab\tand\nline", 'x","type":"log_line","data":{')
)
nodes = st.sampled_from(KEYS)
seconds = st.floats(0, 1000)
lines = st.builds(ev.LogLine, st.sampled_from(LEVELS), texts, st.none() | nodes)
payloads = st.one_of(
    lines,
    st.builds(ev.NodeStarted, nodes, st.integers(1, 3)),
    st.builds(ev.StageFinished, nodes, texts, seconds, st.none() | st.integers(0, 9)),
    st.builds(ev.NodeSucceeded, nodes, seconds),
    st.builds(ev.NodeFailed, nodes, seconds, st.just(FAULT)),
    st.builds(ev.NodeRetried, nodes, st.integers(1, 3), seconds, st.just(FAULT)),
    st.builds(ev.NodeSkipped, nodes, texts),
    st.builds(ev.NodeCancelled, nodes, seconds),
    st.builds(ev.NodeCancelRequested, nodes, texts),
    st.builds(ev.RunCancelRequested, texts),
    st.builds(ev.RowsQuarantined, nodes, st.just("validation"), st.integers(1, 9), texts),
    st.builds(ev.WriteCommitted, nodes, texts, texts, st.integers(0, 9), st.integers(0, 9)),
    st.builds(
        ev.CheckEvaluated,
        nodes,
        texts,
        st.just("range"),
        st.just("test"),
        st.sampled_from(("fail", "warn")),
        st.booleans(),
    ),
    st.builds(
        ev.RunFinished, st.sampled_from(("succeeded", "failed", "cancelled")), st.just(1), seconds
    ),
    st.builds(ev.Heartbeat, st.integers(0, 9), seconds),
    st.builds(ev.SqlExecuted, nodes, st.just("step"), texts),
    st.builds(ev.RunStarted, st.integers(1, 9)),
)


def event(seq: int, payload: ev.Payload) -> ev.Event:
    at = (BEGAN + timedelta(seconds=seq)).isoformat(timespec="microseconds")
    return ev.Event(seq, at.replace("+00:00", "Z"), float(seq), payload)


def encoded(said: list[ev.Payload]) -> bytes:
    return "".join(ev.encode(event(i, p)) + "\n" for i, p in enumerate(said, start=1)).encode()


def spoken(said: list[ev.Payload]) -> list[tuple[str, str, str | None]]:
    """Level, text and node of each event that says something."""
    return [
        (*words, getattr(payload, "node", None))
        for payload in said
        if (words := told(payload)) is not None
    ]


def written(folder: Path, data: bytes, name: str = "events.jsonl") -> LogFile:
    (folder / name).write_bytes(data)
    return LogFile(folder)


def contents(log: LogFile) -> list[tuple[str, str, str | None]]:
    entries = map(log.entry, range(len(log)))
    return [(entry.level, entry.message, entry.node) for entry in entries]


def read(folder: Path, data: bytes) -> LogFile:
    log = written(folder, data)
    log.read_on()
    return log


@given(st.lists(payloads, max_size=30), st.lists(st.integers(0, 9_000), max_size=4))
def test_lines_are_the_events_that_say_something_however_the_file_grew(
    said: list[ev.Payload], cuts: list[int]
) -> None:
    data = encoded(said)
    with TemporaryDirectory() as folder:
        log = LogFile(Path(folder))
        for cut in [*sorted(cuts), len(data)]:  # a torn last line waits for its rest
            (Path(folder) / "events.jsonl").write_bytes(data[:cut])
            log.read_on()
        assert contents(log) == spoken(said)
        assert [LEVELS[code] for code in log.levels] == [level for level, _, _ in spoken(said)]


@given(st.lists(payloads, max_size=30), nodes, st.sampled_from(LEVELS), st.integers(0, 9))
def test_filters_keep_what_a_reader_of_all_lines_keeps(
    said: list[ev.Payload], node: str, least: str, first: int
) -> None:
    with TemporaryDirectory() as folder:
        log = read(Path(folder), encoded(said))
        known = list(enumerate(spoken(said)))[first:]
        enough = [i for i, line in known if LEVELS.index(line[0]) >= LEVELS.index(least)]
        assert list(log.at_least(least, first)) == enough
        of_node = [i for i in enough if log.entry(i).node == node]
        assert list(log.of_node(node, log.at_least(least, first))) == of_node


@given(st.lists(payloads, max_size=30), st.data())
def test_finding_is_exact_whatever_the_case(said: list[ev.Payload], data: st.DataObject) -> None:
    shown = spoken(said)
    pieces = [text[a : a + 3] for _, text, _ in shown for a in range(len(text))]
    sought = data.draw(st.sampled_from([*pieces, "level", "p.A", "n", "message"]))
    with TemporaryDirectory() as folder:
        log = read(Path(folder), encoded(said))
        assert log.find(sought.upper() if sought.isascii() else sought) == [
            i
            for i, (_, text, node) in enumerate(shown)
            if sought.casefold() in text.casefold() or sought.casefold() in (node or "").casefold()
        ]


@given(st.lists(payloads, max_size=20), st.integers(4, 60))
def test_rows_are_counted_as_they_are_wrapped(said: list[ev.Payload], cells: int) -> None:
    with TemporaryDirectory() as folder:
        log = read(Path(folder), encoded(said))
        rows = [wrapped(log.entry(i).message, cells) for i in range(len(log))]
        assert list(log.rows(cells)) == [len(found) for found in rows]


@given(texts, st.integers(4, 60))
@example("\u0301", 4)
@example("a\n\u200b\nb", 4)
def test_wrapping_loses_nothing_and_fits(text: str, cells: int) -> None:
    rows = wrapped(text, cells)
    assert all(cell_len(row) <= cells for row in rows)
    assert "".join(rows) == "".join(safe(text).expandtabs(4).splitlines())


def test_several_writers_are_merged_by_time(tmp_path: Path) -> None:
    first = [event(seq, ev.LogLine("INFO", f"first {seq}")) for seq in (1, 4, 2)]
    other = [event(seq, ev.LogLine("INFO", f"other {seq}")) for seq in (3, 5)]
    for name, said in (("events.jsonl", first), ("events-9-abc.jsonl", other)):
        (tmp_path / name).write_text("".join(ev.encode(line) + "\n" for line in said))
    log = LogFile(tmp_path)
    assert log.read_on() == 5
    texts = [log.entry(i).message for i in range(5)]
    assert texts == ["first 1", "other 3", "first 4", "first 2", "other 5"]


def test_lines_until_a_moment(tmp_path: Path) -> None:
    log = read(tmp_path, encoded([ev.LogLine("INFO", str(n)) for n in range(10)]))
    assert log.until(BEGAN + timedelta(seconds=4), range(10)) == 4
    assert log.until(BEGAN, range(10)) == 0
    assert log.until(BEGAN + timedelta(hours=1), [2, 5]) == 2


def test_the_first_error(tmp_path: Path) -> None:
    said: list[ev.Payload] = [ev.NodeStarted("p.a"), ev.NodeFailed("p.a", 1.0, FAULT)]
    log = read(tmp_path, encoded(said))
    assert log.first_error() == 1
    assert log.entry(1).message == (
        "failed after 1.0s: ValidationError: amount >= 0  odibi.yaml:7\nlook\nthere"
    )


def test_a_run_without_events_shows_what_its_process_said(tmp_path: Path) -> None:
    text = tmp_path / "run.log"
    text.write_text("odibi: the project is locked\n  by run 7\n")
    log = LogFile(tmp_path / "run", text)
    log.read_on()
    assert contents(log) == [("", "odibi: the project is locked", None), ("", "  by run 7", None)]
    assert (list(log.at_least("ERROR")), log.find("RUN"), log.plain) == ([0, 1], [1], True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").write_bytes(encoded([ev.RunStarted(2)]))
    log.read_on()
    assert contents(log) == [("INFO", "run started with 2 jobs", None)]


def test_a_folder_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "run", tmp_path / "run.log")
    assert (log.read_on(), len(log), log.first_error()) == (0, 0, None)


def test_lines_of_a_file_that_went_away_say_so(tmp_path: Path) -> None:
    log = read(tmp_path, encoded([ev.RunStarted(2)]))
    (tmp_path / "events.jsonl").unlink()
    assert log.entry(0).message == "this line can't be read: No such file or directory"
