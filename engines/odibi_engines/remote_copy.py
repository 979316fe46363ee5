"""Files of other machines (S3, GCS, Azure, SFTP), copied whole into the work folder and read there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from odibi.engine import Source
from odibi.errors import EngineError

from .publish import FOLDER_NOTE
from .remote_store import Store, open_store

__all__ = ["RemoteCopy", "listed"]

_WILD = frozenset("*?[")
_SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "json": (".json", ".ndjson", ".jsonl", ".geojson", ".json.gz", ".ndjson.gz", ".jsonl.gz"),
    "parquet": (".parquet",),
}


@dataclass(frozen=True, slots=True)
class RemoteCopy:
    """Copies the files of one session's remote sources. `stopped` tells whether somebody cancelled."""

    stopped: Callable[[], bool]

    def fetch(self, source: Source, folder: Path) -> Source:
        """The same source with its files in `folder`, below the names that they have there.

        Every copy has the size that the store says, and the file didn't change meanwhile. Raises
        EngineError, or Cancelled.
        """
        store = open_store(source.connection or {}, self.stopped)
        place = store.place(source.path)
        with store.asked(place, "read"):
            root, found = _files(store, place, source.format)
        copies = [store.copy(file, folder / _below(file, root)) for file in found]
        note = store.text(f"{root}/{FOLDER_NOTE}") if found != [root] else None
        if note is not None:  # it knows the types of partition columns
            (folder / FOLDER_NOTE).write_text(note)
        path = copies[0] if found == [root] else folder
        return replace(source, path=path, files=tuple(copies), connection=None)


def _files(store: Store, place: str, format: str) -> tuple[str, list[str]]:
    """The part of the place without wild cards, and the files it means, sorted. Raises EngineError."""
    system = store.system
    system.invalidate_cache()
    root = _fixed(place)
    if root != place:
        found = [file for file in system.glob(place) if system.isfile(file)]
    elif system.isfile(place):
        return system._strip_protocol(place), [system._strip_protocol(place)]
    else:
        found = _table(store, place, format)
    if not found:
        hint = "see base_path and path; names that begin with . or _ are no data"
        raise EngineError(f"no {format} file at {store.kind}://{place}", hint=hint)
    return str(system._strip_protocol(root)), sorted(found)


def _table(store: Store, place: str, format: str) -> list[str]:
    """The files of a folder: those that its note lists, where a write of ours left one."""
    names = listed(store, place)
    if names is None:
        names = [name for name in store.below(place) if _is_data(name, format)]
    root = str(store.system._strip_protocol(place))
    return [f"{root}/{name}" for name in names]


def listed(store: Store, place: str) -> list[str] | None:
    """The files that a table's note lists, named from its folder on; None without such a note."""
    note = store.text(f"{place}/{FOLDER_NOTE}")
    names: list[str] | None = None if note is None else json.loads(note).get("files")
    return names


def _fixed(place: str) -> str:
    parts = place.split("/")
    wild = next((n for n, part in enumerate(parts) if _WILD & set(part)), len(parts))
    return "/".join(parts[:wild])


def _below(file: str, root: str) -> Path:
    """The name of a file from the root on; of the root itself, its last part."""
    inner = PurePosixPath(file.removeprefix(root).strip("/") or PurePosixPath(file).name)
    if ".." in inner.parts:
        raise EngineError(f"a file is named {file!r}, which could leave any folder")
    return Path(inner)


def _is_data(name: str, format: str) -> bool:
    hidden = any(part[0] in "._" for part in name.split("/") if part)
    return not hidden and name.lower().endswith(_SUFFIXES.get(format, ("",)))
