"""Services behind a proxy: who is asked, with which name, and what a proxy that refuses looks like."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from odibi.errors import EngineError
from odibi_engines.http.proxies import proxy_for
from tests.cli.command import odibi

from .conftest import Reply, Service

_NODES = """\
project: far
connections:
  shop: {{type: http, base_url: "{url}"}}
  lake: {{type: local, base_path: lake}}
pipelines:
  - pipeline: p
    nodes:
      - name: items
        read: {{connection: shop, format: api, path: items, options: {{retry: {{max_retries: 0}}}}}}
        write: {{connection: lake, format: csv, path: items.csv}}
"""
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def project(folder: Path, url: str) -> Path:
    (folder / "odibi.yaml").write_text(_NODES.format(url=url))
    return folder


def test_a_service_is_read_through_the_proxy(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.routes["/items"] = lambda _: Reply([{"id": 1}, {"id": 2}])
    monkeypatch.setenv("HTTP_PROXY", service.url.replace("//", "//me:pa%40ss@"))
    done = odibi("run", cwd=project(tmp_path, "http://shop.test"))
    assert done.code == 0, done.err
    assert (tmp_path / "lake/items.csv").read_text() == "id\n1\n2\n"
    (asked,) = service.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert headers["host"] == "shop.test"
    proof = headers["proxy-authorization"]
    assert base64.b64decode(proof.removeprefix("Basic ")) == b"me:pa@ss"


def test_this_machine_is_asked_without_one(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.routes["/items"] = lambda _: Reply([{"id": 1}])
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody there
    assert odibi("run", cwd=project(tmp_path, service.url)).code == 0


@pytest.mark.parametrize("url", ["http://shop.test", "https://shop.test"])
def test_a_proxy_that_is_not_there_is_named(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://me:hush-hush@127.0.0.1:9")
    done = odibi("run", cwd=project(tmp_path, url))
    assert done.code == 1
    assert "the proxy 127.0.0.1 can't be reached, or refuses" in done.out + done.err
    assert "hush-hush" not in done.out + done.err


@pytest.mark.parametrize(
    ("url", "said", "wanted"),
    [
        ("http://a.test/x", {"HTTP_PROXY": "http://p:8"}, "http://p:8"),
        ("http://a.test/x", {"HTTP_PROXY": "p:8"}, "http://p:8"),
        ("http://a.test/x", {"HTTPS_PROXY": "http://p:8"}, None),
        ("https://a.test/x", {"HTTPS_PROXY": "https://p:8"}, "https://p:8"),
        ("https://a.test/x", {"ALL_PROXY": "http://p:8"}, "http://p:8"),
        ("http://a.test/x", {"HTTP_PROXY": "http://p:8", "NO_PROXY": ".test"}, None),
        ("http://a.test:81/x", {"HTTP_PROXY": "http://p:8", "NO_PROXY": "a.test"}, None),
        ("http://[::1]/x", {"HTTP_PROXY": "http://p:8"}, None),
        ("http://localhost/x", {"HTTP_PROXY": "http://p:8"}, None),
    ],
)
def test_which_proxy(
    url: str, said: dict[str, str], wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(url)
    assert (found.url if found else None) == wanted


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://p:8")
    with pytest.raises(EngineError, match="of type socks5: only http and https are known"):
        proxy_for("http://a.test")
