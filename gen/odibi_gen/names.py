"""Names in generated code: any text becomes an identifier that is valid, harmless and its own."""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

__all__ = ["identifier", "identifiers", "short", "slug"]

_LONGEST = 100


def slug(text: str) -> str:
    """Letters, digits and `_` of ASCII that tell what the text is; two texts may have the same."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:_LONGEST]


def short(name: str) -> str:
    """The name itself, or, where schedulers find it too long, its beginning and a digest of all of it."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}_{_digest(name)[:12]}"


def identifier(text: str, taken: Collection[str] = ()) -> str:
    """A Python identifier for the text: itself where it is one, no keyword, and not taken."""
    plain = text if _is_good(text) else slug(text)
    base = plain if _is_good(plain) else f"n_{plain}".rstrip("_")
    digest = _digest(text)
    names = [base, *(f"{base[:_LONGEST]}_{digest[:length]}" for length in range(6, 65))]
    return next(name for name in names if name not in taken)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _is_good(text: str) -> bool:
    good = re.fullmatch(rf"[A-Za-z_][A-Za-z0-9_]{{0,{_LONGEST - 1}}}", text) is not None
    return good and not keyword.iskeyword(text) and not keyword.issoftkeyword(text)


def identifiers(texts: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """An identifier for each of the texts, none of them twice and none of those `taken`."""
    found: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        found[text] = identifier(text, {*taken, *found.values()})
    return found
