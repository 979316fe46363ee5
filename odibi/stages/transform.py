"""Stages `transform` and `privacy`: transformer or pattern, then the steps, then what must not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from odibi import places, sources, targets
from odibi.engine import Frame
from odibi.errors import EngineError, NodeError
from odibi.stages.write import put_aside
from odibi.transforms import BuildContext, Builtin, registry
from odibi.transforms.sql import ident, literal

if TYPE_CHECKING:
    from odibi.config import TransformStep
    from odibi.node import Work

__all__ = ["privacy", "transform"]


def transform(work: Work, frame: Frame | None) -> Frame:
    """The frame after the node's transformer and steps, in this order."""
    config = work.node.config
    if config.transformer:
        frame = _apply(
            work, f"transformer {config.transformer}", config.transformer, config.params, frame
        )
    for number, step in enumerate(config.transform.steps if config.transform else (), start=1):
        frame = _step(work, number, step, frame)
    if frame is None:
        raise NodeError(
            "the node has no rows to start from",
            hint="give it `read`, `inputs`, `depends_on`, or SQL that selects from other nodes",
        )
    return frame


def _step(work: Work, number: int, step: TransformStep, frame: Frame | None) -> Frame:
    label = f"step {number}"
    if step.sql is not None:
        return _sql(work, f"{label} sql", step.sql, frame)
    if step.sql_file is not None:
        query = sources.sql_file(work.facts.loaded, work.node, step.sql_file)
        return _sql(work, f"{label} {step.sql_file}", query, frame)
    name = step.function or step.operation or ""
    return _apply(work, f"{label} {name}", name, step.params, frame)


def _sql(work: Work, label: str, query: str, frame: Frame | None) -> Frame:
    work.counts.declare("changes")
    return work.sql(label, query, frame)


def _apply(
    work: Work, label: str, name: str, params: Mapping[str, Any], frame: Frame | None
) -> Frame:
    """A user's function of that name, else a built-in."""
    function = work.facts.functions.get(name)
    if function is not None:
        work.counts.declare("changes")
        return work.session.call(function, frame, params, work.tables)
    builtin = registry.parse(name, params)
    return _build(work, label, builtin, frame)


def _build(work: Work, label: str, builtin: Builtin, frame: Frame | None) -> Frame:
    """Run a built-in: its SQL over `df`, the node's tables and the targets it continues."""
    before = dict(work.tables)
    for table, target in builtin.targets().items():
        found = sources.target_source(work.facts.loaded, work.node, target)
        source = work.existing(found)
        if source is not None:
            work.tables[table] = work.session.read(source)
            work.continues |= places.is_output(work.facts.loaded, work.node, source)
    visible = work.visible(frame)
    context = BuildContext(
        columns=frame.schema if frame is not None else (),
        tables={name: table.schema for name, table in work.tables.items()},
        fetch=lambda query: work.session.fetch(query, visible),
        run_at=work.facts.started_at,
        warn=work.warn,
    )
    work.counts.declare(builtin.cardinality)
    result = work.sql(label, builtin.build(context), frame)
    if (rejected := builtin.rejected(context)) is not None and not work.facts.dry:
        _set_aside(work, builtin, work.sql(f"{label} rejected", rejected, frame))
    work.tables = before  # a later step must not see this step's targets
    return result


def _set_aside(work: Work, builtin: Builtin, frame: Frame) -> None:
    """Rows that a pattern rejects go to the quarantine which its params name."""
    quarantine: Any = getattr(builtin, "quarantine", None)
    target = targets.quarantine_target(work.facts.loaded, quarantine, work.write_id("rejected"))
    when = literal(work.facts.started_at.replace(tzinfo=None))
    held = work.hold(
        work.session.sql(
            f"SELECT *, {when} AS _rejected_at, {literal(work.facts.run_id)} AS _source_batch_id FROM df",
            {"df": frame},
        )
    )
    if held.rows:
        query = "SELECT _rejection_reason, count(*) FROM df GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20"
        reasons = {str(why): int(n) for why, n in work.session.fetch(query, {"df": held}).rows}
        put_aside(work, held, target, "validation", reasons)
        work.counts.quarantined += held.rows


def privacy(work: Work, frame: Frame) -> Frame:
    """Hash, mask or redact the columns that the YAML marks `pii: true` (and doesn't declassify)."""
    config = work.node.config.privacy
    if config is None:
        return frame
    marked = {name for name, column in work.node.config.columns.items() if column.pii}
    hidden = marked - set(config.declassify)
    present = [column.name for column in frame.schema]
    if missing := sorted(hidden - set(present)):
        raise EngineError(
            f"privacy: no column {missing[0]!r} in the result",
            hint=f"columns: {', '.join(present)}",
        )
    if not hidden:
        return frame
    columns = ", ".join(
        f"{_HIDE[config.method](ident(name), config.salt or '')} AS {ident(name)}"
        if name in hidden
        else ident(name)
        for name in present
    )
    return work.sql(f"privacy {config.method}", f"SELECT {columns} FROM df", frame)


def _hash(column: str, salt: str) -> str:
    return f"sha256({literal(salt)} || CAST({column} AS VARCHAR))"


def _mask(column: str, _salt: str) -> str:
    """Stars but for the last four characters; short texts are all stars."""
    text = f"CAST({column} AS VARCHAR)"
    keep = f"CASE WHEN length({text}) > 4 THEN 4 ELSE 0 END"
    return f"repeat('*', length({text}) - ({keep})) || right({text}, {keep})"


def _redact(column: str, _salt: str) -> str:
    return f"CASE WHEN {column} IS NULL THEN NULL ELSE '[REDACTED]' END"


_HIDE = {"hash": _hash, "mask": _mask, "redact": _redact}
