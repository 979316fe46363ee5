"""A headless Chromium with one page, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_GIVE_UP = 60.0
_NO_NETWORK = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

# xterm.js draws on a canvas and tells nobody of itself; a terminal is an object whose `_core` is set.
_FIND_TERMINAL = """
Object.defineProperty(Object.prototype, "_core", {
  configurable: true,
  set(core) {
    Object.defineProperty(this, "_core", {value: core, writable: true, configurable: true});
    if (typeof this.loadAddon === "function") window.shownTerminal = this;
  },
});
"""
_READ_TERMINAL = """
(() => {
  const shown = window.shownTerminal?.buffer.active;
  if (!shown) return "";
  return Array.from({length: window.shownTerminal.rows},
    (_, row) => shown.getLine(shown.viewportY + row)?.translateToString(true) ?? "").join("\\n");
})()
"""


def installed() -> str | None:
    """The path of a Chromium."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """The browser's page. A terminal in it can be read and typed into."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out one command of the protocol; raises RuntimeError when the browser refuses."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != number:
            pass  # an event that nobody asked for
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def value(self, script: str) -> Any:
        """What a script in the page comes to, waiting for it when it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        await self.call("Page.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=_FIND_TERMINAL)
        await self.call("Page.navigate", url=url)

    async def screen(self) -> str:
        """The text that the page's terminal shows, line by line; empty before there is one."""
        return str(await self.value(_READ_TERMINAL))

    async def shows(self, text: str) -> str:
        """Wait until the terminal shows the text; returns the whole screen."""
        shown = ""
        try:
            async with asyncio.timeout(_GIVE_UP):
                while text not in (shown := await self.screen()):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{text!r} never came:\n{shown}") from None
        return shown

    async def click(self, x: int, y: int) -> None:
        """Click with the left button at a point of the page, in pixels; what is there gets the keys."""
        where = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", **where)

    async def press(self, key: str) -> None:
        """Press a key that writes one character."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


@asynccontextmanager
async def browser(program: str, profile: Path) -> AsyncIterator[Page]:
    """Start a browser that reaches this machine only; it ends with the block."""
    command = [
        program,
        "--headless",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        f"--host-resolver-rules={_NO_NETWORK}",
        "--window-size=1400,900",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # it refuses to run as root with one
        "about:blank",
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with ClientSession() as session:
            address = await _page_address(session, profile, process)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _page_address(session: ClientSession, profile: Path, process: Process) -> str:
    """Where the first page listens, once the browser has written its port into its profile."""
    chosen = profile / "DevToolsActivePort"
    async with asyncio.timeout(_GIVE_UP):
        while not (chosen.exists() and chosen.read_text().strip()):
            if process.returncode is not None:
                raise RuntimeError(f"Chromium ended with {process.returncode}")
            await asyncio.sleep(0.05)
    port = chosen.read_text().splitlines()[0]
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [target for target in await answer.json() if target["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])


@asynccontextmanager
async def program(*command: str, cwd: Path) -> AsyncIterator[Process]:
    """Run a program for as long as the block; it is terminated after it."""
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
