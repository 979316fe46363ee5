"""Put the screen of a real `make demo`, in a fresh clone of HEAD, into README.md.

python docs/make_screen.py [--size 100MB]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BETWEEN = re.compile(r"(<!-- screen: [^>]*-->\n).*?(<!-- /screen -->)", re.DOTALL)


def screen(size: str) -> str:
    """What `make demo` prints, piped, where nothing is installed and no environment is active."""
    active = os.environ.get("VIRTUAL_ENV", "-")
    path = [part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(active)]
    environment = {**os.environ, "PATH": os.pathsep.join(path), "PIP_QUIET": "3"}
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "odibi"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        command = ["make", "--silent", "demo", f"SIZE={size}"]
        done = subprocess.run(
            command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="100MB")
    block = f"\n```\n$ make demo\n{screen(parser.parse_args().size).strip()}\n```\n\n"
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(
        _BETWEEN.sub(lambda match: match[1] + block + match[2], text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
