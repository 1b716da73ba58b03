"""Slides and figures from the chapters' own text: python teaching/slides.py, as `make slides` does.

A deck is one HTML file that needs no network: aims, then for every section its numbered statements
and its pictures, and what was seen. Pictures also go to files of their own, with a licence line.
"""

from __future__ import annotations

import base64
import re
import sys
from html import escape
from pathlib import Path

import nbformat
from pages import markdown, page

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "slides"
CHAPTERS = ("00-tour", "01-robust-loss", "06-online", "07-convergence", "10-capacity")
LICENCE = "From 'Adversarial Training in Wide Networks', the robustlib authors, CC BY 4.0"
BOX = re.compile(
    r"^(`{3,})\{prf:(definition|theorem|proposition|lemma|corollary)\} *([^\n]*)\n(.*?)^\1$",
    re.DOTALL | re.MULTILINE,
)
LEFT_OUT = ("Exercises", "Further reading", "Where to go from here")

_STYLE = """
html { scroll-snap-type: y mandatory }
body { margin: 0; font: 1.5rem/1.45 system-ui, sans-serif; background: #fff; color: #1a1a1a }
section { min-height: 100vh; box-sizing: border-box; padding: 6vh 8vw; scroll-snap-align: start }
section { display: flex; flex-direction: column; justify-content: center }
h1, h2 { line-height: 1.2; margin: 0 0 1rem; font-weight: 600 }
.box { border-left: .35rem solid #0072b2; padding: .2rem 0 .2rem 1.2rem }
.kind { color: #005b8f; font-weight: 600 }
img { width: 100%; max-height: 65vh; object-fit: contain }
figcaption, footer { font-size: 1rem; color: #4a4a4a }
mjx-container { overflow-x: auto; overflow-y: hidden; max-width: 100% }
@media print { section { break-after: page } }
"""
_KEYS = """
addEventListener('keydown', e => {
  const step = {ArrowRight: 1, PageDown: 1, ' ': 1, ArrowLeft: -1, PageUp: -1}[e.key]
  if (!step) return
  e.preventDefault()
  const all = [...document.querySelectorAll('section')]
  const here = all.findIndex(s => s.getBoundingClientRect().bottom > innerHeight / 2)
  const next = all[Math.min(all.length - 1, Math.max(0, here + step))]
  next.scrollIntoView(); next.focus({preventScroll: true})
})
"""


def titles() -> dict[str, str]:
    """The titles of all numbered statements, by label."""
    found = {}
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for box in BOX.finditer(cell.source):
                label = re.search(r"^:label: (\S+)", box[4], re.MULTILINE)
                if label:
                    found[label[1]] = box[3] or box[2].capitalize()
    return found


def cited(keys: str) -> str:
    """`gao2019convergence` as Gao (2019), several of them in a row."""
    words = []
    for key in keys.split(","):
        name = re.match(r"([a-z]+)(\d{4})", key.strip())
        words.append(f"{name[1].capitalize()} ({name[2]})" if name else key)
    return ", ".join(words)


def plain(text: str, names: dict[str, str]) -> str:
    """MyST's roles as words: a slide has nowhere to link to."""
    text = re.sub(r"\{prf:ref\}`([^`]+)`", lambda m: f"*{names.get(m[1], m[1])}*", text)
    text = re.sub(r"\{cite:[tp]\}`([^`]+)`", lambda m: cited(m[1]), text)
    text = re.sub(r"\{\w+\}`([^`<]+?) *<[^`]*>`", r"\1", text)
    text = re.sub(r"\{\w+\}`([^`]+)`", r"\1", text)
    text = re.sub(r"^:\w+:.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([\w-]+\)", "]", text).replace("[preface]", "preface")


