"""The options of text sources: our names, and those that pandas and Spark projects already use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from odibi.errors import EngineError

__all__ = ["CsvOptions", "JsonOptions", "csv_options", "json_options"]


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a CSV file is written. None means: not said."""

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    encoding: str | None = None
    skip: int = 0
    nulls: tuple[str, ...] = ()
    decimal: str | None = None
    thousands: str | None = None
    comment: str | None = None
    date_format: str | None = None
    timestamp_format: str | None = None


@dataclass(frozen=True, slots=True)
class JsonOptions:
    """How a JSON file is written: `lines` for one object a line, None to find out."""

    lines: bool | None = None
    whole: bool = False
    """Infer columns from all records, not from the head of the files."""


_CSV_NAMES = {
    "delimiter": "delimiter", "sep": "delimiter", "delim": "delimiter",
    "quote": "quote", "quotechar": "quote", "escape": "escape", "escapechar": "escape",
    "header": "header", "encoding": "encoding", "charset": "encoding",
    "skip": "skip", "skiprows": "skip",
    "nullstr": "nulls", "null_values": "nulls", "na_values": "nulls", "na_rep": "nulls", "nullValue": "nulls",
    "decimal": "decimal", "decimal_separator": "decimal", "thousands": "thousands", "comment": "comment",
    "dateformat": "date_format", "dateFormat": "date_format", "date_format": "date_format",
    "timestampformat": "timestamp_format", "timestampFormat": "timestamp_format",
    "timestamp_format": "timestamp_format",
}  # fmt: skip
_JSON_NAMES = {
    "lines": "lines",
    "multiLine": "multiline",
    "multiline": "multiline",
    "orient": "orient",
    "sample": "sample",
}
_MEANINGLESS = {
    "inferSchema", "low_memory", "engine", "mode", "dtype_backend",
    "compression", "index", "merge_keys", "overwrite_schema", "merge_schema",
}  # fmt: skip
"""Accepted and without effect here: they tune another reader, or the writer of a table that is read back."""


def csv_options(options: Mapping[str, Any]) -> CsvOptions:
    """The options of a CSV source. Raises EngineError for a name or value without meaning."""
    found = _named(options, _CSV_NAMES, "csv")
    if "header" in found:
        found["header"] = _flag("header", found["header"])
    if "skip" in found:
        found["skip"] = _whole("skip", found["skip"])
    if "nulls" in found:
        nulls = found["nulls"]
        found["nulls"] = (
            tuple(map(str, nulls)) if isinstance(nulls, list | tuple) else (str(nulls),)
        )
    return CsvOptions(**found)


def json_options(options: Mapping[str, Any]) -> JsonOptions:
    """The options of a JSON source. Raises EngineError for a name or value without meaning."""
    found = _named(options, _JSON_NAMES, "json")
    if found.get("orient", "records") != "records":
        raise EngineError(
            f"json option orient: {found['orient']!r} is not supported", hint="only 'records' is"
        )
    if found.get("sample", "all") != "all":
        raise EngineError(f"json option sample: {found['sample']!r} is not 'all'")
    if "sample" in found:
        return JsonOptions(lines=found.get("lines"), whole=True)
    if "multiline" in found:
        return JsonOptions(lines=not _flag("multiLine", found["multiline"]))
    return JsonOptions(lines=_flag("lines", found["lines"]) if "lines" in found else None)


def _named(options: Mapping[str, Any], names: Mapping[str, str], format_: str) -> dict[str, Any]:
    found = {}
    for name, value in options.items():
        if name in _MEANINGLESS or (value is None and name != "header"):
            continue
        if name not in names:
            near = get_close_matches(name, names, n=1)
            known = ", ".join(dict.fromkeys(names.values()))
            raise EngineError(
                f"{format_} has no read option {name!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"options: {known}, columns",
            )
        found[names[name]] = value
    return found


def _flag(name: str, value: Any) -> bool:
    """YAML's or a text's truth; pandas writes `header: 0` for the first line and `null` for none."""
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    if name == "header" and value in (0, "infer"):
        return True
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise EngineError(f"option {name}: {value!r} is not true or false")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise EngineError(f"option {name}: {value!r} is not a number of lines")
