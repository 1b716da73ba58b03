"""What a phone and a sheet of paper do to the built pages, counted.

python tests/book/measure.py [--list] [chapters/01-robust-loss.html ...]

Counts, over the pages named or all: at 390 px the display formulas wider than their box, in a
statement and elsewhere, the outputs that are cut with no sign that there is more, the formulas in
a line that bear such a sign though they fit, and the lines that begin with punctuation after a
formula; on A4, printed from the dark theme, the formulas and tables that are cut, the frames left
empty at the foot of a page, the verdicts torn in two, the texts that are pale (contrast below 4.4),
and the pages.
``--list`` names each of them.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from playwright.sync_api import Browser, Page, sync_playwright
from visits import PHONE, visiting

SETTLED = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  await document.fonts.ready;
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""

# A sign that there is more: the fade that _static/scrolls.js puts on what does not fit.
ON_A_PHONE = """() => {
  const text = e => e.textContent.trim().replace(/\\s+/g, " ").slice(0, 90);
  const wider = e => {
    // the hat of a letter may hang out of a formula in a line
    const drawn = e.matches("mjx-container:not([display])") && e.querySelector("mjx-math");
    return (drawn ? drawn.getBoundingClientRect().width : e.scrollWidth) > e.clientWidth + 1;
  };
  const source = e => {
    const item = [...(window.MathJax?.startup?.document?.math ?? [])].find(
      m => e.contains(m.typesetRoot));
    return item ? item.math.trim().replace(/\\s+/g, " ") : text(e);
  };
  const shown = [...document.querySelectorAll('article mjx-container[display="true"]')];
  const wide = shown.filter(wider);
  const stated = e => e.closest(".proof:not(.dropdown):not([id^=proof])") !== null;
  const over = e => `${e.clientWidth} of ${e.scrollWidth} px: ${source(e)}`;
  const inline = [...document.querySelectorAll("article mjx-container:not([display])")];
  const starts = inline.filter(m => {
    const walker = document.createTreeWalker(m.closest("article"), NodeFilter.SHOW_TEXT);
    walker.currentNode = m;
    let next = walker.nextNode();
    while (next && (m.contains(next) || next.length === 0)) next = walker.nextNode();
    if (!next || !/^[,.;:!?)\\]’”%-]/.test(next.data)) return false;
    const range = document.createRange();
    range.setStart(next, 0);
    range.setEnd(next, 1);
    const mark = range.getBoundingClientRect();
    return mark.width > 0 && mark.left < m.getBoundingClientRect().right - 3;
  });
  return {
    formulas: shown.map(source),
    wide_in_statements: wide.filter(stated).map(over),
    wide_elsewhere: wide.filter(e => !stated(e)).map(over),
    without_a_sign: [...document.querySelectorAll(
      "article mjx-container, article div.cell_output pre, " +
      "article div.cell_output > .output, article .pst-scrollable-table-container")]
      .filter(e => wider(e) && getComputedStyle(e).maskImage === "none").map(text),
    signs_of_nothing: inline.filter(
      m => getComputedStyle(m).maskImage !== "none" && !wider(m)).map(source),
    begun_by_punctuation: starts.map(m => text(m.parentElement)),
  };
}"""

# The width of an A4 page without its margins, as _static/robustlib.css asks for them.
PAPER = {"width": 680, "height": 1009}
ON_PAPER = """() => {
  const text = e => e.textContent.trim().replace(/\\s+/g, " ").slice(0, 90);
  const page = document.documentElement.clientWidth;
  const visible = e => e.checkVisibility() && e.getBoundingClientRect().width > 0;
  const all = [...document.querySelectorAll(
    "article mjx-math, article table, article pre, article svg, article img")].filter(visible);
  const cut = all.filter(e => {
    const right = e.getBoundingClientRect().right;
    if (right > page + 1 || e.tagName === "PRE" && e.scrollWidth > e.clientWidth + 1) return true;
    for (let box = e.parentElement; box.tagName !== "ARTICLE"; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible"
          && right > box.getBoundingClientRect().right + 1) return true;
    return false;
  });
  const linear = v => v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return a < 0.5 ? null : 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const pale = [...document.querySelectorAll("article *")].filter(e => {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !visible(e) || e.closest("script, style, .rl-picture")) return false;
    let ground = null;
    for (let box = e; box && ground === null; box = box.parentElement)
      ground = light(getComputedStyle(box).backgroundColor);
    const [low, high] = [light(getComputedStyle(e).color), ground ?? 1].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05) < 4.4;
  });
  const paper = light(getComputedStyle(document.body).backgroundColor) ?? 1;
  if (paper < 0.99) pale.push(document.body);
  return { cut: cut.map(text), pale: pale.map(text) };
}"""

# Marks that take no room, to be looked for on the printed pages: where a frame begins and its
# first content, where a verdict begins and ends.  A box that draws nothing is no frame: its margin
# may stand at the foot of a page unseen.
MARK = """() => {
  const mark = (kind, number, parent, before) => {
    const e = document.createElement("span");
    e.textContent = `qz${kind}${number}zq`;
    e.style.cssText = "position:absolute;font:4px monospace;color:black;white-space:nowrap";
    parent.insertBefore(e, before);
  };
  const draws = e => {
    const { borderTopWidth, boxShadow, backgroundColor } = getComputedStyle(e);
    return borderTopWidth !== "0px" || boxShadow !== "none"
      || !/^(transparent|rgba\\(.*, 0\\))$/.test(backgroundColor);
  };
  const frames = "article div.cell, article figure, article .admonition";
  document.querySelectorAll(frames).forEach((e, k) => {
    const inner = [...e.querySelectorAll("pre, p, th, td, svg, img, figcaption")].find(
      i => i.checkVisibility() && i.getBoundingClientRect().height > 0);
    if (!inner || !e.checkVisibility()) return;
    let frame = null;
    for (let box = inner; box !== e.parentElement; box = box.parentElement)
      if (draws(box)) frame = box;
    if (!frame) return;
    mark("f", k, frame, frame.firstChild);
    // a picture is on the page where it ends
    if (/svg|img/i.test(inner.tagName)) mark("c", k, inner.parentElement, inner.nextSibling);
    else mark("c", k, inner, inner.firstChild);
  });
  document.querySelectorAll("article .rl-verdict").forEach((e, k) => {
    mark("v", k, e, e.firstChild);
    mark("w", k, e, null);
  });
}"""


@dataclass
class Faults:
    """What was found, each as a line for a person; ``pages`` and ``formulas`` are only counted."""

    wide_in_statements: list[str] = field(default_factory=list)
    wide_elsewhere: list[str] = field(default_factory=list)
    without_a_sign: list[str] = field(default_factory=list)
    signs_of_nothing: list[str] = field(default_factory=list)
    begun_by_punctuation: list[str] = field(default_factory=list)
    cut_on_paper: list[str] = field(default_factory=list)
    empty_frames: list[str] = field(default_factory=list)
    torn_verdicts: list[str] = field(default_factory=list)
    pale_on_paper: list[str] = field(default_factory=list)
    formulas: int = 0
    pages: int = 0

    def __iadd__(self, other: Faults) -> Faults:
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        return self


def on_a_phone(page: Page) -> Faults:
    """The page's faults at 390 px; it must have been loaded in a window of that width."""
    page.evaluate(SETTLED)
    page.wait_for_timeout(100)  # the fades follow a change of size in the next frame
    found = page.evaluate(ON_A_PHONE)
    return Faults(formulas=len(found.pop("formulas")), **found)


