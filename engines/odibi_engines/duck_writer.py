"""Writing a frame: staged beside its target, published in one step, by every mode and format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock

from odibi.engine import Schema, Source, Staged, Target, Written
from odibi.errors import Cancelled, EngineError

from . import publish, write_plan
from .duck_cursor import DuckCursor
from .frames import DuckFrame, duck, expanded
from .profile import displayed
from .sql_text import columns_map, file_list, ident, literal
from .text_sources import TextSources

__all__ = ["Writer"]


class Writer:
    """The writes of one session. `read` opens a Parquet source, `hold` computes a frame."""

    def __init__(
        self,
        cursor: DuckCursor,
        texts: TextSources,
        read: Callable[[Source], DuckFrame],
        hold: Callable[[DuckFrame], DuckFrame],
    ) -> None:
        self.cursor = cursor
        self.texts = texts
        self.read = read
        self.hold = hold
        self._locked: list[RLock] = []

    def stage(self, batch: DuckFrame, target: Target) -> Staged:
        """Write the batch beside its target, durable but invisible."""
        if target.format not in ("parquet", "csv", "json", "delta"):
            raise EngineError(
                f"format {target.format!r} can't be written",
                hint="formats: csv, delta, json, parquet",
            )
        if target.mode in ("upsert", "merge", "append_once"):
            write_plan.check_keys(target, batch.schema)
        for column in target.partition_by:
            if column not in [c.name for c in batch.schema]:
                raise EngineError(f"partition_by: the result has no column {column!r}")
        if target.mode == "overwrite" and target.format != "delta":
            return self._stage_overwrite(batch, target)
        batch = self._unique_batch(self.hold(batch), target)
        if target.format == "delta":
            return Staged(target, None, batch.rows or 0, batch)
        self._lock(target.path)
        return self._stage_change(batch, target)

    def _unique_batch(self, batch: DuckFrame, target: Target) -> DuckFrame:
        """The held batch with one row a key, where the mode asks for it."""
        if target.mode == "append_once":
            first = self.cursor.create(
                "TABLE", write_plan.first_per_key(batch.relation, target.keys), query=batch.query
            )
            return first if first.rows != batch.rows else batch
        if target.mode in ("upsert", "merge"):
            found = self.cursor.run(write_plan.duplicate_key(batch.relation, target.keys))
            if found:
                key = ", ".join(
                    f"{name} = {displayed(value)}"
                    for name, value in zip(target.keys, found[0], strict=False)
                )
                raise EngineError(
                    f"{target.mode}: {found[0][-1]} rows of the result have the same key ({key})",
                    hint="make keys unique before the write, for example with the deduplicate transformer",
                )
        return batch

    def _lock(self, path: Path) -> None:
        lock = self.cursor.engine.lock_of(path)
        while not lock.acquire(timeout=0.2):
            if self.cursor.cancelled:
                raise Cancelled
        self._locked.append(lock)

    def unlock(self) -> None:
        while self._locked:
            self._locked.pop().release()

    def _stage_overwrite(self, batch: DuckFrame, target: Target) -> Staged:
        body = write_plan.storable(batch.relation, batch.schema)
        with publish.removed_on_error(target):
            staging = publish.make_staging(target)
            rows = self._copy(body, batch, target, staging, [target.write_id])
            self._describe(staging, target, [target.write_id], batch.schema)
            publish.durable(staging)
        return Staged(target, staging, rows, self._staged_frame(staging, target))

    def _stage_change(self, batch: DuckFrame, target: Target) -> Staged:
        """Stage the table as it will be after the write: what is there, changed by the held batch."""
        with publish.removed_on_error(target):
            staging = publish.make_staging(target)
            if not target.path.exists():
                ids = [target.write_id]
                self._copy(f"SELECT * FROM {batch.relation}", batch, target, staging, ids)
            elif self._is_folder_append(target, batch):
                ids = self._link_and_add(batch, target, staging)
            else:
                ids = publish.with_write_id(self._ids_in_place(target), target.write_id)
                old, old_schema = self._in_place(target, batch)
                body = write_plan.combined(target, old, old_schema, batch.relation, batch.schema)
                self._copy(body, batch, target, staging, ids)
            self._describe(staging, target, ids, batch.schema)
            publish.durable(staging)
        return Staged(target, staging, batch.rows or 0, batch)

    def _copy(
        self, body: str, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]
    ) -> int:
        """COPY the body to the staging place; the number of rows."""
        options = write_plan.copy_options(target, ids)
        if target.partition_by:
            names = ", ".join(map(ident, target.partition_by))
            unique = re.sub(r"[^\w\-]", "_", target.write_id)[-60:]
            options += f", PARTITION_BY ({names}), OVERWRITE, FILENAME_PATTERN {literal('part-' + unique + '-{i}')}"
            staging.mkdir(exist_ok=True)
        rows = self.texts.compute(
            f"COPY ({body}) TO {literal(str(staging))} ({options})", batch, batch.query
        )
        shown = expanded(batch) if body.endswith(batch.relation) else body
        self.cursor.statements.append(
            f"COPY (\n{shown}\n) TO {literal(str(target.path))} ({options})"
        )
        count = int(rows[0][0])
        if target.partition_by and not publish.data_files(staging):
            empty = write_plan.copy_options(target, ids)
            self.cursor.run(
                f"COPY (SELECT * FROM {batch.relation} LIMIT 0) TO {literal(str(staging / ('empty.' + target.format)))} ({empty})"
            )
        return count

    def _describe(self, staging: Path, target: Target, ids: list[str], schema: Schema) -> None:
        """Leave the write ids where the format has no room for them."""
        if staging.is_dir():
            types = {
                column.name: column.type for column in schema if column.name in target.partition_by
            }
            publish.write_folder_note(staging, ids, types)

    def _staged_frame(self, staging: Path, target: Target) -> DuckFrame | None:
        if target.format != "parquet":
            return None
        source = Source(format="parquet", path=staging, files=tuple(publish.data_files(staging)))
        return self.read(source)

    def _is_folder_append(self, target: Target, batch: DuckFrame) -> bool:
        """Whether new files can simply join those of a partitioned table."""
        if target.mode != "append" or not target.path.is_dir() or not target.partition_by:
            return False
        partitions = publish.folder_note(target.path).get("partition_types", {})
        if list(partitions) != [c.name for c in batch.schema if c.name in target.partition_by]:
            return False
        _, old_schema = self._in_place(target, batch)
        write_plan.combined(
            target, "old", old_schema, "new", batch.schema
        )  # raises when columns differ
        return True

    def _link_and_add(self, batch: DuckFrame, target: Target, staging: Path) -> list[str]:
        """The old files as hard links beside the batch's new ones."""
        ids = publish.with_write_id(self._ids_in_place(target), target.write_id)
        self._copy(f"SELECT * FROM {batch.relation}", batch, target, staging, ids)
        publish.link_files(target.path, staging)
        return ids

    def _ids_in_place(self, target: Target) -> list[str]:
        if target.path.is_dir():
            return list(publish.folder_note(target.path).get("write_ids", []))
        return (
            self.cursor.engine.parquet_write_ids(target.path) if target.format == "parquet" else []
        )

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
        """A CSV or JSON table of ours, read with the batch's types where it has the column. It has no bad lines."""
        types = {column.name: column.type for column in batch.schema}
        files = file_list(publish.data_files(target.path))
        if target.format == "json":
            found = self.cursor.run(
                f"DESCRIBE FROM read_json({files}, format='newline_delimited', sample_size=-1)"
            )
            columns = columns_map({row[0]: types.get(row[0], row[1]) for row in found})
            return self.cursor.create(
                "VIEW",
                f"FROM read_json({files}, format='newline_delimited', records=true, columns={columns})",
            )
        said = [
            f"delim={literal(str(target.options.get('delimiter') or target.options.get('sep') or ','))}",
            "header=true",
        ]
        names = [
            row[0]
            for row in self.cursor.run(
                f"DESCRIBE FROM read_csv({files}, all_varchar=true, {', '.join(said)})"
            )
        ]
        columns = columns_map({name: types.get(name, "VARCHAR") for name in names})
        return self.cursor.create(
            "VIEW",
            f"FROM read_csv({files}, columns={columns}, auto_detect=false, quote='\"', escape='\"', {', '.join(said)})",
        )

    def commit(self, staged: Staged) -> Written:
        target = staged.target
        try:
            if target.format == "delta":
                return self._commit_delta(staged)
            assert staged.staging is not None
            files, size = self._publish(staged.staging, target)
        finally:
            self.unlock()
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

    def _commit_delta(self, staged: Staged) -> Written:
        from . import delta  # needs an optional package

        batch = duck(staged.frame) if staged.frame is not None else None
        assert batch is not None
        reader = self.cursor.raw.sql(f"FROM {batch.relation}").to_arrow_reader(100_000)
        return delta.write(reader, staged.target, staged.rows)

    def discard(self, staged: Staged) -> None:
        publish.clean(staged.target)
        self.unlock()
