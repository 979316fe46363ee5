"""A store of files on other machines, through fsspec: places, errors in users' terms, and whole puts."""

from __future__ import annotations

import errno
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from odibi.errors import Cancelled, EngineError

__all__ = ["Store", "identity", "open_store"]

_CHUNK = 4 << 20
_IDENTITY = ("ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "last_modified", "mtime", "created")  # fmt: skip
_WHOLE_PUTS = ("s3", "gcs", "abfs", "memory")
"""Stores in which a file is there when all of it is there; elsewhere a name is given at the end."""

_PACKAGES = {"s3": "s3fs", "gcs": "gcsfs", "abfs": "adlfs", "sftp": "paramiko"}
_PASSING = {
    "aiohttp": ("ClientError",),
    "azure.core.exceptions": ("ServiceRequestError", "ServiceResponseError"),
    "botocore.exceptions": ("ConnectionError", "HTTPClientError"),
    "paramiko": ("SSHException",),
}
"""Errors of the stores' packages that another try may not meet, by module."""
_LASTING = {
    "azure.core.exceptions": ("AzureError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}
_BUSY = (errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ETIMEDOUT)


@dataclass(frozen=True, slots=True)
class Store:
    """The files below a connection's `base_path`. Places are whole paths in the store.

    `stopped` tells whether somebody cancelled. Everything raises EngineError when the store refuses.
    """

    system: Any
    kind: str
    base: str
    stopped: Callable[[], bool]

    def place(self, path: Path | str) -> str:
        """The path in the store. Raises EngineError when it would leave the connection's folder."""
        below = PurePosixPath(Path(path).as_posix())
        if ".." in below.parts:
            raise EngineError(
                f"path {str(path)!r} leaves its connection", hint="write it without .."
            )
        return f"{self.base}/{str(below).lstrip('/')}".removesuffix("/.")

    def info(self, place: str) -> Mapping[str, Any] | None:
        """What the store says of a file; None when there is none."""
        with self.asked(place, "read"):
            self.system.invalidate_cache()
            try:
                found: Mapping[str, Any] = self.system.info(place)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found if found.get("type") == "file" else None

    def below(self, place: str) -> list[str]:
        """The names of all files below a folder, from there on, sorted."""
        with self.asked(place, "read"):
            self.system.invalidate_cache()
            root = str(self.system._strip_protocol(place))
            if not self.system.isdir(place):
                return []
            return sorted(file.removeprefix(root).strip("/") for file in self.system.find(place))

    def text(self, place: str) -> str | None:
        """The text of a small file; None when there is none."""
        with self.asked(place, "read"):
            self.system.invalidate_cache()
            try:
                return str(self.system.cat_file(place).decode())
            except (FileNotFoundError, NotADirectoryError):
                return None

    def copy(self, place: str, target: Path) -> Path:
        """A whole copy of a file, or an error: also when it changed meanwhile."""
        with self.asked(place, "read"):
            self.system.invalidate_cache()
            before = self.system.info(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.system.open(place, "rb") as stream, target.open("wb") as out:
                while chunk := stream.read(_CHUNK):
                    if self.stopped():
                        raise Cancelled
                    out.write(chunk)
            self.system.invalidate_cache()
            after = self.system.info(place)
        copied, size = target.stat().st_size, before.get("size")
        if identity(before) != identity(after):
            words = f"{self.kind}://{place} changed while it was copied"
            raise EngineError(words, hint="run again", transient=True)
        if size not in (None, copied):
            words = f"{self.kind}://{place} has {size} bytes and {copied} came"
            raise EngineError(words, hint="the connection broke off: run again", transient=True)
        return target

    def put(self, file: Path, place: str) -> None:
        """Put a file in the place: who reads it sees what was there before, or all of this."""
        if self.stopped():
            raise Cancelled
        with self.asked(place, "written"):
            if self.kind in _WHOLE_PUTS:
                self.system.put_file(str(file), place)
            else:
                self._put_and_name(file, place)
        self._check_size(place, file.stat().st_size)

    def put_text(self, text: str, place: str) -> None:
        """Put a small file in the place, likewise."""
        data = text.encode()
        with self.asked(place, "written"):
            if self.kind in _WHOLE_PUTS:
                self.system.pipe_file(place, data)
            else:
                draft = self._draft(place)
                self.system.pipe_file(draft, data)
                self.system.mv(draft, place)
        self._check_size(place, len(data))

    def _put_and_name(self, file: Path, place: str) -> None:
        draft = self._draft(place)
        try:
            self.system.put_file(str(file), draft)
            self.system.mv(draft, place)
        except BaseException:
            with suppress(OSError):  # it's hidden, and the error that led here is what matters
                self.system.rm_file(draft)
            raise

    def _draft(self, place: str) -> str:
        """A hidden place in the same folder, which is made."""
        folder, _, name = place.rpartition("/")
        self.system.makedirs(folder, exist_ok=True)
        return f"{folder}/.{name}.{secrets.token_hex(4)}"

    def _check_size(self, place: str, size: int) -> None:
        found = self.info(place)
        if found is None or found.get("size") not in (None, size):
            there = "isn't there" if found is None else f"has {found['size']} bytes"
            words = f"{self.kind}://{place} {there} after {size} bytes were put"
            raise EngineError(words, hint="run again", transient=True)

    def remove(self, places: Sequence[str]) -> None:
        """Remove files; those that aren't there are no error."""
        for place in places:
            with self.asked(place, "removed"), suppress(FileNotFoundError):
                self.system.rm_file(place)

    @contextmanager
    def asked(self, place: str, done: str) -> Iterator[None]:
        """Say in users' terms what the store refuses, and whether another try may help."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, (OSError, *_known(_PASSING), *_known(_LASTING))):
                raise
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise EngineError(
                f"{self.kind}://{place} can't be {done}: {reason or type(error).__name__}",
                hint="see the connection's base_path and options",
                transient=_passes(error),
            ) from None


def _known(names: Mapping[str, Sequence[str]]) -> tuple[type[Exception], ...]:
    """The classes of packages that are loaded: none other can have raised anything."""
    loaded = [(sys.modules[module], kinds) for module, kinds in names.items() if module in sys.modules]  # fmt: skip
    return tuple(getattr(module, kind) for module, kinds in loaded for kind in kinds)


def _passes(error: Exception) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, *_known(_PASSING))):
        return True
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    busy = isinstance(error, OSError) and error.errno in _BUSY
    return busy or (isinstance(status, int) and (status == 429 or status >= 500))


def identity(info: Mapping[str, Any]) -> list[Any]:
    """What changes with a file's content, as far as the store says it."""
    return [info.get("size"), *(str(info.get(name)) for name in _IDENTITY)]


def open_store(settings: Mapping[str, Any], stopped: Callable[[], bool] = lambda: False) -> Store:
    """The store that a connection means. Raises EngineError when its package isn't there."""
    kind = settings["type"]
    try:
        import fsspec  # an optional package
    except ModuleNotFoundError:
        words = f"connections of type {kind} need the package fsspec"
        raise EngineError(words, hint="pip install 'odibi[remote]'") from None
    try:
        system = fsspec.filesystem(kind, **settings["options"])
    except ImportError as missing:
        raise EngineError(
            f"connections of type {kind} need one more package",
            hint=f"pip install {_PACKAGES.get(kind, missing.name)}",
        ) from None
    base = str(settings["base_path"]).partition("://")
    return Store(system, kind, (base[2] or base[0]).rstrip("/"), stopped)
