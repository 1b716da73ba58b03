"""Where the book's files are, and which pages it has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "_ext"))
from built import CHROMIUM_ARGUMENTS, ROOT, SITE, chromium, further_pages, pages_of_the_book

__all__ = [
    "CHROMIUM_ARGUMENTS",
    "PAGES",
    "ROOT",
    "SITE",
    "chromium",
    "files_of_the_repository",
    "further_pages",
    "pages_of_the_book",
]


def files_of_the_repository() -> list[str]:
    """What git keeps here or would keep; skips the test where this is no clone."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        pytest.skip("this folder is no git clone")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


PAGES = [f"{page}.html" for page in pages_of_the_book()]
