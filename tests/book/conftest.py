"""The built site, served from this machine, and a browser that is let nowhere else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from layout import CHROMIUM_ARGUMENTS, PAGES, ROOT, SITE, chromium
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site, refused when it is missing or older than its sources."""
    for page in PAGES:
        built = SITE / page
        if not built.exists():
            pytest.fail(f"{built.relative_to(ROOT)} is missing: run `make book` first")
        sources = ROOT.glob(str(Path(page).with_suffix(".*")))
        if any(source.stat().st_mtime > built.stat().st_mtime for source in sources):
            pytest.fail(f"{built.relative_to(ROOT)} is out of date: run `make book` first")
    return SITE


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: the tests look at what the browser saw."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The site's address on this machine, without the closing slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium or Chrome for all tests; skipped where there is none, unless required."""
    found = chromium()
    if found is None:
        reason = "no Chromium or Chrome found: install one, or set CHROME to its path"
        if os.environ.get("ROBUSTLIB_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=found,
            args=CHROMIUM_ARGUMENTS,
        )
        yield launched
        launched.close()
