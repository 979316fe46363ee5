"""Writing a frame: staged beside its target, published in one step, by every mode and format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock

from odibi.engine import Schema, Source, Staged, Target, Written
from odibi.errors import Cancelled, EngineError

from . import publish, write_plan
from .duck_cursor import DuckCursor
from .frames import DuckFrame, duck, expanded
from .parquet_read import parquet_scan
from .sql_text import columns_map, file_list, ident, literal
from .table_plan import check_options
from .table_write import TableWrite, opened
from .text_sources import TextSources

__all__ = ["Writer"]


class Writer:
    """The writes of one session. `read` opens a Parquet or Delta source, `hold` computes a frame.

    `scratch` is a folder of the session's own.
    """

    def __init__(
        self,
        cursor: DuckCursor,
        texts: TextSources,
        read: Callable[[Source], DuckFrame],
        hold: Callable[[DuckFrame], DuckFrame],
        scratch: Path,
    ) -> None:
        self.cursor = cursor
        self.texts = texts
        self.read = read
        self.hold = hold
        self.scratch = scratch
        self._tables: dict[str, TableWrite] = {}
        self._locked: list[tuple[Path, RLock]] = []

    def stage(self, batch: DuckFrame, target: Target) -> Staged:
        """Write the batch beside its target, durable but invisible."""
        _check(target, batch.schema)
        batch = self._storable(batch)
        if target.format in ("csv", "json"):
            # DuckDB 2.0 may hang for ever when a COPY to text fails late: compute first, then copy
            batch = self.hold(batch)
        if target.mode == "overwrite" and target.format not in ("delta", "sql"):
            return self._stage_overwrite(batch, target)
        held = self.hold(batch)
        unique = self._unique_batch(held, target)
        if target.format != "delta":
            self.lock(target.path)
        if target.format == "sql":
            return self._stage_table(unique, target)
        rows = self._new_rows(unique, target) if target.mode == "append_once" else held.rows
        if target.format == "delta":
            return Staged(target, None, rows or 0, unique)
        return replace(self._stage_change(unique, target), rows=rows or 0)

    def _stage_table(self, batch: DuckFrame, target: Target) -> Staged:
        """Bring the held batch to the database, where it waits."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        place = self.scratch / f"table{len(self._tables)}.db"
        write = TableWrite(target, opened(target, place))
        self._tables[target.write_id] = write  # from here on a cancel reaches it
        try:
            write.load(self.cursor, batch)
        except BaseException:
            self._tables.pop(target.write_id).close()
            raise
        rows = write.count_new() if target.mode == "append_once" else batch.rows
        return Staged(target, None, rows or 0, batch)

    def _commit_table(self, staged: Staged) -> Written:
        told: list[str] = []
        try:
            rows = self._tables[staged.target.write_id].publish(staged.rows, told.append)
        finally:
            self._tables.pop(staged.target.write_id).close()
        batch = expanded(duck(staged.frame)) if staged.frame is not None else ""
        statements = ";\n".join(told)
        self.cursor.statements.append(
            f"-- batch:\n{batch};\n-- {staged.target.path}:\n{statements}"
        )
        return Written(rows=rows, bytes=0, files=())

    def stop(self) -> None:
        """Break off what databases do for us; from another thread."""
        for write in list(self._tables.values()):
            write.database.stop()

    def _new_rows(self, batch: DuckFrame, target: Target) -> int | None:
        """How many of the rows have a key that the table doesn't have yet."""
        if target.format == "delta" and self._has_delta(target):
            path = target.path if target.connection is None else Path(target.table or "")
            old = self.read(Source("delta", path, connection=target.connection)).relation
        elif target.format != "delta" and target.path.exists():
            old, _ = self._in_place(target, batch)
        else:
            return batch.rows
        return int(self.cursor.run(write_plan.count_new(target, old, batch.relation))[0][0])

    def _has_delta(self, target: Target) -> bool:
        from . import delta  # needs an optional package

        return delta.exists(target)

    def _storable(self, batch: DuckFrame) -> DuckFrame:
        """The batch with types that files can hold."""
        if not any(column.type in write_plan.TOO_WIDE for column in batch.schema):
            return batch
        body = write_plan.storable(batch.relation, batch.schema)
        stored = self.cursor.lazy(body, query=batch.query)
        stored.inputs, stored.text = {**batch.inputs, "batch": batch}, batch.text
        return stored

    def _unique_batch(self, batch: DuckFrame, target: Target) -> DuckFrame:
        """The held batch with one row a key, where the mode asks for it."""
        if target.mode == "append_once":
            first = write_plan.first_per_key(batch.relation, target.keys)
            return self.cursor.create(first, query=batch.query)
        if target.mode in ("upsert", "merge"):
            found = self.cursor.run(write_plan.duplicate_key(batch.relation, target.keys))
            if found:
                raise write_plan.equal_keys(target, found[0])
        return batch

    def lock(self, path: Path) -> None:
        """Nobody else changes the table between reading it here and publishing the change."""
        lock = self.cursor.engine.lock_of(path)
        while not lock.acquire(timeout=0.2):
            if self.cursor.cancelled:
                raise Cancelled
        self._locked.append((path, lock))

    def unlock_one(self, path: Path) -> None:
        """Let go of one table, once for each time that it was locked."""
        for number, (locked, lock) in enumerate(self._locked):
            if locked == path:
                del self._locked[number]
                lock.release()
                return

    def unlock(self) -> None:
        """Let go of all tables; what was staged and not published stays so."""
        while self._tables:
            self._tables.popitem()[1].close()
        while self._locked:
            self._locked.pop()[1].release()

    def _stage_overwrite(self, batch: DuckFrame, target: Target) -> Staged:
        ids = [target.write_id]
        with publish.removed_on_error(target):
            staging = self.cursor.engine.make_staging(target)
            rows = self._copy(f"FROM {batch.relation}", batch, target, staging, ids)
            self._finish(staging, target, ids, batch.schema)
        self._tell(target, f"{expanded(batch)}", ids)
        return Staged(target, staging, rows, self._staged_frame(staging, target, batch, rows))

    def _stage_change(self, batch: DuckFrame, target: Target) -> Staged:
        """Stage the table as it will be after the write: what is there, changed by the held batch."""
        with publish.removed_on_error(target):
            staging = self.cursor.engine.make_staging(target)
            ids = publish.with_write_id(self._ids_in_place(target), target.write_id)
            told, schema = self._change(batch, target, staging, ids)
            self._finish(staging, target, ids, schema)
        self._tell(target, f"WITH batch AS (\n{expanded(batch)}\n)\n{told}", ids)
        return Staged(target, staging, batch.rows or 0, batch)

    def _change(
        self, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]
    ) -> tuple[str, Schema]:
        """Write the changed table; the SQL that says what it is, over `target` and `batch`, and its columns."""
        alone = f"FROM {batch.relation}"
        if not target.path.exists():
            self._copy(alone, batch, target, staging, ids)
            return "FROM batch", batch.schema
        old, old_schema = self._in_place(target, batch)
        if not batch.rows:  # it may have no types either: a text file without lines tells none
            self._copy_table(old, batch, target, staging, ids)
            return "FROM target", old_schema
        body = write_plan.combined(target, old, old_schema, batch.relation, batch.schema)
        if self._is_folder_append(target, batch):
            self._copy(alone, batch, target, staging, ids)
            publish.link_files(target.path, staging)
        elif target.format != "parquet" and target.mode == "append" and not target.merge_schema:
            self._append_text(batch, target, staging, old_schema)
        else:
            self._copy(body, batch, target, staging, ids)
        told = write_plan.combined(target, "target", old_schema, "batch", batch.schema)
        return told, batch.schema

    def _copy_table(
        self, old: str, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]
    ) -> None:
        """The table as it is: only what is noted of its writes will change."""
        if target.path.is_dir():
            staging.mkdir(exist_ok=True)
            publish.link_files(target.path, staging)
        elif target.format == "parquet":
            self._copy(f"FROM {old}", batch, target, staging, ids)
        else:
            publish.join_files([target.path], staging)

    def _append_text(self, batch: DuckFrame, target: Target, staging: Path, old: Schema) -> None:
        """The file as it is, byte by byte, and the batch's lines after it."""
        header = {"header": False} if target.format == "csv" else {}
        lines = replace(target, options={**target.options, **header})
        names = ", ".join(ident(column.name) for column in old)
        part = publish.beside(staging, "part")
        self._copy(f"SELECT {names} FROM {batch.relation}", batch, lines, part, ())
        publish.join_files([target.path, part], staging)

    def _copy(
        self, body: str, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]
    ) -> int:
        """COPY the body to the staging place; the number of rows."""
        options = write_plan.copy_options(target, ids)
        place = literal(str(staging))
        if not target.partition_by:
            return int(
                self.texts.compute(f"COPY ({body}) TO {place} ({options})", batch, batch.query)[0][
                    0
                ]
            )
        staging.mkdir(exist_ok=True)
        parts = f"{options}, {write_plan.partition_options(target)}"
        rows = self.texts.compute(f"COPY ({body}) TO {place} ({parts})", batch, batch.query)
        if not publish.data_files(staging):
            empty = literal(str(staging / f"empty.{target.format}"))
            self.cursor.run(f"COPY ({body} LIMIT 0) TO {empty} ({options})")
        return int(rows[0][0])

    def _tell(self, target: Target, body: str, ids: Sequence[str]) -> None:
        """Note for the story what was run, with the target's place instead of the staging place."""
        options = write_plan.copy_options(target, ids[-1:])
        self.cursor.statements.append(
            f"COPY (\n{body}\n) TO {literal(str(target.path))} ({options})"
        )

    def _finish(self, staging: Path, target: Target, ids: list[str], schema: Schema) -> None:
        """Leave the write ids where the format has no room for them, and force all to disk."""
        if staging.is_dir():
            types = {column.name: column.type for column in schema}
            publish.write_folder_note(
                staging, ids, {name: types[name] for name in target.partition_by}
            )
        publish.durable(staging)

    def _staged_frame(
        self, staging: Path, target: Target, batch: DuckFrame, rows: int
    ) -> DuckFrame | None:
        """The staged rows, where the format brings them back as they were."""
        if target.format != "parquet":
            return None
        source = Source(format="parquet", path=staging, files=tuple(publish.data_files(staging)))
        if target.partition_by or not write_plan.kept_types(batch.schema):
            return self.read(source)
        scan, _ = parquet_scan(source)
        return DuckFrame(scan, batch.schema, rows=rows, query=f"FROM {scan}")

    def _is_folder_append(self, target: Target, batch: DuckFrame) -> bool:
        """Whether new files can simply join those of a partitioned table."""
        if target.mode != "append" or not target.path.is_dir():
            return False
        types = {column.name: column.type for column in batch.schema}
        partitions = {name: types[name] for name in target.partition_by}
        return bool(partitions) and partitions == publish.folder_note(target.path).get(
            "partition_types"
        )

    def _ids_in_place(self, target: Target) -> list[str]:
        if target.path.is_dir():
            return list(publish.folder_note(target.path).get("write_ids", []))
        if target.format == "parquet" and target.path.is_file():
            return self.cursor.engine.parquet_write_ids(target.path)
        return []

    def _in_place(self, target: Target, batch: DuckFrame) -> tuple[str, Schema]:
        """The table there is, as what follows FROM, and its columns."""
        if target.format == "parquet":
            source = Source(
                format="parquet", path=target.path, files=tuple(publish.data_files(target.path))
            )
            frame = self.read(source)
        else:
            frame = self._text_in_place(target, batch)
        return frame.relation, frame.schema

    def _text_in_place(self, target: Target, batch: DuckFrame) -> DuckFrame:
        """A CSV or JSON table of ours, read with the batch's types where it has the column."""
        types = {column.name: column.type for column in batch.schema}
        scan, guess = _own_text(target)
        found = self.cursor.run(f"DESCRIBE FROM {guess}")
        columns = columns_map({name: types.get(name, guessed) for name, guessed, *_ in found})
        return self.cursor.lazy(f"FROM {scan}, columns={columns})")

    def commit(self, staged: Staged) -> Written:
        target = staged.target
        try:
            if target.format == "delta":
                return self._commit_delta(staged)
            if target.format == "sql":
                return self._commit_table(staged)
            assert staged.staging is not None
            files, size = self._publish(staged.staging, target)
            if (
                target.format == "parquet"
                and isinstance(staged.frame, DuckFrame)
                and len(files) == 1
            ):
                self._remember(target, staged.frame)
        finally:
            self.unlock_one(target.path)
        return Written(rows=staged.rows, bytes=size, files=files)

    def _publish(self, staging: Path, target: Target) -> tuple[tuple[Path, ...], int]:
        if staging.is_file() and target.format != "parquet":
            publish.write_side_note(staging, target)
        names = (
            [file.relative_to(staging) for file in publish.data_files(staging)]
            if staging.is_dir()
            else None
        )
        publish.publish(staging, target.path)
        publish.clean(target)
        files = (target.path,) if names is None else tuple(target.path / name for name in names)
        return files, sum(file.stat().st_size for file in files)

    def _remember(self, target: Target, frame: DuckFrame) -> None:
        """Spare the next reader of a file just written a look at its footer."""
        if target.mode == "overwrite" and not target.partition_by:
            self.cursor.engine.remember_file(target.path, frame.schema, frame.rows or 0)

    def _commit_delta(self, staged: Staged) -> Written:
        from . import delta  # needs an optional package

        batch = duck(staged.frame) if staged.frame is not None else None
        assert batch is not None
        reader = self.cursor.raw.sql(f"FROM {batch.relation}").to_arrow_reader(100_000)
        return delta.write(reader, staged.target, staged.rows)

    def discard(self, staged: Staged) -> None:
        if write := self._tables.pop(staged.target.write_id, None):
            write.close()
        elif staged.target.format != "sql":
            publish.clean(staged.target)
        self.unlock_one(staged.target.path)


def _check(target: Target, schema: Schema) -> None:
    """Raises EngineError for a target that this batch can't be written to."""
    if target.format not in ("parquet", "csv", "json", "delta", "sql"):
        known = "csv, delta, json, parquet, sql"
        raise EngineError(f"format {target.format!r} can't be written", hint=f"formats: {known}")
    if target.mode in ("upsert", "merge", "append_once"):
        write_plan.check_keys(target, schema)
    if target.format == "sql":
        check_options(target)
    elif target.partition_by:
        write_plan.check_partitions(target, schema)


def _own_text(target: Target) -> tuple[str, str]:
    """A CSV or JSON file as we write it: the scan but for its columns, and the scan that guesses them."""
    file = file_list([target.path])
    if target.format == "json":
        scan = f"read_json({file}, format='newline_delimited'"
        return f"{scan}, records=true", f"{scan}, sample_size=-1)"
    delimiter = target.options.get("delimiter") or target.options.get("sep") or ","
    scan = f"read_csv({file}, delim={literal(delimiter)}, header=true, quote='\"', escape='\"'"
    return f"{scan}, auto_detect=false", f"{scan}, all_varchar=true)"
