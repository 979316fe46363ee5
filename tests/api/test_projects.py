"""Projects that read a web service, from the YAML to the tables, on both engines."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import duckdb
import pytest

from odibi.config import ConfigError, load
from tests.cli.command import odibi

from .conftest import Asked, Reply, Service

TOKEN = "tok-4f9a2c71"
PASSWORD = "pass-77aa01"
QUERY_KEY = "query-key-0091"

PROJECT = """\
project: shop
engine: ENGINE
connections:
  shop_api:
    type: http
    base_url: URL/v1
    auth: {mode: bearer, token: "${SHOP_TOKEN}"}
  old_api:
    type: http
    base_url: URL
    auth: {mode: basic, username: me, password: "${OLD_PASSWORD}"}
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: bronze
    nodes:
      - name: orders
        read:
          connection: shop_api
          format: api
          path: orders
          filter: amount > 0
          options:
            params: {since: $30_days_ago, api_key: "${QUERY_KEY}"}
            pagination: {type: offset_limit, limit: 10}
            response: {items_path: data.orders, add_fields: {_loaded: $today}}
            retry: {backoff_factor: 0.01, max_retries: 1}
        write: {connection: lake, format: parquet, path: orders, add_metadata: true}
      - name: people
        read: {connection: old_api, format: api, path: people}
        write: {connection: lake, format: parquet, path: people}
      - name: totals
        depends_on: [orders, people]
        transform:
          steps:
            - sql: SELECT name, sum(amount) AS amount FROM orders JOIN people ON buyer_id = people.id GROUP BY name
        write: {connection: lake, format: csv, path: totals.csv}
"""


def orders(asked: Asked) -> Reply:
    start = int(asked.params["offset"])
    rows = [{"id": n, "amount": n % 5, "buyer": {"id": n % 2}} for n in range(25)]
    return Reply({"data": {"orders": rows[start : start + 10]}})


@pytest.fixture(params=["duckdb", "pandas"])
def project(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setenv("OLD_PASSWORD", PASSWORD)
    monkeypatch.setenv("QUERY_KEY", QUERY_KEY)
    service.routes["/v1/orders"] = orders
    service.routes["/people"] = lambda asked: Reply(
        [{"id": 0, "name": "Ann"}, {"id": 1, "name": "Bo"}]
    )
    text = PROJECT.replace("ENGINE", request.param).replace("URL", service.url)
    (tmp_path / "odibi.yaml").write_text(text)
    return tmp_path


def everything(folder: Path) -> bytes:
    """All that a run left in the project, and no YAML."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "odibi.yaml"]
    return b"".join(file.read_bytes() for file in files)


def secrets() -> list[bytes]:
    pair = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    return [text.encode() for text in (TOKEN, PASSWORD, QUERY_KEY, pair)]


def test_a_run_reads_all_pages_and_keeps_its_secrets(project: Path, service: Service) -> None:
    ran = odibi("run", cwd=project)
    assert ran.code == 0, ran.err
    totals = duckdb.sql(f"FROM '{project}/lake/totals.csv' ORDER BY name").fetchall()
    assert totals == [("Ann", 26), ("Bo", 24)]
    (row,) = duckdb.sql(
        f"SELECT count(*), min(_source_file), min(typeof(_loaded)) FROM read_parquet('{project}/lake/orders*')"
    ).fetchall()
    assert row == (20, "orders", "DATE")
    asked = [a for a in service.asked if a.path == "/v1/orders"]
    assert [a.params["offset"] for a in asked] == ["0", "10", "20"]
    assert {a.headers["Authorization"] for a in asked} == {f"Bearer {TOKEN}"}
    left = everything(project) + (ran.out + ran.err).encode()
    assert [secret for secret in secrets() if secret in left] == []
    assert b"RowsCounted" in left or b"rows_in" in left
    assert not list((project / ".odibi").rglob("*.ndjson"))


def test_a_service_that_refuses_fails_the_node_and_says_why(
    project: Path, service: Service
) -> None:
    said = json.dumps({"you sent": f"Bearer {TOKEN}"}).encode()
    service.routes["/v1/orders"] = lambda asked: Reply(said, 403)
    ran = odibi("run", cwd=project)
    assert ran.code == 1
    shown = " ".join((ran.out + ran.err).split())
    assert "answered 403 Forbidden" in shown and "api_key=***" in shown
    assert not (project / "lake" / "totals.csv").exists()
    left = everything(project) + (ran.out + ran.err).encode()
    assert [secret for secret in secrets() if secret in left] == []


def test_half_an_answer_writes_nothing(project: Path, service: Service) -> None:
    service.routes["/v1/orders"] = lambda asked: (
        orders(asked) if asked.params["offset"] == "0" else Reply(b'{"data": {"ord', length=9999)
    )
    ran = odibi("run", cwd=project)
    assert ran.code == 1
    assert "broke off in the middle (after 2 tries)" in " ".join((ran.out + ran.err).split())
    assert not list((project / "lake").glob("orders*"))


def test_a_dry_run_asks_for_one_page(project: Path, service: Service) -> None:
    ran = odibi("run", "--dry-run", cwd=project)
    assert ran.code == 0, ran.out + ran.err
    assert len([a for a in service.asked if a.path == "/v1/orders"]) == 1
    assert not (project / "lake").exists()


def test_checks_ask_nothing(project: Path, service: Service) -> None:
    for command in ("validate", "plan", "graph"):
        ran = odibi(command, cwd=project)
        assert ran.code == 0, ran.out + ran.err
    assert service.asked == []


def problems(folder: Path, old: str, new: str) -> list[str]:
    text = PROJECT.replace("ENGINE", "duckdb").replace("URL", "https://x.test")
    assert old in text
    (folder / "odibi.yaml").write_text(text.replace(old, new, 1))
    environ = {"SHOP_TOKEN": TOKEN, "OLD_PASSWORD": PASSWORD, "QUERY_KEY": QUERY_KEY}
    with pytest.raises(ConfigError) as caught:
        load(folder / "odibi.yaml", environ=environ)
    return [str(p).partition("odibi.yaml:")[2] for p in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("type: offset_limit", "type: ofset_limit", "24:32: 'type' can't be 'ofset_limit' (did you mean 'offset_limit'?)"),
        ("limit: 10", "limt: 10", "24:46: unknown key 'limt' in 'pagination' (did you mean 'limit'?)"),
        ("items_path: data.orders", "item_path: data", "25:24: unknown key 'item_path' in 'response' (did you mean 'items_path'?)"),
        ("$today", "$todday", "unknown date '$todday' (did you mean 'today'?)"),
        ("pagination: {type: offset_limit, limit: 10}", "pagination: {type: cursor}", "type cursor needs cursor_path and cursor_param"),
        ("mode: bearer", "mode: bearrer", "7:18: unknown mode 'bearrer' (did you mean 'bearer'?)"),
        ("base_url: https://x.test/v1", "base_url: x.test/v1", "6:15: 'base_url': not an address"),
        ("base_url: https://x.test/v1", "base_url: https://a:b@x.test", "'base_url': an address holds no password"),
        ("format: api", "format: json", "19:11: connection 'shop_api' is a web service: its format is api"),
        ("connection: lake, format: csv", "connection: old_api, format: csv", "connection 'old_api' is a web service that is only read"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_stand(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert any(words in problem for problem in problems(tmp_path, old, new)), problems(
        tmp_path, old, new
    )
