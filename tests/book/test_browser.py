"""Every built page as a reader meets it: light and dark, desktop and phone, no network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from layout import PAGES, ROOT
from playwright.sync_api import Browser, Page
from visits import (
    AXE,
    DESKTOP,
    PHONE,
    SMALLEST_TEXT,
    TEXT_OUTSIDE,
    VIOLATIONS,
    WIDER_THAN_WINDOW,
    check_mouse,
    check_names,
    controls_of,
    state_of,
    visiting,
    walk,
)

# Text that a reader sees as prose: no code, no formula, nothing folded into scripts.
PROSE = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("pre, code, script, style, mjx-container").forEach(e => e.remove());
  return article.textContent;
}"""

FORMULAS = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const formulas = [...document.querySelectorAll("article .math")];
  return {
    unset: formulas.filter(e => !e.querySelector("mjx-container")).map(e => e.textContent),
    faulty: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map(e => e.outerHTML),
  };
}"""

IMAGES_WITHOUT_ALT = """() => [...document.querySelectorAll("article img")]
  .filter(e => !e.alt.trim() || /\\.(png|svg|jpe?g)$|_images/.test(e.alt)).map(e => e.outerHTML)"""

# The theme's script gives what scrolls a stop for the keyboard, 0.3 s after a change of size.
SCROLLABLE_IS_FOCUSABLE = """() => [...document.querySelectorAll(
  "pre, .cell_output > .output, .pst-scrollable-table-container"
)].every(e => e.scrollWidth <= e.clientWidth || e.tabIndex === 0)"""


def explorers_of(notebook: Path) -> list[dict[str, Any]]:
    """What is stored for the explorers of a notebook, {} of a page that is none."""
    if not notebook.exists():
        return []
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    found = [re.findall(r'class="rl-states">\n(.*?)\n</script>', page, re.DOTALL) for page in pages]
    return [json.loads(texts[0]) for texts in found if texts]


def test_there_are_explorers_to_move() -> None:
    assert sum(bool(explorers_of((ROOT / p).with_suffix(".ipynb"))) for p in PAGES) >= 10


def check_explorers(page: Page, theme: str, stored: list[dict[str, Any]]) -> None:
    """Every slider, in every state, says what the kernel stored for that state.

    That the stored sentences are those that the kernel computes today is compared when the
    notebooks are executed anew.
    """
    roots = page.locator(".rl-explorer").all()
    assert len(roots) == len(stored)
    for root, states in zip(roots, stored, strict=True):
        sentences = states["sentences"]
        begin = 0
        for parameter in states["parameters"]:
            begin = begin * len(parameter["values"]) + parameter["begin"]
        assert state_of(root)[1] == sentences[begin]
        shown = walk(root)
        assert [sentence for _, sentence in shown.values()] == sentences
        assert len({picture for picture, _ in shown.values()}) > 1
        controls = controls_of(root)
        for control in controls:
            control.first()
        for control in controls:  # each of them changes what is shown
            before = state_of(root)
            control.last()
            assert state_of(root) != before
        check_mouse(root, sentences)
        check_names(root)
        assert ("rl-dark" in (root.get_attribute("class") or "")) == (theme == "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(browser: Browser, address: str, site: Path, name: str, theme: str) -> None:
    """Each page once in each theme: light from a folder, as downloaded, dark from a server."""
    home = "file://" if theme == "light" else address
    where = (site / name).as_uri() if theme == "light" else f"{address}/{name}"
    stored = explorers_of((ROOT / name).with_suffix(".ipynb"))
    with visiting(browser, theme, home=(home,)) as visit:
        page = visit.page
        page.goto(where, wait_until="load")

        assert page.locator("html").get_attribute("data-theme") == theme
        assert page.evaluate(FORMULAS) == {"unset": [], "faulty": []}
        prose = page.evaluate(PROSE)
        assert not [mark for mark in ("$", r"\(", r"\[") if mark in prose], "a formula left raw"
        assert page.evaluate(IMAGES_WITHOUT_ALT) == []

        check_explorers(page, theme, stored)
        page.evaluate(AXE)
        for viewport in (DESKTOP, PHONE):
            page.set_viewport_size(viewport)
            page.wait_for_function(SCROLLABLE_IS_FOCUSABLE, timeout=10_000)
            assert page.evaluate(WIDER_THAN_WINDOW) <= 0, f"scrolls sideways at {viewport}"
            assert page.evaluate(VIOLATIONS) == []
            if stored:
                assert page.evaluate(TEXT_OUTSIDE) == []
                for root in page.locator(".rl-explorer").all():
                    controls_of(root)[0].last()
                    assert root.locator("svg").is_visible()
        if stored:
            assert page.evaluate(SMALLEST_TEXT) >= 8

        assert visit.faults == []
        assert visit.strangers == []


def test_search_finds_a_page(browser: Browser, address: str) -> None:
    with visiting(browser, home=(address,)) as visit:
        visit.page.goto(f"{address}/search.html?q=surrogate")
        visit.page.wait_for_selector("#search-results li a", timeout=10_000)
        assert visit.faults == []
        assert visit.strangers == []


def test_a_bad_page_is_caught(browser: Browser, address: str) -> None:
    """The checks above can fail: here is a page that breaks most of them."""
    with visiting(browser, home=(address,)) as visit:
        page = visit.page
        page.goto(f"{address}/{PAGES[0]}")
        page.set_content(
            """<article><p>raw $x$ <img src="https://example.org/a.png"></p>
            <span class="math">\\(y\\)</span><div style="width: 3000px">wide</div>
            <script>throw new Error("broken")</script></article>"""
        )
        page.evaluate(AXE)
        assert page.evaluate(FORMULAS)["unset"] == ["\\(y\\)"]
        assert "$" in page.evaluate(PROSE)
        assert len(page.evaluate(IMAGES_WITHOUT_ALT)) == 1
        assert page.evaluate(WIDER_THAN_WINDOW) > 0
        assert any("image-alt" in violation for violation in page.evaluate(VIOLATIONS))
        assert set(visit.strangers) == {"https://example.org/a.png"}
        assert any("broken" in error for error in visit.faults)
