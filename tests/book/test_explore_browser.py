"""Explorers as a reader moves them: on pages written here and on every page of the built book."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from layout import ROOT
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Locator, Page, Route

from robustlib.book.explorers.explore import PALETTE, Explorer, explore

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async () => (await axe.run(document.querySelector(".rl-explorer").parentElement,
  {resultTypes: ["violations"], preload: false})).violations.map(v => `${v.id}: ${v.help}: ` +
  v.nodes.map(n => n.html.slice(0, 150)).join(" | "))"""
TEXT_OUTSIDE = """() => [...document.querySelectorAll(".rl-explorer svg")].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
      || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll(".rl-explorer svg")].flatMap(
  svg => [...svg.querySelectorAll("text")].map(text =>
    parseFloat(getComputedStyle(text).fontSize) * svg.getScreenCTM().a)))"""
RADII, WIDTHS = [0.1, 0.2, 0.4], [64, 256]


def draw(radius: float, width: int) -> tuple[Figure, str]:
    figure = Figure()
    axes = figure.subplots()
    x = np.linspace(-3, 3, 60)
    for shift in range(3):
        axes.plot(x, np.tanh(width / 64 * x - shift * radius), label=f"net {shift}")
    axes.scatter([-2, -1], [0.5, radius], c="white", edgecolors="black", zorder=3)
    axes.text(1, -0.5, f"ρ = {radius}", color=PALETTE["purple"])
    axes.set(xlabel="first coordinate x₁", ylabel="output f", ylim=(-1.2, 1.2))
    axes.legend()
    return figure, f"At radius {radius} & width {width} the robust loss is {radius * width:.2f}."


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return explore(draw, radius=RADII, width=WIDTHS)


