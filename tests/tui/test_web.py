"""`odibi top --web` in a real browser."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, WSServerHandshakeError

from tests.tui.chromium import Page, browser, installed, program
from tests.tui.recordings import recorded_project

pytestmark = pytest.mark.wide


def chromium() -> str:
    """A Chromium: CI fails without one, elsewhere the test says why it didn't run."""
    if found := installed():
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("no Chromium on PATH: .ci/run installs it")
    pytest.skip("no Chromium on PATH (on Debian and Ubuntu: apt install chromium)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """`odibi top --web` of the project in the folder; gives the address that it answers at."""
    port = free_port()
    command = (sys.executable, "-m", "odibi", "top", "--web", "--port", str(port))
    async with program(*command, cwd=folder) as server, ClientSession() as session:
        address = f"http://127.0.0.1:{port}/"
        async with asyncio.timeout(60):
            while True:
                assert server.returncode is None, await server.communicate()
                try:
                    async with session.get(address) as answer:
                        assert answer.status == 200
                        break
                except ClientError:
                    await asyncio.sleep(0.1)
        yield address


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Page]:
    program_path = chromium()
    folder = recorded_project(tmp_path)
    async with (
        served(folder) as address,
        browser(program_path, tmp_path / "profile") as page,
    ):
        await page.open(address)
        yield page


async def test_a_browser_shows_the_project_and_takes_keys(tmp_path: Path) -> None:
    async with opened(tmp_path) as page:
        shown = await page.shows("20261123-004500-0007")
        assert shown.splitlines()[0].split()[:3] == ["odibi", "top", "retail"]
        await page.click(700, 8)  # the heading
        await page.press("?")
        await page.shows("type to filter")


async def knock(address: str, **headers: str) -> int:
    """The status that the app's socket answers with: 101 is an open line."""
    async with ClientSession() as session:
        try:
            async with session.ws_connect(f"{address}ws", headers=headers):
                return 101
        except WSServerHandshakeError as refused:
            return refused.status


async def test_pages_of_other_sites_get_no_line(tmp_path: Path) -> None:
    async with served(recorded_project(tmp_path)) as address:
        own = address.removesuffix("/")
        by_name = own.replace("127.0.0.1", "localhost")
        assert await knock(address, Origin=own) == 101
        assert await knock(address, Origin=by_name, Host=by_name.removeprefix("http://")) == 101
        for strange in ("https://example.org", "http://127.0.0.1:1", "null"):
            assert await knock(address, Origin=strange) == 403
        assert await knock(address, Host="rebound.example.org") == 403
