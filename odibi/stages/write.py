"""Stages `write` and `profile`: the result becomes a table, whole or not at all, and is described."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi import events as ev
from odibi import places, targets
from odibi.engine import Frame, ReadReport, Rows, Source, Staged, Target, Written
from odibi.errors import NodeError
from odibi.node import settle_rows
from odibi.stages.schema_policy import fitted
from odibi.stages.unchanged import contents_of, is_unchanged
from odibi.transforms.sql import ident, literal
from odibi.values import shown

if TYPE_CHECKING:
    from odibi.node import Work

__all__ = ["hidden_columns", "mask_rows", "profile", "publish", "put_aside", "write"]

_MASKED = "***"
_NOTHING = Written(rows=0, bytes=0, files=())
"""What was written when the rows were there already."""
_VALUE_IN_REASON = re.compile(r"column (?P<column>.+?): .* is not (?P<type>.+)", re.DOTALL)


def write(work: Work, frame: Frame) -> Frame:
    """Publish the result where the YAML says; the frame returned is what dependents read.

    A node without `write` is passed on lazily while one node wants it, and computed once when
    several do, or when it reads text (whose unreadable lines belong to this node).
    """
    config = work.node.config.write
    if config is None:
        return _pass_on(work, frame)
    if config.skip_if_unchanged and work.facts.moves_marks:
        frame = work.hold(frame)  # computed once, to be compared and maybe written
        if is_unchanged(work, frame):
            return _leave_table(work, frame)
    if config.add_metadata:
        frame = _add_metadata(work, frame)
    target = targets.target_of(work.facts.loaded, work.node, work.write_id())
    frame, target = fitted(work, frame, target)
    target = _diverted(work, target)
    if work.job.consumers and not _readable_after(target):
        frame = work.hold(frame)
    work.written = publish(work, frame, target)
    if work.continues and work.written == _NOTHING and target.mode == "overwrite":
        return _stored(work, frame)
    if work.job.consumers and _readable_after(target):
        source = Source(format=target.format, path=target.path, files=work.written.files)
        return work.session.read(source)
    return frame


def _pass_on(work: Work, frame: Frame) -> Frame:
    tried = work.facts.scratch is not None and not work.job.consumers  # its rows are what is asked
    if tried or work.job.consumers > 1 or work.reads_text or work.staged_checks:
        frame = work.hold(frame)
    return _settled(work, frame)


def _settled(work: Work, frame: Frame) -> Frame:
    """The held frame, when all is right with it."""
    for check in work.staged_checks:
        check(frame)
    _set_aside_unreadable(work)
    settle_rows(work, frame.rows)
    return frame


def _leave_table(work: Work, frame: Frame) -> Frame:
    """Write nothing: the table holds these rows. What was read is read, all the same."""
    frame = _settled(work, frame)
    if work.reached is not None:
        work.facts.marks.store(replace(work.reached, at=datetime.now(UTC)))
    message = "write.skip_if_unchanged: the content is that of the last write, nothing was written"
    work.emit(ev.LogLine(level="INFO", message=message, node=work.key))
    return frame


def _readable_after(target: Target) -> bool:
    """Whether the written file holds exactly the result, with its types, cheaply readable."""
    return target.format == "parquet" and target.mode == "overwrite" and not target.partition_by


def publish(work: Work, frame: Frame, target: Target) -> Written:
    """Stage, check, balance the rows, and only then make the write visible; every step is an event."""
    path = places.display(work.facts.loaded, target.path)
    work.emit(
        ev.WriteIntended(
            node=work.key,
            write_id=target.write_id,
            path=path,
            format=target.format,
            mode=target.mode,
        )
    )
    if target.mode == "append_once":
        work.counts.declare("deduplicates")
    targets.refuse_foreign_folder(work.facts.loaded, target)
    if work.is_repeated:
        work.facts.engine.sweep(target)  # what a killed or failed attempt left beside the target
    staged = work.session.stage(frame, target)
    try:
        for check in work.staged_checks:
            check(staged.frame if staged.frame is not None else frame)
        _set_aside_unreadable(work)
        settle_rows(work, staged.rows)
    except BaseException:
        work.session.discard(staged)
        raise
    if _is_there_already(work, target):
        work.session.discard(staged)
        work.warn("this run had already written its rows here: not written again")
        written = _NOTHING
    else:
        written = _commit(work, staged)
    work.emit(
        ev.WriteCommitted(
            node=work.key,
            write_id=target.write_id,
            path=path,
            rows=written.rows,
            bytes=written.bytes,
            files=len(written.files),
            version=written.version,
        )
    )
    return written


def _is_there_already(work: Work, target: Target) -> bool:
    """Whether the rows were published before a crash and must not be again: what adds to a table, and
    what replaces one by rows made of it (sums go on from the stored ones)."""
    if target.mode == "overwrite" and not (work.continues and work.is_repeated):
        return False
    return work.facts.engine.was_written(target)


def _stored(work: Work, frame: Frame) -> Frame:
    """The table as it was published before a crash: made again of itself, the rows would be others."""
    source = work.stored(work.node)
    return frame if source is None else work.session.read(source)


def _commit(work: Work, staged: Staged) -> Written:
    """Make the rows visible, and with them what is known of the read and of the content."""
    known = [(work.facts.marks, work.reached), (contents_of(work), work.content)]
    records = [(marks, record) for marks, record in known if record is not None]
    for marks, record in records:
        marks.prepare(replace(record, write_id=staged.target.write_id, at=datetime.now(UTC)))
    written = work.session.commit(staged)
    for marks, record in records:
        marks.confirm(record.key)
    return written


def put_aside(work: Work, frame: Frame, target: Target, kind: Any, reasons: dict[str, int]) -> None:
    """Write rows to a quarantine table, once per run however often the node is tried."""
    target = _diverted(work, target)
    if work.facts.engine.was_written(target):
        return
    staged = work.session.stage(frame, target)
    work.session.commit(staged)
    path = places.display(work.facts.loaded, target.path)
    work.emit(
        ev.RowsQuarantined(node=work.key, kind=kind, rows=staged.rows, path=path, reasons=reasons)
    )


def _set_aside_unreadable(work: Work) -> None:
    """Keep every input line that couldn't be read, with its file, line number and reason."""
    if not work.reads_text:
        return
    for number, report in enumerate(work.session.read_reports(), start=1):
        if report.unreadable:
            _quarantine_lines(work, report, number)


