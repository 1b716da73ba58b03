"""Explorers as a reader moves them, on pages written here; test_browser.py has the book's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
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
    state_of,
    visiting,
    walk,
)

from robustlib.book import PALETTE, Explorer, explore

pytestmark = pytest.mark.xdist_group("explorer")  # one worker, so that what is built is built once

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


def draw_start(start: str, radius: float) -> tuple[Figure, str]:
    figure, sentence = draw(radius, 64 if start == "twins" else 256)
    return figure, f"{start}: {sentence}"


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


def open_file(page: Page, folder: Path, *bodies: str) -> None:
    target = folder / "page.html"
    target.write_text(page_of(*bodies), encoding="utf-8")
    page.goto(target.as_uri())


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_is_reached_and_says_what_python_computes(
    browser: Browser, tmp_path: Path, explorer: Explorer, theme: str, window: dict[str, int]
) -> None:
    with visiting(browser, theme, window) as visit:
        page = visit.page
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
        assert page.evaluate(WIDER_THAN_WINDOW) <= 0
        assert visit.faults + visit.strangers == []


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_a_switch_and_the_state_of_the_text_comes_first(
    browser: Browser, tmp_path: Path, theme: str, window: dict[str, int]
) -> None:
    starts = ["plain", "twins", "zero"]
    begin = {"start": "twins", "radius": 0.4}
    explorer = explore(draw_start, begin=begin, start=starts, radius=RADII)
    with visiting(browser, theme, window) as visit:
        page = visit.page
        open_file(page, tmp_path, explorer.html)
        root = page.locator(".rl-explorer")
        assert state_of(root)[1] == explorer.sentences["twins", 0.4]
        assert page.get_by_role("radio", name="twins").is_checked()
        expected = list(explorer.sentences.values())
        assert [sentence for _, sentence in walk(root).values()] == expected
        check_mouse(root, expected)
        check_names(root)
        page.get_by_role("radio", name="zero").press("ArrowRight")  # as every switch: around
        assert page.get_by_role("radio", name="plain").is_checked()
        page.evaluate(AXE)
        assert page.evaluate(VIOLATIONS) == []
        assert page.evaluate(WIDER_THAN_WINDOW) <= 0
        assert visit.faults + visit.strangers == []


def test_dragging_shows_the_states_on_the_way(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as visit:
        page = visit.page
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
        assert visit.faults + visit.strangers == []


def test_colours_follow_the_page_while_it_is_open(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    def stroke(page: Page) -> str:
        colour: str = page.locator(".rl-explorer svg path[style*='--rl-blue']").first.evaluate(
            "path => getComputedStyle(path).stroke"
        )
        return colour

    with visiting(browser) as visit:
        page = visit.page
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
        assert visit.faults + visit.strangers == []


def test_two_of_a_kind_on_a_page_do_not_disturb_each_other(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    other = explore(lambda radius: draw(radius, 128), radius=RADII)
    with visiting(browser) as visit:
        page = visit.page
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
        assert visit.faults + visit.strangers == []


def test_without_scripts_the_first_state_is_a_figure_with_its_sentence(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser, scripts=False) as visit:
        page = visit.page
        open_file(page, tmp_path, explorer.html)
        assert page.get_by_role("img", name=explorer.sentences[0.1, 64]).is_visible()
        assert page.get_by_text(explorer.sentences[0.1, 64]).is_visible()
        assert page.get_by_text("moving it needs scripts").is_visible()
        assert page.get_by_role("slider").count() == 0
        assert visit.faults + visit.strangers == []


def test_printed_are_figure_and_sentence_but_no_sliders(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as visit:
        page = visit.page
        open_file(page, tmp_path, explorer.html)
        page.emulate_media(media="print")
        assert page.get_by_role("img").is_visible()
        assert page.get_by_text(explorer.sentences[0.1, 64]).is_visible()
        assert not page.locator("input").first.is_visible()
        pdf = page.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
        assert visit.faults + visit.strangers == []


def test_keys_stay_inside_so_that_notebooks_do_not_take_them(
    browser: Browser, tmp_path: Path, explorer: Explorer
) -> None:
    with visiting(browser) as visit:
        page = visit.page
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
    with visiting(browser) as visit:
        page = visit.page
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
        assert visit.faults + visit.strangers == []
