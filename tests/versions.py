"""The promise of pyproject.toml, kept: the library's tests under old and new versions.

    python tests/versions.py             # every row of MATRIX whose Python is on this machine
    python tests/versions.py oldest      # one row
    python tests/versions.py --list

Each row is an environment of its own, made by ``pip install '.[test]'`` without constraints, with
the versions that the row names and the newest of everything else; then the tests of the library
and two notebooks. Prints a line a row, and ends with status 1 if one is red.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("00-tour", "06-online")


@dataclass(frozen=True)
class Row:
    """One Python and what is pinned on it; everything else is the newest."""

    python: str
    pins: tuple[str, ...] = ()


# fmt: off
MATRIX = {
    "oldest": Row("3.11", ("torch==2.4.1", "numpy==1.26.4", "scipy==1.11.4", "matplotlib==3.9.0",
                           "scikit-learn==1.4.2")),
    "torch-2.6": Row("3.12", ("torch==2.6.0",)),
    "pinned": Row("3.11", ("-c", "constraints.txt")),
    "colab": Row("3.13", ("torch==2.11.0", "numpy==2.1.3", "scipy==1.16.3", "matplotlib==3.10.0",
                          "scikit-learn==1.6.1")),
    "newest": Row("3.13"),
    "newest-python": Row("3.14"),
}
# fmt: on


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(MATRIX)}")
    parser.add_argument("--list", action="store_true", help="print the rows and their pins")
    options = parser.parse_args()
    unknown = set(options.rows) - set(MATRIX)
    if unknown:
        parser.error(f"no row is named {', '.join(sorted(unknown))}; known: {', '.join(MATRIX)}")
    if options.list:
        for name, row in MATRIX.items():
            print(f"{name}: Python {row.python}, {' '.join(row.pins) or 'the newest'}")
        return 0
    return max(_try(name, MATRIX[name]) for name in options.rows or MATRIX)


def _try(name: str, row: Row) -> int:
    python = shutil.which(f"python{row.python}")
    if python is None:
        print(f"{name}: not run, no python{row.python} here", flush=True)
        return 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        failed = _run(python, row, Path(folder))
    verdict = f"RED: {failed}" if failed else "green"
    print(f"{name}: {verdict} after {time.monotonic() - start:.0f} s", flush=True)
    return int(bool(failed))


def _run(python: str, row: Row, folder: Path) -> str:
    """What failed first, or nothing."""
    clone, env = folder / "clone", folder / "env" / "bin" / "python"
    pins = [str(ROOT / pin) if pin == "constraints.txt" else pin for pin in row.pins]
    extra = os.environ.get("PIP_ARGS", "").split()
    test = [str(env), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    steps = {
        "clone": ["git", "clone", "-q", str(ROOT), str(clone)],
        "environment": [python, "-m", "venv", str(folder / "env")],
        "pip install": [str(env), "-m", "pip", "install", "-q", *extra, ".[test]", *pins],
        "library": [*test, "tests", "--ignore=tests/book"],
        "notebooks": [
            *(str(env), "tests/book/portable.py", "--notebooks-only", "--arithmetic", "own"),
            *("--labels", *NOTEBOOKS),
        ],
    }
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    for what, command in steps.items():
        where = ROOT if what == "clone" or not clone.exists() else clone
        done = subprocess.run(command, cwd=where, env={**os.environ, **threads}, check=False)
        if done.returncode:
            return what
    return ""


if __name__ == "__main__":
    sys.exit(main())
