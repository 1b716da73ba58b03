"""Where the book's files are, and which pages it has."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def pages_of_the_book() -> list[str]:
    """Every page that _toc.yml names, without its suffix: "index", "chapters/00-tour" and so on."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"]]
    waiting: list[Any] = [*toc.get("parts", []), *toc.get("chapters", [])]
    while waiting:
        entry = waiting.pop(0)
        files += [entry["file"]] if "file" in entry else []
        waiting[:0] = [*entry.get("chapters", []), *entry.get("sections", [])]
    return files


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