def page_of(*bodies: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Explorers</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root { color-scheme: light dark; font-family: sans-serif } body { color:"
        " CanvasText; background: Canvas }</style></head><body><main><h1>Explorers</h1>"
        f"{''.join(bodies)}</main></body></html>"
    )


@contextmanager
def visiting(
    browser: Browser, theme: str = "light", width: int = 1400, *, scripts: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """A page with no network, and the list of all that went wrong on it."""
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 844},
        java_script_enabled=scripts,
    )
    faults: list[str] = []

    def police(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
            route.continue_()
        else:
            faults.append(f"asked for {route.request.url}")
            route.abort()

    context.route("**/*", police)
    page = context.new_page()
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page, faults
    context.close()


def open_file(page: Page, folder: Path, *bodies: str) -> None:
    target = folder / "page.html"
    target.write_text(page_of(*bodies), encoding="utf-8")
    page.goto(target.as_uri())


def state_of(root: Locator) -> tuple[str, str]:
    """The picture and the sentence that are shown."""
    return root.locator(".rl-picture").inner_html(), root.locator("figcaption").inner_text()


def walk(root: Locator) -> dict[tuple[int, ...], tuple[str, str]]:
    """What is shown in every state, reached with the keyboard alone."""
    sliders = root.get_by_role("slider").all()
    counts = [int(slider.get_attribute("max") or 0) + 1 for slider in sliders]
    shown = {}
    position = [0] * len(sliders)
    for slider in sliders:
        slider.focus()
        slider.press("Home")
    for state in itertools.product(*map(range, counts)):
        for k, (now, wanted) in enumerate(zip(position, state, strict=True)):
            if now != wanted:
                sliders[k].focus()
                sliders[k].press("Home" if wanted == 0 else "ArrowRight")
        position = list(state)
        assert [int(slider.input_value()) for slider in sliders] == position
        shown[state] = state_of(root)
    return shown


def check_mouse(root: Locator, expected: list[str]) -> None:
    """Each slider, clicked at its right end, goes there: picture and sentence follow."""
    sliders = root.get_by_role("slider").all()
    for slider in sliders:
        slider.press("Home")
    before = state_of(root)
    assert before[1] == expected[0]
    counts = [int(slider.get_attribute("max") or 0) + 1 for slider in sliders]
    stride = len(expected)
    for slider, count in zip(sliders, counts, strict=True):
        stride //= count
        box = slider.bounding_box()
        assert box is not None
        assert box["height"] >= 24  # a finger's width
        slider.click(position={"x": box["width"] - 3, "y": box["height"] / 2})
        assert int(slider.input_value()) == count - 1
        assert state_of(root)[1] == expected[stride * (count - 1)]
        slider.press("Home")
        assert state_of(root) == before


def check_names(root: Locator) -> None:
    """Every slider has a label, and says its value in words."""
    (text,) = root.locator("script.rl-states").all_text_contents()
    for slider, parameter in zip(
        root.get_by_role("slider").all(), json.loads(text)["parameters"], strict=True
    ):
        name, values = parameter["name"], parameter["values"]
        assert root.get_by_role("slider", name=name, exact=True).count() == 1
        for key, value in (("End", values[-1]), ("Home", values[0])):
            slider.press(key)
            assert slider.get_attribute("aria-valuetext") == value
            assert root.locator(f"output[for='{slider.get_attribute('id')}']").inner_text() == value
    caption = root.locator("figcaption")
    assert caption.get_attribute("aria-live") == "polite"
    assert root.locator("svg").get_attribute("aria-labelledby") == caption.get_attribute("id")


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_is_reached_and_says_what_python_computes(
    browser: Browser, tmp_path: Path, explorer: Explorer, theme: str, width: int
) -> None:
    with visiting(browser, theme, width) as (page, faults):
        open_file(page, tmp_path, explorer.html)
        root = page.locator(".rl-explorer")
        shown = walk(root)
        expected = list(explorer.sentences.values())
        assert [sentence for _, sentence in shown.values()] == expected
        assert len({picture for picture, _ in shown.values()}) == len(expected)
        check_mouse(root, expected)
        check_names(root)
        page.evaluate(AXE)
        assert page.evaluate(VIOLATIONS) == []
        assert page.evaluate(TEXT_OUTSIDE) == []
        assert page.evaluate(SMALLEST_TEXT) >= 9.5
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert faults == []


def test_dragging_shows_the_states_on_the_way(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as (page, faults):
        open_file(page, tmp_path, explorer.html)
        box = page.get_by_role("slider", name="radius").bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 8, y)
        page.mouse.down()
        for share, radius in ((0.5, 0.2), (0.98, 0.4), (0.5, 0.2)):
            page.mouse.move(box["x"] + share * box["width"], y, steps=4)
            shown = page.locator("figcaption").inner_text()
            assert shown == explorer.sentences[radius, 64]
        page.mouse.up()
        assert faults == []


def test_colours_follow_the_page_while_it_is_open(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    def stroke(page: Page) -> str:
        colour: str = page.locator(".rl-explorer svg path[style*='--rl-blue']").first.evaluate(
            "path => getComputedStyle(path).stroke"
        )
        return colour

    with visiting(browser) as (page, faults):
        open_file(page, tmp_path, explorer.html)
        light = stroke(page)
        red, green, blue = (int(PALETTE["blue"][i : i + 2], 16) for i in (1, 3, 5))
        assert light == f"rgb({red}, {green}, {blue})"
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector(".rl-explorer.rl-dark")
        assert stroke(page) != light
        page.emulate_media(color_scheme="light")
        page.wait_for_selector(".rl-explorer:not(.rl-dark)")
        assert stroke(page) == light
        # a switch of the page's own, as themes have them
        page.evaluate("document.documentElement.style.colorScheme = 'dark'")
        page.wait_for_selector(".rl-explorer.rl-dark")
        assert faults == []


def test_two_of_a_kind_on_a_page_do_not_disturb_each_other(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    other = explore(lambda radius: draw(radius, 128), radius=RADII)
    with visiting(browser) as (page, faults):
        open_file(page, tmp_path, explorer.html, explorer.html, other.html)
        roots = page.locator(".rl-explorer").all()
        before = [state_of(root) for root in roots]
        roots[1].get_by_role("slider", name="width").press("End")
        roots[2].get_by_role("slider", name="radius").press("End")
        assert state_of(roots[0]) == before[0]
        assert state_of(roots[1])[1] == explorer.sentences[0.1, 256]
        assert state_of(roots[2])[1] == other.sentences[0.4,]
        control_ids = page.locator("input, figcaption").evaluate_all("all => all.map(e => e.id)")
        assert len(set(control_ids)) == len(control_ids) == 8
        page.evaluate(AXE)
        assert page.evaluate(VIOLATIONS) == []
        assert faults == []


def test_without_scripts_the_first_state_is_a_figure_with_its_sentence(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser, scripts=False) as (page, faults):
        open_file(page, tmp_path, explorer.html)
        assert page.get_by_role("img", name=explorer.sentences[0.1, 64]).is_visible()
        assert page.get_by_text(explorer.sentences[0.1, 64]).is_visible()
        assert page.get_by_text("moving it needs scripts").is_visible()
        assert page.get_by_role("slider").count() == 0
        assert faults == []


def test_printed_are_figure_and_sentence_but_no_sliders(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as (page, faults):
        open_file(page, tmp_path, explorer.html)
        page.emulate_media(media="print")
        assert page.get_by_role("img").is_visible()
        assert page.get_by_text(explorer.sentences[0.1, 64]).is_visible()
        assert not page.locator("input").first.is_visible()
        pdf = page.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
        assert faults == []


def test_keys_stay_inside_so_that_notebooks_do_not_take_them(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as (page, _):
        open_file(page, tmp_path, explorer.html)
        page.evaluate(
            "() => { window.seen = []; addEventListener('keydown', e => seen.push(e.key)); }"
        )
        slider = page.get_by_role("slider", name="radius")
        for key in ("ArrowRight", "d", "Control+Enter"):
            slider.press(key)
        assert page.evaluate("seen") == ["Control", "Enter"]
        assert slider.input_value() == "1"


def test_html_put_in_later_starts_too(browser: Browser, tmp_path: Path, explorer: Explorer) -> None:
    """JupyterLab and VS Code set innerHTML, then replace each script by a copy that runs."""
    with visiting(browser) as (page, faults):
        open_file(page, tmp_path, "<div id='output'></div>")
        page.evaluate(
            """html => {
              const output = document.getElementById("output");
              output.innerHTML = html;
              for (const old of output.querySelectorAll("script")) {
                const copy = document.createElement("script");
                for (const {name, value} of old.attributes) copy.setAttribute(name, value);
                copy.textContent = old.textContent;
                old.replaceWith(copy);
              }
            }""",
            explorer.html,
        )
        page.get_by_role("slider", name="radius").press("End")
        assert state_of(page.locator(".rl-explorer"))[1] == explorer.sentences[0.4, 64]
        assert faults == []


# --- the built book ----------------------------------------------------------------------------


def explorers_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    return [page for page in pages if 'class="rl-explorer"' in page]


NOTEBOOKS = [n for n in sorted((ROOT / "chapters").glob("*.ipynb")) if explorers_of(n)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_explorers_of_the_book_move(
    browser: Browser, address: str, site: Path, notebook: Path, theme: str
) -> None:
    """Every slider of the page, in every state, says what the kernel stored for that state.

    That the stored sentences are those that the kernel computes today is compared when the
    notebooks are executed anew.
    """
    name = f"chapters/{notebook.stem}.html"
    stored = [
        json.loads(re.findall(r'class="rl-states">\n(.*?)\n</script>', page, re.DOTALL)[0])
        for page in explorers_of(notebook)
    ]
    with visiting(browser, theme) as (page, faults):
        page.goto(f"{address}/{name}", wait_until="load")
        roots = page.locator(".rl-explorer").all()
        assert len(roots) == len(stored)
        for root, states in zip(roots, stored, strict=True):
            sentences = states["sentences"]
            shown = walk(root)
            assert [sentence for _, sentence in shown.values()] == sentences
            assert len({picture for picture, _ in shown.values()}) > 1
            check_mouse(root, sentences)
            check_names(root)
            assert ("rl-dark" in (root.get_attribute("class") or "")) == (theme == "dark")
        page.evaluate(AXE)
        for width in (1400, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(TEXT_OUTSIDE) == []
            assert page.evaluate(VIOLATIONS) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            for root in roots:
                root.get_by_role("slider").first.press("End")
                assert root.locator("svg").is_visible()
        assert page.evaluate(SMALLEST_TEXT) >= 8
        assert faults == []
    if theme == "light":
        with visiting(browser) as (page, faults):
            page.goto((site / name).as_uri(), wait_until="load")
            for root in page.locator(".rl-explorer").all():
                before = state_of(root)
                root.get_by_role("slider").first.press("End")
                assert state_of(root) != before
            assert faults == []
