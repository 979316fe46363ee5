"""Asking `odibi plan` what a run would do, in a process of its own: it loads what this one never needs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from odibi_tui.rerun import Preview, plan_arguments, preview, problems

__all__ = ["ask"]


async def ask(path: Path, options: Sequence[str]) -> Preview | tuple[str, ...]:
    """What `odibi run OPTIONS` would do with the project file, or the lines that say why it can't.

    The process ends with the task that waits for it.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "odibi", "plan", "--json", "-p", str(path)),
        *plan_arguments(options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        told, complaint = await process.communicate()
    finally:
        await _ended(process)
    if process.returncode != 0:
        return problems(complaint.decode("utf-8", "replace"), path.parent)
    try:
        return preview(json.loads(told))
    except (ValueError, KeyError, TypeError) as error:
        return (f"the plan can't be read: {error!r}",)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End the process and let go of its pipes, whoever wants to be gone meanwhile: it dies at once."""
    while process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        with suppress(asyncio.CancelledError):
            await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # pipes are read to their end only when nobody leaves
