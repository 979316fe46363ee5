"""Generated data with plenty of mess, and a careful plain-Python reader of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_datagen import Mess, Summary

MESSY = Mess(
    duplicate=0.02,
    late=0.05,
    clock_skew=0.05,
    truncated=0.004,
    wrong_type=0.004,
    unknown_event=0.004,
    null_coordinates=0.02,
    gps_jump=0.005,
    latitude_out_of_range=0.004,
    on_border=0.01,
    kiosk=0.1,
    hostile_text=0.3,
    failed_payment=0.2,
    cancelled_order=0.2,
    orphan_payment=0.1,
    erased_customer=0.1,
    negative_price=0.004,
    late_menu=0.1,
    ragged_row=0.002,
)


@dataclass(frozen=True)
class Landing:
    """A generated data set, with its feeds read line by line."""

    out: Path
    summary: Summary

    def lines(self, feed: str) -> list[tuple[str, int, str]]:
        """All lines of a feed as (file, line number, text), in the order of files."""
        return [
            (str(path.relative_to(self.out)), number, line)
            for path in sorted((self.out / feed).glob("*/*.ndjson"))
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        ]

    def records(self, feed: str) -> list[dict[str, Any]]:
        """The readable records of a feed, once each, as a careful reader would keep them."""
        found: dict[str, dict[str, Any]] = {}
        for _file, _number, line in self.lines(feed):
            record = parse(line)
            if record is not None:
                found.setdefault(record["event_id"], record)
        return list(found.values())


def parse(line: str) -> dict[str, Any] | None:
    """The record of a line, None for one that isn't JSON or holds a value of the wrong type."""
    try:
        record: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    wrong = (
        isinstance(record["ts"], int)
        or isinstance(record.get("restaurant_id"), str)
        or isinstance(record.get("lat"), str)
    )
    return None if wrong else record
