"""The web service of OdibiEats, read by odibi itself: every kind of page, errors, limits, a stream."""

from __future__ import annotations

import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from odibi import config
from odibi.runner import RunRequest, launch
from odibi_datagen import generate
from odibi_datagen.serve import Manners, Service

from .landing import Landing

PROJECT = """\
project: shop
connections:
  api: {{type: http, base_url: "{url}", auth: {{mode: bearer, token: t0ken}}}}
  lake: {{type: local, base_path: lake}}
pipelines:
  - pipeline: p
    nodes:
      - name: n
        read:
          connection: api
          format: api
          path: {path}
          options: {options}
        write: {{connection: lake, format: parquet, path: n.parquet}}
"""


@contextmanager
def serving(landing: Landing, **manners: Any) -> Iterator[Service]:
    with Service(landing.out, Manners(token="t0ken", rate=0, **manners)) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield service
        service.shutdown()
        thread.join()


def read(folder: Path, service: Service, path: str, options: str) -> list[tuple[Any, ...]]:
    """All rows of the table that a node reads from the service, in the order of their columns."""
    (folder / "odibi.yaml").write_text(PROJECT.format(url=service.url, path=path, options=options))
    result = launch(config.load(folder / "odibi.yaml"), RunRequest())
    assert result.exit_code == 0
    found = duckdb.read_parquet(str(folder / "lake" / "n.parquet"))
    return sorted(found.project("payment_id, amount_cents, status").fetchall())


@pytest.fixture(scope="module")
def payments(landing: Landing) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(landing.out / "oltp" / "odibieats.db")) as db:
        return sorted(db.execute("SELECT payment_id, amount_cents, status FROM payments"))


PAGES = [
    "{type: offset_limit, limit: 7}",
    "{type: page_number, page_size: 7, page_size_param: page_size}",
    "{type: cursor, cursor_path: next_cursor, cursor_param: cursor, page_size: 7}",
    "{type: link_header, page_size: 7}",
]


@pytest.mark.parametrize("pages", PAGES)
def test_every_kind_of_page_gives_all_rows(
    landing: Landing, payments: list[tuple[Any, ...]], tmp_path: Path, pages: str
) -> None:
    options = f"{{response: {{items_path: data}}, pagination: {pages}}}"
    with serving(landing) as service:
        assert read(tmp_path, service, "payments", options) == payments
    assert len(payments) > 21


def test_errors_and_limits_lose_no_row(
    landing: Landing, payments: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    options = (
        "{response: {items_path: data}, pagination: {type: offset_limit, limit: 20}, "
        "retry: {max_retries: 12, backoff_factor: 0.01}}"
    )
    with serving(landing, errors=0.4, limit=15, seed=3) as service:
        assert read(tmp_path, service, "payments", options) == payments


def test_a_stream_is_the_feeds_lines(landing: Landing) -> None:
    with serving(landing) as service:
        request = urllib.request.Request(
            f"{service.url}/stream/clickstream", headers={"Authorization": "Bearer t0ken"}
        )
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
    assert lines == [line for _, _, line in landing.lines("clickstream")]


def test_a_stream_of_packed_feeds(tmp_path: Path) -> None:
    generate(tmp_path / "plain", size="1MB", days=2)
    generate(tmp_path / "packed", size="1MB", days=2, gzip=True)
    streams = []
    for kind in ("plain", "packed"):
        with Service(tmp_path / kind, Manners()) as service:
            streams.append(b"".join(service.feed("driver_pings")))
    assert streams[0] and streams[0] == streams[1]


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/orders?limit=5", "t0ken", 200),
        ("/orders?limit=5", "other", 401),
        ("/orders?limit=5;DROP", "t0ken", 400),
        ("/orders?since=2025-11-05&limit=1", "t0ken", 200),
        ("/order_items?since=2025-11-05", "t0ken", 400),
        ("/../../etc/passwd", "t0ken", 404),
        ("/stream/..", "t0ken", 404),
        ("/", "t0ken", 200),
    ],
)
def test_what_is_asked_wrongly_is_told(
    landing: Landing, path: str, token: str, status: int
) -> None:
    with serving(landing) as service:
        assert answered(service.url + path, token) == status


def answered(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_there_must_be_data(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="generate it first"):
        Service(tmp_path, Manners())