class Deck:
    """The slides of one chapter."""

    def __init__(self, stem: str, names: dict[str, str]) -> None:
        self.stem, self.names = stem, names
        self.slides: list[str] = []
        self.figures: list[tuple[str, str, str]] = []
        self.title = self.section = ""
        self._markdown = markdown()

    def html(self, text: str) -> str:
        """A piece of the chapter as HTML."""
        return str(self._markdown.render(plain(text, self.names)))

    def slide(self, body: str, *, head: str = "") -> None:
        """One more slide, under the name of its section."""
        level = "h2" if self.slides else "h1"
        title = f"<{level}>{self._inline(head or self.section)}</{level}>"
        self.slides.append(f'<section tabindex="-1">{title}{body}</section>')

    def _inline(self, text: str) -> str:
        return str(self._markdown.renderInline(plain(text, self.names)))

    def text(self, source: str) -> None:
        """Headings, aims and statements of a cell of text."""
        if source.startswith("# "):
            self.title = source.splitlines()[0][2:]
            aims = source.partition("you will be able to")[2]
            points = re.findall(r"^[*-] .*$", aims, re.MULTILINE)
            self.slide(self.html("\n".join(points)), head=self.title)
        for part in re.split(r"^(?=## )", source, flags=re.MULTILINE):
            heading = re.match(r"## (.*)", part)
            if heading:
                self.section = heading[1]
                summary = part.partition("\n")[2].strip()
                if self.section == "What we saw" and summary:
                    self.slide(self.html(summary))
            if self.section in LEFT_OUT:
                continue
            for box in BOX.finditer(part):
                kind = f"<p class='kind'>{box[2].capitalize()}. {self._inline(box[3])}</p>"
                self.slide(f"<div class='box'>{kind}{self.html(box[4])}</div>")

    def picture(self, cell: nbformat.NotebookNode) -> None:
        """The pictures that a cell made, with their descriptions."""
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if self.section in LEFT_OUT or not alt:
            return
        for output in cell.outputs:
            data = output.get("data", {}).get("image/svg+xml")
            if data is None:
                continue
            self.figures.append((f"{cell.id}.svg", alt, data))
            code = base64.b64encode(data.encode()).decode()
            self.slide(
                f'<figure><img alt="{escape(alt)}" src="data:image/svg+xml;base64,{code}">'
                f"<figcaption>{escape(alt)}</figcaption></figure>"
            )

    def html_page(self) -> str:
        """The whole deck."""
        slides = "\n".join(self.slides)
        body = f"<main>{slides}</main><footer><p>{escape(LICENCE)}</p></footer>"
        return page(self.title, body, _STYLE, _KEYS)


def deck(stem: str, names: dict[str, str]) -> Deck:
    """The deck of a chapter."""
    made = Deck(stem, names)
    for cell in nbformat.read(ROOT / "chapters" / f"{stem}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            made.text(cell.source)
        elif cell.cell_type == "code":
            made.picture(cell)
    return made


def licensed(data: str, alt: str) -> str:
    """A picture whose file says what it shows and whose it is."""
    said = f"<title>{escape(alt)}</title><desc>{escape(LICENCE)}</desc>"
    return re.sub(r"<svg[^>]*>", lambda start: start[0] + said, data, count=1)


def main(stems: tuple[str, ...] = CHAPTERS) -> None:
    """Write all decks and figures."""
    (OUT / "figures").mkdir(parents=True, exist_ok=True)
    names, listed = titles(), [f"# Figures\n\n{LICENCE}.\n"]
    for stem in stems:
        made = deck(stem, names)
        (OUT / f"{stem}.html").write_text(made.html_page(), encoding="utf-8")
        for name, alt, data in made.figures:
            (OUT / "figures" / name).write_text(licensed(data, alt), encoding="utf-8")
            listed.append(f"- `{name}`: {alt}")
        print(f"{stem}: {len(made.slides)} slides, {len(made.figures)} figures")
    (OUT / "figures" / "README.md").write_text("\n".join(listed) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or CHAPTERS)
