"""Where the built site is, which pages it has, and the browser that looks at them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"

BROWSERS = [
    os.environ.get("CHROME", ""),
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
]
# No sandbox, because containers have none; the others keep the browser itself off the network.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str | None:
    """The path of the first browser of the list that this machine has."""
    return next((path for name in BROWSERS if name and (path := shutil.which(name))), None)


def entries_of_the_book() -> list[Any]:
    """What _toc.yml says of its root, its parts and its pages, in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries: list[Any] = [{"file": toc["root"]}]
    waiting: list[Any] = [*toc.get("parts", []), *toc.get("chapters", [])]
    while waiting:
        entry = waiting.pop(0)
        entries.append(entry)
        waiting[:0] = [*entry.get("chapters", []), *entry.get("sections", [])]
    return entries


def pages_of_the_book() -> list[str]:
    """Every page that _toc.yml names, without its suffix: "index", "chapters/00-tour" and so on."""
    return [entry["file"] for entry in entries_of_the_book() if "file" in entry]


def further_pages() -> dict[str, str]:
    """The pages that continue a chapter, each with the first page of that chapter."""
    return {
        section["file"]: entry["file"]
        for entry in entries_of_the_book()
        for section in entry.get("sections", [])
    }