def _quarantine_lines(work: Work, report: ReadReport, number: int) -> None:
    policy = work.node.config.read.bad_lines if work.node.config.read else None
    reasons = _reasons(work, report)
    if policy is not None and policy.on_error == "fail":
        raise NodeError(
            f"{report.unreadable} of {report.read} input lines can't be read: {_first(work, report)}",
            hint="mend the input, or let them go to quarantine (read.bad_lines.on_error: quarantine)",
        )
    rate = report.unreadable / report.read
    if policy is not None and policy.max_rate is not None and rate > policy.max_rate:
        raise NodeError(
            f"{rate:.2%} of the input lines can't be read, more than max_rate {policy.max_rate:.2%}: "
            f"{_first(work, report)}",
            hint="look at the input; a wrong column type in `options.columns` also shows like this",
        )
    if report.rejects is None:
        return
    target = targets.bad_lines_target(
        work.facts.loaded,
        work.node,
        work.facts.run_id,
        work.write_id(f"lines{number}"),
    )
    stamped = work.session.sql(
        f"SELECT *, {literal(work.facts.run_id)} AS run_id, {literal(work.key)} AS node FROM df",
        {"df": report.rejects},
    )
    put_aside(work, stamped, target, "unreadable", reasons)


def _reasons(work: Work, report: ReadReport) -> dict[str, int]:
    if report.rejects is None:
        return {}
    query = "SELECT reason, count(*) FROM df GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20"
    counts: Counter[str] = Counter()
    for reason, n in work.session.fetch(query, {"df": report.rejects}).rows:
        counts[_without_hidden(work, str(reason))] += int(n)
    return dict(counts)


