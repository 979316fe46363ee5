"""Put the screen of a real demo run into README.md, as a piped `odibi demo` prints it.

python docs/make_screen.py [--size 100MB]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BETWEEN = re.compile(r"(<!-- screen: [^>]*-->\n).*?(<!-- /screen -->)", re.DOTALL)


def screen(size: str) -> str:
    """What `odibi demo` prints in an empty folder."""
    binary = Path(sys.executable).with_name("odibi")
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "demo", "demo", "--size", size]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="100MB")
    block = f"\n```\n$ make demo\n{screen(parser.parse_args().size).strip()}\n```\n\n"
    text = README.read_text(encoding="utf-8")
    README.write_text(
        _BETWEEN.sub(lambda match: match[1] + block + match[2], text), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
