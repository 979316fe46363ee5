"""Keeping secrets out of everything that is written or shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "RedactedStream", "Redactor"]

MASK = "***"
_SHORT = 4  # encodings no longer than this would turn ordinary text into stars


class Redactor:
    """Replaces known secret values by stars, also where they are encoded (base64, URL) or quoted.

    False in a boolean context while it knows no secret, so that callers can skip the work.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self._known: set[str] = set()
        for value in values:
            self.add(value)

    def __bool__(self) -> bool:
        return bool(self._forms)

    def add(self, value: str) -> None:
        """Treat `value` as secret from now on."""
        if value:
            self._known |= _forms(value)
            self._forms = tuple(sorted(self._known, key=len, reverse=True))

    def text(self, text: str) -> str:
        """The text with every secret in it replaced."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def value(self, value: Any) -> Any:
        """The same for texts anywhere inside a JSON-like value."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value


class RedactedStream:
    """A text stream that hides the secrets in each text that is written, as one `write` hands it over."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def write(self, text: str) -> int:
        """Write the text without its secrets; returns its length, as streams do."""
        self._stream.write(self._redactor.text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _forms(value: str) -> set[str]:
    """The value and the ways in which it gets into texts: encoded, or quoted for JSON, SQL, Python."""
    data = value.encode("utf-8", "surrogatepass")
    encoded = {
        base64.b64encode(data).decode(),
        base64.b64encode(data).decode().rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
    }
    return {
        value,
        value.replace("'", "''"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        quote(data, safe=""),
        quote_plus(data),
        *(form for form in encoded if len(form) > _SHORT),
    }