def _without_hidden(work: Work, reason: str) -> str:
    """A reason such as `column card: 41x is not a BIGINT`, with a sensitive column's value as stars."""
    match = _VALUE_IN_REASON.fullmatch(reason)
    if match is None or match["column"] not in hidden_columns(work, Rows((match["column"],), [])):
        return reason
    return f"column {match['column']}: {_MASKED} is not {match['type']}"


def _first(work: Work, report: ReadReport) -> str:
    if report.rejects is None:
        return "no details"
    query = "SELECT file, line, reason FROM df ORDER BY file, line LIMIT 1"
    file, line, reason = work.session.fetch(query, {"df": report.rejects}).rows[0]
    return (
        f"{places.display(work.facts.loaded, Path(file))}:{line}: {_without_hidden(work, reason)}"
    )


def _diverted(work: Work, target: Target) -> Target:
    """The target in the run's scratch folder, where it has one: a trial never replaces a table."""
    if work.facts.scratch is None:
        return target
    path = work.facts.scratch / target.path.relative_to(target.path.anchor)
    path.parent.mkdir(parents=True, exist_ok=True)
    if target.format == "sql":  # a file in place of the table
        path = path.with_name(f"{path.name}.parquet")
        target = replace(target, format="parquet", options={})
    return replace(target, path=path, mode="overwrite", table=None, connection=None)


def _add_metadata(work: Work, frame: Frame) -> Frame:
    """Columns that say where a row came from, as `write.add_metadata` asks."""
    wanted = targets.metadata_columns(work.node, work.facts, work.sources)
    if not wanted:
        return frame
    extra = ", ".join(f"{value} AS {ident(name)}" for name, value in wanted.items())
    return work.sql("write.add_metadata", f"SELECT *, {extra} FROM df", frame)


def profile(work: Work, frame: Frame) -> None:
    """Describe the result: from the files just written where there are any, else from held rows."""
    if work.written is None and frame.rows is None:
        return  # passed on lazily: nothing was computed, so there is nothing to describe
    story = work.facts.loaded.project.story
    facts = work.session.profile(
        frame,
        work.written,
        sample_rows=story.max_sample_rows if story else 10,
        full=work.facts.profile == "full",
    )
    hidden = hidden_columns(work, facts.sample)
    work.emit(
        ev.ProfileObserved(
            node=work.key,
            columns=tuple(
                _masked_profile(asdict(column)) if column.name in hidden else asdict(column)
                for column in facts.columns
            ),
            sample_columns=facts.sample.columns,
            sample=mask_rows(facts.sample, hidden),
            sampled=facts.sampled,
            full=facts.full,
        )
    )


def hidden_columns(work: Work, rows: Rows) -> set[str]:
    """Columns whose values no report may show: `sensitive`, and those marked as personal data."""
    config = work.node.config
    if config.sensitive is True:
        return set(rows.columns)
    named = set(config.sensitive) if isinstance(config.sensitive, list) else set()
    return named | {name for name, column in config.columns.items() if column.pii}


def _masked_profile(column: dict[str, Any]) -> dict[str, Any]:
    return {**column, "minimum": None, "maximum": None, "top": (), "histogram": ()}


def mask_rows(rows: Rows, hidden: set[str]) -> tuple[tuple[Any, ...], ...]:
    """The rows as plain values, those of hidden columns as stars; nulls stay visible as nulls."""
    masks = [name in hidden for name in rows.columns]
    return tuple(
        tuple(
            _MASKED if mask and value is not None else shown(value)
            for value, mask in zip(row, masks, strict=True)
        )
        for row in rows.rows
    )
