"""Every built page as a reader meets it: light and dark, desktop and phone, no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import pytest
from layout import PAGES
from playwright.sync_api import Browser, ConsoleMessage, Page, Route

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}

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

# Without preload, for which axe would fetch the style sheets once more, by wrong addresses.
VIOLATIONS = """async () => (await axe.run(document, {preload: false})).violations
  .filter(v => ["serious", "critical"].includes(v.impact))
  .map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.html.slice(0, 150)).join(" | ")}`)"""

# The theme's script gives what scrolls a stop for the keyboard, 0.3 s after a change of size.
SCROLLABLE_IS_FOCUSABLE = """() => [...document.querySelectorAll(
  "pre, .cell_output > .output, .pst-scrollable-table-container"
)].every(e => e.scrollWidth <= e.clientWidth || e.tabIndex === 0)"""

WIDER_THAN_WINDOW = """() => document.documentElement.scrollWidth - window.innerWidth"""


EXPLORERS_THAT_DO_NOT_MOVE = """() => [...document.querySelectorAll(".rl-explorer")]
  .flatMap(explorer => [...explorer.querySelectorAll("input[type=range]")].filter(slider => {
    const shown = () => explorer.querySelector(".rl-picture").innerHTML
      + explorer.querySelector("figcaption").textContent;
    const before = shown();
    slider.value = slider.max;
    slider.dispatchEvent(new Event("input"));
    return shown() === before;
  })).map(slider => slider.labels[0].textContent)"""


@dataclass
class Visit:
    """A page in the browser, with what went wrong behind it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@contextmanager
def visiting(browser: Browser, theme: str, home: str) -> Iterator[Visit]:
    """A window in light or dark whose requests to anything but `home` are cut and recorded."""
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light", viewport=DESKTOP
    )
    visit = Visit(context.new_page())

    def police(route: Route) -> None:
        if route.request.url.startswith((home, "data:", "blob:")):
            route.continue_()
        else:
            visit.strangers.append(route.request.url)
            route.abort()

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.errors.append(f"{message.text} ({message.location['url']})")

    context.route("**/*", police)
    visit.page.on("console", listen)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    yield visit
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(browser: Browser, address: str, name: str, theme: str) -> None:
    with visiting(browser, theme, address) as visit:
        page = visit.page
        page.goto(f"{address}/{name}", wait_until="load")

        assert page.locator("html").get_attribute("data-theme") == theme
        assert page.evaluate(FORMULAS) == {"unset": [], "faulty": []}
        prose = page.evaluate(PROSE)
        assert not [mark for mark in ("$", r"\(", r"\[") if mark in prose], "a formula left raw"
        assert page.evaluate(IMAGES_WITHOUT_ALT) == []

        assert page.evaluate(EXPLORERS_THAT_DO_NOT_MOVE) == []
        for slider in page.locator(".rl-explorer input").all()[:1]:
            slider.focus()
            page.keyboard.press("ArrowLeft")
            assert int(slider.input_value()) == int(slider.get_attribute("max") or 0) - 1

        page.evaluate(AXE)
        for viewport in (DESKTOP, PHONE):
            page.set_viewport_size(viewport)
            page.wait_for_function(SCROLLABLE_IS_FOCUSABLE, timeout=10_000)
            assert page.evaluate(WIDER_THAN_WINDOW) <= 0, f"scrolls sideways at {viewport}"
            assert page.evaluate(VIOLATIONS) == []

        assert visit.errors == []
        assert visit.strangers == []


def test_search_finds_a_page(browser: Browser, address: str) -> None:
    with visiting(browser, "light", address) as visit:
        visit.page.goto(f"{address}/search.html?q=surrogate")
        visit.page.wait_for_selector("#search-results li a", timeout=10_000)
        assert visit.errors == []
        assert visit.strangers == []


def test_site_opens_from_a_folder(browser: Browser, site: Path) -> None:
    """Without any server: what a reader has who downloads the built site."""
    with visiting(browser, "light", "file://") as visit:
        visit.page.goto((site / "index.html").as_uri())
        visit.page.wait_for_url("**/preface.html")
        for name in PAGES:
            visit.page.goto((site / name).as_uri(), wait_until="load")
            assert visit.page.evaluate(FORMULAS) == {"unset": [], "faulty": []}
        assert visit.errors == []
        assert visit.strangers == []


def test_a_bad_page_is_caught(browser: Browser, address: str) -> None:
    """The checks above can fail: here is a page that breaks most of them."""
    with visiting(browser, "light", address) as visit:
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
        assert any("broken" in error for error in visit.errors)
