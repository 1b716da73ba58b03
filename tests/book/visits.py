"""A page in a browser with no way to another host, and explorers moved on it as a reader does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
OWN = ("file:", "data:", "blob:", "http://127.0.0.1:")

# What axe calls serious anywhere, and all that it finds in and around an explorer. Without
# preload, for which axe would fetch the style sheets once more, by wrong addresses.
VIOLATIONS = """async () => {
  const options = {preload: false, resultTypes: ["violations"], elementRef: true};
  const near = e => [...document.querySelectorAll(".rl-explorer")].some(
    explorer => explorer.parentElement !== document.body && explorer.parentElement.contains(e));
  return (await axe.run(document, options)).violations.flatMap(v => {
    const nodes = v.nodes.filter(
      n => ["serious", "critical"].includes(v.impact) || near(n.element));
    return nodes.length ? [`${v.id}: ${v.help}: ` +
      nodes.map(n => n.html.slice(0, 150)).join(" | ")] : [];
  });
}"""
WIDER_THAN_WINDOW = """() => document.documentElement.scrollWidth - window.innerWidth"""
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
# A picture is told from another by a number made of its text: the text itself is long.
STATE = """root => {
  const picture = root.querySelector(".rl-picture").innerHTML;
  let number = picture.length;
  for (let k = 0; k < picture.length; k++) number = number * 31 + picture.charCodeAt(k) | 0;
  return {
    picture: number,
    sentence: root.querySelector("figcaption").innerText,
    values: [...root.querySelectorAll("[type=range], :checked")].map(e => Number(e.value)),
  };
}"""


@dataclass
class Visit:
    """A page in the browser, with what went wrong behind it: messages, and requests elsewhere."""

    page: Page
    faults: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@contextmanager
def visiting(
    browser: Browser,
    theme: str = "light",
    viewport: Any = DESKTOP,
    *,
    scripts: bool = True,
    home: tuple[str, ...] = OWN,
) -> Iterator[Visit]:
    """A window in light or dark whose requests to anything but ``home`` are cut and recorded."""
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport=viewport,
        java_script_enabled=scripts,
    )
    visit = Visit(context.new_page())

    def police(route: Route) -> None:
        if route.request.url.startswith((*home, "data:", "blob:")):
            route.continue_()
        else:
            visit.strangers.append(route.request.url)
            route.abort()

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.faults.append(f"{message.text} ({message.location['url']})")

    context.route("**/*", police)
    visit.page.on("console", listen)
    visit.page.on("pageerror", lambda error: visit.faults.append(str(error)))
    yield visit
    context.close()


@dataclass(frozen=True)
class Control:
    """A slider or a switch of an explorer, moved with the keyboard."""

    place: Locator

    @property
    def is_slider(self) -> bool:
        return self.place.get_attribute("role") != "radiogroup"

    @property
    def count(self) -> int:
        if self.is_slider:
            return int(self.place.get_attribute("max") or 0) + 1
        return self.place.get_by_role("radio").count()

    def first(self) -> None:
        if self.is_slider:
            self.place.press("Home")
        else:
            self.place.get_by_role("radio").first.press("Space")

    def last(self) -> None:
        if self.is_slider:
            self.place.press("End")
        else:
            self.place.get_by_role("radio").last.press("Space")

    def next(self) -> None:
        """One value on; a switch begins again after its last."""
        if self.is_slider:
            self.place.press("ArrowRight")
        else:
            self.place.locator("input:checked").press("ArrowRight")

    def click_last(self) -> None:
        target = self.place if self.is_slider else self.place.locator("label").last
        box = target.bounding_box()
        assert box is not None
        assert box["height"] >= 24  # a finger's width
        target.click(position={"x": box["width"] - 3, "y": box["height"] / 2})


def controls_of(root: Locator) -> list[Control]:
    return [Control(e) for e in root.locator("input[type=range], [role=radiogroup]").all()]


def state_of(root: Locator) -> tuple[int, str]:
    """A number for the picture that is shown, and the sentence."""
    state = root.evaluate(STATE)
    return state["picture"], state["sentence"]


def walk(root: Locator) -> dict[tuple[int, ...], tuple[int, str]]:
    """What is shown in every state, reached with the keyboard alone."""
    controls = controls_of(root)
    shown = {}
    position = [0] * len(controls)
    for control in controls:
        control.first()
    for state in itertools.product(*(range(control.count) for control in controls)):
        for control, now, wanted in zip(controls, position, state, strict=True):
            if now != wanted:
                control.first() if wanted == 0 else control.next()
        position = list(state)
        found = root.evaluate(STATE)
        assert found["values"] == position
        shown[state] = (found["picture"], found["sentence"])
    return shown


def check_mouse(root: Locator, expected: Sequence[str]) -> None:
    """Each control, clicked at its right end, goes there: picture and sentence follow."""
    controls = controls_of(root)
    for control in controls:
        control.first()
    before = state_of(root)
    assert before[1] == expected[0]
    stride = len(expected)
    for control in controls:
        count = control.count
        stride //= count
        control.click_last()
        assert state_of(root)[1] == expected[stride * (count - 1)]
        control.first()
        assert state_of(root) == before


def check_names(root: Locator) -> None:
    """Every control has a label, and says its value in words."""
    (text,) = root.locator("script.rl-states").all_text_contents()
    for control, parameter in zip(controls_of(root), json.loads(text)["parameters"], strict=True):
        name, values, place = parameter["name"], parameter["values"], control.place
        assert control.is_slider == parameter["ordered"]
        if not control.is_slider:
            group = root.get_by_role("radiogroup", name=name, exact=True)
            buttons = group.get_by_role("radio")
            assert [buttons.and_(group.get_by_label(v, exact=True)).count() for v in values] == [
                1 for _ in values
            ]
            assert buttons.count() == len(values)
            continue
        assert root.get_by_role("slider", name=name, exact=True).count() == 1
        for key, value in (("End", values[-1]), ("Home", values[0])):
            place.press(key)
            assert place.get_attribute("aria-valuetext") == value
            assert root.locator(f"output[for='{place.get_attribute('id')}']").inner_text() == value
    caption = root.locator("figcaption")
    assert caption.get_attribute("aria-live") == "polite"
    assert root.locator("svg").get_attribute("aria-labelledby") == caption.get_attribute("id")
