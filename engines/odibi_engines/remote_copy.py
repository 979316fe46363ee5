"""Files of other machines (S3, GCS, Azure, SFTP), copied whole into the work folder and read there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from odibi.engine import Source
from odibi.errors import Cancelled, EngineError

__all__ = ["RemoteCopy"]

_CHUNK = 4 << 20
_WILD = frozenset("*?[")
_SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "json": (".json", ".ndjson", ".jsonl", ".geojson", ".json.gz", ".ndjson.gz", ".jsonl.gz"),
    "parquet": (".parquet",),
}
_IDENTITY = ("ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "last_modified", "mtime", "created")  # fmt: skip


@dataclass(frozen=True, slots=True)
class RemoteCopy:
    """Copies the files of one session's remote sources. `stopped` tells whether somebody cancelled."""

    stopped: Callable[[], bool]

    def fetch(self, source: Source, folder: Path) -> Source:
        """The same source with its files in `folder`, below the names that they have there.

        Every copy has the size that the store says, and the file didn't change meanwhile. Raises
        EngineError, or Cancelled.
        """
        settings = source.connection or {}
        remote = _Remote(_filesystem(settings), settings["type"], self.stopped)
        place = _place(settings["base_path"], source.path)
        try:
            root, found = remote.files(place, source.format)
            copies = [remote.copy(file, folder / _below(file, root)) for file in found]
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise EngineError(
                f"{settings['type']}://{place} can't be read: {reason}",
                hint="see the connection's base_path and options",
                transient=isinstance(error, ConnectionError | TimeoutError),
            ) from None
        path = copies[0] if found == [root] else folder
        return replace(source, path=path, files=tuple(copies), connection=None)


@dataclass(frozen=True, slots=True)
class _Remote:
    """One store."""

    store: Any
    kind: str
    stopped: Callable[[], bool]

    def files(self, place: str, format: str) -> tuple[str, list[str]]:
        """The part of the place without wild cards, and the files it means, sorted. Raises EngineError."""
        self.store.invalidate_cache()
        root = _fixed(place)
        if root != place:
            found = [file for file in self.store.glob(place) if self.store.isfile(file)]
        elif self.store.isfile(place):
            return self.store._strip_protocol(place), [self.store._strip_protocol(place)]
        else:
            found = [file for file in self._inside(place) if _is_data(file, root, format)]
        if not found:
            hint = "see base_path and path; names that begin with . or _ are no data"
            raise EngineError(f"no {format} file at {self.kind}://{place}", hint=hint)
        return str(self.store._strip_protocol(root)), sorted(found)

    def _inside(self, place: str) -> list[str]:
        return list(self.store.find(place)) if self.store.isdir(place) else []

    def copy(self, file: str, target: Path) -> Path:
        """A whole copy of the file."""
        before = self.store.info(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.store.open(file, "rb") as stream, target.open("wb") as out:
            while chunk := stream.read(_CHUNK):
                if self.stopped():
                    raise Cancelled
                out.write(chunk)
        self.store.invalidate_cache()
        copied, after = target.stat().st_size, self.store.info(file)
        if _identity(before) != _identity(after):
            raise EngineError(
                f"{self.kind}://{file} changed while it was copied",
                hint="run again",
                transient=True,
            )
        if before.get("size") not in (None, copied):
            raise EngineError(
                f"{self.kind}://{file} has {before['size']} bytes and {copied} came",
                hint="the connection broke off: run again",
                transient=True,
            )
        return target


def _identity(info: Mapping[str, Any]) -> list[Any]:
    """What changes with a file's content, as far as the store says it."""
    return [info.get("size"), *(str(info.get(name)) for name in _IDENTITY)]


def _place(base: str, path: Path) -> str:
    """The path in the store. Raises EngineError when it would leave the connection's folder."""
    below = PurePosixPath(path.as_posix())
    if ".." in below.parts:
        raise EngineError(f"path {str(path)!r} leaves its connection", hint="write it without ..")
    return f"{base.rstrip('/')}/{str(below).lstrip('/')}".removesuffix("/.")


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


def _is_data(file: str, root: str, format: str) -> bool:
    inner = file.partition(root.strip("/"))[2].strip("/")
    hidden = any(part[0] in "._" for part in inner.split("/") if part)
    return not hidden and file.lower().endswith(_SUFFIXES.get(format, ("",)))


def _filesystem(settings: Mapping[str, Any]) -> Any:
    """The store that a connection means. Raises EngineError when its package isn't there."""
    try:
        import fsspec  # an optional package
    except ModuleNotFoundError:
        raise EngineError(
            f"connections of type {settings['type']} need the package fsspec",
            hint="pip install 'odibi[remote]'",
        ) from None
    try:
        return fsspec.filesystem(settings["type"], **settings["options"])
    except ImportError as missing:
        raise EngineError(
            f"connections of type {settings['type']} need one more package",
            hint=f"pip install {_PACKAGES.get(settings['type'], missing.name)}",
        ) from None


_PACKAGES = {"s3": "s3fs", "gcs": "gcsfs", "abfs": "adlfs", "sftp": "paramiko"}
