"""Take the pictures of `odibi top` for README.md and docs/top.md, from real runs of OdibiEats.

python docs/make_pictures.py [--size 20MB]     needs Chromium and the DejaVu fonts
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from odibi_tui.app import Options, TopApp
from odibi_tui.starting import settled

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
# name: columns, rows, view, keys pressed before the picture is taken
SHOTS: dict[str, tuple[int, int, str, tuple[str, ...]]] = {
    "top": (150, 44, "graph", ("e",)),
    "top-small": (80, 24, "graph", ()),
    "top-story": (120, 26, "story", ("e", "z")),
    "top-runs": (100, 29, "runs", ()),
    "top-rerun": (110, 32, "graph", ("e", "R")),
}
_FONT = "DejaVu Sans Mono"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="20MB")
    size = parser.parse_args().size
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "odibieats"
        _make_runs(project, size)
        for name, shot in SHOTS.items():
            svg = asyncio.run(_take(project, Path(folder) / "prefs", *shot))
            _to_png(svg, PICTURES / f"{name}.png", Path(folder))


def _make_runs(project: Path, size: str) -> None:
    """Good runs, and two in which a node fails for a real reason: its SQL names no column there is."""
    _odibi("demo", project, "--size", size, at=project.parent)
    sql = project / "sql" / "sessions.sql"
    good = sql.read_text(encoding="utf-8")
    broken = good.replace("session_key,", "sesion_key,", 1)
    for text in (*[good] * 5, broken, *[good] * 4, broken):
        sql.write_text(text, encoding="utf-8")
        _odibi("run", at=project)


def _odibi(*arguments: str | Path, at: Path) -> None:
    """Carry out a command as a person in the folder `at` would; a failed run is one of the results."""
    command = [sys.executable, "-m", "odibi", *arguments]
    done = subprocess.run(command, cwd=at, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)


async def _take(
    project: Path, preferences: Path, columns: int, rows: int, view: str, keys: tuple[str, ...]
) -> str:
    preferences.mkdir(exist_ok=True)  # the colours of a good terminal, whichever this runs in
    (preferences / "top.json").write_text('{"theme": "odibi-dark"}', encoding="utf-8")
    app = TopApp(Options(project / "odibi.yaml", view=view, preferences=preferences))
    async with app.run_test(size=(columns, rows)) as pilot:
        await settled(app, pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(1.5)
        return app.export_screenshot(title="odibi top")


def _to_png(svg: str, target: Path, folder: Path) -> None:
    """Draw the picture with a font that is installed, so that cells stand where they belong."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", _FONT)
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    width, height = (round(float(number)) for number in found.groups())
    page = folder / "page.html"
    page.write_text(f"<body style='margin:0;background:transparent'>{svg}</body>", encoding="utf-8")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no Chromium found: apt install chromium fonts-dejavu-core")
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={width},{height}",
            "--force-device-scale-factor=1",
            f"--screenshot={target}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    main()