def on_paper(page: Page) -> Faults:
    """The page's faults on A4, as Chromium prints it; leaves marks in the page."""
    from pypdf import PdfReader  # here, so that a phone can be measured without it

    page.evaluate(SETTLED)
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)
    page.wait_for_timeout(100)
    found = page.evaluate(ON_PAPER)
    page.evaluate(MARK)
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    sheets = [sheet.extract_text() for sheet in PdfReader(io.BytesIO(printed)).pages]
    where: dict[str, dict[int, int]] = {kind: {} for kind in "fcvw"}
    for number, sheet in enumerate(sheets, 1):
        for kind, k in re.findall(r"qz([fcvw])(\d+)zq", sheet):
            where[kind][int(k)] = number
    return Faults(
        cut_on_paper=found["cut"],
        pale_on_paper=found["pale"],
        empty_frames=_apart(where["f"], where["c"]),
        torn_verdicts=_apart(where["v"], where["w"]),
        pages=len(sheets),
    )


def _apart(begins: dict[int, int], ends: dict[int, int]) -> list[str]:
    if begins.keys() != ends.keys():
        raise ValueError(f"marks were lost in print: {begins.keys() ^ ends.keys()}")
    return [f"page {begins[k]}, number {k}" for k in begins if ends[k] != begins[k]]


def measure(
    browser: Browser, where: str, theme: str = "dark", kinds: tuple[str, ...] = ("phone", "paper")
) -> Faults:
    """The faults of one page, by its address."""
    found = Faults()
    with visiting(browser, theme, viewport=PHONE) as visit:
        visit.page.goto(where, wait_until="load")
        if "phone" in kinds:
            found += on_a_phone(visit.page)
        if "paper" in kinds:
            found += on_paper(visit.page)
    return found


def main() -> None:
    from layout import CHROMIUM_ARGUMENTS, PAGES, SITE, chromium

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--theme", choices=["light", "dark"], default="dark")
    parser.add_argument("--only", choices=["phone", "paper"])
    parser.add_argument("pages", nargs="*", default=PAGES)
    options = parser.parse_args()
    total = Faults()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        for name in options.pages:
            kinds = (options.only,) if options.only else ("phone", "paper")
            found = measure(browser, (SITE / name).as_uri(), options.theme, kinds)
            print(f"{name}: {_line(found)}", flush=True)
            for line in _named(found) if options.list else ():
                print(f"  {line}")
            total += found
        browser.close()
    print(f"all: {_line(total)}")


def _line(found: Faults) -> str:
    counts = {item.name: getattr(found, item.name) for item in fields(found)}
    return ", ".join(
        f"{value if isinstance(value, int) else len(value)} {name.replace('_', ' ')}"
        for name, value in counts.items()
        if value
    )


def _named(found: Faults) -> Iterator[str]:
    for item in fields(found):
        value = getattr(found, item.name)
        yield from (f"{item.name}: {line}" for line in value) if isinstance(value, list) else ()


if __name__ == "__main__":
    main()
